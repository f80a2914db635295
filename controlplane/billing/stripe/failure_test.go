package stripe_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"hafen/controlplane/billing"
	"hafen/controlplane/billing/stripe"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// TestWireFails: what fails in passing is tried again, with the same key, and done once.
func TestWireFails(t *testing.T) {
	for _, how := range []stripefake.Failure{stripefake.Unavailable, stripefake.Limited, stripefake.Dropped, stripefake.Lost} {
		t.Run(string(how), func(t *testing.T) {
			w := sold(t, basic)
			before := w.paid()
			w.stripe.Fail("POST", "/v1/subscriptions/", how)
			c := w.change("up", allIn)
			terms, err := w.provider.Change(w.Context(), w.sub, c)
			if how == stripefake.Unavailable || how == stripefake.Limited { // stripe-go leaves these to its caller
				w.want("kind", tenant.FaultOf(err).Kind, tenant.Unavailable)
				if how == stripefake.Unavailable {
					w.stripe.Advance(time.Hour) // Stripe says the same for a key for a day, so there must be another
				}
				terms, err = w.provider.Change(w.Context(), w.sub, c)
			}
			if err != nil || !terms.Settled {
				t.Fatalf("change: %+v, %v", terms, err)
			}
			w.want("taken once", w.paid()-before, int64(1190))
		})
	}
}

// TestStaysDown: after all tries it is the customer's to come back.
func TestStaysDown(t *testing.T) {
	w := sold(t, basic)
	w.stripe.Fail("GET", "/v1/subscriptions/", stripefake.Dropped, stripefake.Dropped, stripefake.Dropped, stripefake.Dropped)
	_, err := w.provider.Look(w.Context(), w.sub)
	w.want("kind", tenant.FaultOf(err).Kind, tenant.Unavailable)
	w.want("code", tenant.FaultOf(err).Code, "payment.unavailable")
}

// TestKeyIsSecret: whatever goes wrong, the key is not told.
func TestKeyIsSecret(t *testing.T) {
	w := newWorld(t)
	const key = "sk_test_verysecret1234567890abcd"
	for name, url := range map[string]string{"refused": w.stripe.URL, "nobody there": "http://127.0.0.1:1", "no URL": "http://%zz"} {
		p, err := stripe.New(stripe.Config{Key: key, URL: url, Installation: "h1", Customers: w.accounts})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Begin(context.Background(), w.order(basic))
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		for _, part := range []string{key, key[8:], key[len(key)-4:]} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error %q has a part of the key", name, err)
			}
		}
	}
}

func TestLacksPermission(t *testing.T) {
	w := newWorld(t)
	w.stripe.Fail("GET", "/v1/customers", stripefake.Denied)
	_, err := w.provider.Begin(w.Context(), w.order(basic))
	if err == nil || !strings.Contains(err.Error(), "permission") || strings.Contains(err.Error(), "rk_") {
		t.Errorf("error: %v", err)
	}
	w.want("kind", tenant.FaultOf(err).Kind, tenant.Internal)
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	huge := basic
	huge.Unit = eur(100_000_000)
	negative := basic
	negative.Unit = eur(-1)
	dollars := seats(1, 50)
	dollars.Unit.Currency = "USD"
	for name, items := range map[string][]billing.Item{
		"huge": {huge}, "negative": {negative}, "none": nil, "two currencies": {basic, dollars}, "no quantity": {seats(0, 50)},
	} {
		if terms, err := w.provider.Begin(w.Context(), w.order(items...)); err == nil {
			t.Errorf("%s: sold at %s", name, terms.CheckoutURL)
		}
	}
	c := w.accounts.known[account]
	c.VATID = "XX"
	w.accounts.known[account] = c
	_, err := w.provider.Begin(w.Context(), w.order(basic))
	w.want("VAT id", tenant.FaultOf(err).Code, "payment.vat_id")
}
