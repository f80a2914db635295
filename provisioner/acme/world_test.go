package acme_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/internal/dnstest"
	"hafen/internal/pebble"
	"hafen/provisioner/acme"
	"hafen/tenant"
)

// world is all around an Issuer: a real authority, its DNS, the edge's answers and the store's rows.
type world struct {
	authority *pebble.Server
	dns       *dnstest.Server
	edge      *edge
	accounts  *accounts
	wire      *wire
}

func newWorld(t testing.TB, c pebble.Config) *world {
	t.Helper()
	w := &world{dns: dnstest.Start(t), edge: startEdge(t), accounts: &accounts{}}
	c.Resolver, c.TLSPort = w.dns.Addr(), w.edge.tlsPort
	if c.HTTPPort == 0 {
		c.HTTPPort = w.edge.httpPort
	}
	w.authority = pebble.Start(t, c)
	w.wire = &wire{base: w.authority.Client().Transport}
	return w
}

// issuer is a new process's issuer: it shares nothing with another one but the store.
func (w *world) issuer(t testing.TB, methods ...acme.Method) *acme.Issuer {
	t.Helper()
	return newIssuer(t, w.config(methods...))
}

func (w *world) config(methods ...acme.Method) acme.Config {
	return acme.Config{
		Directory: w.authority.Directory, Email: "operator@example.com", AcceptTerms: true,
		Accounts: w.accounts, Challenges: w.edge, Methods: methods, Transport: w.wire,
	}
}

func newIssuer(t testing.TB, c acme.Config) *acme.Issuer {
	t.Helper()
	i, err := acme.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// edge answers challenges on demand from what was presented, as the real edge does from its rows.
type edge struct {
	httpPort, tlsPort int

	mu      sync.Mutex
	rows    map[tenant.Domain][]tenant.Challenge
	most    map[tenant.Domain]int // rows at one time
	blocked chan struct{}         // when set, answers wait for it
	refuses error                 // what Present fails with
	hits    int
}

func startEdge(t testing.TB) *edge {
	t.Helper()
	e := &edge{rows: map[tenant.Domain][]tenant.Challenge{}, most: map[tenant.Domain]int{}}
	serve := func(wrap func(net.Listener) net.Listener) int {
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(e.http), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
		go func() { _ = server.Serve(wrap(l)) }()
		t.Cleanup(func() { _ = server.Close() })
		return l.Addr().(*net.TCPAddr).Port
	}
	e.httpPort = serve(func(l net.Listener) net.Listener { return l })
	e.tlsPort = serve(func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{NextProtos: []string{"acme-tls/1"}, GetCertificate: e.certificate, MinVersion: tls.VersionTLS12})
	})
	return e
}

func (e *edge) Present(_ context.Context, c tenant.Challenge) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refuses != nil {
		return e.refuses
	}
	e.rows[c.Host] = append(e.rows[c.Host], c)
	e.most[c.Host] = max(e.most[c.Host], len(e.rows[c.Host]))
	return nil
}

func (e *edge) CleanUp(ctx context.Context, c tenant.Challenge) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := e.rows[c.Host][:0]
	for _, row := range e.rows[c.Host] {
		if row != c {
			kept = append(kept, row)
		}
	}
	e.rows[c.Host] = kept
	return ctx.Err()
}

func (e *edge) presented(name tenant.Domain) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.rows[name])
}

func (e *edge) find(host, token string) (tenant.Challenge, bool) {
	e.mu.Lock()
	blocked := e.blocked
	e.hits++
	e.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.rows[tenant.Domain(host)] {
		if token == "" || c.Token == token {
			return c, true
		}
	}
	return tenant.Challenge{}, false
}

func (e *edge) http(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	token, ok := strings.CutPrefix(r.URL.Path, "/.well-known/acme-challenge/")
	c, found := e.find(host, token)
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	_, _ = io.WriteString(w, c.KeyAuthorization)
}

// certificate makes the certificate of RFC 8737 section 3.
func (e *edge) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, found := e.find(hello.ServerName, "")
	if !found {
		return nil, errors.New("nothing presented for " + hello.ServerName)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(c.KeyAuthorization))
	value, err := asn1.Marshal(digest[:])
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{hello.ServerName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}, Critical: true, Value: value}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// accounts keeps the contract of acme.Accounts, and nothing more.
type accounts struct {
	mu     sync.Mutex
	kept   *acme.Account
	fails  error
	gather sync.WaitGroup // when counted up: so many first callers find nothing, all before any of them stores
	absent int
}

func (a *accounts) Load(context.Context, string) (acme.Account, bool, error) {
	a.mu.Lock()
	if a.absent > 0 {
		a.absent--
		a.mu.Unlock()
		a.gather.Done()
		a.gather.Wait()
		return acme.Account{}, false, nil
	}
	defer a.mu.Unlock()
	if a.kept == nil {
		return acme.Account{}, false, a.fails
	}
	return *a.kept, true, a.fails
}

func (a *accounts) Store(_ context.Context, _ string, given acme.Account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = &given
		return nil
	}
	if string(given.Registration) != "{}" {
		a.kept.Registration = given.Registration
	}
	return nil
}

func (a *accounts) now() acme.Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	return *a.kept
}

// wire stands between the issuer and the authority: it notes who speaks, and may change an answer.
type wire struct {
	base http.RoundTripper

	mu       sync.Mutex
	speakers map[string]bool // account URLs requests were signed for
	asked    map[string]int  // requests by path
	meddle   func(path string, resp *http.Response)
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.note(req)
	resp, err := w.base.RoundTrip(req)
	w.mu.Lock()
	meddle := w.meddle
	w.mu.Unlock()
	if err == nil && meddle != nil {
		meddle(req.URL.Path, resp)
	}
	return resp, err
}

func (w *wire) note(req *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.speakers == nil {
		w.speakers, w.asked = map[string]bool{}, map[string]int{}
	}
	w.asked[req.URL.Path]++
	if req.GetBody == nil {
		return
	}
	body, err := req.GetBody()
	if err != nil {
		return
	}
	var signed struct{ Protected string }
	var protected struct{ Kid string }
	if json.NewDecoder(body).Decode(&signed) != nil {
		return
	}
	header, err := base64.RawURLEncoding.DecodeString(signed.Protected)
	if err == nil && json.Unmarshal(header, &protected) == nil && protected.Kid != "" {
		w.speakers[protected.Kid] = true
	}
}

func (w *wire) requests(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[path]
}

func (w *wire) setMeddle(f func(path string, resp *http.Response)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meddle = f
}

// Pebble's paths.
const (
	newAccountPath = "/sign-me-up"
	newOrderPath   = "/order-plz"
	authzPath      = "/authZ/"
	finalizePath   = "/finalize-order/"
)

func replaceBody(resp *http.Response, status int, body string, header ...string) {
	_ = resp.Body.Close()
	resp.StatusCode, resp.Body, resp.ContentLength = status, io.NopCloser(strings.NewReader(body)), int64(len(body))
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
}
