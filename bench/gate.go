package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"hafen/edge"
	"hafen/provisioner/localca"
	"hafen/tenant"
)

// measureGate sends uploads through an edge of its own to a homeserver that throws them away. The floor, in turn with them, is a
// bare reverse proxy of the standard library with the same certificate, in front of the same homeserver. Beside them, for sizes
// that pass, the same body to the same edge as no upload: what the edge takes without the gate. The rest is the gate's: it asks
// the homeserver who sends it, and counts.
func measureGate(b *bed, e extent, r *report) {
	if e.uploads == 0 {
		return
	}
	g := newGate(b)
	for _, size := range []struct {
		name  string
		bytes int64
		n     int
	}{{"1 KB", 1000, 10 * e.uploads}, {"1 MB", 1_000_000, e.uploads}, {"50 MB", 50_000_000, max(e.uploads/10, 1)}} {
		var gated, open, floor []float64
		for i := range size.n + 3 {
			times := []float64{g.send(b, g.edge, upload, size.bytes), g.send(b, g.bare, upload, size.bytes)}
			if size.bytes <= 10_000_000 {
				times = append(times, g.send(b, g.edge, ungated, size.bytes))
			}
			if i < 3 { // connections are made
				continue
			}
			gated, floor = append(gated, times[0]), append(floor, times[1])
			if len(times) > 2 {
				open = append(open, times[2])
			}
		}
		r.sample("upload of "+size.name+" through the edge", "ms", gated, floor)
		r.sample("upload of "+size.name+" through the edge, without the gate", "ms", open, floor)
		r.once("upload of "+size.name+": the gate adds to a bare proxy", "ms", round(percentile(gated, 50)-percentile(floor, 50), 3))
	}
	const together = 50
	for _, size := range []int64{1_000_000, 50_000_000} {
		r.once(fmt.Sprintf("%d uploads of %d MB at once: edge, clients and homeserver grow by", together, size/1_000_000), "MB", g.memory(b, together, size))
	}
}

const (
	upload  = "/_matrix/media/v3/upload"
	ungated = "/_matrix/key/v2/query" // other servers' requests are bounded and not counted
)

// gate is an edge and a bare proxy before one homeserver.
type gate struct {
	edge, bare string // addresses
	client     *http.Client
}

const gateHost = "gate.example.org"

func newGate(b *bed) *gate {
	dir, err := os.MkdirTemp("", "hafen-gate")
	b.must("make a directory", err)
	b.Cleanup(func() { os.RemoveAll(dir) })
	authority, err := localca.Open(filepath.Join(dir, "ca"))
	b.must("make an authority", err)
	certificate, err := authority.Issue(b.ctx, gateHost)
	b.must("issue a certificate", err)
	socket := filepath.Join(dir, "hs.sock")
	serve(b, listenOn(b, "unix", socket), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a body that is cut is the bench's own failure, seen by its client
		_, _ = io.WriteString(w, `{"content_uri":"mxc://gate.example.org/x"}`)
	}))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.RootPEM())
	return &gate{
		edge: runEdge(b, dir, socket, certificate), bare: runBare(b, socket, certificate),
		client: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: gateHost}, MaxIdleConnsPerHost: 100,
		}},
	}
}

func listenOn(b *bed, network, address string) net.Listener {
	l, err := new(net.ListenConfig).Listen(b.ctx, network, address)
	b.must("listen", err)
	return l
}

func serve(b *bed, l net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // ends when it is closed
	b.Cleanup(func() { server.Close() })
}

func runBare(b *bed, socket string, certificate tenant.Certificate) string {
	pair, err := tls.X509KeyPair(certificate.ChainPEM, certificate.KeyPEM)
	b.must("read the certificate", err)
	l := listenOn(b, "tcp", "127.0.0.1:0")
	serve(b, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}}), &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "hs"}) },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
			MaxIdleConnsPerHost: 100,
		},
	})
	return l.Addr().String()
}

func runEdge(b *bed, dir, socket string, certificate tenant.Certificate) string {
	l := listenOn(b, "tcp", "127.0.0.1:0")
	e, err := edge.New(edge.Config{
		Sockets: edge.Sockets{HTTPS: []net.Listener{l}}, Copy: filepath.Join(dir, "copy"), Sealer: open{}, Log: slog.New(slog.DiscardHandler),
		Source: fixed{edge.Snapshot{
			Revision: edge.Revision{Routes: "1", Certificates: "1", Usage: "1"},
			Routes: []tenant.Route{{
				Tenant: tenant.NewID(), ServerName: gateHost, Host: gateHost, Backend: "unix:" + socket, Mode: tenant.RouteOpen,
				Federation: tenant.FederationOpen, UploadBytes: 100_000_000, StorageBytes: 1 << 50,
			}},
			Certificates: []tenant.Certificate{certificate},
		}},
	})
	b.must("make an edge", err)
	ctx, stop := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Errorf("the edge: %v", err)
		}
	})
	<-e.Ready()
	return l.Addr().String()
}

// fixed is a source that never changes.
type fixed struct{ snapshot edge.Snapshot }

func (f fixed) Load(context.Context, edge.Revision) (edge.Snapshot, error) { return f.snapshot, nil }
func (fixed) Changes(context.Context) <-chan struct{}                      { return nil }
func (fixed) Challenge(context.Context, tenant.Domain, string) (tenant.Challenge, error) {
	return tenant.Challenge{}, edge.ErrNoChallenge
}

// open seals nothing: the copy is thrown away.
type open struct{}

func (open) Seal(plain, _ []byte) ([]byte, error)  { return bytes.Clone(plain), nil }
func (open) Open(sealed, _ []byte) ([]byte, error) { return bytes.Clone(sealed), nil }

// nothing is an endless body of zeros.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// send gives the milliseconds of one request with a body of a declared length.
func (g *gate) send(b *bed, address, path string, size int64) float64 {
	watch := newStopwatch()
	if err := g.try(b.ctx, address, path, size); err != nil {
		b.Fatalf("send %d bytes: %v", size, err)
	}
	return watch.seconds() * 1000
}

func (g *gate) try(ctx context.Context, address, path string, size int64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, io.LimitReader(nothing{}, size))
	if err != nil {
		return err
	}
	request.Host, request.ContentLength = gateHost, size
	answer, err := g.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w", answer.Status, err)
	}
	return nil
}

// memory is by how much this whole process grows, at most, while so many uploads pass at once: the edge, and the clients and the
// homeserver too.
func (g *gate) memory(b *bed, together int, size int64) float64 {
	debug.FreeOSMemory()
	before, peak := residentMB(os.Getpid()), 0.0
	done := make(chan struct{})
	var all sync.WaitGroup
	for range together {
		all.Go(func() {
			if err := g.try(b.ctx, g.edge, upload, size); err != nil {
				b.Errorf("one of many uploads: %v", err)
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	for {
		peak = max(peak, residentMB(os.Getpid()))
		select {
		case <-done:
			return round(max(peak-before, 0), 1)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
