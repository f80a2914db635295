// Package billing decides how an order becomes paid.
//
// A provider never changes a tenant. It says at the order whether money must be awaited, and from where the customer can
// pay; what happens later (an operator books a transfer, a webhook arrives) reaches the control plane as "look again".
package billing

import (
	"context"
	"time"

	"hafen/tenant"
)

// Order is what is to be paid: once for a month of a plan. Net and VAT are kept apart, as an invoice must show them.
type Order struct {
	ID        string // also the idempotency key towards a provider
	Number    int64  // of the order, for people
	Tenant    tenant.ID
	Email     string
	Language  string
	Plan      tenant.Plan
	Net, VAT  tenant.Money
	CreatedAt time.Time
}

// Gross is what the customer pays.
func (o Order) Gross() tenant.Money { return o.Net.Plus(o.VAT) }

// Terms is a provider's answer to an order.
type Terms struct {
	Settled     bool   // nothing is to be awaited
	CheckoutURL string // where the customer pays; "" when they are told how on our own page
}

// Provider turns orders into terms. Begin may be called again for the same order id and then gives the same answer.
type Provider interface {
	Name() string
	Begin(ctx context.Context, order Order) (Terms, error)
}

// Invoice is the provider that needs no account anywhere: the order stays open until an operator marks it paid, or, with
// AcceptAtOnce (trial mode), is settled when it is made.
type Invoice struct{ AcceptAtOnce bool }

// Name is "invoice".
func (Invoice) Name() string { return "invoice" }

// Begin never fails.
func (i Invoice) Begin(context.Context, Order) (Terms, error) {
	return Terms{Settled: i.AcceptAtOnce}, nil
}
