package controlplane

import (
	"context"
	"errors"
	"slices"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Bookkeeping is what the hoster's staff does with invoices. Every method refuses anybody else with a Forbidden fault.
type Bookkeeping struct{ BookkeepingConfig }

// BookkeepingConfig is what Bookkeeping needs.
type BookkeepingConfig struct {
	Store BookkeepingStore
	Now   func() time.Time // time.Now when nil
}

// BookkeepingStore keeps the books.
type BookkeepingStore interface {
	ListInvoices(ctx context.Context, f InvoiceFilter) (InvoicePage, error)
	FindInvoice(ctx context.Context, id string) (billing.Document, error)
	ListPayments(ctx context.Context, invoice string) ([]Payment, error)
	// BookPayment notes money for an open invoice of our own. What pays all of it gives the server back what was taken from it, in
	// the same transaction. Faults: invoice.unknown, invoice.closed, invoice.too_much.
	BookPayment(ctx context.Context, actor Actor, p Payment, now time.Time) error
	// VoidInvoice takes an invoice back with a credit note that has a number of its own, and gives that note's id.
	VoidInvoice(ctx context.Context, actor Actor, id, reason string, now time.Time) (string, error)
	FindBillingSettings(ctx context.Context) (BillingSettings, error)
	StoreBillingSettings(ctx context.Context, actor Actor, s BillingSettings) error
	// PauseDunning makes dunning wait for all servers of whoever pays for this one; a zero time ends the wait.
	PauseDunning(ctx context.Context, actor Actor, id tenant.ID, until time.Time, note string, now time.Time) error
	FindOwed(ctx context.Context, id tenant.ID) (Owed, error)
}

// Payment is money that came for an invoice.
type Payment struct {
	Invoice  string
	Amount   tenant.Money
	On       time.Time // the day it came
	Note     string
	BookedBy string
	BookedAt time.Time
}

// BillingSettings is who sells, and how patient they are. Days are counted from the day a bill is due.
type BillingSettings struct {
	Seller  billing.Party
	DueDays int // from issue
	tenant.Schedule
}

// MostDays bounds each number of days: a year.
const MostDays = 365

// NewBookkeeping makes Bookkeeping.
func NewBookkeeping(c BookkeepingConfig) *Bookkeeping {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Bookkeeping{c}
}

// Search lists invoices, newest first.
func (b *Bookkeeping) Search(ctx context.Context, actor Actor, f InvoiceFilter) (InvoicePage, error) {
	if !actor.Operator {
		return InvoicePage{}, errOperator()
	}
	f.Page, f.Now = max(f.Page, 1), b.Now()
	return b.Store.ListInvoices(ctx, f)
}

// Export lists the invoices of our own that were issued from one moment until before another, oldest first, for a tax adviser.
func (b *Bookkeeping) Export(ctx context.Context, actor Actor, from, until time.Time) ([]billing.Document, error) {
	if !actor.Operator {
		return nil, errOperator()
	}
	if !from.Before(until) {
		return nil, &tenant.Fault{Kind: tenant.Invalid, Code: "export.period", Field: "until"}
	}
	page, err := b.Store.ListInvoices(ctx, InvoiceFilter{From: from, Until: until, Now: b.Now()})
	if err != nil {
		return nil, err
	}
	slices.Reverse(page.Invoices)
	return slices.DeleteFunc(page.Invoices, func(d billing.Document) bool { return d.Provider != "invoice" }), nil
}

// Find gives one invoice with the money that came for it.
func (b *Bookkeeping) Find(ctx context.Context, actor Actor, id string) (billing.Document, []Payment, error) {
	if !actor.Operator {
		return billing.Document{}, nil, errOperator()
	}
	d, err := b.Store.FindInvoice(ctx, id)
	if err != nil {
		return d, nil, err
	}
	payments, err := b.Store.ListPayments(ctx, id)
	return d, payments, err
}

// Book notes money that came. The day must not lie ahead, nor before anybody could have known of the invoice.
func (b *Bookkeeping) Book(ctx context.Context, actor Actor, p Payment) error {
	if !actor.Operator {
		return errOperator()
	}
	now := b.Now()
	switch {
	case p.Amount.Cents <= 0:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "payment.amount", Field: "amount"}
	case p.On.After(now), p.On.Before(now.AddDate(-2, 0, 0)):
		return &tenant.Fault{Kind: tenant.Invalid, Code: "payment.day", Field: "day"}
	case len([]rune(p.Note)) > 500:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.too_long", Field: "note"}
	}
	p.BookedBy, p.BookedAt = actor.Email, now
	return b.Store.BookPayment(ctx, actor, p, now)
}

// Void takes an invoice back. A reason is asked for, as the books must say why.
func (b *Bookkeeping) Void(ctx context.Context, actor Actor, id, reason string) (string, error) {
	if !actor.Operator {
		return "", errOperator()
	}
	if n := len([]rune(reason)); n == 0 || n > 500 {
		return "", &tenant.Fault{Kind: tenant.Invalid, Code: "invoice.reason", Field: "reason"}
	}
	return b.Store.VoidInvoice(ctx, actor, id, reason, b.Now())
}

// Settings gives who sells, and the days of each step.
func (b *Bookkeeping) Settings(ctx context.Context, actor Actor) (BillingSettings, error) {
	if !actor.Operator {
		return BillingSettings{}, errOperator()
	}
	return b.Store.FindBillingSettings(ctx)
}

// StoreSettings changes them: the seller from the next invoice on, the days at once.
func (b *Bookkeeping) StoreSettings(ctx context.Context, actor Actor, s BillingSettings) error {
	if !actor.Operator {
		return errOperator()
	}
	s.Seller = s.Seller.Tidy()
	if err := s.Seller.CheckSeller(); err != nil {
		return err
	}
	if err := s.checkDays(); err != nil {
		return err
	}
	return b.Store.StoreBillingSettings(ctx, actor, s)
}

func (s BillingSettings) checkDays() error {
	last := 0
	for _, step := range []struct {
		field string
		days  int
	}{{"remind_days", s.Remind}, {"restrict_days", s.Restrict}, {"suspend_days", s.Suspend}, {"announce_days", s.Announce}, {"delete_days", s.Delete}} {
		switch {
		case step.days < 0 || step.days > MostDays:
			return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.days", Field: step.field}
		case step.days < last:
			return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.days_shrink", Field: step.field}
		}
		last = step.days
	}
	switch {
	case s.DueDays < 0 || s.DueDays > MostDays:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.days", Field: "due_days"}
	case s.Delete-s.Announce < 7:
		// Whoever is told on the day they leave for a week must still be able to act.
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.days_announce", Field: "delete_days"}
	}
	return nil
}

// Pause makes dunning wait until a day for all servers of a server's customer; a zero day ends the wait.
func (b *Bookkeeping) Pause(ctx context.Context, actor Actor, id tenant.ID, until time.Time, note string) error {
	if !actor.Operator {
		return errOperator()
	}
	now := b.Now()
	switch {
	case !until.IsZero() && (until.Before(now) || until.After(now.AddDate(1, 0, 0))):
		return &tenant.Fault{Kind: tenant.Invalid, Code: "pause.until", Field: "until"}
	case len([]rune(note)) > 500:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "billing.too_long", Field: "note"}
	}
	return b.Store.PauseDunning(ctx, actor, id, until, note, now)
}

// Owed says how a server stands with its bills.
func (b *Bookkeeping) Owed(ctx context.Context, actor Actor, id tenant.ID) (Owed, error) {
	if !actor.Operator {
		return Owed{}, errOperator()
	}
	return b.Store.FindOwed(ctx, id)
}

// MissingSeller reports whether invoices cannot yet name who sells, as the law asks.
func (s BillingSettings) MissingSeller() bool {
	_, fault := errors.AsType[*tenant.Fault](s.Seller.CheckSeller())
	return fault || s.Seller.IBAN == ""
}
