package postgres_test

import (
	"testing"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// tell does the jobs of telling Stripe that are enqueued.
func (w *counter) tell() {
	w.Helper()
	worker := &controlplane.BillingTellWorker{Subscriptions: w.subs}
	for {
		var id tenant.ID
		if w.pool.QueryRow(w.ctx, `delete from river_job where id = (select min(id) from river_job where kind = 'billing_tell') returning args->>'tenant'`).Scan(&id) != nil {
			return
		}
		w.must(worker.Work(w.ctx, &river.Job[controlplane.BillingTellArgs]{Args: controlplane.BillingTellArgs{Tenant: id}}))
	}
}

// dearer makes a second version of the basic plan, for another price.
func (w *counter) dearer() {
	w.exec(`insert into plans (id, slug, version, name, price_cents, currency, vat_rate, seats, storage_bytes, upload_bytes, federation, memory_bytes, cpu_millis,
			pids, database_connections, position, engines, period, federation_mode, trial_days, visible, valid_from)
		select 'basic.2', 'basic', 2, 'Basic', 500, 'EUR', 19, seats, storage_bytes, upload_bytes, false, memory_bytes, cpu_millis, pids,
			database_connections, position, engines, period, federation_mode, 0, true, timestamptz '2020-01-01' from plans where id = 'basic'`)
}

func (w *counter) atStripe() map[string]any { return w.stripe.List("subscription")[0] }

// sells is what Stripe bills the next period for, in cents.
func (w *counter) sells() (cents int64) {
	for _, row := range w.stripe.Items(w.atStripe()["id"].(string)) {
		cents += row.Cents * row.Quantity
	}
	return cents
}

// TestStripeMove: whoever is moved to another version pays its price from the next bill on, and nothing before; and what Stripe has
// to say before it knows takes nobody back.
func TestStripeMove(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.dearer()
	w.pass(10 * 24 * time.Hour)
	before := w.taken()
	w.must(w.store.MoveServer(w.ctx, olga, id, "basic", "basic.2"))
	w.must(w.subs.Refresh(w.ctx, id)) // a webhook about anything
	w.wantState(id, billing.Active, "basic.2")
	w.tell()
	w.tell()
	w.hear()
	w.wantState(id, billing.Active, "basic.2")
	if w.sells() != 500 || w.taken() != before {
		t.Errorf("Stripe sells for %d, and took %d", w.sells(), w.taken()-before)
	}
	if repaired, open := w.night(); len(repaired)+len(open) != 0 {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	w.pass(20 * 24 * time.Hour)
	w.hear()
	w.wantBills(id, "2028-01-31 2028-02-29 476 paid", "2028-02-29 2028-03-31 595 paid")
}

// TestStripeMoveBooked: a move leaves what was booked for the next period booked, and the present version is what it is taken back to.
func TestStripeMoveBooked(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("all-in")
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.exec(`insert into plans select (jsonb_populate_record(p, '{"id": "all-in.2", "version": 2, "price_cents": 1500}')).* from plans p where id = 'all-in'`)
	w.must(w.store.MoveServer(w.ctx, olga, id, "all-in", "all-in.2"))
	w.tell()
	w.hear()
	w.wantState(id, billing.Active, "all-in.2")
	if w.sells() != 400 {
		t.Errorf("the next period is sold for %d", w.sells())
	}
	w.must(w.subs.TakeBack(w.ctx, w.anna, id))
	if w.sells() != 1500 {
		t.Errorf("taken back, it is sold for %d", w.sells())
	}
	w.hear()
	w.wantState(id, billing.Active, "all-in.2")
}

// TestStripeMoveLost: Stripe is down when it is told, and the job is given up: the night tells it. While it cannot be told, that is
// on the operator's page.
func TestStripeMoveLost(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.dearer()
	w.pass(2 * time.Hour)
	w.must(w.store.MoveServer(w.ctx, olga, id, "basic", "basic.2"))
	w.exec(`delete from river_job where kind = 'billing_tell'`)
	w.stripe.Fail("POST", "/v1/subscriptions/", stripefake.Denied, stripefake.Denied)
	if repaired, open := w.night(); len(repaired) != 0 || len(open) != 1 || open[0] != controlplane.FindUntold {
		t.Errorf("while it cannot be told: repaired %v, open %v", repaired, open)
	}
	w.stripe.Heal()
	w.wantState(id, billing.Active, "basic.2")
	if repaired, open := w.night(); len(open) != 0 || len(repaired) != 1 || repaired[0] != controlplane.FindUntold {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	if w.sells() != 500 || !w.sub(id).Untold.IsZero() {
		t.Errorf("Stripe sells for %d: %+v", w.sells(), w.sub(id))
	}
	w.hear()
	w.wantState(id, billing.Active, "basic.2")
}

// TestStripeToldTwice: two tell Stripe at once, and who read the older rows comes last. What is told last is what is true.
func TestStripeToldTwice(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.dearer()
	w.must(w.store.MoveServer(w.ctx, olga, id, "basic", "basic.2"))
	slow := w.sub(id).Untold
	w.must(w.store.MoveServer(w.ctx, olga, id, "basic.2", "basic"))
	w.tell()
	w.must(w.store.MarkTold(w.ctx, id, slow, w.now())) // it told of basic.2
	if w.sub(id).Untold.IsZero() {
		t.Error("nobody tells again")
	}
	w.tell()
	if !w.sub(id).Untold.IsZero() || w.sells() != 400 {
		t.Errorf("Stripe sells for %d", w.sells())
	}
}

// TestStripeBookingSurvives: an upgrade takes a booking back; if it is never paid the booking holds again.
func TestStripeBookingSurvives(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("all-in")
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.pass(24 * time.Hour)
	w.stripe.SetCard(w.customer(), stripefake.SCACard)
	w.confirm(id, controlplane.Choice{Plan: "all-in", Packs: map[tenant.AddonID]int{"seats-5": 2}})
	if w.sells() != 1400 {
		t.Errorf("sold for %d", w.sells())
	}
	w.pass(23*time.Hour + 2*time.Minute)
	w.tell()
	w.hear()
	if s := w.sub(id); s.Change != nil || s.Next == nil || w.sells() != 400 {
		t.Errorf("booked %+v, and sold for %d", s.Next, w.sells())
	}
}

// TestStripeDeletionUntold: a server that is being deleted is no difference to a subscription that ends, and one that would go on is
// ended by the night.
func TestStripeDeletionUntold(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.reconcile(id)
	w.must(w.servers().Delete(w.ctx, w.anna, id, "lagune.hafen.test"))
	w.tell()
	w.hear()
	if repaired, open := w.night(); len(repaired)+len(open) != 0 {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	w.must(w.servers().Restore(w.ctx, w.anna, id))
	w.tell()
	w.must(w.servers().Delete(w.ctx, w.anna, id, "lagune.hafen.test"))
	w.exec(`delete from river_job where kind = 'billing_tell'`)
	w.exec(`update subscriptions set untold_since = null`) // by a version of before
	if repaired, open := w.night(); len(open) != 0 || len(repaired) != 1 || repaired[0] != controlplane.FindUntold {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	if w.atStripe()["cancel_at_period_end"] != true {
		t.Error("the next period would be charged")
	}
}

// TestStripeRunsForNothing: a server that runs although its subscription has ended is on the operator's page.
func TestStripeRunsForNothing(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.must(w.subs.End(w.ctx, id))
	w.hear()
	w.wantStatus(id, tenant.Deleting)
	w.must(w.servers().Restore(w.ctx, olga, id))
	if repaired, open := w.night(); len(repaired) != 0 || len(open) != 1 || open[0] != controlplane.FindMissing {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
}

// TestStripeOtherPeriod: a plan by the year is billed by the year, when the month is over, and the other way round.
func TestStripeOtherPeriod(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.confirm(id, controlplane.Choice{Plan: "basic-year", Packs: map[tenant.AddonID]int{"seats-5": 1}})
	w.hear()
	if repaired, open := w.night(); len(repaired)+len(open) != 0 || w.taken() != 476 {
		t.Errorf("repaired %v, open %v, taken %d", repaired, open, w.taken())
	}
	w.pass(27*24*time.Hour + 30*time.Minute)
	w.wantState(id, billing.Active, "basic")
	w.pass(23 * time.Hour)
	for range 2 {
		w.pass(time.Minute)
		w.hear()
		w.wantState(id, billing.Active, "basic-year")
	}
	if s := w.sub(id); s.Next != nil || s.End.Before(day(2029, 2, 27)) || w.taken() != 476+(4000+12*250)*119/100 {
		t.Errorf("until %s, taken %d, booked %+v", s.End, w.taken(), s.Next)
	}
	if repaired, open := w.night(); len(repaired)+len(open) != 0 {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	w.pass(90 * 24 * time.Hour)
	before := w.taken()
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.pass(w.sub(id).End.Sub(w.now()) - 30*time.Minute)
	w.hear()
	w.wantState(id, billing.Active, "basic")
	w.pass(time.Hour)
	if got := w.taken() - before; got != 476 {
		t.Errorf("taken %d", got)
	}
	w.pass(31 * 24 * time.Hour)
	if got := w.taken() - before; got != 2*476 {
		t.Errorf("taken %d after another month", got)
	}
}

// TestStripeOtherPeriodUnpaid: a year that is not paid for is owed, as a month would be.
func TestStripeOtherPeriodUnpaid(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.confirm(id, controlplane.Choice{Plan: "basic-year"})
	w.stripe.SetCard(w.customer(), stripefake.DeclinedCard)
	w.pass(29*24*time.Hour - 10*time.Minute)
	w.hear()
	w.wantState(id, billing.Active, "basic-year")
	if n := w.count(`select count(*) from invoices where tenant_id = $1 and status = 'open' and gross_cents = 4760`, string(id)); n != 1 {
		t.Errorf("bills %q", w.bills(id))
	}
	w.stripe.PayInvoice(w.lastBill())
	w.hear()
	if n := w.count(`select count(*) from invoices where tenant_id = $1 and status = 'open'`, string(id)); n != 0 {
		t.Errorf("bills %q", w.bills(id))
	}
}

// TestStripeOvertaken: a change that was agreed on in a period that is over when Stripe hears of it is given up, not made at another price.
func TestStripeOvertaken(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.pass(29*24*time.Hour - time.Minute)
	quote, err := w.subs.Quote(w.ctx, w.anna, id, controlplane.Choice{Plan: "all-in"}, w.now())
	w.must(err)
	agreed := controlplane.Confirmed{Choice: controlplane.Choice{Plan: "all-in"}, At: quote.At, Gross: quote.Bill.Gross.Cents}
	w.stripe.Advance(2 * time.Minute)
	w.goTo(w.stripe.Now())
	if _, _, err := w.subs.Confirm(w.ctx, w.anna, id, agreed); tenant.FaultOf(err).Code != "quote.expired" {
		t.Errorf("confirmed: %v", err)
	}
	// Recorded before, by a process that was killed then.
	before := w.taken()
	w.must(w.store.BeginChange(w.ctx, id, controlplane.Change{
		Key: "5f0f6f0e-1111-4222-8333-444444444444", Asked: w.now(), Before: controlplane.Choice{Plan: "basic"},
		Choice: controlplane.Choice{Plan: "all-in"}, At: quote.At, Actor: w.anna,
	}))
	if err := w.subs.TakeUp(w.ctx, id); tenant.FaultOf(err).Code != "quote.expired" {
		t.Errorf("taken up: %v", err)
	}
	if s := w.sub(id); s.Change != nil || w.taken() != before {
		t.Errorf("still waiting for %+v, taken %d", s.Change, w.taken()-before)
	}
}

// TestStripeCoupon: what the customer reads of the next bill is what Stripe takes, while the coupon lasts and when it has ended.
func TestStripeCoupon(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	w.exec(`insert into coupons (code, percent, periods) values ('ZWEI', 50, 2)`)
	id, _, err := w.sales.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Coupon: "ZWEI", Name: "lagune", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	w.pay()
	w.hear()
	for month, want := range []int64{238, 476, 476, 476} {
		view, err := w.subs.View(w.ctx, w.anna, id)
		w.must(err)
		before := w.taken()
		w.pass(w.sub(id).End.Sub(w.now()) + 2*time.Hour)
		w.hear()
		if got := w.taken() - before; view.NextBill.Gross.Cents != want || got != want {
			t.Errorf("month %d: said %d and took %d, want %d", month+1, view.NextBill.Gross.Cents, got, want)
		}
	}
}

// TestStripePayer: a customer whom Stripe knows is told of anew when they say who pays; nobody else is.
func TestStripePayer(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	party := billing.Party{Company: "Schule am Meer", Street: "Seestr. 2", Postcode: "24103", City: "Kiel", Country: "DE", VATID: "DE987654321"}
	w.must(w.store.StoreProfile(w.ctx, w.anna, party))
	if n := w.jobs("billing_payer"); n != 0 {
		t.Errorf("%d jobs about a stranger", n)
	}
	w.bought("basic")
	w.must(w.store.StoreProfile(w.ctx, w.anna, party))
	if n := w.jobs("billing_payer"); n != 1 {
		t.Errorf("%d jobs", n)
	}
}
