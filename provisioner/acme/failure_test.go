package acme_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hafen/internal/pebble"
	"hafen/provisioner/acme"
	"hafen/tenant"
)

func wantFailure(t *testing.T, err error, d tenant.Disposition, code string) *tenant.Failure {
	t.Helper()
	f, ok := errors.AsType[*tenant.Failure](err)
	if !ok || f.Disposition != d || f.Code != code {
		t.Fatalf("got %v (%+v), want %s %s", err, f, d, code)
	}
	return f
}

func TestForeignThenCorrectedAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	issuer := w.issuer(t)

	w.dns.Set("example.org", "A", "127.0.0.2") // nobody listens
	_, err := issuer.Issue(t.Context(), "example.org")
	if f := wantFailure(t, err, tenant.Retry, "acme.connection"); f.After < 10*time.Minute {
		t.Errorf("retried after %v, five failures an hour are allowed", f.After)
	}
	w.dns.Set("example.org", "A", "127.0.0.1")
	c, err := issuer.Issue(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	verify(t, w, "example.org", c)
}

func TestAnotherServerAnswersForTheName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	c := w.config()
	c.Challenges = startEdge(t) // rows the server at the address never sees
	w.dns.Set("example.org", "A", "127.0.0.1")
	_, err := newIssuer(t, c).Issue(t.Context(), "example.org")
	wantFailure(t, err, tenant.WaitForCustomer, "acme.unauthorized")
}

func TestANameWithoutRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	_, err := w.issuer(t, acme.TLSALPN01).Issue(t.Context(), "example.org")
	wantFailure(t, err, tenant.WaitForCustomer, "acme.validation") // Pebble calls it malformed; Boulder's word is below
}

func TestANameTheAuthorityRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{Blocked: []string{"example.org"}})
	_, err := w.issuer(t).Issue(t.Context(), "example.org")
	wantFailure(t, err, tenant.Stop, "acme.rejected")
}

func TestTheAuthorityIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	w.authority.Close()
	_, err := w.issuer(t).Issue(t.Context(), "example.org")
	wantFailure(t, err, tenant.Retry, "acme.unavailable")
	if w.accounts.now().KeyPEM == nil {
		t.Error("the account key should be kept for the next try")
	}
}

// What Pebble never says, in Boulder's words, put on the wire between them.
func TestProblemsOfRequests(t *testing.T) {
	t.Parallel()
	problem := func(kind string) string { return `{"type":"urn:ietf:params:acme:error:` + kind + `","detail":"x"}` }
	for _, c := range []struct {
		name, path  string
		status      int
		body, retry string
		disposition tenant.Disposition
		code        string
		after       time.Duration
	}{
		{"rate limit", newOrderPath, 429, problem("rateLimited"), "120", tenant.Retry, "acme.rate_limited", 2 * time.Minute},
		{"rate limit without a time", newOrderPath, 429, problem("rateLimited"), "", tenant.Retry, "acme.rate_limited", time.Hour},
		{"rate limit of new accounts", newAccountPath, 429, problem("rateLimited"), "60", tenant.Retry, "acme.rate_limited", time.Minute},
		{"overload", newOrderPath, 503, problem("rateLimited"), "30", tenant.Retry, "acme.rate_limited", 30 * time.Second},
		{"our account is blocked", newOrderPath, 403, problem("unauthorized"), "", tenant.Stop, "acme.account", 0},
		{"new terms", newOrderPath, 403, problem("userActionRequired"), "", tenant.Stop, "acme.account", 0},
		{"its own fault", newOrderPath, 500, problem("serverInternal"), "", tenant.Retry, "acme.unavailable", 0},
		{"a proxy's page", newOrderPath, 502, "<html>bad gateway", "5", tenant.Retry, "acme.unavailable", 5 * time.Second},
		{"no directory", "/dir", 200, "{}", "", tenant.Retry, "acme.unavailable", 0},
		{"forbidden by CAA at the end", finalizePath, 403, problem("caa"), "", tenant.WaitForCustomer, "acme.caa", 0},
		{
			"one problem within another", newOrderPath, 403,
			`{"type":"urn:ietf:params:acme:error:malformed","subproblems":[{"type":"urn:ietf:params:acme:error:caa"}]}`, "",
			tenant.WaitForCustomer, "acme.caa", 0,
		},
		{"a request we got wrong", newOrderPath, 400, problem("malformed"), "", tenant.Stop, "acme.refused", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pebble.Config{})
			w.dns.Set("example.org", "A", "127.0.0.1")
			w.wire.setMeddle(func(path string, resp *http.Response) {
				if strings.HasPrefix(path, c.path) {
					replaceBody(resp, c.status, c.body, "Retry-After", c.retry)
				}
			})
			issuer := w.issuer(t)
			_, err := issuer.Issue(t.Context(), "example.org")
			if f := wantFailure(t, err, c.disposition, c.code); f.After != c.after {
				t.Errorf("after %v, want %v", f.After, c.after)
			}
			w.wire.setMeddle(nil)
			if _, err := issuer.Issue(t.Context(), "example.org"); err != nil {
				t.Errorf("once the problem is gone: %v", err)
			}
		})
	}
}

func TestVerdictsOnAName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind        string
		disposition tenant.Disposition
		code        string
		orders      int // the other method is tried only where it could help
	}{
		{"dns", tenant.WaitForCustomer, "acme.dns", 1},
		{"caa", tenant.WaitForCustomer, "acme.caa", 1},
		{"rateLimited", tenant.Retry, "acme.rate_limited", 1},
		{"tls", tenant.Retry, "acme.connection", 2},
		{"incorrectResponse", tenant.WaitForCustomer, "acme.validation", 2},
		{"serverInternal", tenant.Retry, "acme.unavailable", 2},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pebble.Config{BadNonce: -1})
			cfg := w.config()
			cfg.Challenges = startEdge(t) // so that Pebble says "unauthorized", which is rewritten
			w.dns.Set("example.org", "A", "127.0.0.1")
			w.wire.setMeddle(func(path string, resp *http.Response) {
				if strings.HasPrefix(path, authzPath) {
					body, _ := io.ReadAll(resp.Body)
					replaceBody(resp, resp.StatusCode, strings.ReplaceAll(string(body), "error:unauthorized", "error:"+c.kind))
				}
			})
			_, err := newIssuer(t, cfg).Issue(t.Context(), "example.org")
			wantFailure(t, err, c.disposition, c.code)
			if n := w.wire.requests(newOrderPath); n != c.orders {
				t.Errorf("%d orders, want %d", n, c.orders)
			}
		})
	}
}

func TestErrorsOfTheStoreAreNotTheAuthoritys(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection to the store lost")
	w := newWorld(t, pebble.Config{})
	w.dns.Set("example.org", "A", "127.0.0.1")
	w.edge.refuses = broken
	_, err := w.issuer(t).Issue(t.Context(), "example.org")
	if _, ok := errors.AsType[*tenant.Failure](err); ok || !errors.Is(err, broken) {
		t.Errorf("presenting: got %v", err)
	}
	c := w.config()
	c.Accounts = &accounts{fails: broken}
	_, err = newIssuer(t, c).Issue(t.Context(), "example.org")
	if _, ok := errors.AsType[*tenant.Failure](err); ok || !errors.Is(err, broken) {
		t.Errorf("loading: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.issuer(t).Issue(ctx, "example.org"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
