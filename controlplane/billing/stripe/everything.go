package stripe

import (
	"context"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/invoice"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Subscriptions lists every subscription of this installation that Stripe may still take money for.
func (p *Provider) Subscriptions(ctx context.Context) ([]billing.Found, error) {
	var all []billing.Found
	found := p.subscriptions().List(&stripe.SubscriptionListParams{ListParams: list(ctx)})
	for found.Next() {
		one := found.Subscription()
		if !p.ours(one.Metadata) || !live(one) {
			continue
		}
		all = append(all, billing.Found{Outside: outline(one), Tenant: tenant.ID(one.Metadata[metaTenant]), Created: unix(one.Created)})
	}
	return all, p.failed("list all subscriptions", found.Err())
}

// Bills lists every bill of this installation that was written since a moment.
func (p *Provider) Bills(ctx context.Context, since time.Time) ([]billing.FoundBill, error) {
	var all []billing.FoundBill
	found := invoice.Client{B: p.backend, Key: p.Key}.List(&stripe.InvoiceListParams{
		ListParams: list(ctx), CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()},
	})
	for found.Next() {
		in := found.Invoice()
		if in.Status == stripe.InvoiceStatusDraft || in.SubscriptionDetails == nil || !p.ours(in.SubscriptionDetails.Metadata) {
			continue
		}
		of := ""
		if in.Subscription != nil {
			of = in.Subscription.ID
		}
		all = append(all, billing.FoundBill{
			Subscription: of, External: in.ID, Number: in.Number, Tenant: tenant.ID(in.SubscriptionDetails.Metadata[metaTenant]),
			Status: billing.InvoiceStatus(in.Status), Gross: tenant.Money{Cents: in.Total, Currency: upper(in.Currency)},
		})
	}
	return all, p.failed("list all bills", found.Err())
}

// Probe asks one question of each kind that is asked later, and changes nothing: an error says which the key may not ask.
func (p *Provider) Probe(ctx context.Context) error {
	if err := p.readRates(ctx, func(*stripe.TaxRate) {}); err != nil {
		return err
	}
	if _, err := p.findPrice(ctx, "hafen:probe"); err != nil {
		return err
	}
	if _, err := p.findCustomer(ctx, "probe", "probe@hafen.invalid"); err != nil {
		return err
	}
	one := stripe.ListParams{Context: ctx, Limit: stripe.Int64(1), Single: true}
	subscriptions := p.subscriptions().List(&stripe.SubscriptionListParams{ListParams: one})
	subscriptions.Next()
	if err := subscriptions.Err(); err != nil {
		return p.failed("list subscriptions", err)
	}
	bills := invoice.Client{B: p.backend, Key: p.Key}.List(&stripe.InvoiceListParams{ListParams: one})
	bills.Next()
	return p.failed("list bills", bills.Err())
}
