package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hafen/tenant"
)

// event posts to the webhook as Stripe does: no cookie, no origin, no browser's headers.
func (w *world) event(body io.Reader, change func(*http.Request)) *httptest.ResponseRecorder {
	w.Helper()
	request := httptest.NewRequest(http.MethodPost, "https://"+testHost+"/webhooks/stripe", body)
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("Stripe-Signature", "t=1,v1=00")
	if change != nil {
		change(request)
	}
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, request)
	return answer
}

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.ErrUnexpectedEOF
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	var got []string
	var fails error
	w := newWorld(t, func(c *Config) {
		c.Webhook = func(_ context.Context, body []byte, signature string) error {
			if len(body) < 100 {
				got = append(got, string(body)+" "+signature)
			}
			return fails
		}
	})
	exact := " {\"id\" : \"evt_1\"}\r\n\x00"
	if a := w.event(strings.NewReader(exact), nil); a.Code != http.StatusOK || len(got) != 1 || got[0] != exact+" t=1,v1=00" {
		t.Errorf("good: %d, got %q", a.Code, got)
	}
	for name, test := range map[string]struct {
		body   io.Reader
		change func(*http.Request)
		status int
	}{
		"a form":            {strings.NewReader("a=b"), func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415},
		"no type":           {strings.NewReader("{}"), func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		"ten megabytes":     {untouched{t}, func(r *http.Request) { r.ContentLength = 10 << 20 }, 413},
		"ten in pieces":     {bytes.NewReader(make([]byte, 10<<20)), func(r *http.Request) { r.ContentLength = -1 }, 413},
		"a megabyte":        {bytes.NewReader(make([]byte, 1<<20)), nil, 200},
		"for another host":  {strings.NewReader("{}"), func(r *http.Request) { r.Host = "evil.example" }, 421},
		"from another site": {strings.NewReader("{}"), func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 200}, // who has the signature may come from anywhere
	} {
		if a := w.event(test.body, test.change); a.Code != test.status {
			t.Errorf("%s: %d, want %d", name, a.Code, test.status)
		}
	}
	fails = &tenant.Fault{Kind: tenant.Invalid, Code: "webhook.signature"}
	if a := w.event(strings.NewReader("{}"), nil); a.Code != http.StatusBadRequest || a.Body.Len() != 0 {
		t.Errorf("forged: %d %q", a.Code, a.Body)
	}
	fails = errors.New("the database is down")
	if a := w.event(strings.NewReader("{}"), nil); a.Code != http.StatusServiceUnavailable {
		t.Errorf("not recorded: %d", a.Code)
	}
	w.server.Webhook = nil
	if a := w.event(strings.NewReader("{}"), nil); a.Code != http.StatusNotFound {
		t.Errorf("without Stripe: %d", a.Code)
	}
}

// TestPaymentOrigins: a form may lead to where one pays, and nowhere else.
func TestPaymentOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.PaymentOrigins = []string{"https://checkout.stripe.com", "https://billing.stripe.com"}
	})
	if got := w.visitor().get("/login").header.Get("Content-Security-Policy"); !strings.Contains(got, "; form-action 'self' https://checkout.stripe.com https://billing.stripe.com; ") {
		t.Errorf("policy: %s", got)
	}
}
