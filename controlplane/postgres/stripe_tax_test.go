package postgres_test

import (
	"testing"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

var (
	austrian = billing.Party{Company: "Alpen GmbH", Street: "Ring 1", Postcode: "1010", City: "Wien", Country: "AT", VATID: "ATU12345678"}
	german   = billing.Party{Company: "Schule am Meer", Street: "Seestr. 2", Postcode: "24103", City: "Kiel", Country: "DE", VATID: "DE136695976"}
	swiss    = billing.Party{Company: "Matten AG", Street: "Gasse 3", Postcode: "3011", City: "Bern", Country: "CH"}
)

// tellPayers does the jobs of telling Stripe who pays.
func (w *counter) tellPayers() {
	w.Helper()
	worker := &controlplane.BillingPayerWorker{Outside: w.check.Outside.(controlplane.PayerTeller)}
	for {
		var account string
		if w.pool.QueryRow(w.ctx, `delete from river_job where id = (select min(id) from river_job where kind = 'billing_payer') returning args->>'account'`).Scan(&account) != nil {
			return
		}
		w.must(worker.Work(w.ctx, &river.Job[controlplane.BillingPayerArgs]{Args: controlplane.BillingPayerArgs{Account: account}}))
	}
}

// lately is a server's newest bill.
func (w *counter) lately(id tenant.ID) billing.Document {
	w.Helper()
	var newest string
	w.must(w.pool.QueryRow(w.ctx, `select id::text from invoices where tenant_id = $1 order by issued_at desc limit 1`, id).Scan(&newest))
	return w.invoice(newest)
}

// TestStripeTax: through Stripe a customer owes what they would on our own bills: the order page, the page where it is paid, the money
// that is taken and the bill say one sum.
func TestStripeTax(t *testing.T) {
	t.Parallel()
	small := sellerHere
	small.SmallBusiness = true
	for name, test := range map[string]struct {
		seller, buyer billing.Party
		note          billing.VATNote
		gross         int64
	}{
		"a business at home":               {sellerHere, german, "", 476},
		"a business in the union":          {sellerHere, austrian, billing.ReverseCharge, 400},
		"outside":                          {sellerHere, swiss, billing.OutsideEU, 400},
		"a small business":                 {small, german, billing.SmallBusiness, 400},
		"a small business, to the union":   {small, austrian, billing.SmallBusiness, 400},
		"a small business, to farther off": {small, swiss, billing.SmallBusiness, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCounter(t)
			w.world.sells(test.seller)
			w.must(w.store.StoreProfile(w.ctx, w.anna, test.buyer))
			quote, err := w.sales.Price(w.ctx, w.anna.Account, controlplane.OrderRequest{Plan: "basic"})
			w.must(err)
			id := w.order("lagune", "basic")
			page := w.stripe.List("checkout.session")[0]["amount_total"].(int64)
			w.pay()
			w.hear()
			bill := w.lately(id)
			if quote.Owed.Gross != euro(test.gross) || page != test.gross || w.taken() != test.gross || bill.Gross != euro(test.gross) {
				t.Errorf("quoted %v, on the page %d, taken %d, billed %v; want %d", quote.Owed.Gross, page, w.taken(), bill.Gross, test.gross)
			}
			if bill.Note != test.note || bill.VAT != bill.Gross.Plus(euro(-400)) || (bill.Taxes()[0].Rate == 0) != (test.note != "") {
				t.Errorf("bill: note %q, %v, %+v", bill.Note, bill.VAT, bill.Taxes())
			}
			w.pass(10 * 24 * time.Hour)
			plan, err := w.subs.View(w.ctx, w.anna, id)
			w.must(err)
			change, err := w.subs.Quote(w.ctx, w.anna, id, controlplane.Choice{Plan: "all-in"}, w.now())
			w.must(err)
			if untaxed := change.Bill.VAT.Cents == 0; plan.NextBill.Gross != euro(test.gross) || untaxed != (test.note != "") {
				t.Errorf("plan page: next bill %v, a change %+v", plan.NextBill.Gross, change.Bill)
			}
		})
	}
}

// TestStripeTaxComesBack: who takes their VAT id away pays VAT with the next bill; and so does everybody when the seller is a small
// business no more.
func TestStripeTaxComesBack(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*counter) tenant.ID{
		"the VAT id is taken away": func(w *counter) tenant.ID {
			w.world.sells(sellerHere)
			w.must(w.store.StoreProfile(w.ctx, w.anna, austrian))
			id := w.bought("basic")
			private := austrian
			private.VATID = ""
			w.must(w.store.StoreProfile(w.ctx, w.anna, private))
			return id
		},
		"the seller grows": func(w *counter) tenant.ID {
			small := sellerHere
			small.SmallBusiness = true
			w.world.sells(small)
			w.must(w.store.StoreProfile(w.ctx, w.anna, german))
			id := w.bought("basic")
			w.world.sells(sellerHere)
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCounter(t)
			id := change(w)
			first := w.lately(id)
			w.tellPayers()
			w.pass(30 * 24 * time.Hour)
			w.hear()
			if next := w.lately(id); first.Gross != euro(400) || next.ID == first.ID || next.Gross != euro(476) || next.VAT != euro(76) || next.Note != "" {
				t.Errorf("first %v, next %v (%v, %q)", first.Gross, next.Gross, next.VAT, next.Note)
			}
			if w.taken() != 876 {
				t.Errorf("taken %d", w.taken())
			}
		})
	}
}
