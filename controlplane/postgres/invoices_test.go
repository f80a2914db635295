package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

var november = time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)

func euro(cents int64) tenant.Money { return tenant.Money{Cents: cents, Currency: "EUR"} }

// bill is some months of a plan at 4 EUR net.
func bill(months int) billing.Bill {
	line := billing.Line{
		Kind: billing.LinePlan, Text: "Basic", Quantity: months, Unit: euro(400), Net: euro(400).Times(months), VATRate: 19,
		From: november, Until: november.AddDate(0, 1, 0),
	}
	return billing.Sum("EUR", []billing.Line{line})
}

// paying has a server paid for by invoice. The bill of its order is forgotten, so that a test's numbers begin with its own.
func (w *world) paying(id tenant.ID) {
	w.Helper()
	w.exec(`insert into subscriptions (tenant_id, account_id, provider, state) select id, account_id, 'invoice', 'active' from tenants where id = $1
		on conflict (tenant_id) do update set provider = 'invoice', state = 'active'`, id)
	w.exec(`alter table invoices disable trigger all; alter table invoice_lines disable trigger all`)
	for _, table := range []string{"invoice_lines", "invoice_payments"} {
		w.exec(`delete from `+table+` where invoice_id in (select id from invoices where tenant_id = $1)`, id)
	}
	w.exec(`delete from audit where tenant_id = $1 and action = 'invoice.pay'`, id)
	w.exec(`delete from invoices where tenant_id = $1`, id)
	w.exec(`delete from invoice_numbers where not exists (select from invoices);
		delete from river_job where kind = 'invoice_mail' and not exists (select from invoices where id::text = args ->> 'invoice')`)
	w.exec(`alter table invoices enable trigger all; alter table invoice_lines enable trigger all`)
}

func (w *world) issue(id tenant.ID, months int, now time.Time) string {
	w.Helper()
	invoice, err := w.store.IssueInvoice(w.ctx, id, bill(months), now, now.AddDate(0, months, 0), now, func() error { return nil })
	w.must(err)
	return invoice
}

func (w *world) invoice(id string) billing.Document {
	w.Helper()
	d, err := w.store.FindInvoice(w.ctx, id)
	w.must(err)
	return d
}

func (w *world) book(invoice string, cents int64, now time.Time) error {
	return w.store.BookPayment(w.ctx, w.anna, controlplane.Payment{Invoice: invoice, Amount: euro(cents), On: now, BookedBy: "op@hafen.test", BookedAt: now}, now)
}

var sellerHere = billing.Party{Company: "Hafen GmbH", Street: "Am Kai 1", Postcode: "20457", City: "Hamburg", Country: "DE", VATID: "DE136695976", IBAN: "DE89370400440532013000"}

func (w *world) sells(p billing.Party) {
	w.Helper()
	w.must(w.store.StoreBillingSettings(w.ctx, w.anna, controlplane.BillingSettings{
		Seller: p, DueDays: 14, Schedule: tenant.Schedule{Remind: 3, Restrict: 10, Suspend: 20, Announce: 45, Delete: 60},
	}))
}

// A hundred at once, every third of which fails after it had its number: no number is missing, none is there twice.
func TestInvoiceNumbersHaveNoGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.paying(id)
	failed := errors.New("after the number was taken")
	var wait sync.WaitGroup
	for i := range 100 {
		wait.Go(func() {
			_, err := w.store.IssueInvoice(w.ctx, id, bill(1), november, november, november, func() error {
				if i%3 == 2 {
					return failed
				}
				return nil
			})
			if i%3 == 2 && !errors.Is(err, failed) || i%3 != 2 && err != nil {
				t.Errorf("invoice %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	page, err := w.store.ListInvoices(w.ctx, controlplane.InvoiceFilter{Tenant: id})
	w.must(err)
	seen := map[string]bool{}
	for _, d := range page.Invoices {
		seen[d.Number] = true
	}
	for n := 1; n <= 67; n++ {
		if !seen[fmt.Sprintf("2026-%06d", n)] {
			t.Errorf("number %d is missing", n)
		}
	}
	if len(page.Invoices) != 67 || len(seen) != 67 {
		t.Errorf("%d invoices, %d numbers", len(page.Invoices), len(seen))
	}
	// The year turns in Hamburg, an hour before it does in Greenwich.
	next := w.issue(id, 1, time.Date(2026, time.December, 31, 23, 30, 0, 0, time.UTC))
	if got := w.invoice(next).Number; got != "2027-000001" {
		t.Errorf("the first of the year is %s", got)
	}
}

func TestAnInvoiceSaysWhoSellsAndWhoBuys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sells(sellerHere)
	id := w.active("anna")
	w.paying(id)
	first := w.issue(id, 2, november)
	w.must(w.store.StoreProfile(w.ctx, w.anna, billing.Party{Company: "Žižkov s.r.o.", Street: "Husitská 7", Postcode: "130 00", City: "Praha", Country: "CZ", VATID: "CZ12345678"}))
	second := w.issue(id, 2, november)
	home := w.invoice(first)
	if home.Seller != sellerHere || home.Buyer.Email != "anna@example.org" || home.Language != "de" || home.Note != "" ||
		home.Gross != euro(952) || home.VAT != euro(152) || len(home.Lines) != 1 || !home.Due.Equal(time.Date(2026, time.December, 6, 22, 59, 59, 0, time.UTC)) || home.Status != billing.InvoiceOpen {
		t.Errorf("at home: %+v", home)
	}
	abroad := w.invoice(second)
	if abroad.Note != billing.ReverseCharge || abroad.VAT != euro(0) || abroad.Gross != euro(800) || abroad.Buyer.Company != "Žižkov s.r.o." || abroad.Taxes()[0].Category != "AE" {
		t.Errorf("abroad: %+v", abroad)
	}
	if n := w.jobs("invoice_mail"); n != 2 {
		t.Errorf("%d mails", n)
	}
	file, err := w.store.StoreInvoiceFile(w.ctx, first, []byte("first"))
	w.must(err)
	if again, err := w.store.StoreInvoiceFile(w.ctx, first, []byte("second")); err != nil || string(again) != string(file) {
		t.Errorf("another file: %q, %v", again, err)
	}
}

// Not even our own code can change what somebody was given.
func TestAnIssuedInvoiceStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.paying(id)
	w.issue(id, 1, november)
	for _, sql := range []string{
		`update invoices set gross_cents = gross_cents + 1, net_cents = net_cents + 1`,
		`update invoices set number = '2026-000009'`,
		`update invoices set buyer = '{}'`,
		`update invoices set due_at = due_at + interval '1 day'`,
		`delete from invoices`,
		`update invoice_lines set text = 'another'`,
		`delete from invoice_lines`,
		`insert into invoice_lines (invoice_id, position, kind, text, quantity, unit_cents, net_cents, vat_rate)
			select id, 9, 'other', 'one more', 1, 0, 0, 19 from invoices`,
		`with p as (update invoices set pdf = 'a' returning id) select from p; update invoices set pdf = 'b'`,
	} {
		if _, err := w.pool.Exec(w.ctx, sql); err == nil {
			t.Errorf("done: %s", sql)
		}
	}
	w.exec(`update invoices set status = 'uncollectible', reminded_at = now()`)
}

func TestPaymentsInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.paying(id)
	invoice := w.issue(id, 1, november) // 4.76
	w.must(w.book(invoice, 400, november))
	if d := w.invoice(invoice); d.Status != billing.InvoiceOpen || d.Open() != euro(76) {
		t.Fatalf("after a part: %+v", d)
	}
	w.wantFault(w.book(invoice, 77, november), "payment.too_much")
	var wait sync.WaitGroup
	var mu sync.Mutex
	booked := 0
	for range 8 { // the same click eight times
		wait.Go(func() {
			if w.book(invoice, 76, november) == nil {
				mu.Lock()
				booked++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	d := w.invoice(invoice)
	if booked != 1 || d.Status != billing.InvoicePaid || d.Paid != euro(476) || d.PaidAt.IsZero() {
		t.Fatalf("booked %d times: %+v", booked, d)
	}
	w.wantFault(w.book(invoice, 1, november), "invoice.closed")
	w.wantFault(w.book("3f1b0a54-6a4e-4c1c-9a33-52ac14f2a6f1", 1, november), "invoice.unknown")
	payments, err := w.store.ListPayments(w.ctx, invoice)
	w.must(err)
	if len(payments) != 2 || payments[0].Amount != euro(400) || payments[0].On.Day() != 22 {
		t.Errorf("payments %+v", payments)
	}
	if n := w.count(`select count(*) from audit where action = 'invoice.pay' and detail ? 'before' and detail ? 'after'`); n != 2 {
		t.Errorf("%d audit entries", n)
	}
}

func TestAnInvoiceIsTakenBackByANote(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.paying(id)
	invoice := w.issue(id, 3, november)
	note, err := w.store.VoidInvoice(w.ctx, w.anna, invoice, "ordered twice", november)
	w.must(err)
	back, gone := w.invoice(note), w.invoice(invoice)
	if back.Kind != billing.KindCreditNote || back.Number != "2026-000002" || back.Corrects != gone.Number || back.Gross != gone.Gross.Negative() ||
		back.Lines[0].Net != gone.Lines[0].Net.Negative() || gone.Status != billing.InvoiceVoid || gone.CorrectedBy != back.Number {
		t.Errorf("%+v\n%+v", back, gone)
	}
	_, err = w.store.VoidInvoice(w.ctx, w.anna, invoice, "again", november)
	w.wantFault(err, "invoice.closed")
	_, err = w.store.VoidInvoice(w.ctx, w.anna, note, "a note", november)
	w.wantFault(err, "invoice.closed")
	w.wantFault(w.book(invoice, 1, november), "invoice.closed")
}

func TestInvoicesAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.paying(id)
	old := w.issue(id, 1, november.AddDate(0, -2, 0))
	w.issue(id, 2, november)
	w.must(w.book(w.issue(id, 1, november), 476, november))
	for _, test := range []struct {
		filter controlplane.InvoiceFilter
		want   int
	}{
		{controlplane.InvoiceFilter{}, 3},
		{controlplane.InvoiceFilter{Account: w.anna.Account, Page: 1}, 3},
		{controlplane.InvoiceFilter{Account: w.account("bert@example.org").Account}, 0},
		{controlplane.InvoiceFilter{State: controlplane.InvoicesOpen}, 2},
		{controlplane.InvoiceFilter{State: controlplane.InvoicesOverdue, Now: november}, 1},
		{controlplane.InvoiceFilter{State: controlplane.InvoicesOverdue, Now: time.Date(2026, time.December, 6, 22, 30, 0, 0, time.UTC)}, 1},
		{controlplane.InvoiceFilter{State: controlplane.InvoicesOverdue, Now: time.Date(2026, time.December, 6, 23, 0, 0, 0, time.UTC)}, 2},
		{controlplane.InvoiceFilter{State: controlplane.InvoicesPaid}, 1},
		{controlplane.InvoiceFilter{Search: "ANNA.hafen"}, 3},
		{controlplane.InvoiceFilter{Search: "2026-000002"}, 1},
		{controlplane.InvoiceFilter{Search: "%"}, 0},
		{controlplane.InvoiceFilter{From: november}, 2},
		{controlplane.InvoiceFilter{Until: november}, 1},
		{controlplane.InvoiceFilter{Page: 2}, 0},
	} {
		page, err := w.store.ListInvoices(w.ctx, test.filter)
		w.must(err)
		if len(page.Invoices) != test.want {
			t.Errorf("%+v: %d invoices, want %d", test.filter, len(page.Invoices), test.want)
		}
		for _, d := range page.Invoices {
			if len(d.Lines) != 1 {
				t.Errorf("invoice %s has %d lines", d.Number, len(d.Lines))
			}
		}
	}
	if d := w.invoice(old); d.Number != "2026-000001" {
		t.Errorf("the first is %s", d.Number)
	}
}
