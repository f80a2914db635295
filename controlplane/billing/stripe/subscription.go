package stripe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/invoice"
	"github.com/stripe/stripe-go/v76/subscription"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

func (p *Provider) subscriptions() subscription.Client {
	return subscription.Client{B: p.backend, Key: p.Key}
}

// errNone is a server that Stripe takes no money for.
var errNone = errors.New("stripe: there is no subscription")

// find asks for a server's subscription: by its name, or among the customer's when the name never reached us. Of several the
// one that lives, and of those the oldest: that is the one the customer paid first.
func (p *Provider) find(ctx context.Context, s billing.Subscription) (*stripe.Subscription, error) {
	if s.ExternalID != "" {
		asked := &stripe.SubscriptionParams{Params: params(ctx, "")}
		asked.AddExpand("latest_invoice")
		asked.AddExpand("customer")
		found, err := p.subscriptions().Get(s.ExternalID, asked)
		return found, p.failed("ask for subscription "+s.ExternalID, err)
	}
	all, err := p.ofTenant(ctx, s)
	if err != nil {
		return nil, err
	}
	var best *stripe.Subscription
	for _, one := range all { // newest first
		if best == nil || live(one) || !live(best) {
			best = one
		}
	}
	if best == nil {
		return nil, errNone
	}
	return best, nil
}

// ofTenant lists all subscriptions that were ever made for a server, newest first.
func (p *Provider) ofTenant(ctx context.Context, s billing.Subscription) ([]*stripe.Subscription, error) {
	customer, err := p.customerOf(ctx, s)
	if err != nil || customer == "" {
		return nil, err
	}
	asked := &stripe.SubscriptionListParams{ListParams: list(ctx), Customer: stripe.String(customer), Status: stripe.String("all")}
	asked.AddExpand("data.latest_invoice")
	asked.AddExpand("data.customer")
	var all []*stripe.Subscription
	found := p.subscriptions().List(asked)
	for found.Next() {
		if one := found.Subscription(); p.ours(one.Metadata) && one.Metadata[metaTenant] == string(s.Tenant) {
			all = append(all, one)
		}
	}
	return all, p.failed("list a customer's subscriptions", found.Err())
}

func live(s *stripe.Subscription) bool {
	return s.Status != stripe.SubscriptionStatusCanceled && s.Status != stripe.SubscriptionStatusIncompleteExpired
}

// itemsOf are what Stripe bills.
func itemsOf(rows []*stripe.SubscriptionItem) []billing.Item {
	items := make([]billing.Item, 0, len(rows))
	for _, row := range rows {
		if row.Quantity == 0 {
			continue // only its tax rate was set, see taxed
		}
		items = append(items, billing.Item{
			Kind: billing.LineKind(row.Price.Metadata[metaKind]), Ref: row.Price.Metadata[metaRef], Quantity: int(row.Quantity),
			Unit: tenant.Money{Cents: row.Price.UnitAmount, Currency: upper(row.Price.Currency)},
		})
	}
	return items
}

// same says whether two lists bill the same things.
func same(a, b []billing.Item) bool {
	return slices.Equal(fingerprint(a), fingerprint(b))
}

func fingerprint(items []billing.Item) []string {
	lines := make([]string, 0, len(items))
	for _, i := range items {
		if i.Quantity > 0 {
			lines = append(lines, fmt.Sprintf("%s %s %d %d", i.Kind, i.Ref, i.Quantity, i.Unit.Cents))
		}
	}
	slices.Sort(lines)
	return lines
}

// changes turns wanted items into changes of a subscription's: a plan's item stays the plan's, an add-on's the add-on's, so that
// Stripe prorates one against the other. What is taxed otherwise than Stripe would by itself says so; a row that is taxed otherwise
// than what follows it goes and another comes, for what is given back is taxed as it was.
func (p *Provider) changes(ctx context.Context, s *stripe.Subscription, period tenant.Period, wanted []billing.Item) ([]*stripe.SubscriptionItemsParams, error) {
	left := slices.Clone(s.Items.Data)
	usual, rates, err := p.taxes(ctx, s)
	if err != nil {
		return nil, err
	}
	var changes []*stripe.SubscriptionItemsParams
	for _, item := range wanted {
		if item.Quantity == 0 {
			continue
		}
		id, err := p.price(ctx, item, period)
		if err != nil {
			return nil, err
		}
		change := &stripe.SubscriptionItemsParams{Price: stripe.String(id), Quantity: stripe.Int64(int64(item.Quantity))}
		has := usual
		at := slices.IndexFunc(left, func(row *stripe.SubscriptionItem) bool { return row.Price.ID == id })
		if at < 0 {
			at = slices.IndexFunc(left, func(row *stripe.SubscriptionItem) bool {
				return replaces(item, row) && rates[row.ID] == item.VATRate
			})
		}
		if at >= 0 {
			row := left[at]
			left = slices.Delete(left, at, at+1)
			if has = rates[row.ID]; row.Price.ID == id && row.Quantity == int64(item.Quantity) && has == item.VATRate {
				continue
			}
			change.ID = stripe.String(row.ID)
		}
		if has != item.VATRate {
			rate, err := p.taxRate(ctx, item.VATRate)
			if err != nil {
				return nil, err
			}
			change.TaxRates = []*string{stripe.String(rate)}
		}
		changes = append(changes, change)
	}
	for _, row := range left {
		changes = append(changes, &stripe.SubscriptionItemsParams{ID: stripe.String(row.ID), Deleted: stripe.Bool(true)})
	}
	return changes, nil
}

// taxes are the percentages that a subscription's items are taxed at: usual where a row says nothing, and each row's.
func (p *Provider) taxes(ctx context.Context, s *stripe.Subscription) (usual int, rows map[string]int, err error) {
	of := func(rates []*stripe.TaxRate, otherwise int) int {
		if len(rates) == 0 || err != nil {
			return otherwise
		}
		var percent int
		percent, err = p.percentage(ctx, rates[0])
		return percent
	}
	usual = of(s.DefaultTaxRates, 0)
	rows = map[string]int{}
	for _, row := range s.Items.Data {
		rows[row.ID] = of(row.TaxRates, usual)
	}
	return usual, rows, err
}

// taxed sets the tax rates that changes ask for before there is a bill, since an update that waits for its payment takes none
// (https://docs.stripe.com/billing/subscriptions/pending-updates-reference): what is new comes without a quantity first.
func (p *Provider) taxed(ctx context.Context, s billing.Subscription, now *stripe.Subscription, changes []*stripe.SubscriptionItemsParams) (*stripe.Subscription, error) {
	var first []*stripe.SubscriptionItemsParams
	for _, c := range changes {
		if c.TaxRates == nil {
			continue
		}
		one := &stripe.SubscriptionItemsParams{ID: c.ID, TaxRates: c.TaxRates}
		if c.ID == nil {
			one.Price, one.Quantity = c.Price, stripe.Int64(0)
		}
		first = append(first, one)
	}
	if len(first) == 0 {
		return now, nil
	}
	asked := &stripe.SubscriptionParams{Items: first, ProrationBehavior: stripe.String("none")}
	asked.Params = params(ctx, p.once("tax", now.ID, changed(first)))
	if _, err := p.subscriptions().Update(now.ID, asked); err != nil {
		return nil, p.failed("set tax rates of subscription "+now.ID, err)
	}
	s.ExternalID = now.ID
	return p.find(ctx, s)
}

func replaces(item billing.Item, row *stripe.SubscriptionItem) bool {
	slug := func(ref string) string { slug, _, _ := strings.Cut(ref, "."); return slug }
	kind := billing.LineKind(row.Price.Metadata[metaKind])
	return kind == item.Kind && (kind == billing.LinePlan || slug(row.Price.Metadata[metaRef]) == slug(item.Ref))
}

// Change changes the items at once, and Stripe takes the difference. When it cannot, because a card was declined or a bank asks
// for its customer, nothing is changed until the bill is paid at CheckoutURL; after a day it is void.
func (p *Provider) Change(ctx context.Context, s billing.Subscription, c billing.Change) (billing.Terms, error) {
	now, err := p.find(ctx, s)
	if err != nil {
		return billing.Terms{}, err
	}
	if !live(now) {
		return billing.Terms{}, fmt.Errorf("stripe: subscription %s has ended", now.ID)
	}
	if waits(now, c.Items) && payable(now) {
		return billing.Terms{CheckoutURL: payURL(now)}, nil // asked before
	}
	if err := p.agree(ctx, now, s); err != nil {
		return billing.Terms{}, err
	}
	if now, err = p.unbook(ctx, s, now, c.Key); err != nil {
		return billing.Terms{}, err
	}
	changes, err := p.changes(ctx, now, s.Period, c.Items)
	if err != nil || len(changes) == 0 {
		return billing.Terms{Settled: err == nil}, err // made before
	}
	if now.Status != stripe.SubscriptionStatusTrialing {
		if overtaken(now, c) {
			return billing.Terms{}, errOvertaken
		}
		if now, err = p.taxed(ctx, s, now, changes); err != nil {
			return billing.Terms{}, err
		}
		if changes, err = p.changes(ctx, now, s.Period, c.Items); err != nil {
			return billing.Terms{}, err
		}
	}
	asked := &stripe.SubscriptionParams{
		Items: changes, ProrationBehavior: stripe.String("always_invoice"), ProrationDate: stripe.Int64(c.At.Unix()),
		PaymentBehavior: stripe.String("pending_if_incomplete"),
	}
	if now.Status == stripe.SubscriptionStatusTrialing {
		// Nothing is to be paid in a trial, and pending updates want a bill.
		asked.ProrationBehavior, asked.ProrationDate, asked.PaymentBehavior = stripe.String("none"), nil, nil
	}
	asked.AddExpand("latest_invoice")
	asked.Params.Context, asked.Params.IdempotencyKey = ctx, stripe.String(p.once("change", c.Key, now.ID, changed(changes), c.At.Unix()))
	changedTo, err := p.subscriptions().Update(now.ID, asked)
	if err != nil {
		return billing.Terms{}, p.failed("change subscription "+now.ID, err)
	}
	if changedTo.PendingUpdate != nil {
		return billing.Terms{CheckoutURL: payURL(changedTo)}, nil
	}
	return billing.Terms{Settled: true}, nil
}

// errOvertaken is a change that was reckoned in a period that is over: what it costs is to be agreed on anew.
var errOvertaken error = &tenant.Fault{Kind: tenant.Conflict, Code: "quote.expired"}

func overtaken(now *stripe.Subscription, c billing.Change) bool {
	return c.At.Unix() < now.CurrentPeriodStart
}

// waits says whether a change to these items waits for its money.
func waits(s *stripe.Subscription, items []billing.Item) bool {
	return s.PendingUpdate != nil && same(itemsOf(s.PendingUpdate.SubscriptionItems), items)
}

// payable says whether the last bill can still be paid: one that was taken back can not.
func payable(s *stripe.Subscription) bool {
	return s.LatestInvoice != nil && s.LatestInvoice.Status == stripe.InvoiceStatusOpen
}

// Abandon voids the bill that a change waits for, and with it the change. A bill that was paid a moment before can not be voided:
// then the change is made.
func (p *Provider) Abandon(ctx context.Context, s billing.Subscription, c billing.Change) (gone bool, err error) {
	now, err := p.find(ctx, s)
	if errors.Is(err, errNone) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if waits(now, c.Items) && payable(now) {
		asked := &stripe.InvoiceVoidInvoiceParams{Params: params(ctx, p.once("abandon", c.Key, now.LatestInvoice.ID))}
		_, refused := invoice.Client{B: p.backend, Key: p.Key}.VoidInvoice(now.LatestInvoice.ID, asked)
		s.ExternalID = now.ID
		if now, err = p.find(ctx, s); err != nil {
			return false, err
		}
		if waits(now, c.Items) && payable(now) {
			return false, cmp.Or(p.failed("void the bill of a change", refused), fmt.Errorf("stripe: bill %s is void, and open", now.LatestInvoice.ID))
		}
	}
	return !live(now) || !same(itemsOf(now.Items.Data), c.Items), nil
}

// changed are changes as text, for an idempotency key.
func changed(changes []*stripe.SubscriptionItemsParams) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s %d %t", stripe.StringValue(c.ID), stripe.StringValue(c.Price), stripe.Int64Value(c.Quantity), stripe.BoolValue(c.Deleted))
		for _, rate := range c.TaxRates {
			fmt.Fprintf(&b, " %s", *rate)
		}
		b.WriteByte(';')
	}
	return b.String()
}

// payURL is where the last bill is paid.
func payURL(s *stripe.Subscription) string {
	if s.LatestInvoice == nil {
		return ""
	}
	return s.LatestInvoice.HostedInvoiceURL
}

// unbook brings the items back to what the present period was paid for, before a change is prorated against them.
func (p *Provider) unbook(ctx context.Context, s billing.Subscription, now *stripe.Subscription, key string) (*stripe.Subscription, error) {
	if booked(now) == nil {
		return now, nil
	}
	if err := p.setNext(ctx, now, s, coming{Change: billing.Change{Items: s.Items, Period: s.Period, Key: key + "-unbook"}, cancel: now.CancelAtPeriodEnd}); err != nil {
		return nil, err
	}
	s.ExternalID = now.ID
	return p.find(ctx, s)
}

// End cancels every subscription of a server and closes its open Checkouts. Bills that are open stay so: what was used is owed.
func (p *Provider) End(ctx context.Context, s billing.Subscription) error {
	customer, err := p.customerOf(ctx, s)
	if err != nil {
		return err
	}
	if customer != "" {
		if err := p.expire(ctx, customer, string(s.Tenant)); err != nil {
			return err
		}
	}
	all, err := p.ofTenant(ctx, s)
	if err != nil {
		return err
	}
	for _, one := range all {
		if !live(one) {
			continue
		}
		asked := &stripe.SubscriptionCancelParams{Params: params(ctx, ""), InvoiceNow: stripe.Bool(false), Prorate: stripe.Bool(false)}
		if _, err := p.subscriptions().Cancel(one.ID, asked); err != nil && !is(err, stripe.ErrorCodeResourceMissing) {
			return p.failed("cancel subscription "+one.ID, err)
		}
	}
	return nil
}
