package stripe

import (
	"context"
	"errors"
	"net/http"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/charge"
	"github.com/stripe/stripe-go/v76/dispute"
	"github.com/stripe/stripe-go/v76/invoice"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// previewParams are of POST /v1/invoices/create_preview: the same answer as GET /v1/invoices/upcoming, which newer versions of
// Stripe's API have not any more. stripe-go v76 has the older one alone.
type previewParams struct {
	stripe.Params `form:"*"`
	Subscription  *string         `form:"subscription"`
	Details       *previewDetails `form:"subscription_details"`
}

type previewDetails struct {
	Items             []*stripe.SubscriptionItemsParams `form:"items"`
	ProrationBehavior *string                           `form:"proration_behavior"`
	ProrationDate     *int64                            `form:"proration_date"`
}

// Preview asks Stripe for the bill that Change would bring. Where another change is booked, Stripe's items are not the ones that
// were paid for, and the same arithmetic is done here.
func (p *Provider) Preview(ctx context.Context, s billing.Subscription, c billing.Change) (billing.Bill, error) {
	nothing := billing.Prorate(billing.Subscription{}, c)
	if s.State != billing.Active {
		return nothing, nil
	}
	now, err := p.find(ctx, s)
	if err != nil {
		return nothing, err
	}
	if overtaken(now, c) {
		return nothing, errOvertaken
	}
	if booked(now) != nil {
		return billing.Prorate(s, c).Under(s.VATNote), nil
	}
	if err := p.agree(ctx, now, s); err != nil {
		return nothing, err
	}
	changes, err := p.changes(ctx, now, s.Period, c.Items)
	if err != nil || len(changes) == 0 {
		return nothing, err
	}
	asked := &previewParams{
		Params: params(ctx, ""), Subscription: stripe.String(now.ID), Details: &previewDetails{
			Items: changes, ProrationBehavior: stripe.String("always_invoice"), ProrationDate: stripe.Int64(c.At.Unix()),
		},
	}
	answer := &stripe.Invoice{}
	if err := p.backend.Call(http.MethodPost, "/v1/invoices/create_preview", p.Key, asked, answer); err != nil {
		return nothing, p.failed("preview a change of subscription "+now.ID, err)
	}
	bill, err := p.bill(ctx, answer)
	if err != nil {
		return nothing, err
	}
	var at []billing.Line
	for i, line := range answer.Lines.Data {
		if line.Proration {
			at = append(at, bill.Lines[i])
		}
	}
	if len(at) == len(answer.Lines.Data) {
		return bill, nil // with what is beyond the lines that Stripe lists
	}
	// The next period's lines came along.
	return billing.Sum(nothing.Net.Currency, at), nil
}

// bill reads an invoice's lines and sums, which are Stripe's to the cent.
func (p *Provider) bill(ctx context.Context, in *stripe.Invoice) (billing.Bill, error) {
	money := func(cents int64) tenant.Money {
		return tenant.Money{Cents: cents, Currency: upper(in.Currency)}
	}
	bill := billing.Bill{Net: money(in.TotalExcludingTax), VAT: money(in.Tax), Gross: money(in.Total)}
	var off []billing.Line
	told := money(0)
	for _, row := range in.Lines.Data {
		line := billing.Line{
			Kind: billing.LineOther, Text: row.Description, Quantity: int(row.Quantity), Net: money(row.Amount),
			From: unix(row.Period.Start), Until: unix(row.Period.End),
		}
		if row.Price != nil && row.Price.Metadata[metaKind] != "" {
			line.Kind = billing.LineKind(row.Price.Metadata[metaKind])
		}
		if row.Price != nil && row.Price.UnitAmount*row.Quantity == row.Amount {
			line.Unit = money(row.Price.UnitAmount)
		} else {
			line.Quantity, line.Unit = 1, line.Net
		}
		if row.Proration {
			line.Kind = billing.LineProration
		}
		if len(row.TaxAmounts) > 0 && noteOf(in, "") == "" {
			rate, err := p.percentage(ctx, row.TaxAmounts[0].TaxRate)
			if err != nil {
				return bill, err
			}
			line.VATRate = rate
		}
		bill.Lines = append(bill.Lines, line)
		told = told.Plus(line.Net)
		for _, d := range row.DiscountAmounts {
			less := money(-d.Amount)
			told = told.Plus(less)
			off = discounted(off, less, line.VATRate, in.Discount)
		}
	}
	bill.Lines = append(bill.Lines, off...)
	if rest := bill.Net.Plus(told.Negative()); rest.Cents != 0 {
		// Stripe puts ten lines into an invoice; what there is beyond them, in one.
		bill.Lines = append(bill.Lines, billing.Line{Kind: billing.LineOther, Quantity: 1, Unit: rest, Net: rest})
	}
	return bill, nil
}

// discounted adds to what a coupon takes off at a tax rate.
func discounted(lines []billing.Line, less tenant.Money, rate int, discount *stripe.Discount) []billing.Line {
	for i := range lines {
		if lines[i].VATRate == rate {
			lines[i].Net = lines[i].Net.Plus(less)
			lines[i].Unit = lines[i].Net
			return lines
		}
	}
	line := billing.Line{Kind: billing.LineCoupon, Quantity: 1, Unit: less, Net: less, VATRate: rate}
	if discount != nil && discount.Coupon != nil {
		line.Text = discount.Coupon.Name
	}
	return append(lines, line)
}

// Look asks for a server's subscription, its bills, and what became of their payments.
func (p *Provider) Look(ctx context.Context, s billing.Subscription) (billing.Outside, error) {
	now, err := p.find(ctx, s)
	if errors.Is(err, errNone) {
		return billing.Outside{State: billing.Pending}, nil
	}
	if err != nil {
		return billing.Outside{}, err
	}
	out := outline(now)
	payments, err := p.payments(ctx, &stripe.ChargeListParams{ListParams: list(ctx), Customer: stripe.String(out.Customer)})
	if err != nil {
		return billing.Outside{}, err
	}
	found := invoice.Client{B: p.backend, Key: p.Key}.List(&stripe.InvoiceListParams{ListParams: list(ctx), Subscription: stripe.String(now.ID)})
	for found.Next() {
		in := found.Invoice()
		if in.Status == stripe.InvoiceStatusDraft {
			continue
		}
		one, err := p.invoice(ctx, in, payments[in.ID])
		if err != nil {
			return billing.Outside{}, err
		}
		one.Note = noteOf(in, s.VATNote)
		out.Invoices = append(out.Invoices, one)
	}
	return out, p.failed("list the bills of subscription "+now.ID, found.Err())
}

// outline is what a subscription says without its bills.
func outline(now *stripe.Subscription) billing.Outside {
	out := billing.Outside{
		ExternalID: now.ID, State: state(now.Status), Start: unix(now.CurrentPeriodStart), End: unix(now.CurrentPeriodEnd),
		Next: itemsOf(now.Items.Data), Cancelled: now.CancelAtPeriodEnd,
	}
	if now.Customer != nil {
		out.Customer = now.Customer.ID
	}
	if out.Items = booked(now); out.Items == nil {
		out.Items = out.Next
	}
	return out
}

// state: a subscription that is behind with paying still runs; its open bills say that, and dunning acts on it.
func state(status stripe.SubscriptionStatus) billing.State {
	switch status {
	case stripe.SubscriptionStatusIncomplete:
		return billing.Pending
	case stripe.SubscriptionStatusTrialing:
		return billing.Trialing
	case stripe.SubscriptionStatusCanceled, stripe.SubscriptionStatusIncompleteExpired:
		return billing.Ended
	default:
		return billing.Active
	}
}

// payment is what became of a bill's money.
type payment struct {
	refunded int64
	dispute  billing.Dispute
}

// payments are what became of the money of charges, by bill.
func (p *Provider) payments(ctx context.Context, of *stripe.ChargeListParams) (map[string]payment, error) {
	byInvoice := map[string]payment{}
	found := charge.Client{B: p.backend, Key: p.Key}.List(of)
	for found.Next() {
		c := found.Charge()
		if c.Invoice == nil {
			continue
		}
		one := byInvoice[c.Invoice.ID]
		one.refunded += c.AmountRefunded
		if c.Disputed {
			var err error
			if one.dispute, err = p.dispute(ctx, c.ID); err != nil {
				return nil, err
			}
		}
		byInvoice[c.Invoice.ID] = one
	}
	return byInvoice, p.failed("list payments", found.Err())
}

// dispute asks what a customer's bank wants of a payment: the newest of what it wanted.
func (p *Provider) dispute(ctx context.Context, charge string) (billing.Dispute, error) {
	found := dispute.Client{B: p.backend, Key: p.Key}.List(&stripe.DisputeListParams{ListParams: list(ctx), Charge: stripe.String(charge)})
	if !found.Next() {
		return billing.Dispute{}, p.failed("list disputes of "+charge, found.Err())
	}
	return disputed(found.Dispute()), nil
}

func disputed(d *stripe.Dispute) billing.Dispute {
	one := billing.Dispute{Status: string(d.Status), Reason: string(d.Reason), Amount: tenant.Money{Cents: d.Amount, Currency: upper(d.Currency)}}
	if d.EvidenceDetails != nil {
		one.RespondBy = unix(d.EvidenceDetails.DueBy)
	}
	return one
}

// standing is where a bill stands, and what of it is paid: what was too much on an earlier bill counts as paid, and what was given
// back does not. What a bank took back is owed again.
func standing(in *stripe.Invoice, paid payment) (billing.InvoiceStatus, int64) {
	status, cents := billing.InvoiceStatus(in.Status), int64(0)
	if in.Status == stripe.InvoiceStatusPaid || in.Status == stripe.InvoiceStatusOpen {
		cents = in.Total - in.AmountRemaining - paid.refunded
	}
	if in.Status == stripe.InvoiceStatusPaid && paid.dispute.Lost() {
		return billing.InvoiceOpen, cents - paid.dispute.Amount.Cents
	}
	return status, cents
}

func (p *Provider) invoice(ctx context.Context, in *stripe.Invoice, paid payment) (billing.Invoice, error) {
	bill, err := p.bill(ctx, in)
	if err != nil {
		return billing.Invoice{}, err
	}
	one := billing.Invoice{
		Bill: bill, Number: in.Number, External: in.ID, URL: in.HostedInvoiceURL, Dispute: paid.dispute,
		Issued: unix(in.Created), Due: unix(in.DueDate), Paid: tenant.Money{Currency: bill.Gross.Currency},
	}
	one.Status, one.Paid.Cents = standing(in, paid)
	if t := in.StatusTransitions; t != nil {
		if t.FinalizedAt != 0 {
			one.Issued = unix(t.FinalizedAt)
		}
		one.PaidAt = unix(t.PaidAt)
	}
	if one.Due.IsZero() { // taken from a card: at once
		one.Due = one.Issued
	}
	for _, line := range bill.Lines {
		if one.Start.IsZero() || !line.From.IsZero() && line.From.Before(one.Start) {
			one.Start = line.From
		}
		if line.Until.After(one.End) {
			one.End = line.Until
		}
	}
	return one, nil
}

// payer is whose payment a charge is.
func (p *Provider) payer(ctx context.Context, id string) (string, error) {
	c, err := charge.Client{B: p.backend, Key: p.Key}.Get(id, &stripe.ChargeParams{Params: params(ctx, "")})
	if err != nil || c.Customer == nil {
		return "", p.failed("ask whose payment "+id+" is", err)
	}
	return c.Customer.ID, nil
}
