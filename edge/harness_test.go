package edge_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/edge"
	"hafen/tenant"
)

const (
	alpha = tenant.Domain("alpha.example.org")
	beta  = tenant.Domain("beta.example.org") // without federation
	home  = tenant.Domain("example.org")
)

// source is a Source in memory that can be taken away.
type source struct {
	mu         sync.Mutex
	snapshot   edge.Snapshot
	revision   int
	down       bool
	loads      int
	full       int // loads that returned routes
	lookups    int
	challenges map[string]tenant.Challenge // host + " " + token
	hints      chan struct{}
	slow       chan struct{} // when set, challenges wait for it
}

func (s *source) Load(_ context.Context, have edge.Revision) (edge.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	if s.down {
		return edge.Snapshot{}, errors.New("the database is stopped")
	}
	answer := s.snapshot
	if have.Routes == answer.Revision.Routes {
		answer.Routes = nil
	} else {
		s.full++
	}
	if have.Certificates == answer.Revision.Certificates {
		answer.Certificates = nil
	}
	if have.Usage == answer.Revision.Usage {
		answer.Usage = nil
	}
	return answer, nil
}

func (s *source) Changes(context.Context) <-chan struct{} { return s.hints }

func (s *source) Challenge(ctx context.Context, host tenant.Domain, token string) (tenant.Challenge, error) {
	s.mu.Lock()
	s.lookups++
	challenge, ok := s.challenges[string(host)+" "+token]
	slow := s.slow
	s.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
		}
	}
	if !ok {
		return tenant.Challenge{}, edge.ErrNoChallenge
	}
	return challenge, nil
}

// change edits the snapshot, with new revisions for all parts, and hints.
func (s *source) change(edit func(*edge.Snapshot)) {
	s.mu.Lock()
	edit(&s.snapshot)
	s.revision++
	r := strconv.Itoa(s.revision)
	s.snapshot.Revision = edge.Revision{Routes: r, Certificates: r, Usage: r}
	s.mu.Unlock()
	select {
	case s.hints <- struct{}{}:
	default:
	}
}

// measure replaces the measurements alone.
func (s *source) measure(uses ...tenant.StorageUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	s.snapshot.Usage, s.snapshot.Revision.Usage = uses, strconv.Itoa(s.revision)
}

func (s *source) count(which *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *which
}

// sealer is AES-256-GCM.
type sealer struct{ aead cipher.AEAD }

func newSealer(t testing.TB) sealer {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	must(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	must(t, err)
	return sealer{aead}
}

func (s sealer) Seal(plain, context []byte) ([]byte, error) {
	return s.aead.Seal(nil, nil, plain, context), nil
}

func (s sealer) Open(sealed, context []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, sealed, context)
}

// homeserver is a real HTTP server on a Unix socket that keeps what reached it.
type homeserver struct {
	socket string
	server *http.Server

	mu       sync.Mutex
	handler  http.HandlerFunc
	requests []string // "METHOD raw-target"
}

func (h *homeserver) backend() string { return "unix:" + h.socket }

func (h *homeserver) start(t testing.TB) {
	t.Helper()
	os.Remove(h.socket)
	listener, err := net.Listen("unix", h.socket)
	must(t, err)
	h.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.requests = append(h.requests, r.Method+" "+r.RequestURI)
		handler := h.handler
		h.mu.Unlock()
		handler(w, r)
	})}
	go h.server.Serve(listener)
	t.Cleanup(func() { h.server.Close() })
}

// handle changes what the homeserver does.
func (h *homeserver) handle(handler http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handler = handler
}

func (h *homeserver) stop() { h.server.Close() }

func (h *homeserver) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.requests...)
}

// world is an edge with two tenants and a dashboard, on free ports of the loopback.
type world struct {
	edge                *edge.Edge
	source              *source
	sealer              sealer
	copy                string
	ca                  *authority
	alpha, beta, web    *homeserver
	plain, https, peers string // addresses
	config              edge.Config
	cancel              context.CancelFunc
	done                chan error
}

func newWorld(t testing.TB, adjust ...func(*edge.Config, *source)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		ca: newAuthority(t), sealer: newSealer(t), copy: filepath.Join(dir, "copy"),
		source: &source{hints: make(chan struct{}, 1), challenges: map[string]tenant.Challenge{}},
	}
	echo := func(rw http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		rw.Header().Set("Content-Type", "application/json")
		io.WriteString(rw, `{"ok":true}`)
	}
	w.alpha = &homeserver{socket: filepath.Join(dir, "a.sock"), handler: echo}
	w.beta = &homeserver{socket: filepath.Join(dir, "b.sock"), handler: echo}
	w.web = &homeserver{socket: filepath.Join(dir, "w.sock"), handler: echo}
	for _, h := range []*homeserver{w.alpha, w.beta, w.web} {
		h.start(t)
	}
	w.source.change(func(s *edge.Snapshot) {
		s.Routes = []tenant.Route{
			{
				Tenant: tenant.NewID(), ServerName: alpha, Host: alpha, Backend: w.alpha.backend(), Mode: tenant.RouteOpen,
				Federation: tenant.FederationOpen, UploadBytes: 1 << 20, StorageBytes: 10 << 20, Contact: "mailto:help@example.org",
			},
			{
				Tenant: tenant.NewID(), ServerName: beta, Host: beta, Backend: w.beta.backend(), Mode: tenant.RouteOpen,
				Federation: tenant.FederationOff, UploadBytes: 1 << 20, StorageBytes: 10 << 20, Contact: "https://example.org/help",
			},
		}
		// One wildcard for all, as under a base domain.
		s.Certificates = []tenant.Certificate{w.ca.issue(t, home, string(home), "*."+string(home))}
	})
	w.config = edge.Config{
		Source: w.source, Sealer: w.sealer, Copy: w.copy,
		Dashboard: edge.Dashboard{Host: home, Backend: w.web.backend()},
		Poll:      20 * time.Millisecond, Drain: 4 * time.Second,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError + 1})),
	}
	for _, f := range adjust {
		f(&w.config, w.source)
	}
	w.run(t)
	return w
}

// run starts an edge on new ports; after stop it may be called again.
func (w *world) run(t testing.TB) {
	t.Helper()
	open := func(address *string) []net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		*address = listener.Addr().String()
		return []net.Listener{listener}
	}
	w.config.Sockets = edge.Sockets{HTTP: open(&w.plain), HTTPS: open(&w.https), Federation: open(&w.peers)}
	var err error
	w.edge, err = edge.New(w.config)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan error, 1)
	done := w.done
	go func() { done <- w.edge.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-w.edge.Ready():
	case <-time.After(time.Minute):
		t.Fatal("the edge has nothing to serve after a minute")
	}
}

func (w *world) stop(t testing.TB) {
	t.Helper()
	w.cancel()
	if err := <-w.done; err != nil {
		t.Fatalf("the edge stopped with: %v", err)
	}
}

// client speaks HTTP/2 (or HTTP/1.1 alone) to an address, whatever name the URL has.
func (w *world) client(t testing.TB, address string, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{RootCAs: w.ca.pool}, Protocols: protocols, MaxIdleConnsPerHost: 100,
		ExpectContinueTimeout: 5 * time.Second,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// dial opens a TLS connection for HTTP/1.1 with the given name.
func (w *world) dial(t testing.TB, address, name string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: w.ca.pool, NextProtos: []string{"http/1.1"}})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return conn
}

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	body   string
	json   map[string]any
	proto  int
}

func do(t testing.TB, client *http.Client, request *http.Request) reply {
	t.Helper()
	response, err := client.Do(request)
	must(t, err)
	return read(t, response)
}

func read(t testing.TB, response *http.Response) reply {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	r := reply{status: response.StatusCode, header: response.Header, body: string(body), proto: response.ProtoMajor}
	json.Unmarshal(body, &r.json)
	return r
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	must(t, err)
	return r
}

func get(t testing.TB, client *http.Client, url string) reply {
	t.Helper()
	return do(t, client, request(t, "GET", url, nil))
}

// isRefusal checks a Matrix error and that web pages may read it.
func (r reply) isRefusal(t testing.TB, status int, code string) {
	t.Helper()
	if r.status != status || r.json["errcode"] != code || r.json["error"] == "" {
		t.Errorf("got %d %s, want %d %s", r.status, strings.TrimSpace(r.body), status, code)
	}
	if r.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("a web page could not read the answer: %v", r.header)
	}
	if r.header.Get("Content-Type") != "application/json" {
		t.Errorf("content type %q", r.header.Get("Content-Type"))
	}
}

// eventually polls a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
