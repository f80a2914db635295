// Package billing is money: what is owed, how it is reckoned, and the providers that carry it.
//
// A subscription is what a customer has agreed to pay for one server, period after period. Its rows say what is wanted; a
// provider makes it true outside and says what has come of it. A provider never changes a tenant: a webhook, a click on the
// operator's console or a clock only says "look again", and the control plane asks the provider and acts in one transaction.
//
// Amounts are net cents; tax is taken once from the sum of each rate on a bill. The arithmetic is pure (see Lines, Prorate).
package billing

import (
	"context"
	"errors"
	"time"

	"hafen/tenant"
)

// Item is one thing a subscription pays for in every period.
type Item struct {
	Kind     LineKind // LinePlan, LineSeats or LineStorage
	Ref      string   // id of the plan's or add-on's version
	Text     tenant.Text
	Quantity int
	Unit     tenant.Money // net, for a whole period of the subscription
	VATRate  int
}

// Coupon takes something off a bill: Percent of it, or Amount, never more than there is.
type Coupon struct {
	Code    string
	Percent int
	Amount  tenant.Money // net, when Percent is 0
	Left    *int         // bills it is still good for, that of the present period included; nil for all
}

// Subscription is all that a bill is made from.
type Subscription struct {
	Tenant     tenant.ID
	ServerName tenant.Domain
	Account    string
	Email      string
	Language   string
	State      State
	Period     tenant.Period
	Anchor     time.Time // periods are counted from here
	Start, End time.Time // of the period that is billed; zero before the first
	TrialEnd   time.Time // zero without one
	Items      []Item
	Coupon     *Coupon
	VATNote    VATNote // why its bills have no tax; "" when they have
	Cancelled  bool    // ends with the period
	ExternalID string  // the provider's own name of it
	Customer   string  // the provider's own name of the account
}

// State is where a subscription stands.
type State string

// The states.
const (
	Pending  State = "pending" // nothing was paid yet, and nothing runs
	Trialing State = "trialing"
	Active   State = "active"
	Ended    State = "ended"
)

// Change is what shall be paid from now on, or from the next period.
type Change struct {
	Items  []Item
	Period tenant.Period // of the items; only Book is asked for another than the subscription's
	At     time.Time     // the moment proration is reckoned from: the same in the preview and in the change
	Key    string        // makes asking again harmless (Stripe: Idempotency-Key)
}

// TurnBefore is how long before a period's end a provider outside, which bills by its own clock, is told for the last time what
// the next one is for.
const TurnBefore = time.Hour

// Line is one line of a bill.
type Line struct {
	Kind        LineKind
	Text        string
	Quantity    int
	Unit, Net   tenant.Money // negative gives back
	VATRate     int
	From, Until time.Time // of supply; zero when it has no time
}

// LineKind says what a line is for.
type LineKind string

// The kinds of line.
const (
	LinePlan      LineKind = "plan"
	LineSeats     LineKind = "seats"
	LineStorage   LineKind = "storage"
	LineProration LineKind = "proration"
	LineCoupon    LineKind = "coupon"
	LineOther     LineKind = "other"
)

// Bill is lines with their sums. Gross is Net plus VAT, to the cent.
type Bill struct {
	Lines           []Line
	Net, VAT, Gross tenant.Money
}

// Invoice is a bill that a provider has written or that is to be written by us (without ID and Number).
type Invoice struct {
	Bill
	ID          string
	Number      string // what people call it
	External    string // the provider's own name of it
	Status      InvoiceStatus
	Paid        tenant.Money // less refunds
	Start, End  time.Time    // of supply
	Issued, Due time.Time
	PaidAt      time.Time
	URL         string // where the provider shows it, and takes the money; "" when we do
	Dispute     Dispute
	Note        VATNote // why a provider has taken no tax; "" when it has
}

// Dispute is a customer's bank that asks for a bill's money back; zero when none does. While it is open nothing happens to the
// server. Lost, the bill is unpaid again, and to be paid otherwise than it was; won, nothing has changed.
type Dispute struct {
	Status    string // Stripe's word: needs_response, under_review, won, lost, or warning_… before the bank has asked for money
	Reason    string // Stripe's word
	Amount    tenant.Money
	RespondBy time.Time // when the seller's answer is due; zero when none is
}

// Lost reports whether the money is gone.
func (d Dispute) Lost() bool { return d.Status == "lost" }

// Open reports whether it is not decided yet.
func (d Dispute) Open() bool {
	return d.Status != "" && d.Status != "won" && d.Status != "lost" && d.Status != "warning_closed"
}

// InvoiceStatus is Stripe's word for where a bill stands.
type InvoiceStatus string

// The statuses of a bill.
const (
	InvoiceOpen          InvoiceStatus = "open"
	InvoicePaid          InvoiceStatus = "paid"
	InvoiceVoid          InvoiceStatus = "void"
	InvoiceUncollectible InvoiceStatus = "uncollectible"
)

// Order is what is to be paid first: a period of a plan with its add-ons. Net and VAT are kept apart, as an invoice must show them.
type Order struct {
	ID        string // also the idempotency key towards a provider
	Number    int64  // of the order, for people
	Tenant    tenant.ID
	Account   string
	Email     string
	Language  string
	Plan      tenant.Plan // its TrialDays are those that are given: 0 to whoever has had a trial before
	Items     []Item
	Coupon    *Coupon
	Net, VAT  tenant.Money // owed at once: nothing in a trial
	CreatedAt time.Time
	// Where a provider sends the customer's browser afterwards.
	ReturnURL, CancelURL string
}

// CouponCode is the code of the order's coupon, "" without one.
func (o Order) CouponCode() string {
	if o.Coupon == nil {
		return ""
	}
	return o.Coupon.Code
}

// Gross is what the customer pays.
func (o Order) Gross() tenant.Money { return o.Net.Plus(o.VAT) }

// Terms is a provider's answer to an order or to a change.
type Terms struct {
	Settled     bool   // nothing is to be awaited
	CheckoutURL string // where the customer pays, or proves who they are; "" when they are told how on our own page
}

// Outside is what a provider knows of a subscription, freshly asked.
type Outside struct {
	ExternalID, Customer string
	State                State
	Start, End           time.Time
	Items                []Item // Ref and Quantity: what the money is taken for
	Next                 []Item // what the next period will be billed for, as things stand
	Cancelled            bool   // ends with the period
	Invoices             []Invoice
}

// ErrNotOurs answers a question that only a provider outside can: with invoices of our own, our rows are the truth.
var ErrNotOurs = errors.New("billing: this provider keeps nothing outside")

// Provider turns orders and changes into money. Every method may be called again with the same arguments and then does
// nothing twice. A refusal that the customer can mend is a tenant.Fault of kind PaymentRequired.
type Provider interface {
	Name() string
	// Begin asks for the first payment.
	Begin(ctx context.Context, order Order) (Terms, error)
	// Preview is the bill that a change would bring at once: 0 when it would bring none.
	Preview(ctx context.Context, s Subscription, c Change) (Bill, error)
	// Change makes the provider take money for other items: at once with proration. Terms says whether they are paid for.
	Change(ctx context.Context, s Subscription, c Change) (Terms, error)
	// Abandon has a change not happen whose money has not come: what it would be paid by is void. gone is false when the money was
	// quicker, and the items are what is paid for.
	Abandon(ctx context.Context, s Subscription, c Change) (gone bool, err error)
	// Book sets what the next period is billed for, without proration; and whether there is one. It is called again within
	// TurnBefore of the period's end when the next one is of another length.
	Book(ctx context.Context, s Subscription, c Change, cancel bool) error
	// Look asks what there is. ErrNotOurs when the provider has nothing outside.
	Look(ctx context.Context, s Subscription) (Outside, error)
	// Portal is where the customer keeps cards and finds bills; "" when there is no such place.
	Portal(ctx context.Context, s Subscription, returnURL string) (string, error)
	// End stops taking money at once.
	End(ctx context.Context, s Subscription) error
}

// Payer is who pays, as a provider outside shall know them. All but Email may be empty.
type Payer struct {
	Customer string // the provider's own name
	Email    string
	Name     string // a company's, or a person's
	Language string
	Street, Postcode, City, Country,
	VATID string
	VATNote VATNote // why their bills have no tax; "" when they have
}

// Found is a subscription that a provider outside has, among all that it has for this installation.
type Found struct {
	Outside // without bills
	Tenant  tenant.ID
	Created time.Time
}

// FoundBill is a bill that a provider outside has written.
type FoundBill struct {
	External, Number string
	Subscription     string // the provider's name of what it is for
	Tenant           tenant.ID
	Status           InvoiceStatus
	Gross, Paid      tenant.Money
	Dispute          string // its status
}
