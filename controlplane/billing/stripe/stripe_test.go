package stripe_test

import (
	"strings"
	"testing"
	"time"

	"hafen/controlplane/billing"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

func TestOrder(t *testing.T) {
	w := newWorld(t)
	terms := w.begin(w.order(basic, seats(2, 50)))
	w.want("leads to Checkout", strings.HasPrefix(terms.CheckoutURL, w.stripe.URL+"/c/"), true)
	w.want("before payment", w.look().State, billing.Pending)
	w.want("a declined card", w.pay(stripefake.DeclinedCard).Paid, false)
	w.want("still open", w.begin(w.order(basic, seats(2, 50))).CheckoutURL, terms.CheckoutURL)
	w.want("paid", w.pay(stripefake.GoodCard).Paid, true)
	out := w.look()
	w.want("state", out.State, billing.Active)
	w.want("items", refs(out.Items), "1×basic 2×seats")
	w.want("period", out.Start.Equal(began) && out.End.Equal(time.Date(2028, 2, 29, 9, 30, 0, 0, time.UTC)), true)
	w.want("bills", len(out.Invoices), 1)
	in := out.Invoices[0]
	w.want("net", in.Net, eur(500))
	w.want("tax", in.VAT, eur(95))
	w.want("gross", in.Gross, eur(595))
	w.want("paid", in.Paid, eur(595))
	w.want("status", in.Status, billing.InvoicePaid)
	w.want("lines", len(in.Lines), 2)
	w.want("rate", in.Lines[1].VATRate, 19)
	w.want("kind", in.Lines[1].Kind, billing.LineSeats)
	w.want("taken", w.paid(), int64(595))
	customer := w.stripe.List("customer")[0]
	w.want("name", customer["name"], "Schule am See")
	w.want("VAT id", w.stripe.List("tax_id")[0]["value"], "DE123456789")
}

// TestMadeOnce: whatever is asked twice, by two processes, with answers lost, is made once.
func TestMadeOnce(t *testing.T) {
	w := newWorld(t)
	w.accounts.lose = true
	order := w.order(basic, seats(2, 50))
	order.Coupon = &billing.Coupon{Code: "SOMMER", Percent: 10}
	for _, path := range []string{"/v1/customers", "/v1/products", "/v1/prices", "/v1/tax_rates", "/v1/coupons", "/v1/checkout/sessions"} {
		w.stripe.Fail("POST", path, stripefake.Lost)
	}
	first := w.begin(order)
	w.provider = w.another()
	w.stripe.Advance(20 * time.Hour)
	again := w.begin(order)
	w.want("page", again.CheckoutURL, first.CheckoutURL)
	for kind, n := range map[string]int{"customer": 1, "product": 2, "price": 2, "tax_rate": 1, "coupon": 1, "checkout.session": 1} {
		w.want(kind, len(w.stripe.List(kind)), n)
	}
	// The page has expired unpaid: there is another. Keys are forgotten by now, and still nothing else is made twice.
	w.stripe.Advance(10 * time.Hour)
	w.provider = w.another()
	third := w.begin(order)
	w.want("a new page", third.CheckoutURL != first.CheckoutURL, true)
	w.want("and the same", w.begin(order).CheckoutURL, third.CheckoutURL)
	w.pay(stripefake.GoodCard)
	w.want("paid: back to us", w.begin(order).CheckoutURL, order.ReturnURL)
	for kind, n := range map[string]int{"customer": 1, "product": 2, "price": 2, "tax_rate": 1, "coupon": 1, "checkout.session": 2, "subscription": 1, "charge": 1} {
		w.want(kind, len(w.stripe.List(kind)), n)
	}
	w.want("less a tenth, with tax", w.paid(), int64(536)) // 4.50 + 19 %: 5.355
}

func TestTrial(t *testing.T) {
	w := newWorld(t)
	order := w.order(basic)
	order.Plan.TrialDays = 14
	w.begin(order)
	w.pay(stripefake.GoodCard)
	w.want("state", w.look().State, billing.Trialing)
	w.want("taken", w.paid(), int64(0))
	w.want("change in the trial", w.mustChange(w.change("k", advanced)).Settled, true)
	w.want("preview in the trial", w.preview(w.change("k2", allIn)).Gross.Cents, int64(0))
	w.stripe.Advance(14*24*time.Hour + 2*time.Hour)
	w.want("state", w.look().State, billing.Active)
	w.want("taken", w.paid(), int64(714))
}

func (w *world) preview(c billing.Change) billing.Bill {
	w.Helper()
	bill, err := w.provider.Preview(w.Context(), w.sub, c)
	if err != nil {
		w.Fatalf("preview: %v", err)
	}
	return bill
}

// TestUpgrade: what the preview says is what is taken, and it is our own arithmetic's too.
func TestUpgrade(t *testing.T) {
	w := sold(t, basic, seats(1, 50))
	w.stripe.Advance(11*24*time.Hour + 12345*time.Second)
	c := w.change("up", allIn, seats(4, 50))
	bill := w.preview(c)
	w.want("as reckoned here", bill.Gross, billing.Prorate(w.sub, c).Gross)
	w.want("sums", bill.Net.Plus(bill.VAT), bill.Gross)
	w.want("lines", len(bill.Lines), 4)
	before := w.paid()
	w.stripe.Advance(time.Minute) // until the customer has made up their mind
	w.want("settled", w.mustChange(c).Settled, true)
	w.want("taken", w.paid()-before, bill.Gross.Cents)
	w.want("again", w.mustChange(c).Settled, true)
	w.provider = w.another()
	w.want("by another process", w.mustChange(c).Settled, true)
	w.want("taken once", w.paid()-before, bill.Gross.Cents)
	w.want("items", refs(w.look().Items), "1×all-in 4×seats")
	w.stripe.Advance(30 * 24 * time.Hour)
	w.want("the next bill is whole", w.look().Invoices[0].Net, eur(1600))
}

// TestUpgradeUnpaid: nothing changes until the money comes.
func TestUpgradeUnpaid(t *testing.T) {
	for _, card := range []stripefake.Card{stripefake.DeclinedCard, stripefake.SCACard} {
		t.Run(string(card), func(t *testing.T) {
			w := sold(t, basic)
			w.stripe.Advance(10 * 24 * time.Hour)
			w.stripe.SetCard(w.sub.Customer, card)
			c := w.change("up", allIn)
			terms := w.mustChange(c)
			w.want("settled", terms.Settled, false)
			w.want("where to pay", strings.HasPrefix(terms.CheckoutURL, w.stripe.URL+"/i/"), true)
			w.want("asked again", w.mustChange(c), terms)
			out := w.look()
			w.want("items", refs(out.Items), "1×basic")
			w.want("open bill", out.Invoices[0].Status, billing.InvoiceOpen)
			w.stripe.PayInvoice(out.Invoices[0].External)
			w.want("items", refs(w.look().Items), "1×all-in")
			w.want("settled", w.mustChange(c).Settled, true)
		})
	}
}

func TestUpgradeNeverPaid(t *testing.T) {
	w := sold(t, basic)
	w.stripe.SetCard(w.sub.Customer, stripefake.DeclinedCard)
	w.mustChange(w.change("up", allIn))
	w.stripe.Advance(24 * time.Hour)
	out := w.look()
	w.want("items", refs(out.Items), "1×basic")
	w.want("the bill", out.Invoices[0].Status, billing.InvoiceVoid)
}

// TestDowngrade is booked, taken back by an upgrade, booked again and made.
func TestDowngrade(t *testing.T) {
	w := sold(t, allIn)
	paid := w.paid()
	w.stripe.Advance(5 * 24 * time.Hour)
	for range 2 {
		w.book(w.change("down", basic), false)
	}
	w.want("nothing is given back", w.paid(), paid)
	w.want("paid for", refs(w.look().Items), "1×all-in")
	// A change of mind: more than before, although Stripe has the smaller one.
	c := w.change("more", allIn, seats(10, 50))
	bill := w.preview(c)
	w.want("the difference to what was paid for", bill.Net.Cents < 500, true)
	w.mustChange(c)
	w.want("taken", w.paid()-paid, bill.Gross.Cents)
	w.want("items", refs(w.look().Items), "1×all-in 10×seats")

	w.book(w.change("down2", basic), false)
	w.want("paid for", refs(w.look().Items), "1×all-in 10×seats")
	w.stripe.Advance(30 * 24 * time.Hour)
	out := w.look()
	w.want("items", refs(out.Items), "1×basic")
	w.want("the next bill", out.Invoices[0].Net, eur(400))
}

func (w *world) book(c billing.Change, cancel bool) {
	w.Helper()
	if err := w.provider.Book(w.Context(), w.sub, c, cancel); err != nil {
		w.Fatalf("book: %v", err)
	}
}

func TestCancelAtEnd(t *testing.T) {
	w := sold(t, basic)
	w.book(w.change("end", basic), true)
	w.want("cancelled", w.look().Cancelled, true)
	w.book(w.change("stay", basic), false)
	w.want("taken back", w.look().Cancelled, false)
	w.book(w.change("end2", basic), true)
	w.stripe.Advance(40 * 24 * time.Hour)
	w.want("state", w.look().State, billing.Ended)
	w.want("taken", w.paid(), int64(476))
	w.book(w.change("end3", basic), true) // nothing left to cancel
}

// TestRenewalDeclined: behind with paying, the subscription runs; what is open says so, and is paid.
func TestRenewalDeclined(t *testing.T) {
	w := sold(t, basic)
	w.stripe.SetCard(w.sub.Customer, stripefake.DeclinedCard)
	w.stripe.Advance(30 * 24 * time.Hour)
	out := w.look()
	w.want("state", out.State, billing.Active)
	w.want("bill", out.Invoices[0].Status, billing.InvoiceOpen)
	w.want("paid of it", out.Invoices[0].Paid, eur(0))
	w.stripe.SetCard(w.sub.Customer, stripefake.GoodCard)
	w.stripe.Advance(3 * 24 * time.Hour) // Stripe tries again
	w.want("bill", w.look().Invoices[0].Status, billing.InvoicePaid)
}

func TestRefundAndDispute(t *testing.T) {
	w := sold(t, basic)
	bill := w.look().Invoices[0].External
	w.stripe.Refund(bill, 100)
	out := w.look()
	w.want("less the refund", out.Invoices[0].Paid, eur(376))
	w.want("not disputed", out.Invoices[0].Dispute, billing.Dispute{})
	w.stripe.Dispute(bill)
	d := w.look().Invoices[0].Dispute
	w.want("status", d.Status, "needs_response")
	w.want("of", d.Amount, eur(476))
	w.want("reason", d.Reason, "fraudulent")
	w.want("answer by", d.RespondBy, w.stripe.Now().AddDate(0, 0, 7))
	w.want("still paid", w.look().Invoices[0].Status, billing.InvoicePaid)
	w.stripe.AnswerDispute(bill)
	w.want("open", w.look().Invoices[0].Dispute.Open(), true)
	w.stripe.CloseDispute(bill, false)
	lost := w.look().Invoices[0]
	w.want("lost", lost.Dispute.Lost() && !lost.Dispute.Open(), true)
	w.want("owed again", lost.Status, billing.InvoiceOpen)
	w.want("paid", lost.Paid, eur(-100)) // the bank took all of it, and a part had been given back
	w.stripe.CloseDispute(bill, true)
	won := w.look().Invoices[0]
	w.want("won", won.Status, billing.InvoicePaid)
	w.want("paid", won.Paid, eur(376))
}

// TestBillsOfTheNight: what a bill's money came to is told with it, and an old one whose money is asked back is among them.
func TestBillsOfTheNight(t *testing.T) {
	w := sold(t, basic)
	first := w.look().Invoices[0].External
	w.stripe.Advance(61 * 24 * time.Hour)
	since := w.stripe.Now().AddDate(0, 0, -40)
	bills := func() map[string]billing.FoundBill {
		all, err := w.provider.Bills(w.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]billing.FoundBill{}
		for _, b := range all {
			by[b.External] = b
		}
		w.want("each once", len(by), len(all))
		return by
	}
	last := w.look().Invoices[0].External
	w.want("bills", len(bills()), 2)
	w.stripe.Refund(last, 76)
	w.want("less what was given back", bills()[last].Paid, eur(400))
	w.stripe.Dispute(first)
	w.stripe.CloseDispute(first, false)
	w.want("the old one", bills()[first].Dispute, "lost")
	w.want("is owed", bills()[first].Status, billing.InvoiceOpen)
}

func TestEnd(t *testing.T) {
	w := sold(t, basic)
	for range 2 {
		if err := w.provider.End(w.Context(), w.sub); err != nil {
			t.Fatal(err)
		}
	}
	w.want("state", w.look().State, billing.Ended)
	w.stripe.Advance(60 * 24 * time.Hour)
	w.want("taken", w.paid(), int64(476))
}

// TestEndUnpaid: who gives an order up can not pay it any more.
func TestEndUnpaid(t *testing.T) {
	w := newWorld(t)
	w.begin(w.order(basic))
	if err := w.provider.End(w.Context(), w.sub); err != nil {
		t.Fatal(err)
	}
	w.want("can be paid", w.pay(stripefake.GoodCard).Paid, false)
}

// TestPayer: who pays is on Stripe's bills as the customer last said, with one VAT id or none.
func TestPayer(t *testing.T) {
	w := newWorld(t)
	tell := func(change func(*billing.Payer)) (vat string) {
		t.Helper()
		c := w.accounts.known[account]
		change(&c)
		w.accounts.known[account] = c
		for range 2 {
			if err := w.provider.TellPayer(w.Context(), account); err != nil {
				t.Fatal(err)
			}
		}
		for _, one := range w.stripe.List("tax_id") {
			vat += one["value"].(string)
		}
		return vat
	}
	w.want("a stranger", tell(func(*billing.Payer) {}), "")
	w.want("is made", len(w.stripe.List("customer")), 0)
	w.begin(w.order(basic))
	w.want("another", tell(func(c *billing.Payer) { c.VATID, c.Name = "DE987654321", "Schule am Meer" }), "DE987654321")
	w.want("name", w.stripe.List("customer")[0]["name"], "Schule am Meer")
	w.want("none", tell(func(c *billing.Payer) { c.VATID = "" }), "")
	w.want("as at first", tell(func(c *billing.Payer) { c.VATID = "DE123456789" }), "DE123456789")
}

func TestPortal(t *testing.T) {
	w := newWorld(t)
	url, err := w.provider.Portal(w.Context(), w.sub, "https://hafen.example/bills")
	if url != "" || err != nil {
		t.Errorf("a stranger's portal: %q, %v", url, err)
	}
	w.begin(w.order(basic))
	for range 2 {
		if url, err = w.provider.Portal(w.Context(), w.sub, "https://hafen.example/bills"); url == "" || err != nil {
			t.Fatalf("portal: %q, %v", url, err)
		}
		w.provider = w.another()
	}
	w.want("configured once", len(w.stripe.List("billing_portal.configuration")), 1)
}

func TestYearly(t *testing.T) {
	w := newWorld(t)
	w.sub.Period = tenant.Yearly
	order := w.order(plan("basic", 4000))
	order.Plan.Period = tenant.Yearly
	w.begin(order)
	w.pay(stripefake.GoodCard)
	w.want("a year", w.look().End.Equal(time.Date(2029, 1, 31, 9, 30, 0, 0, time.UTC)), true)
	w.stripe.Advance(100 * 24 * time.Hour)
	c := w.change("up", plan("all-in", 14000))
	w.want("as reckoned here", w.preview(c).Gross, billing.Prorate(w.sub, c).Gross)
}

// TestCoupons: what is taken off is a line of its own, and the sums hold.
func TestCoupons(t *testing.T) {
	one := 1
	for name, coupon := range map[string]billing.Coupon{
		"a tenth": {Code: "TENTH", Percent: 10}, "a euro": {Code: "EURO", Amount: eur(100)},
		"once": {Code: "ONCE", Percent: 50, Left: &one}, "more than there is": {Code: "ALL", Amount: eur(99999)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			order := w.order(basic, seats(3, 33))
			order.Coupon = &coupon
			w.begin(order)
			w.pay(stripefake.GoodCard)
			w.stripe.Advance(32 * 24 * time.Hour)
			for i, in := range w.look().Invoices {
				lines := billing.Lines("de", order.Items, &coupon, time.Time{}, time.Time{})
				if i == 0 && name == "once" {
					lines = billing.Lines("de", order.Items, nil, time.Time{}, time.Time{})
				}
				want := billing.Sum("EUR", lines)
				w.want("net", in.Net, want.Net)
				w.want("gross", in.Gross, want.Gross)
				sum := eur(0)
				for _, l := range in.Lines {
					sum = sum.Plus(l.Net)
				}
				w.want("sum of lines", sum, in.Net)
			}
		})
	}
}
