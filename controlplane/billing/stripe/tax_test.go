package stripe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hafen/controlplane/billing"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// storage is an add-on that is taxed at another rate than the plans.
func storage(quantity int) billing.Item {
	return billing.Item{Kind: billing.LineStorage, Ref: "storage.1", Text: tenant.Text{EN: "Storage"}, Quantity: quantity, Unit: eur(199), VATRate: 7}
}

// sells is what a subscription bills for at Stripe, each with its tax.
func (w *world) sells() string {
	var all string
	for _, item := range w.stripe.Items(w.sub.ExternalID) {
		all += fmt.Sprintf("%d×%d+%g%% ", item.Quantity, item.Cents, item.Percent)
	}
	return all
}

// TestTaxOfAnAddonBoughtLater: what is taxed otherwise than the plan is so from its first bill on, paid at once or later.
func TestTaxOfAnAddonBoughtLater(t *testing.T) {
	for _, card := range []stripefake.Card{stripefake.GoodCard, stripefake.SCACard} {
		t.Run(string(card), func(t *testing.T) {
			w := sold(t, basic)
			w.stripe.Advance(10 * 24 * time.Hour)
			w.stripe.SetCard(w.sub.Customer, card)
			before, c := w.paid(), w.change("more", basic, storage(2))
			bill := w.preview(c)
			w.want("as reckoned here", bill.Gross, billing.Prorate(w.sub, c).Gross)
			w.want("rate", bill.Lines[0].VATRate, 7)
			w.want("a preview changes nothing", w.sells(), "1×400+19% ")
			terms := w.mustChange(c)
			if card == stripefake.SCACard {
				w.want("waits", terms.Settled, false)
				w.want("items meanwhile", refs(w.look().Items), "1×basic")
				w.want("asked again", w.mustChange(c), terms)
				w.stripe.PayInvoice(w.look().Invoices[0].External)
			}
			w.want("taken", w.paid()-before, bill.Gross.Cents)
			w.want("sold", w.sells(), "1×400+19% 2×199+7% ")
			w.want("made", w.mustChange(c).Settled, true)
			w.want("items", refs(w.look().Items), "1×basic 2×storage.1")
			w.stripe.Advance(31 * 24 * time.Hour)
			w.want("the next bill's tax", w.look().Invoices[0].VAT, eur(76+28)) // 4.00 at 19 %, 3.98 at 7 %
		})
	}
}

// TestTaxOfAnAddonNeverPaid: what was prepared for it is gone with the next that is told.
func TestTaxOfAnAddonNeverPaid(t *testing.T) {
	w := sold(t, basic)
	w.stripe.SetCard(w.sub.Customer, stripefake.DeclinedCard)
	w.mustChange(w.change("more", basic, storage(2)))
	w.stripe.Advance(24 * time.Hour)
	w.want("items", refs(w.look().Items), "1×basic")
	w.book(w.change("", basic), false)
	w.want("sold", w.sells(), "1×400+19% ")
}

// TestTaxOfAnotherPlan: what is given back is taxed as it was, what comes as it is.
func TestTaxOfAnotherPlan(t *testing.T) {
	w := sold(t, basic, storage(1))
	w.sub.Items[1].VATRate = 7
	w.stripe.Advance(10 * 24 * time.Hour)
	less := allIn
	less.VATRate = 7
	before, c := w.paid(), w.change("up", less, storage(1))
	bill := w.preview(c)
	w.want("as reckoned here", bill.Gross, billing.Prorate(w.sub, c).Gross)
	w.want("settled", w.mustChange(c).Settled, true)
	w.want("taken", w.paid()-before, bill.Gross.Cents)
	w.want("sold", w.sells(), "1×199+7% 1×1400+7% ")
	w.look()
	w.sub.Items[0].VATRate, w.sub.Items[1].VATRate = 7, 7
	w.book(w.change("down", basic), false)
	w.want("booked", w.sells(), "1×400+19% ")
	w.want("paid for", refs(w.look().Items), "1×storage.1 1×all-in")
}

// TestTaxThatWasWrong: what was sold before without its own rate gets it with what is told next.
func TestTaxThatWasWrong(t *testing.T) {
	w := sold(t, basic, storage(1))
	w.stripe.Untax(w.sub.ExternalID)
	w.want("wrong", w.sells(), "1×400+19% 1×199+19% ")
	w.book(w.change("", basic, storage(1)), false)
	w.want("sold", w.sells(), "1×400+19% 1×199+7% ")
}

// TestManyAddons: a booking that leaves out many items is kept whole, although a value of Stripe's metadata holds 500 characters.
func TestManyAddons(t *testing.T) {
	items := []billing.Item{basic}
	var more []billing.Item
	for n := range 12 {
		addon := seats(1, 50)
		addon.Ref = fmt.Sprintf("an-addon-with-quite-a-long-name-%02d.7", n)
		items = append(items, addon)
		addon.Quantity = 2
		more = append(more, addon)
	}
	w := sold(t, items...)
	c := w.change("down", basic)
	w.book(c, false)
	w.want("paid for", len(w.look().Items), len(items))
	w.book(w.change("stay", items...), false)
	if left := fmt.Sprint(w.stripe.Object(w.sub.ExternalID)["metadata"]); strings.Contains(left, "hafen_paid") {
		t.Errorf("left: %s", left)
	}
	// And a bill has more lines than Stripe lists with it.
	w.stripe.Advance(10 * 24 * time.Hour)
	c = w.change("more", append([]billing.Item{basic}, more...)...)
	before, bill := w.paid(), w.preview(c)
	w.want("as reckoned here", bill.Gross, billing.Prorate(w.sub, c).Gross)
	w.mustChange(c)
	w.want("taken", w.paid()-before, bill.Gross.Cents)
}

// owes says how a customer is taxed from now on, as a job tells Stripe when their profile has changed.
func (w *world) owes(note billing.VATNote, told bool) {
	w.Helper()
	c := w.accounts.known[account]
	c.VATNote, w.sub.VATNote = note, note
	w.accounts.known[account] = c
	if told {
		if err := w.provider.TellPayer(w.Context(), account); err != nil {
			w.Fatal(err)
		}
	}
}

// TestWhoOwesNoTax: whom our own bills would not tax, Stripe does not: from the first bill on, and as long as it is so.
func TestWhoOwesNoTax(t *testing.T) {
	for _, note := range []billing.VATNote{billing.ReverseCharge, billing.OutsideEU, billing.SmallBusiness} {
		t.Run(string(note), func(t *testing.T) {
			w := newWorld(t)
			w.owes(note, false)
			w.begin(w.order(basic, seats(1, 100)))
			w.want("the page says", w.stripe.List("checkout.session")[0]["amount_total"], int64(500))
			w.pay(stripefake.GoodCard)
			first := w.look().Invoices[0]
			w.want("taken", w.paid(), int64(500))
			w.want("note", first.Note, note)
			w.want("tax", first.VAT, eur(0))
			w.want("rate", first.Lines[0].VATRate, 0)
			w.stripe.Advance(10 * 24 * time.Hour)
			c := w.change("up", allIn, seats(1, 100))
			before, bill := w.paid(), w.preview(c)
			w.want("as reckoned here", bill.Gross, billing.Prorate(w.sub, c).Under(note).Gross)
			w.mustChange(c)
			w.want("taken for the change", w.paid()-before, bill.Gross.Cents)
			w.look()
			w.owes("", true)
			w.stripe.Advance(31 * 24 * time.Hour)
			again := w.look().Invoices[0]
			w.want("taxed again", again.VAT, eur(285)) // of 15.00 at 19 %
			w.want("no note", again.Note, billing.VATNote(""))
		})
	}
}

// TestTaxToldLate: what a changed profile tells Stripe may come late. A preview, a change, a booking and a Checkout wait for nothing.
func TestTaxToldLate(t *testing.T) {
	exempt := func(w *world) any { return w.stripe.Object(w.stripe.List("customer")[0]["id"].(string))["tax_exempt"] }
	w := sold(t, basic)
	w.stripe.Advance(10 * 24 * time.Hour)
	c := w.change("up", advanced)
	w.owes(billing.ReverseCharge, false)
	w.want("a preview's tax", w.preview(c).VAT, eur(0))
	w.owes("", false)
	before := w.paid()
	w.mustChange(c)
	w.want("a change", w.paid()-before, billing.Prorate(w.sub, c).Gross.Cents)
	w.look()
	w.owes(billing.OutsideEU, false)
	w.book(w.change("down", basic), false)
	w.want("a booking", exempt(w), "exempt")
	// Where another change is booked, the arithmetic is ours.
	c = w.change("up again", allIn)
	w.want("after a booking", w.preview(c).Gross, billing.Prorate(w.sub, c).Under(billing.OutsideEU).Gross)
}

// TestTaxOfAnOpenCheckout: a page that was made for another tax is not shown again.
func TestTaxOfAnOpenCheckout(t *testing.T) {
	w := newWorld(t)
	first := w.begin(w.order(basic))
	w.want("the same", w.begin(w.order(basic)), first)
	w.owes(billing.ReverseCharge, false)
	second := w.begin(w.order(basic))
	w.want("another", second != first, true)
	w.want("the same again", w.begin(w.order(basic)), second)
	w.want("the former", w.stripe.List("checkout.session")[0]["status"], "expired")
	w.pay(stripefake.GoodCard)
	w.want("taken", w.paid(), int64(400))
}
