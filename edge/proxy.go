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
	upload    *upload // for what is kept; nil otherwise
	contact   string
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
				p.upload.status = response.StatusCode
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
	if p.upload != nil && r.Out.Body != nil {
		r.Out.Header.Set("Expect", "100-continue")
	}
}

// RoundTrip sends the request, and holds it while the homeserver is away: peers stay away for minutes to a week after a
// refusal, and a restart takes less than a second.
func (p *passage) RoundTrip(r *http.Request) (*http.Response, error) {
	giveUp := time.Time{}
	for {
		attempt := r.WithContext(r.Context())
		attempt.URL = &url.URL{}
		*attempt.URL = *r.URL
		attempt.URL.Host = hostOfBackend(*p.backend.Load())
		if r.Body != nil {
			attempt.Body = keepOpen{r.Body} // a transport that could not connect closes the body, which we still need
		}
		response, err := p.forwarder.transport.RoundTrip(attempt)
		if err == nil || !(away(err) || broken(r, err)) {
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

// broken reports whether a homeserver went away in the middle of a request that may be sent again: nothing of an answer
// has come, and asking twice changes nothing.
func broken(r *http.Request, err error) bool {
	idempotent := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !idempotent || r.Body != nil || r.Context().Err() != nil {
		return false
	}
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

type keepOpen struct{ io.Reader }

func (keepOpen) Close() error { return nil }

// bufferPool lends the 32 KiB through which bodies are copied.
type bufferPool struct{ pool sync.Pool }

var buffers = &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

func (b *bufferPool) Get() []byte { return b.pool.Get().(*[32 << 10]byte)[:] }

func (b *bufferPool) Put(buffer []byte) { b.pool.Put((*[32 << 10]byte)(buffer)) }
