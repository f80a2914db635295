package outage

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"

	"hafen/internal/hafentest"
)

// engine is the machine's real Docker behind a socket of the test's own, which can be cut off, and which can deny having images.
type engine struct {
	t       testing.TB
	path    string
	server  *http.Server
	noImage atomic.Bool
}

// newEngine makes a socket that works. It must be made before the installation, whose end needs it.
func newEngine(t testing.TB) *engine {
	e := &engine{t: t, path: filepath.Join(t.TempDir(), "docker.sock")}
	e.connect()
	t.Cleanup(func() { e.server.Close() })
	return e
}

func (e *engine) env() hafentest.Option { return hafentest.Env("DOCKER_HOST=unix://" + e.path) }

var imageInspection = regexp.MustCompile(`^(/v[0-9.]+)?/images/.+/json$`)

// connect opens the socket.
func (e *engine) connect() {
	e.t.Helper()
	listener, err := net.Listen("unix", e.path)
	if err != nil {
		e.t.Fatalf("listen as Docker: %v", err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		FlushInterval: -1, // events come one by one
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", "/var/run/docker.sock")
		}},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	e.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.noImage.Load() && imageInspection.MatchString(r.URL.Path) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			w.Write([]byte(`{"message":"No such image: hafen"}`)) // as Engine 20.10 says it
			return
		}
		forward.ServeHTTP(w, r)
	})}
	go e.server.Serve(listener)
}

// cut closes the socket and what goes over it; the file is gone, as when the daemon has stopped.
func (e *engine) cut() { e.server.Close() }
