package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

func (w *till) quota(id tenant.ID) tenant.Quota {
	w.Helper()
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	return server.Quota
}

func TestAnUpgradeCostsToTheCentAndBeginsAtOnce(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.goTo(day(2027, 4, 16)) // half of April
	jobs := w.jobs("reconcile")
	quote, terms := w.confirm(id, controlplane.Choice{Plan: "advanced", Packs: map[tenant.AddonID]int{"seats-5": 2}})
	// (600 - 400) / 2 + 2 × 250 / 2 = 350, and 19 %.
	if quote.Later || !terms.Settled || quote.Bill.Net.Cents != 350 || quote.Bill.Gross.Cents != 417 || quote.NextBill.Gross.Cents != 1309 {
		t.Fatalf("%+v", quote)
	}
	if q := w.quota(id); q.Seats != 30 {
		t.Fatalf("quota %+v", q)
	}
	w.wantBills(id, "2027-04-01 2027-05-01 476 paid", "2027-04-16 2027-05-01 417 open")
	if w.jobs("reconcile") != jobs+1 {
		t.Fatal("nobody makes it true")
	}
	if n := w.count(`select count(*) from audit where action = 'subscription.change' and detail->'before'->'choice'->>'plan' = 'basic'
		and detail->'after'->'choice'->>'plan' = 'advanced' and detail->>'gross_cents' = '417'`); n != 1 {
		t.Fatalf("%d audit entries", n)
	}
	w.goTo(day(2027, 5, 1))
	w.bill()
	w.wantBills(id, "2027-04-01 2027-05-01 476 paid", "2027-04-16 2027-05-01 417 open", "2027-05-01 2027-06-01 1309 open")
}

// A homeserver must be started anew to federate. So nobody's upgrade opens an island; what was open stays so.
func TestAnUpgradeNeedsNoRestart(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	server := func() controlplane.Server {
		w.Helper()
		server, err := w.store.FindServer(w.ctx, "", id)
		w.must(err)
		return server
	}
	before := server()
	w.confirm(id, controlplane.Choice{Plan: "all-in"})
	after := server()
	if before.Settings.Restarts(after.Settings) || after.Settings.Federation != tenant.FederationOff || after.Quota.Federation != tenant.FederationOpen {
		t.Errorf("%+v, then %+v", before, after)
	}
	// Whoever has asked for it keeps it on the way up, and loses it with a plan that does not have it.
	w.exec(`update tenants set settings = settings || '{"federation": "open"}'`)
	w.confirm(id, controlplane.Choice{Plan: "all-in", Packs: map[tenant.AddonID]int{"seats-5": 1}})
	if s := server(); s.Settings.Federation != tenant.FederationOpen {
		t.Errorf("lost on the way up: %+v", s.Settings)
	}
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.goTo(day(2027, 5, 1))
	w.bill()
	if s := server(); s.Settings.Federation != tenant.FederationOff || s.Quota.Seats != 5 {
		t.Errorf("an island that federates: %+v", s.Settings)
	}
}

// What ends with the period has no next one that could be booked, and no bill for it.
func TestACancelledPlanBooksNothing(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "advanced", map[tenant.AddonID]int{"seats-5": 1})
	w.must(w.subs.Cancel(w.ctx, w.anna, id))
	for _, smaller := range []controlplane.Choice{{Plan: "basic"}, {Plan: "advanced"}} {
		_, err := w.subs.Quote(w.ctx, w.anna, id, smaller, w.now())
		w.wantFault(err, "plan.cancelled")
	}
	quote, _ := w.confirm(id, controlplane.Choice{Plan: "all-in"})
	if len(quote.NextBill.Lines) != 0 {
		t.Errorf("there is another bill: %+v", quote.NextBill)
	}
	w.must(w.subs.Resume(w.ctx, w.anna, id))
	w.confirm(id, controlplane.Choice{Plan: "basic"})
}

// What is shown is what is billed, also where the buyer owes the tax.
func TestQuotesAreTaxedAsTheirInvoices(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	w.sells(sellerHere)
	w.must(w.store.StoreProfile(w.ctx, w.anna, billing.Party{Company: "Žižkov s.r.o.", Street: "Husitská 7", Postcode: "130 00", City: "Praha", Country: "CZ", VATID: "CZ12345678"}))
	ordered, err := w.sales.Price(w.ctx, w.anna.Account, controlplane.OrderRequest{Plan: "basic"})
	w.must(err)
	if ordered.Owed.VAT.Cents != 0 || ordered.Owed.Gross.Cents != 400 {
		t.Errorf("an order of %+v", ordered.Owed)
	}
	id := w.buy("anna", "basic", nil)
	w.goTo(day(2027, 4, 16))
	quote, _ := w.confirm(id, controlplane.Choice{Plan: "advanced"})
	if quote.Bill.Gross.Cents != 100 || quote.NextBill.Gross.Cents != 600 {
		t.Errorf("a change of %+v, then %+v", quote.Bill, quote.NextBill)
	}
	w.goTo(day(2027, 5, 1))
	w.bill()
	w.wantBills(id, "2027-04-01 2027-05-01 400 paid", "2027-04-16 2027-05-01 100 open", "2027-05-01 2027-06-01 600 open")
}

func TestWhatWasAgreedToMustHold(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	choice := controlplane.Choice{Plan: "all-in"}
	confirm := func(c controlplane.Choice, at time.Time, gross int64) error {
		_, _, err := w.subs.Confirm(w.ctx, w.anna, id, controlplane.Confirmed{Choice: c, At: at, Gross: gross})
		return err
	}
	w.wantFault(confirm(choice, w.now().Add(-time.Hour), 1190), "quote.expired")
	w.wantFault(confirm(choice, w.now().Add(time.Hour), 1190), "quote.expired")
	w.wantFault(confirm(choice, w.now(), 1), "quote.changed")
	w.wantFault(confirm(controlplane.Choice{Plan: "basic"}, w.now(), 0), "plan.same")
	w.wantFault(confirm(controlplane.Choice{Plan: "platin"}, w.now(), 0), "plan.unknown")
	w.exec(`update subscriptions set stage = 'overdue'`)
	w.wantFault(confirm(choice, w.now(), 1190), "billing.unpaid")
	w.exec(`update subscriptions set stage = 'paid'`)
	w.must(confirm(choice, w.now(), 1190))
	bert := w.account("bert@example.org")
	_, err := w.subs.Quote(w.ctx, bert, id, choice, w.now())
	w.wantFault(err, "tenant.unknown")
	w.wantFault(w.subs.Cancel(w.ctx, bert, id), "tenant.unknown")
}

func TestADowngradeWaitsForThePeriodsEnd(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "all-in", map[tenant.AddonID]int{"seats-5": 1})
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{DatabaseBytes: 1e9, MediaBytes: 60e9}))
	small := controlplane.Choice{Plan: "basic"}
	quote, err := w.subs.Quote(w.ctx, w.anna, id, small, w.now())
	w.must(err)
	if !quote.Later || len(quote.Excess) != 1 || quote.Excess[0].What != "storage" {
		t.Fatalf("%+v", quote)
	}
	_, _, err = w.subs.Confirm(w.ctx, w.anna, id, controlplane.Confirmed{Choice: small, At: quote.At})
	w.wantFault(err, "plan.too_small")
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{DatabaseBytes: 1e9, MediaBytes: 2e9}))
	w.confirm(id, small)
	if s := w.sub(id); s.Next == nil || !s.Next.Choice().Same(small) || s.Now.Plan.ID != "all-in" || w.quota(id).Seats != 55 {
		t.Fatalf("%+v", s)
	}
	w.must(w.subs.TakeBack(w.ctx, w.anna, id))
	if s := w.sub(id); s.Next != nil {
		t.Fatalf("still booked: %+v", s.Next)
	}
	w.confirm(id, small)
	w.goTo(day(2027, 5, 1))
	w.bill()
	if s := w.sub(id); s.Next != nil || !s.Now.Choice().Same(small) || w.quota(id).Seats != 5 {
		t.Fatalf("%+v", s)
	}
	w.wantBills(id, "2027-04-01 2027-05-01 1964 paid", "2027-05-01 2027-06-01 476 open")
	if n := w.count(`select count(*) from audit where action in ('subscription.book', 'subscription.unbook')`); n != 3 {
		t.Fatalf("%d audit entries", n)
	}
}

func TestWhatNoLongerFitsAtTheEndDoesNotBegin(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "advanced", nil)
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{MediaBytes: 30e9}))
	w.goTo(day(2027, 5, 1))
	w.bill()
	if s := w.sub(id); s.Next != nil || s.Now.Plan.ID != "advanced" || !s.End.Equal(day(2027, 6, 1)) {
		t.Fatalf("%+v", s)
	}
	if n := w.count(`select count(*) from river_job where kind = 'tenant_mail' and args->>'which' = 'plan_kept'`); n != 1 {
		t.Fatalf("%d mails", n)
	}
}

func TestAnotherPeriodBeginsWithTheNext(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 1, 31))
	id := w.buy("anna", "basic", nil)
	quote, _ := w.confirm(id, controlplane.Choice{Plan: "basic-year"})
	if !quote.Later || !quote.From.Equal(day(2027, 2, 28)) {
		t.Fatalf("%+v", quote)
	}
	w.goTo(day(2027, 2, 28))
	w.bill()
	w.wantBills(id, "2027-01-31 2027-02-28 476 paid", "2027-02-28 2028-02-28 4760 open")
}

func TestCancellingEndsWithThePeriod(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.must(w.subs.Cancel(w.ctx, w.anna, id))
	w.must(w.subs.Resume(w.ctx, w.anna, id))
	if w.sub(id).Cancelled {
		t.Fatal("still cancelled")
	}
	w.must(w.subs.Cancel(w.ctx, w.anna, id))
	w.bill()
	w.wantStatus(id, tenant.Active)
	w.goTo(day(2027, 5, 2))
	w.bill()
	w.bill()
	w.wantStatus(id, tenant.Deleting)
	if s := w.sub(id); s.State != billing.Ended {
		t.Fatalf("%+v", s)
	}
	w.wantBills(id, "2027-04-01 2027-05-01 476 paid")
	w.wantFault(w.subs.Resume(w.ctx, w.anna, id), "subscription.not_running")
}

func TestEveryPeriodIsBilledOnce(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 1, 1))
	var ids []tenant.ID
	for _, name := range []string{"anna", "berta", "clara"} {
		ids = append(ids, w.buy(name, "basic", nil))
	}
	w.goTo(day(2027, 7, 1))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := w.biller.Once(w.ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, id := range ids {
		if got := w.bills(id); len(got) != 7 {
			t.Errorf("%q", got)
		}
	}
	if n := w.count(`select count(*) from invoices`); n != 21 || w.count(`select last from invoice_numbers where series = '2027'`) != 21 {
		t.Fatalf("%d bills", n)
	}
}

// kill -9 after any step: the record of what was asked for is found, and the provider told again under the same key.
func TestAChangeOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{false, true} {
		w := newTill(t, day(2027, 4, 1))
		id := w.buy("anna", "basic", nil)
		w.exec(`update subscriptions set provider = 'stripe', external_id = 'sub_1'`)
		key := "6f1c8a51-0f0e-4a53-9d0a-3a1f8f6c2f10"
		change := controlplane.Change{
			Key: key, Asked: w.now(), At: w.now(), Before: controlplane.Choice{Plan: "basic"}, Choice: controlplane.Choice{Plan: "all-in"}, Actor: w.anna,
		}
		w.must(w.store.BeginChange(w.ctx, id, change))
		if told {
			_, err := w.elsewhere.Change(w.ctx, billing.Subscription{}, billing.Change{Key: key})
			w.must(err)
		}
		w.bill()
		if s := w.sub(id); s.Change == nil {
			t.Fatal("taken up while its process may be at it")
		}
		w.wantFault(w.store.BeginChange(w.ctx, id, change), "subscription.busy")
		w.goTo(w.now().Add(2 * time.Minute))
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				if err := w.biller.Once(w.ctx); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		w.bill()
		if s := w.sub(id); s.Change != nil || s.Now.Plan.ID != "all-in" {
			t.Fatalf("%+v", s)
		}
		if len(w.elsewhere.keys) != 1 || w.count(`select count(*) from audit where action = 'subscription.change'`) != 1 {
			t.Fatalf("told %v", w.elsewhere.keys)
		}
	}
}

// What was asked for shortly before the end is not asked of a provider again and again, who knows of nothing any more.
func TestAChangeEndsWithItsSubscription(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "all-in", nil)
	w.exec(`update subscriptions set provider = 'stripe', external_id = 'sub_1'`)
	w.must(w.store.BeginChange(w.ctx, id, controlplane.Change{
		Key: "6f1c8a51-0f0e-4a53-9d0a-3a1f8f6c2f10", Asked: w.now(), At: w.now(), Before: controlplane.Choice{Plan: "all-in"},
		Choice: controlplane.Choice{Plan: "basic"}, Later: true, Actor: w.anna,
	}))
	w.exec(`update subscriptions set state = 'ended'`)
	w.goTo(w.now().Add(2 * time.Minute))
	w.bill()
	if s := w.sub(id); s.Change != nil || s.Next != nil || len(w.elsewhere.keys) != 0 {
		t.Fatalf("%+v, told %v", s, w.elsewhere.keys)
	}
}

func TestARefusedChangeLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.exec(`update subscriptions set provider = 'stripe', external_id = 'sub_1'`)
	w.elsewhere.refuses = &tenant.Fault{Kind: tenant.PaymentRequired, Code: "card.declined"}
	quote, err := w.subs.Quote(w.ctx, w.anna, id, controlplane.Choice{Plan: "all-in"}, w.now())
	w.must(err)
	_, _, err = w.subs.Confirm(w.ctx, w.anna, id, controlplane.Confirmed{Choice: controlplane.Choice{Plan: "all-in"}, At: quote.At, Gross: quote.Bill.Gross.Cents})
	w.wantFault(err, "card.declined")
	if s := w.sub(id); s.Change != nil || s.Now.Plan.ID != "basic" {
		t.Fatalf("%+v", s)
	}
}

func TestAChangeWaitsForItsMoney(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.exec(`update subscriptions set provider = 'stripe', external_id = 'sub_1'`)
	w.elsewhere.unpaid = true
	w.elsewhere.says = billing.Outside{ExternalID: "sub_1", State: billing.Active, Start: w.now(), End: day(2027, 5, 1), Items: w.sub(id).Items}
	_, terms := w.confirm(id, controlplane.Choice{Plan: "all-in"})
	if terms.Settled || terms.CheckoutURL == "" || w.quota(id).Seats != 5 {
		t.Fatalf("%+v", terms)
	}
	w.goTo(w.now().Add(time.Hour))
	w.bill()
	if s := w.sub(id); s.Change == nil || s.Now.Plan.ID != "basic" {
		t.Fatalf("unpaid, but %+v", s)
	}
	w.elsewhere.says.Items = w.sub(id).Change.Offer.Items()
	event := controlplane.Event{ID: "evt_1", Kind: "customer.subscription.updated", ExternalID: "sub_1"}
	for range 3 {
		w.must(w.subs.Receive(w.ctx, event))
	}
	if n := w.jobs("billing_look"); n != 1 {
		t.Fatalf("%d looks for one event", n)
	}
	w.goTo(w.now().Add(time.Second))
	w.must(w.subs.Refresh(w.ctx, id))
	if s := w.sub(id); s.Change != nil || s.Now.Plan.ID != "all-in" || w.quota(id).Seats != 50 {
		t.Fatalf("paid, but %+v", s)
	}
	w.wantBills(id, "2027-04-01 2027-05-01 476 paid") // the rest is the provider's to bill
	// Never paid at all: given up after a day.
	w.confirm(id, controlplane.Choice{Plan: "all-in", Packs: map[tenant.AddonID]int{"seats-5": 1}})
	w.goTo(w.now().Add(24 * time.Hour))
	w.bill()
	if s := w.sub(id); s.Change != nil || s.Now.Plan.ID != "all-in" || len(s.Now.Packs) != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestTheFirstPaymentOutsideSettlesTheOrder(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	config := w.sales.OrdersConfig
	config.Billing = w.elsewhere
	orders := controlplane.NewOrders(config)
	id, terms, err := orders.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	if terms.Settled || terms.CheckoutURL == "" {
		t.Fatalf("%+v", terms)
	}
	w.must(w.subs.Refresh(w.ctx, id)) // nothing there yet
	w.wantStatus(id, tenant.AwaitingPayment)
	invoice := billing.Invoice{
		Bill: billing.Sum("EUR", billing.Lines("de", w.sub(id).Items, nil, w.now(), day(2027, 5, 1))), External: "in_1", Number: "ABC-1",
		Status: billing.InvoicePaid, Paid: tenant.Money{Cents: 476, Currency: "EUR"}, Start: w.now(), End: day(2027, 5, 1), Issued: w.now(), PaidAt: w.now(),
	}
	w.elsewhere.says = billing.Outside{
		ExternalID: "sub_9", Customer: "cus_9", State: billing.Active, Start: w.now(), End: day(2027, 5, 1), Items: w.sub(id).Items, Invoices: []billing.Invoice{invoice},
	}
	for range 2 {
		w.goTo(w.now().Add(time.Second))
		w.must(w.subs.Refresh(w.ctx, id))
	}
	w.wantStatus(id, tenant.Provisioning)
	s := w.sub(id)
	if s.State != billing.Active || s.ExternalID != "sub_9" || s.Customer != "cus_9" || s.Order != "" {
		t.Fatalf("%+v", s)
	}
	w.wantBills(id, "2027-04-01 2027-05-01 476 paid")
	// An answer that was asked for before the last one is not believed.
	old := w.elsewhere.says
	old.State = billing.Ended
	w.must(w.store.RecordOutside(w.ctx, id, old, w.now().Add(-time.Minute)))
	if s := w.sub(id); s.State != billing.Active {
		t.Fatalf("%+v", s)
	}
	if n := w.jobs("billing_look"); n != 1 {
		t.Fatalf("%d looks after an answer that came too late", n)
	}
	w.must(w.subs.Receive(w.ctx, controlplane.Event{ID: "evt_5", Kind: "charge.refunded", Customer: "cus_9"}))
	w.must(w.subs.Receive(w.ctx, controlplane.Event{ID: "evt_6", Kind: "charge.refunded", Customer: "cus_other"}))
	if n := w.jobs("billing_look"); n != 2 {
		t.Fatalf("%d looks", n)
	}
}

func TestABookingOutsideIsTakenBackInTime(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "advanced", nil)
	w.exec(`update subscriptions set provider = 'stripe', external_id = 'sub_1'`)
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{MediaBytes: 30e9}))
	w.goTo(day(2027, 5, 1).Add(-2 * time.Hour))
	w.bill()
	if w.sub(id).Next == nil {
		t.Fatal("taken back too early")
	}
	w.goTo(day(2027, 5, 1).Add(-30 * time.Minute))
	w.bill()
	w.bill()
	if s := w.sub(id); s.Next != nil || len(w.elsewhere.booked) != 2 || w.elsewhere.booked[1].Items[0].Ref != "advanced" {
		t.Fatalf("%+v, told %+v", s.Next, w.elsewhere.booked)
	}
	if n := w.count(`select count(*) from river_job where kind = 'tenant_mail' and args->>'which' = 'plan_kept'`); n != 1 {
		t.Fatalf("%d mails", n)
	}
}

// What was asked before a change was told must not take it back.
func TestALateAnswerDoesNotUndoAChange(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.exec(`update subscriptions set provider = 'stripe', external_id = 'sub_1'`)
	asked := w.now()
	before := billing.Outside{ExternalID: "sub_1", State: billing.Active, Start: asked, End: day(2027, 5, 1), Items: w.sub(id).Items}
	w.goTo(asked.Add(time.Second))
	w.confirm(id, controlplane.Choice{Plan: "all-in"})
	w.must(w.store.RecordOutside(w.ctx, id, before, asked))
	if s := w.sub(id); s.Now.Plan.ID != "all-in" {
		t.Fatalf("back to %s", s.Now.Plan.ID)
	}
	if w.jobs("billing_look") != 1 {
		t.Fatal("nobody asks again")
	}
}

// For a server that is being deleted nothing more is taken; one that is kept after all goes on as it was.
func TestDeletionStopsTheMoneyOutside(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.exec(`update subscriptions set provider = 'stripe', external_id = 'sub_1'`)
	tell := &controlplane.BillingTellWorker{Subscriptions: w.subs}
	job := &river.Job[controlplane.BillingTellArgs]{Args: controlplane.BillingTellArgs{Tenant: id}}
	w.must(w.servers().Delete(w.ctx, w.anna, id, "anna.hafen.test"))
	if w.jobs("billing_tell") != 1 {
		t.Fatal("the provider is not told")
	}
	w.must(tell.Work(w.ctx, job))
	if !w.elsewhere.cancel {
		t.Fatal("the next period would be charged")
	}
	w.elsewhere.says = billing.Outside{ExternalID: "sub_1", State: billing.Active, Start: w.now(), End: day(2027, 5, 1), Items: w.sub(id).Items, Cancelled: true}
	w.goTo(w.now().Add(time.Second))
	w.must(w.subs.Refresh(w.ctx, id))
	w.must(w.servers().Restore(w.ctx, w.anna, id))
	w.must(tell.Work(w.ctx, job))
	if w.elsewhere.cancel || w.sub(id).Cancelled {
		t.Fatal("it ends although it was kept")
	}
}

// What a server can not have is shown with the reason, and refused.
func TestPlansThatAreBarred(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.exec(`update plans set currency = 'CHF' where id = 'all-in'`)
	w.exec(`update plans set engines = '{dendrite}' where id = 'advanced'`)
	want := map[tenant.PlanID]string{"all-in": "plan.currency", "advanced": "plan.engine"}
	view, err := w.subs.View(w.ctx, w.anna, id)
	w.must(err)
	for _, option := range view.Options {
		plan := option.Next.Plan.ID
		if bar := option.Bar; (want[plan] != "") != (bar != nil) || bar != nil && bar.Code != want[plan] {
			t.Errorf("%s: %v", plan, bar)
		}
		if want[plan] != "" {
			_, err := w.subs.Quote(w.ctx, w.anna, id, controlplane.Choice{Plan: plan}, w.now())
			w.wantFault(err, want[plan])
		}
	}
}

// A change that was recorded and not yet made comes before the renewal: what it booked begins, and a cancellation ends.
func TestRenewalWaitsForAChange(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.goTo(day(2027, 5, 1).Add(-10 * time.Second))
	now := controlplane.Choice{Plan: "basic"}
	// Its process dies right after.
	w.must(w.store.BeginChange(w.ctx, id, controlplane.Change{
		Key: "5f0f6f0e-1111-4222-8333-444444444444", Asked: w.now(), Before: now, Choice: now, Later: true, Cancel: true, At: w.now(), Actor: w.anna,
	}))
	w.goTo(day(2027, 5, 1).Add(time.Second))
	w.bill()
	w.goTo(day(2027, 5, 1).Add(2 * time.Minute))
	w.bill()
	if s := w.sub(id); s.State != billing.Ended {
		t.Errorf("cancelled in time, but %s until %s", s.State, s.End)
	}
	w.wantBills(id, "2027-04-01 2027-05-01 476 paid")
}

// What is used and does not fit keeps nobody from what is no smaller: here another period of the same.
func TestABookingThatShrinksNothingBegins(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	id := w.buy("anna", "basic", nil)
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{MediaBytes: 21e9})) // copies that came in by restoring, say
	w.confirm(id, controlplane.Choice{Plan: "basic-year"})
	w.goTo(day(2027, 5, 1))
	w.bill()
	if s := w.sub(id); s.Now.Plan.ID != "basic-year" {
		t.Errorf("still %s", s.Now.Plan.ID)
	}
}
