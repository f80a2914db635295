package edge

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"hafen/tenant"
)

// forwarder carries requests to homeservers and to the dashboard over pooled connections.
type forwarder struct {
	transport *http.Transport
	waiting   atomic.Int64 // requests that wait for any backend
	hold      time.Duration
}

func newForwarder(hold time.Duration) *forwarder {
	return &forwarder{
		hold: hold,
		transport: &http.Transport{
			DialContext:         dialHost,
			DisableCompression:  true, // the client's own Accept-Encoding decides
			MaxIdleConns:        2048,
			MaxIdleConnsPerHost: 32,
			IdleConnTimeout:     90 * time.Second,
			// As much as we take from clients; net/http's own bound of 10 MiB for each of a thousand requests is no bound.
			MaxResponseHeaderBytes: 64 << 10,
			// How long an engine may take to accept an upload's headers (see gate.go) before it gets the body anyway.
			ExpectContinueTimeout: 2 * time.Second,
			// No ResponseHeaderTimeout: a sync waits as long as its client asks.
		},
	}
}

// The transport pools by URL host, so the host carries the backend's address, in letters a host may have.
func hostOfBackend(backend string) string { return hex.EncodeToString([]byte(backend)) }

func dialHost(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	backend, err := hex.DecodeString(host)
	if err != nil {
		return nil, err
	}
	return dialBackend(ctx, string(backend))
}

// passage is one request on its way to a backend.
type passage struct {
	forwarder *forwarder
	backend   *atomic.Pointer[string] // read at each attempt: it may move while we wait
	room      *waitingRoom
	target    target
	body      *meteredBody
	upload    *upload      // for what is kept; nil otherwise
	most      func() int64 // for questions after it: how large an upload may be now
	route     tenant.Route // of the tenant whose homeserver it is for
	fail      func(http.ResponseWriter, *http.Request, error)
}

func (p *passage) serve(w http.ResponseWriter, r *http.Request) {
	proxy := httputil.ReverseProxy{
		Rewrite:       p.rewrite,
		Transport:     p,
		FlushInterval: -1, // at once: syncs and event streams are answers in pieces
		BufferPool:    buffers,
		ErrorLog:      silent,
		ErrorHandler:  p.fail,
		ModifyResponse: func(response *http.Response) error {
			if p.upload != nil {
				p.upload.answered(response.StatusCode)
			}
			if p.most != nil {
				return limitConfig(response, p.most())
			}
			return nil
		},
	}
	proxy.ServeHTTP(w, r)
}

func (p *passage) rewrite(r *httputil.ProxyRequest) {
	// Opaque is written to the wire as it stands, where Path would be cleaned and encoded anew.
	r.Out.URL = &url.URL{Scheme: "http", Opaque: p.target.path, RawQuery: p.target.query, ForceQuery: p.target.ask}
	r.Out.Host = r.In.Host
	r.SetXForwarded()
	r.Out.Header.Del("X-Real-Ip")
	// A backend that agreed to another protocol would get the rest of the connection past every check made here.
	r.Out.Header.Del("Connection")
	r.Out.Header.Del("Upgrade")
	// We answer the client's own "Expect" when the body is read. An upload's headers go ahead of its body.
	r.Out.Header.Del("Expect")
	if p.most != nil {
		r.Out.Header.Del("Accept-Encoding") // its answer is read here
	}
	if p.upload != nil && r.Out.Body != nil {
		r.Out.Header.Set("Expect", "100-continue")
	}
}

// RoundTrip sends the request, and holds it while the homeserver is away: peers stay away for minutes to a week after a
// refusal, and a restart takes less than a second.
func (p *passage) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := p.payload(r)
	if err != nil {
		return nil, err
	}
	giveUp := time.Time{}
	for {
		attempt := r.WithContext(r.Context())
		address := *r.URL
		address.Host = hostOfBackend(*p.backend.Load())
		attempt.URL = &address
		attempt.Body, attempt.GetBody = body.next()
		response, err := p.forwarder.transport.RoundTrip(attempt)
		if err == nil || r.Context().Err() != nil || !body.repeatable() || !p.mayRepeat(r.Method, err) {
			return response, err
		}
		now := time.Now()
		if giveUp.IsZero() {
			giveUp = now.Add(p.forwarder.hold)
		}
		if !now.Before(giveUp) {
			return nil, errors.Join(errAway, err)
		}
		if err := p.wait(r.Context(), giveUp); err != nil {
			return nil, err
		}
	}
}

func (p *passage) wait(ctx context.Context, giveUp time.Time) error {
	waiting, cancel := context.WithDeadlineCause(ctx, giveUp, errAway)
	defer cancel()
	err := p.room.wait(waiting, &p.forwarder.waiting, p.backend)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return errAway
	}
	return err
}

// mayRepeat reports whether a request that failed may be sent again although the homeserver may have seen it. Nothing of
// an answer has come, or there would be no error.
func (p *passage) mayRepeat(method string, err error) bool {
	switch {
	case away(err), closedIdle(err):
		return true // nobody has seen it
	case p.upload != nil:
		return broken(err) // only its headers were seen, or its body would have begun
	case p.target.sync:
		return broken(err) // clients themselves ask again from the same position
	case method == http.MethodGet, method == http.MethodHead, method == http.MethodPut, method == http.MethodDelete:
		return broken(err) // asking twice is asking once: Matrix puts a transaction id into what must happen once
	default:
		return false
	}
}

// broken reports whether the connection ended under a request.
func broken(err error) bool {
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// closedIdle reports whether the homeserver had closed the connection before it could see the request. The transport
// repeats only some of those itself, and its error has no name.
func closedIdle(err error) bool {
	return err.Error() == "http: server closed idle connection"
}

// bufferPool lends the 32 KiB through which bodies are copied.
type bufferPool struct{ pool sync.Pool }

var buffers = &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

func (b *bufferPool) Get() []byte { return b.pool.Get().(*[32 << 10]byte)[:] }

func (b *bufferPool) Put(buffer []byte) { b.pool.Put((*[32 << 10]byte)(buffer)) }
