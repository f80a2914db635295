package stripe_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"hafen/controlplane"
	"hafen/controlplane/billing/stripe"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

const old, current = "whsec_old", "whsec_new"

func webhooks() stripe.Webhooks {
	return stripe.Webhooks{Secrets: []string{old, current}, Now: func() time.Time { return began }}
}

const body = `{"id":"evt_1","type":"invoice.paid","data":{"object":{"object":"invoice","id":"in_1","customer":"cus_1","subscription":"sub_1",
	"subscription_details":{"metadata":{"hafen_tenant":"t7qk2m"}}}}}`

func TestSignatures(t *testing.T) {
	t.Parallel()
	good := stripefake.Sign([]byte(body), old, began)
	hex, _, _ := strings.Cut(strings.TrimPrefix(good[strings.Index(good, "v1="):], "v1="), ",")
	for name, test := range map[string]struct {
		header, body string
		good         bool
	}{
		"old secret":       {good, body, true},
		"new secret":       {stripefake.Sign([]byte(body), current, began), body, true},
		"both":             {good + ",v1=00", body, true},
		"another first":    {strings.Replace(good, ",v1=", ",v1="+strings.Repeat("ab", 32)+",v1=", 1), body, true},
		"five minutes old": {stripefake.Sign([]byte(body), old, began.Add(-300*time.Second)), body, true},
		"older":            {stripefake.Sign([]byte(body), old, began.Add(-301*time.Second)), body, false},
		"of the future":    {stripefake.Sign([]byte(body), old, began.Add(301*time.Second)), body, false},
		"another secret":   {stripefake.Sign([]byte(body), "whsec_other", began), body, false},
		"no secret":        {stripefake.Sign([]byte(body), "", began), body, false},
		"another body":     {good, body + " ", false},
		"another time":     {strings.Replace(good, "t=", "t=1", 1), body, false},
		"two times":        {good + ",t=1", body, false},
		"only v0":          {strings.Replace(good, "v1=", "v2=", 1), body, false},
		"cut":              {strings.Replace(good, hex, hex[:32], 1), body, false},
		"none":             {"", body, false},
		"noise":            {",,=,t=,v1=,", body, false},
	} {
		_, _, err := webhooks().Event([]byte(test.body), test.header)
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && tenant.FaultOf(err).Kind != tenant.Invalid {
			t.Errorf("%s: %v is no fault of the sender's", name, err)
		}
	}
	if _, _, err := (stripe.Webhooks{Secrets: []string{""}, Now: func() time.Time { return began }}).Event([]byte(body), stripefake.Sign([]byte(body), "", began)); err == nil {
		t.Error("an empty secret was taken")
	}
}

// TestAgreesWithStripe: what Stripe's own library signs is good.
func TestAgreesWithStripe(t *testing.T) {
	t.Parallel()
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: current})
	w := stripe.Webhooks{Secrets: []string{current}}
	if _, _, err := w.Event(signed.Payload, signed.Header); err != nil {
		t.Error(err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]controlplane.Event{
		body: {ID: "evt_1", Kind: "invoice.paid", ExternalID: "sub_1", Customer: "cus_1", Tenant: "t7qk2m"},
		`{"id":"evt_2","type":"customer.subscription.updated","data":{"object":{"object":"subscription","id":"sub_2","customer":{"id":"cus_2"},"metadata":{"hafen_tenant":"t1"}}}}`: {
			ID: "evt_2", Kind: "customer.subscription.updated", ExternalID: "sub_2", Customer: "cus_2", Tenant: "t1",
		},
		`{"id":"evt_3","type":"checkout.session.completed","data":{"object":{"object":"checkout.session","id":"cs","customer":"cus_3","subscription":null,"metadata":{}}}}`: {
			ID: "evt_3", Kind: "checkout.session.completed", Customer: "cus_3",
		},
		`{"id":"evt_4","type":"customer.updated","data":{"object":{"object":"customer","id":"cus_4"}}}`:              {ID: "evt_4", Kind: "customer.updated", Customer: "cus_4"},
		`{"id":"evt_5","type":"charge.refunded","data":{"object":{"object":"charge","id":"ch","customer":"cus_5"}}}`: {ID: "evt_5", Kind: "charge.refunded", Customer: "cus_5"},
	} {
		got, _, err := webhooks().Event([]byte(body), stripefake.Sign([]byte(body), old, began))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{``, `null`, `[]`, `"x"`, `{}`, `{"id":"evt_1"}`, `{"id":"in_1","type":"a"}`, `{"id":"evt_1","type":"a","data":{"object":{"customer":7}}}`, `{"id":"evt_\u0000","type":"a"}`} {
		if got, _, err := webhooks().Event([]byte(body), stripefake.Sign([]byte(body), old, began)); err == nil {
			t.Errorf("%s is %+v", body, got)
		}
	}
}

// TestDispute names a payment alone, so Stripe is asked whose it is; and not recording it is an error that Stripe hears.
func TestDispute(t *testing.T) {
	w := sold(t, basic)
	w.stripe.Dispute(w.look().Invoices[0].External)
	event := w.stripe.Events("charge.dispute.created")[0]
	var got controlplane.Event
	down := errors.New("the database is down")
	r := stripe.Receiver{Webhooks: webhooks(), Provider: w.provider, Record: func(_ context.Context, e controlplane.Event) error {
		got = e
		return down
	}}
	err := r.Receive(t.Context(), event.Body, stripefake.Sign(event.Body, current, began))
	w.want("not recorded", errors.Is(err, down), true)
	w.want("whose", got.Customer, w.sub.Customer)
}

// FuzzWebhook: no body and no header makes it panic, and what is accepted is an event with short, readable names.
func FuzzWebhook(f *testing.F) {
	f.Add([]byte(body), stripefake.Sign([]byte(body), old, began))
	f.Add([]byte(`{"id":"evt_1","type":"a","data":{"object":{"customer":{"id":{}}}}}`), "t=1,v1=00")
	f.Add([]byte("[[[[[[[["), ",,,t=t=,v1")
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		_, _, _ = webhooks().Event(body, header)
		event, _, err := webhooks().Event(body, stripefake.Sign(body, current, began))
		if err != nil {
			if tenant.FaultOf(err).Kind != tenant.Invalid {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if !json.Valid(body) || !strings.HasPrefix(event.ID, "evt_") || len(event.ID+event.Kind+event.Customer+event.ExternalID+event.Tenant) > 5*255 {
			t.Errorf("%q is %+v", body, event)
		}
	})
}
