package billing

import "context"

// Invoices is the provider that needs no account anywhere: bills are our own, and an operator, or a rule, books what was
// paid. With AcceptAtOnce (trial mode) an order is settled when it is made.
type Invoices struct{ AcceptAtOnce bool }

// Name is "invoice".
func (Invoices) Name() string { return "invoice" }

// Begin never fails.
func (i Invoices) Begin(context.Context, Order) (Terms, error) {
	return Terms{Settled: i.AcceptAtOnce}, nil
}

// Preview reckons the proration.
func (Invoices) Preview(_ context.Context, s Subscription, c Change) (Bill, error) {
	return Prorate(s, c).Under(s.VATNote), nil
}

// Change needs no payment first: the bill goes to a customer who is known, with its days to pay.
func (Invoices) Change(context.Context, Subscription, Change) (Terms, error) {
	return Terms{Settled: true}, nil
}

// Abandon has nobody to tell: nothing waits for money before it begins.
func (Invoices) Abandon(context.Context, Subscription, Change) (bool, error) { return true, nil }

// Book has nobody to tell.
func (Invoices) Book(context.Context, Subscription, Change, bool) error { return nil }

// Look is ErrNotOurs.
func (Invoices) Look(context.Context, Subscription) (Outside, error) { return Outside{}, ErrNotOurs }

// Portal is nowhere.
func (Invoices) Portal(context.Context, Subscription, string) (string, error) { return "", nil }

// End has nobody to tell.
func (Invoices) End(context.Context, Subscription) error { return nil }
