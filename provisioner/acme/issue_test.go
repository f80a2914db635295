package acme_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"hafen/internal/pebble"
	"hafen/provisioner/acme"
	"hafen/tenant"
)

func verify(t *testing.T, w *world, name tenant.Domain, c tenant.Certificate) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(c.ChainPEM, c.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		ca, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		between.AddCert(ca)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: w.authority.Issuing, Intermediates: between, DNSName: string(name)}); err != nil {
		t.Fatal(err)
	}
	if key, ok := pair.Leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is a %T", pair.Leaf.PublicKey)
	}
	if !slices.Equal(pair.Leaf.DNSNames, []string{string(name)}) || c.Host != name || !c.NotAfter.Equal(pair.Leaf.NotAfter) {
		t.Errorf("for %v, kept under %s until %v; the certificate ends %v", pair.Leaf.DNSNames, c.Host, c.NotAfter, pair.Leaf.NotAfter)
	}
	return pair.Leaf
}

func TestIssuesByEachMethodAmidBadNonces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{BadNonce: 20})
	for _, method := range []acme.Method{acme.HTTP01, acme.TLSALPN01} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			name := tenant.Domain(string(method) + ".example.org")
			w.dns.Set(string(name), "A", "127.0.0.1")
			issuer := w.issuer(t, method)
			first, err := issuer.Issue(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			second, err := issuer.Issue(t.Context(), name) // renewal
			if err != nil {
				t.Fatal(err)
			}
			a, b := verify(t, w, name, first), verify(t, w, name, second)
			if a.SerialNumber.Cmp(b.SerialNumber) == 0 || a.PublicKey.(*ecdsa.PublicKey).Equal(b.PublicKey) {
				t.Error("renewal must bring a new certificate with a new key")
			}
			if n := w.edge.presented(name); n != 0 {
				t.Errorf("%d challenges left behind", n)
			}
		})
	}
}

// A third of all requests has to be made again; lego gives one up after eleven times, which none meets by chance.
func TestIssuesThoughManyNoncesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{BadNonce: 35})
	w.dns.Set("example.org", "A", "127.0.0.1")
	c, err := w.issuer(t).Issue(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	verify(t, w, "example.org", c)
}

// lego's client would need more than five seconds here: see the package comment.
func TestIsQuickWithoutRetryAfterAndKeepsToOne(t *testing.T) {
	t.Parallel()
	issue := func(c pebble.Config) time.Duration {
		w := newWorld(t, c)
		w.dns.Set("example.org", "A", "127.0.0.1")
		issuer := w.issuer(t)
		begun := time.Now()
		if _, err := issuer.Issue(t.Context(), "example.org"); err != nil {
			t.Fatal(err)
		}
		return time.Since(begun)
	}
	if took := issue(pebble.Config{BadNonce: -1}); took > 2*time.Second {
		t.Errorf("without a Retry-After it took %v", took)
	}
	// 2 s for the certificate: the finished order is polled once at least. Written as a date it loses the fraction of a second.
	if took := issue(pebble.Config{BadNonce: -1, Retry: 2}); took < time.Second {
		t.Errorf("it asked again after %v, and was told to wait 2 s", took)
	}
}

func TestTakesTheOtherMethodWhereThePreferredOneFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{HTTPPort: 1}) // nobody listens there
	w.dns.Set("example.org", "A", "127.0.0.1")
	c, err := w.issuer(t).Issue(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	verify(t, w, "example.org", c)
	if n := w.wire.requests(newOrderPath); n < 2 {
		t.Errorf("%d orders, want one for each method", n)
	}
}

func TestOrdersForOneNameNeverOverlap(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	w.dns.Set("example.org", "A", "127.0.0.1")
	issuer := w.issuer(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := issuer.Issue(t.Context(), "example.org"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most := w.edge.most["example.org"]; most != 1 {
		t.Errorf("%d challenges for one name at a time", most)
	}
}

func TestCancelledWhileTheAuthorityValidates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	w.dns.Set("example.org", "A", "127.0.0.1")
	w.edge.blocked = make(chan struct{})
	t.Cleanup(func() { close(w.edge.blocked) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	issuer := w.issuer(t)
	go func() {
		_, err := issuer.Issue(ctx, "example.org")
		done <- err
	}()
	eventually(t, "the authority asks the edge", func() bool {
		w.edge.mu.Lock()
		defer w.edge.mu.Unlock()
		return w.edge.hits > 0
	})
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("it went on after being cancelled")
	}
	if n := w.edge.presented("example.org"); n != 0 {
		t.Errorf("%d challenges left behind", n)
	}
}

// hanging takes requests for new orders and never answers them.
type hanging struct {
	base http.RoundTripper
	met  chan struct{}
}

func (h hanging) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != newOrderPath {
		return h.base.RoundTrip(req)
	}
	close(h.met)
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func TestCancelledWhileARequestHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{BadNonce: -1})
	c, met := w.config(), make(chan struct{})
	c.Transport = hanging{w.wire, met}
	issuer := newIssuer(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-met
		cancel()
	}()
	done := make(chan error, 1)
	go func() {
		_, err := issuer.Issue(ctx, "example.org")
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it went on after being cancelled")
	}
}

func TestAnAuthorityThatNeverAnswersIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	w.dns.Set("example.org", "A", "127.0.0.1")
	w.edge.blocked = make(chan struct{})
	t.Cleanup(func() { close(w.edge.blocked) })
	c := w.config()
	c.Timeout = 700 * time.Millisecond
	_, err := newIssuer(t, c).Issue(t.Context(), "example.org")
	wantFailure(t, err, tenant.Retry, "acme.unavailable")
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The whole order against Pebble with its usual five per cent of bad nonces, each of which costs lego's 0.1 to 0.3 s.
func BenchmarkIssue(b *testing.B) {
	w := newWorld(b, pebble.Config{})
	w.dns.Set("example.org", "A", "127.0.0.1")
	for _, method := range []acme.Method{acme.HTTP01, acme.TLSALPN01} {
		b.Run(string(method), func(b *testing.B) {
			issuer := w.issuer(b, method)
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				if _, err := issuer.Issue(b.Context(), "example.org"); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}
