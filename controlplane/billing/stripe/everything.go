package stripe

import (
	"context"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/charge"
	"github.com/stripe/stripe-go/v76/dispute"
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

// Bills lists every bill of this installation that was written since a moment, and those whose money a bank has asked back since.
func (p *Provider) Bills(ctx context.Context, since time.Time) ([]billing.FoundBill, error) {
	after := &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}
	payments, err := p.payments(ctx, &stripe.ChargeListParams{ListParams: list(ctx), CreatedRange: after})
	if err != nil {
		return nil, err
	}
	var all []billing.FoundBill
	seen := map[string]bool{}
	see := func(in *stripe.Invoice, paid payment) {
		seen[in.ID] = true
		if in.Status == stripe.InvoiceStatusDraft || in.SubscriptionDetails == nil || !p.ours(in.SubscriptionDetails.Metadata) {
			return
		}
		all = append(all, foundBill(in, paid))
	}
	client := invoice.Client{B: p.backend, Key: p.Key}
	found := client.List(&stripe.InvoiceListParams{ListParams: list(ctx), CreatedRange: after})
	for found.Next() {
		see(found.Invoice(), payments[found.Invoice().ID])
	}
	if err := found.Err(); err != nil {
		return nil, p.failed("list all bills", err)
	}
	asked := &stripe.DisputeListParams{ListParams: list(ctx), CreatedRange: after}
	asked.AddExpand("data.charge.invoice")
	disputes := dispute.Client{B: p.backend, Key: p.Key}.List(asked)
	for disputes.Next() {
		d := disputes.Dispute()
		if d.Charge == nil || d.Charge.Invoice == nil || seen[d.Charge.Invoice.ID] {
			continue
		}
		see(d.Charge.Invoice, payment{refunded: d.Charge.AmountRefunded, dispute: disputed(d)})
	}
	return all, p.failed("list all disputes", disputes.Err())
}

func foundBill(in *stripe.Invoice, paid payment) billing.FoundBill {
	one := billing.FoundBill{
		External: in.ID, Number: in.Number, Tenant: tenant.ID(in.SubscriptionDetails.Metadata[metaTenant]), Dispute: paid.dispute.Status,
		Gross: tenant.Money{Cents: in.Total, Currency: upper(in.Currency)}, Paid: tenant.Money{Currency: upper(in.Currency)},
	}
	one.Status, one.Paid.Cents = standing(in, paid)
	if in.Subscription != nil {
		one.Subscription = in.Subscription.ID
	}
	return one
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
	if err := bills.Err(); err != nil {
		return p.failed("list bills", err)
	}
	charges := charge.Client{B: p.backend, Key: p.Key}.List(&stripe.ChargeListParams{ListParams: one})
	charges.Next()
	if err := charges.Err(); err != nil {
		return p.failed("list payments", err)
	}
	disputes := dispute.Client{B: p.backend, Key: p.Key}.List(&stripe.DisputeListParams{ListParams: one})
	disputes.Next()
	return p.failed("list disputes", disputes.Err())
}
