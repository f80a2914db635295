package stripe

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

// Tolerance is how far a webhook's time may be from ours (Stripe's own recommendation). What is older was sent before.
const Tolerance = 300 * time.Second

// ErrSignature is a webhook that Stripe did not send, or not now. What exactly is wrong is for nobody to know.
var ErrSignature error = &tenant.Fault{Kind: tenant.Invalid, Code: "webhook.signature"}

// notEvent is a body with a good signature that is no event: the Fault webhook.event.
func notEvent(why string) error {
	return &tenant.Fault{Kind: tenant.Invalid, Code: "webhook.event", Err: errors.New(why)}
}

// Webhooks reads webhooks. While the endpoint's secret is rotated both are good.
type Webhooks struct {
	Secrets []string
	Now     func() time.Time // time.Now when nil
}

// Event is the event of a webhook whose signature is good, over the body as it came. Nothing of it is to be believed but that
// something has happened. charge is the payment that an event is about which names nobody: a dispute's.
func (w Webhooks) Event(body []byte, header string) (event controlplane.Event, charge string, err error) {
	if err := w.verify(body, header); err != nil {
		return controlplane.Event{}, "", err
	}
	return parse(body)
}

// Receiver takes webhooks.
type Receiver struct {
	Webhooks
	Provider *Provider // asked whom a dispute is about
	Record   func(context.Context, controlplane.Event) error
}

// Receive records the event of a webhook. The Faults webhook.signature and webhook.event are of what Stripe did not send; after
// any other error it is to send it again.
func (r Receiver) Receive(ctx context.Context, body []byte, header string) error {
	event, charge, err := r.Event(body, header)
	if err != nil {
		return err
	}
	if event.Customer == "" && event.ExternalID == "" && event.Tenant == "" && charge != "" {
		if event.Customer, err = r.Provider.payer(ctx, charge); err != nil {
			return err
		}
	}
	return r.Record(ctx, event)
}

// verify follows https://docs.stripe.com/webhooks#verify-manually: t=…,v1=…[,v1=…], other schemes are not looked at.
func (w Webhooks) verify(body []byte, header string) error {
	var stamp string
	var signatures [][]byte
	for part := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "t":
			if stamp != "" {
				return ErrSignature
			}
			stamp = value
		case "v1":
			if signature, err := hex.DecodeString(value); err == nil && len(signatures) < 8 {
				signatures = append(signatures, signature)
			}
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(signatures) == 0 {
		return ErrSignature
	}
	now := time.Now()
	if w.Now != nil {
		now = w.Now()
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return ErrSignature
	}
	for _, secret := range w.Secrets {
		if secret == "" {
			continue // anybody knows that one
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(stamp + "."))
		mac.Write(body)
		expected := mac.Sum(nil)
		for _, signature := range signatures {
			if hmac.Equal(signature, expected) {
				return nil
			}
		}
	}
	return ErrSignature
}

// told is what is read of an event: whom it is about.
type told struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		Object struct {
			ID                  string            `json:"id"`
			Object              string            `json:"object"`
			Customer            reference         `json:"customer"`
			Subscription        reference         `json:"subscription"`
			Charge              reference         `json:"charge"` // of a dispute, which names nobody
			Metadata            map[string]string `json:"metadata"`
			SubscriptionDetails struct {
				Metadata map[string]string `json:"metadata"`
			} `json:"subscription_details"`
		} `json:"object"`
	} `json:"data"`
}

// reference is an id, or the object that was expanded in its place.
type reference string

// UnmarshalJSON reads either, and nothing of null.
func (r *reference) UnmarshalJSON(data []byte) error {
	var whole struct {
		ID string `json:"id"`
	}
	switch {
	case string(data) == "null":
		return nil
	case len(data) > 0 && data[0] == '{':
		if err := json.Unmarshal(data, &whole); err != nil {
			return err
		}
		*r = reference(whole.ID)
		return nil
	default:
		var id string
		if err := json.Unmarshal(data, &id); err != nil {
			return err
		}
		*r = reference(id)
		return nil
	}
}

func parse(body []byte) (controlplane.Event, string, error) {
	var t told
	if err := json.Unmarshal(body, &t); err != nil {
		return controlplane.Event{}, "", notEvent("it is not JSON of an event")
	}
	// Ids and types are short words; a body that is signed and still has others is not what we think it is.
	for _, word := range []string{t.ID, t.Type, t.Data.Object.ID, string(t.Data.Object.Customer), string(t.Data.Object.Subscription), string(t.Data.Object.Charge)} {
		if len(word) > 255 || strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return controlplane.Event{}, "", notEvent("a name is none")
		}
	}
	if !strings.HasPrefix(t.ID, "evt_") || t.Type == "" {
		return controlplane.Event{}, "", notEvent("it has no id or no type")
	}
	o := t.Data.Object
	event := controlplane.Event{ID: t.ID, Kind: t.Type, ExternalID: string(o.Subscription), Customer: string(o.Customer), Tenant: o.Metadata[metaTenant]}
	switch o.Object {
	case "subscription":
		event.ExternalID = o.ID
	case "customer":
		event.Customer = o.ID
	}
	if event.Tenant == "" {
		event.Tenant = o.SubscriptionDetails.Metadata[metaTenant]
	}
	if len(event.Tenant) > 64 || strings.ContainsFunc(event.Tenant, func(r rune) bool { return r <= ' ' || r > '~' }) {
		event.Tenant = ""
	}
	return event, string(o.Charge), nil
}
