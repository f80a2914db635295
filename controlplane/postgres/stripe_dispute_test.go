package postgres_test

import (
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

// paidOff is what is paid of a server's only bill, in cents, and where it stands.
func (w *counter) onlyBill(id tenant.ID) billing.Document {
	w.Helper()
	page, err := w.store.ListInvoices(w.ctx, controlplane.InvoiceFilter{Tenant: id, Now: w.now()})
	w.must(err)
	if len(page.Invoices) != 1 {
		w.Fatalf("%d bills", len(page.Invoices))
	}
	return page.Invoices[0]
}

func (w *counter) audited(action string, id tenant.ID) int {
	return w.count(`select count(*) from audit where action = $2 and tenant_id = $1`, string(id), action)
}

func (w *counter) dunned(id tenant.ID, want string) {
	w.Helper()
	w.must((&controlplane.Dunner{Store: w.store, Now: w.now}).Look(w.ctx))
	if got := w.sub(id).Stage; got != want {
		w.Errorf("stage %s, want %s", got, want)
	}
}

// TestStripeRefund: what is given back is seen, whether Stripe told of it or not, and in the audit log with before and after.
func TestStripeRefund(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	if n := w.audited("invoice.issue", id); n != 1 {
		t.Errorf("the bill is %d times in the audit log", n)
	}
	w.stripe.Refund(w.lastBill(), 100)
	w.hear()
	w.stripe.Refund(w.lastBill(), 76)
	w.stripe.Forget()
	repaired, open := w.night()
	if len(repaired) != 1 || repaired[0] != controlplane.FindBill || len(open) != 0 {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	if d := w.onlyBill(id); d.Paid.Cents != 300 || d.Status != billing.InvoicePaid {
		t.Errorf("%s, paid %d", d.Status, d.Paid.Cents)
	}
	if n := w.count(`select count(*) from audit where action = 'invoice.change' and tenant_id = $1
		and detail->'before'->>'paid_cents' = '376' and detail->'after'->>'paid_cents' = '300'`, string(id)); n != 1 {
		t.Errorf("%d times in the audit log", n)
	}
}

// TestStripeDispute: while a bank has not decided the server runs and nobody is dunned; an operator sees it, and it is in the audit log.
// Won, nothing has changed.
func TestStripeDispute(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.pass(5 * 24 * time.Hour)
	w.stripe.Dispute(w.lastBill())
	w.hear()
	for _, status := range []string{"needs_response", "under_review"} {
		d := w.onlyBill(id)
		if d.Dispute.Status != status || d.Dispute.Amount.Cents != 476 || d.Dispute.RespondBy.IsZero() || d.Status != billing.InvoicePaid {
			t.Errorf("%s: %+v", d.Status, d.Dispute)
		}
		page, err := w.store.ListInvoices(w.ctx, controlplane.InvoiceFilter{State: controlplane.InvoicesDisputed, Now: w.now()})
		w.must(err)
		if len(page.Invoices) != 1 {
			t.Errorf("%d bills are disputed", len(page.Invoices))
		}
		w.stripe.AnswerDispute(w.lastBill())
		w.hear()
	}
	w.dunned(id, "paid")
	w.stripe.CloseDispute(w.lastBill(), true)
	w.stripe.Forget() // and the night sees it
	if repaired, open := w.night(); len(repaired) != 1 || len(open) != 0 {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	if d := w.onlyBill(id); d.Dispute.Open() || d.Paid.Cents != 476 {
		t.Errorf("%+v, paid %d", d.Dispute, d.Paid.Cents)
	}
	w.dunned(id, "paid")
	w.wantState(id, billing.Active, "basic")
	if n := w.audited("invoice.dispute", id); n != 3 {
		t.Errorf("%d times in the audit log", n)
	}
}

// TestStripeDisputeLost: the bill is owed again, from that day on and by the days that every bill has. It is dunned; what the customer
// transfers is booked, gives the server back, and is not taken away by what Stripe says afterwards.
func TestStripeDisputeLost(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.reconcile(id)
	w.pass(28 * 24 * time.Hour)
	w.stripe.Dispute(w.lastBill())
	w.stripe.CloseDispute(w.lastBill(), false)
	w.hear()
	d := w.onlyBill(id)
	if d.Status != billing.InvoiceOpen || d.Paid.Cents != 0 || !d.Due.Equal(w.now().AddDate(0, 0, 14)) {
		t.Fatalf("%s, paid %d, due %s", d.Status, d.Paid.Cents, d.Due)
	}
	owed, err := w.store.FindOwed(w.ctx, id)
	w.must(err)
	if owed.Amount.Cents != 476 || owed.URL != "" {
		t.Errorf("owed %d, to be paid at %q, where it was paid already", owed.Amount.Cents, owed.URL)
	}
	w.dunned(id, "paid")
	w.exec(`update subscriptions set cancel_at_end = true`) // only so that no other bill comes
	w.stripe.Forget()
	w.goTo(w.now().AddDate(0, 0, 14+21))
	w.dunned(id, "suspended")
	w.wantStatus(id, tenant.Suspended)
	books := controlplane.NewBookkeeping(controlplane.BookkeepingConfig{Store: w.store, Now: w.now})
	w.must(books.Book(w.ctx, olga, controlplane.Payment{Invoice: d.ID, Amount: d.Gross, On: w.now()}))
	w.dunned(id, "paid")
	w.wantStatus(id, tenant.Provisioning)
	w.must(w.subs.Refresh(w.ctx, id))
	if d := w.onlyBill(id); d.Status != billing.InvoicePaid || d.Paid.Cents != 476 {
		t.Errorf("%s, paid %d", d.Status, d.Paid.Cents)
	}
	w.dunned(id, "paid")
	w.wantFault(books.Book(w.ctx, olga, controlplane.Payment{Invoice: d.ID, Amount: d.Gross, On: w.now()}), "invoice.closed")
	if _, err := books.Void(w.ctx, olga, d.ID, "a slip"); tenant.FaultOf(err).Code != "invoice.closed" {
		t.Errorf("a bill of Stripe's was taken back here: %v", err)
	}
}

// TestStripeDisputeReversed: a bank that thinks better of it gives the server back.
func TestStripeDisputeReversed(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.stripe.Dispute(w.lastBill())
	w.stripe.CloseDispute(w.lastBill(), false)
	w.hear()
	w.exec(`update invoices set due_at = due_at - interval '25 days'`)
	w.dunned(id, "restricted")
	w.stripe.CloseDispute(w.lastBill(), true)
	w.hear()
	if stage := w.sub(id).Stage; stage != "paid" {
		t.Errorf("stage %s", stage)
	}
}
