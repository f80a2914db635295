package stripe_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/controlplane/billing"
	"hafen/controlplane/billing/stripe"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// accounts are who pays, kept in memory.
type accounts struct {
	mu    sync.Mutex
	known map[string]billing.Payer
	lose  bool // what is to be remembered is lost, as by a kill
}

func (a *accounts) FindPayer(_ context.Context, account string) (billing.Payer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[account], nil
}

func (a *accounts) RememberPayer(_ context.Context, account, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lose {
		return nil
	}
	c := a.known[account]
	c.Customer = id
	a.known[account] = c
	return nil
}

const account = "7d3c8c52-9a86-4f0d-8f7c-5b4b1d0e8a01"

var began = time.Date(2028, 1, 31, 9, 30, 0, 0, time.UTC)

// world is a provider and its Stripe.
type world struct {
	*testing.T
	stripe   *stripefake.Server
	provider *stripe.Provider
	accounts *accounts
	mirror   *mirror
	sub      billing.Subscription
}

func newWorld(t *testing.T) *world {
	t.Parallel()
	w := &world{T: t, stripe: stripefake.New(t, began), mirror: &mirror{t: t, n: map[string]int{}}}
	w.accounts = &accounts{known: map[string]billing.Payer{account: {
		Email: "anna@school.example", Name: "Schule am See", Language: "de", Street: "Seestr. 1", Postcode: "24103", City: "Kiel", Country: "DE", VATID: "DE123456789",
	}}}
	w.provider = w.another()
	w.sub = billing.Subscription{Tenant: "t7qk2m", Account: account, Email: "anna@school.example", Language: "de", Period: tenant.Monthly, State: billing.Pending}
	return w
}

// another is a second process with the same rows: it remembers nothing of Stripe's.
func (w *world) another() *stripe.Provider {
	w.Helper()
	p, err := stripe.New(stripe.Config{
		Key: w.stripe.Key, URL: w.stripe.URL, Installation: "h1", Customers: w.accounts, Transport: w.mirror, Now: w.stripe.Now,
	})
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func eur(cents int64) tenant.Money { return tenant.Money{Cents: cents, Currency: "EUR"} }

func plan(ref string, cents int64) billing.Item {
	return billing.Item{Kind: billing.LinePlan, Ref: ref, Text: tenant.Text{EN: strings.ToUpper(ref[:1]) + ref[1:]}, Quantity: 1, Unit: eur(cents), VATRate: 19}
}

func seats(quantity int, cents int64) billing.Item {
	return billing.Item{Kind: billing.LineSeats, Ref: "seats", Text: tenant.Text{DE: "Plätze", EN: "Seats"}, Quantity: quantity, Unit: eur(cents), VATRate: 19}
}

var (
	basic    = plan("basic", 400)
	advanced = plan("advanced.2", 600)
	allIn    = plan("all-in", 1400)
)

func (w *world) order(items ...billing.Item) billing.Order {
	return billing.Order{
		ID: "5f0f6f0e-1111-4222-8333-444444444444", Tenant: w.sub.Tenant, Account: account, Email: w.sub.Email, Language: "de",
		Plan: tenant.Plan{ID: "basic", Slug: "basic", Period: tenant.Monthly}, Items: items,
		ReturnURL: "https://hafen.example/servers/t7qk2m", CancelURL: "https://hafen.example/servers/t7qk2m/payment",
	}
}

func (w *world) begin(order billing.Order) billing.Terms {
	w.Helper()
	terms, err := w.provider.Begin(w.Context(), order)
	if err != nil {
		w.Fatalf("begin: %v", err)
	}
	return terms
}

// sold is a world with a subscription that was paid with a good card.
func sold(t *testing.T, items ...billing.Item) *world {
	w := newWorld(t)
	w.begin(w.order(items...))
	w.pay(stripefake.GoodCard)
	w.look()
	return w
}

func (w *world) pay(card stripefake.Card) stripefake.Outcome {
	w.Helper()
	sessions := w.stripe.List("checkout.session")
	return w.stripe.Pay(sessions[len(sessions)-1]["id"].(string), card, false)
}

// look asks, and makes our rows so, as the use case does.
func (w *world) look() billing.Outside {
	w.Helper()
	out, err := w.provider.Look(w.Context(), w.sub)
	if err != nil {
		w.Fatalf("look: %v", err)
	}
	w.sub.State, w.sub.Start, w.sub.End, w.sub.Items = out.State, out.Start, out.End, out.Items
	w.sub.ExternalID, w.sub.Customer, w.sub.Cancelled = out.ExternalID, out.Customer, out.Cancelled
	for i := range w.sub.Items {
		w.sub.Items[i].VATRate = 19
	}
	return out
}

func (w *world) change(key string, items ...billing.Item) billing.Change {
	return billing.Change{Items: items, At: w.stripe.Now(), Key: key}
}

func (w *world) mustChange(c billing.Change) billing.Terms {
	w.Helper()
	terms, err := w.provider.Change(w.Context(), w.sub, c)
	if err != nil {
		w.Fatalf("change: %v", err)
	}
	return terms
}

// paid is what an account's payments come to.
func (w *world) paid() int64 {
	var sum int64
	for _, c := range w.stripe.List("charge") {
		sum += c["amount"].(int64) - c["amount_refunded"].(int64)
	}
	return sum
}

func refs(items []billing.Item) string {
	var list []string
	for _, i := range items {
		list = append(list, fmt.Sprintf("%d×%s", i.Quantity, i.Ref))
	}
	return strings.Join(list, " ")
}

func (w *world) want(what string, got, want any) {
	w.Helper()
	if got != want {
		w.Errorf("%s: got %v, want %v", what, got, want)
	}
}
