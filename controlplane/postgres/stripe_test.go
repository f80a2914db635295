package postgres_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/billing/stripe"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// counter is a till whose customers pay through Stripe: rows, use cases, provider, wire and webhooks, all real but Stripe.
type counter struct {
	*till
	stripe *stripefake.Server
	check  *controlplane.BillingCheck
	secret string
	posts  int // webhooks that came
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	w := &counter{till: newTill(t, day(2028, 1, 31))}
	w.stripe = stripefake.New(t, w.now())
	provider, err := stripe.New(stripe.Config{Key: w.stripe.Key, URL: w.stripe.URL, Installation: "h1", Customers: w.store, Now: w.stripe.Now})
	w.must(err)
	providers := map[string]billing.Provider{"invoice": billing.Invoices{}, "stripe": provider}
	w.subs = controlplane.NewSubscriptions(controlplane.SubscriptionsConfig{Store: w.store, Now: w.now, Providers: providers})
	w.biller.Subscriptions = w.subs
	config := w.sales.OrdersConfig
	config.Billing, config.PublicURL = provider, "https://hafen.example"
	w.sales = controlplane.NewOrders(config)
	w.check = &controlplane.BillingCheck{
		Store: w.store, Outside: provider, Provider: "stripe", Refresh: w.subs.Refresh, Tell: w.subs.Tell, End: w.subs.End, Now: w.now, Log: slog.New(slog.DiscardHandler),
	}
	var receiver stripe.Receiver
	site := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.posts++
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = receiver.Receive(r.Context(), body, r.Header.Get("Stripe-Signature"))
		}
		if err != nil {
			out.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(site.Close)
	w.secret = w.stripe.Endpoint(site.URL)
	receiver = stripe.Receiver{
		Webhooks: stripe.Webhooks{Secrets: []string{"whsec_former", w.secret}, Now: w.now}, Provider: provider, Record: w.subs.Receive,
	}
	return w
}

// pass lets time pass, for Stripe and for us.
func (w *counter) pass(d time.Duration) {
	w.Helper()
	w.stripe.Advance(d)
	w.goTo(w.stripe.Now())
	w.bill()
}

// hear lets Stripe tell what it has to, and acts on it.
func (w *counter) hear() {
	w.Helper()
	w.stripe.Flush()
	w.work()
}

// work does the looks that are enqueued.
func (w *counter) work() {
	w.Helper()
	for {
		var id tenant.ID
		err := w.pool.QueryRow(w.ctx, `delete from river_job where id = (select min(id) from river_job where kind = 'billing_look') returning args->>'tenant'`).Scan(&id)
		if err != nil {
			return
		}
		w.must(w.subs.Refresh(w.ctx, id))
	}
}

// order orders a server; it waits for payment.
func (w *counter) order(name, plan string) tenant.ID {
	w.Helper()
	id, terms, err := w.sales.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: tenant.PlanID(plan), Name: name, FirstAdmin: "anna", Language: "de"})
	w.must(err)
	if terms.Settled || terms.CheckoutURL == "" {
		w.Fatalf("terms: %+v", terms)
	}
	return id
}

// pay pays the last Checkout page.
func (w *counter) pay() {
	w.Helper()
	sessions := w.stripe.List("checkout.session")
	if got := w.stripe.Pay(sessions[len(sessions)-1]["id"].(string), stripefake.GoodCard, false); !got.Paid {
		w.Fatal(got.Reason)
	}
}

// bought is a server that was ordered and paid.
func (w *counter) bought(plan string) tenant.ID {
	w.Helper()
	id := w.order("lagune", plan)
	w.pay()
	w.hear()
	w.wantState(id, billing.Active, plan)
	return id
}

func (w *counter) wantState(id tenant.ID, state billing.State, plan string) {
	w.Helper()
	s := w.sub(id)
	if s.State != state || string(s.Now.Plan.ID) != plan {
		w.Errorf("%s %s, want %s %s", s.State, s.Now.Plan.ID, state, plan)
	}
}

func (w *counter) wantStatus(id tenant.ID, want tenant.Status) {
	w.Helper()
	var got tenant.Status
	w.must(w.pool.QueryRow(w.ctx, `select status from tenants where id = $1`, id).Scan(&got))
	if got != want {
		w.Errorf("status %s, want %s", got, want)
	}
}

// taken is what Stripe took, in cents.
func (w *counter) taken() (sum int64) {
	for _, c := range w.stripe.List("charge") {
		sum += c["amount"].(int64)
	}
	return sum
}

// customer is Anna's at Stripe.
func (w *counter) customer() string { return w.stripe.List("customer")[0]["id"].(string) }

func (w *counter) lastBill() string {
	bills := w.stripe.List("invoice")
	return bills[len(bills)-1]["id"].(string)
}

// openAt counts what a night's check leaves to a person.
func (w *counter) night() (repaired, open []controlplane.FindingKind) {
	w.Helper()
	w.pass(24 * time.Hour)
	w.must(w.check.Once(w.ctx))
	r, found, err := w.store.LastBillingCheck(w.ctx)
	w.must(err)
	if !found || r.Finished.IsZero() || r.Error != "" {
		w.Fatalf("check: %+v", r)
	}
	for _, f := range r.Findings {
		if f.Repaired {
			repaired = append(repaired, f.Kind)
		} else {
			open = append(open, f.Kind)
		}
	}
	return repaired, open
}

func TestStripeHappyPath(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.order("lagune", "basic")
	w.wantStatus(id, tenant.AwaitingPayment)
	w.pay()
	w.hear()
	w.wantState(id, billing.Active, "basic")
	w.wantStatus(id, tenant.Provisioning)
	w.pass(29*24*time.Hour + 2*time.Hour)
	w.hear()
	w.wantBills(id, "2028-01-31 2028-02-29 476 paid", "2028-02-29 2028-03-31 476 paid")
	if w.taken() != 952 || w.count(`select count(*) from webhook_events`) != w.posts {
		t.Errorf("taken %d with %d webhooks", w.taken(), w.posts)
	}
	if n := w.count(`select count(*) from audit where action like 'order.%' and tenant_id = $1`, string(id)); n == 0 {
		t.Error("nothing in the audit log")
	}
}

// TestStripeWebhooksOutOfOrder: twice, backwards, three days late and all over again: each counts once and says "look again".
func TestStripeWebhooksOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.order("lagune", "basic")
	w.stripe.Hold()
	w.pay()
	events := w.stripe.Events()
	w.pass(3 * 24 * time.Hour)
	w.wantStatus(id, tenant.AwaitingPayment)
	for i := len(events) - 1; i >= 0; i-- {
		for range 2 {
			status, err := w.stripe.Send(events[i].ID, stripefake.Sending{})
			w.must(err)
			if status != http.StatusOK {
				t.Errorf("%s: %d", events[i].Type, status)
			}
		}
		w.work()
	}
	w.wantState(id, billing.Active, "basic")
	w.wantBills(id, "2028-01-31 2028-02-29 476 paid")
	if n := w.count(`select count(*) from webhook_events`); n != len(events) {
		t.Errorf("%d events recorded of %d", n, len(events))
	}
	// All over again, after it has ended: what is old news brings nothing back.
	w.must(w.subs.Cancel(w.ctx, w.anna, id))
	w.pass(60 * 24 * time.Hour)
	w.stripe.Release()
	w.hear()
	for _, e := range events {
		_, err := w.stripe.Send(e.ID, stripefake.Sending{})
		w.must(err)
	}
	w.work()
	w.wantState(id, billing.Ended, "basic")
	w.wantStatus(id, tenant.Deleting)
}

// TestStripeForged: what Stripe did not sign, or signed long ago, does nothing.
func TestStripeForged(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.order("lagune", "basic")
	w.stripe.Hold()
	w.pay()
	event := w.stripe.Events("checkout.session.completed")[0]
	for name, how := range map[string]stripefake.Sending{
		"another secret": {Secret: "whsec_guess"}, "old": {At: w.now().Add(-301 * time.Second)}, "of the future": {At: w.now().Add(10 * time.Minute)},
		"another body": {Body: append([]byte(" "), event.Body...)},
	} {
		status, err := w.stripe.Send(event.ID, how)
		w.must(err)
		if status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	if n := w.count(`select count(*) from webhook_events`) + w.count(`select count(*) from river_job where kind = 'billing_look'`); n != 0 {
		t.Errorf("%d rows", n)
	}
	w.wantStatus(id, tenant.AwaitingPayment)
	// Signed with the secret before the rotation, it is good.
	status, err := w.stripe.Send(event.ID, stripefake.Sending{Secret: "whsec_former"})
	w.must(err)
	w.work()
	if status != http.StatusOK {
		t.Errorf("the former secret: %d", status)
	}
	w.wantState(id, billing.Active, "basic")
}

// TestStripeLost: no webhook ever came, so the night finds it.
func TestStripeLost(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.order("lagune", "basic")
	w.pay()
	w.stripe.Forget()
	w.wantStatus(id, tenant.AwaitingPayment)
	repaired, open := w.night()
	w.wantState(id, billing.Active, "basic")
	if len(repaired) != 2 || len(open) != 0 { // the subscription and its bill
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	if n := w.count(`select count(*) from audit where action = 'billing.check.repaired' and tenant_id = $1`, string(id)); n != 2 {
		t.Errorf("%d entries in the audit log", n)
	}
	w.stripe.Forget()
	if repaired, open = w.night(); len(repaired)+len(open) != 0 {
		t.Errorf("the next night: repaired %v, open %v", repaired, open)
	}
	// A renewal that nobody told of.
	w.stripe.SetCard(w.customer(), stripefake.DeclinedCard)
	w.pass(29 * 24 * time.Hour)
	w.stripe.Forget()
	if repaired, open = w.night(); len(repaired) == 0 || len(open) != 0 {
		t.Errorf("a renewal: repaired %v, open %v", repaired, open)
	}
	w.wantBills(id, "2028-01-31 2028-02-29 476 paid", "2028-02-29 2028-03-31 476 open")
}

// TestStripeDoubleCharge: money that is taken twice, and for nobody, is on the operator's page every night until it is not.
func TestStripeDoubleCharge(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	first := w.stripe.List("checkout.session")[0]
	w.stripe.Again(first["id"].(string), nil)
	w.stripe.Again(first["id"].(string), map[string]string{"hafen_tenant": "tnobodynobodynobo"})
	w.stripe.Again(first["id"].(string), map[string]string{"hafen_tenant": "tnobodynobodynobo", "hafen_installation": "another"})
	for range 2 {
		repaired, open := w.night()
		if len(repaired) != 0 || len(open) != 2 || !slices.Contains(open, controlplane.FindDouble) || !slices.Contains(open, controlplane.FindUnknown) {
			t.Errorf("repaired %v, open %v", repaired, open)
		}
		w.hear()
	}
	w.wantState(id, billing.Active, "basic")
}

// TestStripeGone: a server that is deleted is not paid for any more, even if nobody told Stripe.
func TestStripeGone(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.exec(`update subscriptions set state = 'ended' where tenant_id = $1`, id)
	w.exec(`update tenants set status = 'deleted' where id = $1`, id)
	if repaired, open := w.night(); len(repaired) != 1 || repaired[0] != controlplane.FindGone || len(open) != 0 {
		t.Errorf("repaired %v, open %v", repaired, open)
	}
	if got := w.stripe.List("subscription")[0]["status"]; got != "canceled" {
		t.Errorf("Stripe's is %v", got)
	}
}

// TestStripeWebhookBeforeAnswer: Stripe tells of a change before it answers who asked for it.
func TestStripeWebhookBeforeAnswer(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.pass(10 * 24 * time.Hour)
	w.stripe.Eager = true
	before := w.taken()
	quote, terms := w.confirm(id, controlplane.Choice{Plan: "all-in"})
	w.work()
	w.wantState(id, billing.Active, "all-in")
	if !terms.Settled || w.taken()-before != quote.Bill.Gross.Cents {
		t.Errorf("%+v: taken %d of %d", terms, w.taken()-before, quote.Bill.Gross.Cents)
	}
	if n := w.count(`select count(*) from audit where action = 'subscription.change' and tenant_id = $1`, string(id)); n != 1 {
		t.Errorf("%d changes in the audit log", n)
	}
}

// TestStripeUpAndDown: what the customer saw is what was taken; down comes with the next bill.
func TestStripeUpAndDown(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.pass(12*24*time.Hour + 3*time.Hour + 25*time.Minute)
	before := w.taken()
	quote, _ := w.confirm(id, controlplane.Choice{Plan: "all-in", Packs: map[tenant.AddonID]int{"seats-5": 2}})
	if w.taken()-before != quote.Bill.Gross.Cents || quote.Bill.Gross.Cents == 0 {
		t.Errorf("taken %d of %d", w.taken()-before, quote.Bill.Gross.Cents)
	}
	w.wantState(id, billing.Active, "all-in")
	w.hear()
	w.pass(24 * time.Hour)
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.hear()
	w.wantState(id, billing.Active, "all-in")
	if s := w.sub(id); s.Next == nil || s.Next.Plan.ID != "basic" {
		t.Errorf("booked: %+v", s.Next)
	}
	if repaired, open := w.night(); len(repaired)+len(open) != 0 {
		t.Errorf("a booked change is no difference: %v, %v", repaired, open)
	}
	w.pass(20 * 24 * time.Hour)
	w.hear()
	w.wantState(id, billing.Active, "basic")
	if bill := w.stripe.Object(w.lastBill()); bill["total"].(int64) != 476 {
		t.Errorf("the next bill is of %v", bill["total"])
	}
}

// TestStripeUpgradeDeclined: nothing changes before the money comes; then it does.
func TestStripeUpgradeDeclined(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.pass(10 * 24 * time.Hour)
	w.stripe.SetCard(w.customer(), stripefake.SCACard)
	_, terms := w.confirm(id, controlplane.Choice{Plan: "all-in"})
	w.hear()
	w.wantState(id, billing.Active, "basic")
	if terms.Settled || terms.CheckoutURL == "" {
		t.Errorf("terms: %+v", terms)
	}
	w.stripe.PayInvoice(w.lastBill())
	w.hear()
	w.wantState(id, billing.Active, "all-in")
	if s := w.sub(id); s.Change != nil {
		t.Errorf("still pending: %+v", s.Change)
	}
}

// TestStripeRenewalDeclined: the bill is open until it is paid, and the server runs; dunning is another's.
func TestStripeRenewalDeclined(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.stripe.SetCard(w.customer(), stripefake.DeclinedCard)
	w.pass(30 * 24 * time.Hour)
	w.hear()
	w.wantState(id, billing.Active, "basic")
	w.wantBills(id, "2028-01-31 2028-02-29 476 paid", "2028-02-29 2028-03-31 476 open")
	w.stripe.PayInvoice(w.lastBill())
	w.hear()
	w.wantBills(id, "2028-01-31 2028-02-29 476 paid", "2028-02-29 2028-03-31 476 paid")
}

func TestStripeCancelAtEnd(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.must(w.subs.Cancel(w.ctx, w.anna, id))
	w.hear()
	if !w.sub(id).Cancelled {
		t.Error("not cancelled")
	}
	w.must(w.subs.Resume(w.ctx, w.anna, id))
	w.must(w.subs.Cancel(w.ctx, w.anna, id))
	w.pass(30 * 24 * time.Hour)
	w.hear()
	w.wantState(id, billing.Ended, "basic")
	w.wantStatus(id, tenant.Deleting)
	if w.taken() != 476 {
		t.Errorf("taken %d", w.taken())
	}
}

// TestStripePaidBeforeTold: who comes back from paying is not left waiting for a webhook, and who comes back without having paid
// finds the page again, or another when it has expired.
func TestStripePaidBeforeTold(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.order("lagune", "basic")
	first, err := w.subs.Pay(w.ctx, w.anna, id, "https://hafen.example")
	w.must(err)
	again, err := w.subs.Pay(w.ctx, w.anna, id, "https://hafen.example")
	w.must(err)
	w.pass(25 * time.Hour)
	other, err := w.subs.Pay(w.ctx, w.anna, id, "https://hafen.example")
	w.must(err)
	if first.CheckoutURL == "" || again != first || other.CheckoutURL == first.CheckoutURL {
		t.Errorf("pages: %+v, %+v, %+v", first, again, other)
	}
	w.pay()
	w.stripe.Forget()
	w.must(w.subs.Arrived(w.ctx, w.anna, id))
	w.wantState(id, billing.Active, "basic")
	w.wantStatus(id, tenant.Provisioning)
	if _, err := w.subs.Pay(w.ctx, w.anna, id, "https://hafen.example"); tenant.FaultOf(err).Code != "order.settled" {
		t.Errorf("paid twice: %v", err)
	}
	if n := len(w.stripe.List("subscription")); n != 1 {
		t.Errorf("%d subscriptions", n)
	}
}

// TestStripeGivenUp: an order that is given up can not be paid any more.
func TestStripeGivenUp(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.order("lagune", "basic")
	w.must(w.subs.End(w.ctx, id))
	page := w.stripe.List("checkout.session")[0]
	if got := w.stripe.Pay(page["id"].(string), stripefake.GoodCard, false); got.Paid {
		t.Error("paid")
	}
}

// TestStripeCrashes: the answer to any request may be lost, the process killed and all begun again: one customer, one subscription,
// one charge, one change.
func TestStripeCrashes(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	for _, path := range []string{"/v1/customers", "/v1/products", "/v1/prices", "/v1/tax_rates", "/v1/checkout/sessions"} {
		w.stripe.Fail("POST", path, stripefake.Lost)
	}
	id := w.bought("basic")
	w.pass(10 * 24 * time.Hour)
	quote, err := w.subs.Quote(w.ctx, w.anna, id, controlplane.Choice{Plan: "all-in"}, w.now())
	w.must(err)
	before := w.taken()
	// The answer is lost as often as it is asked for: the customer sees an error, and the change stays pending.
	w.stripe.Fail("POST", "/v1/subscriptions/", slices.Repeat([]stripefake.Failure{stripefake.Lost}, 12)...)
	if _, _, err = w.subs.Confirm(w.ctx, w.anna, id, controlplane.Confirmed{Choice: controlplane.Choice{Plan: "all-in"}, At: quote.At, Gross: quote.Bill.Gross.Cents}); err == nil {
		t.Error("no error")
	}
	w.wantState(id, billing.Active, "basic")
	w.pass(2 * time.Minute) // the biller takes it up
	w.wantState(id, billing.Active, "all-in")
	if w.taken()-before != quote.Bill.Gross.Cents {
		t.Errorf("taken %d of %d", w.taken()-before, quote.Bill.Gross.Cents)
	}
	for kind, n := range map[string]int{"customer": 1, "subscription": 1, "charge": 2} {
		if got := len(w.stripe.List(kind)); got != n {
			t.Errorf("%d of %s, want %d", got, kind, n)
		}
	}
}

// TestStripeCrashesAndStaysDown: the process dies after Stripe was told of a change, and nobody looks for longer than a change waits
// for its money. What was taken is not given up, nor what was booked, which waits for none.
func TestStripeCrashesAndStaysDown(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.pass(3 * 24 * time.Hour)
	die := func(plan tenant.PlanID) {
		t.Helper()
		choice := controlplane.Choice{Plan: plan}
		quote, err := w.subs.Quote(w.ctx, w.anna, id, choice, w.now())
		w.must(err)
		w.stripe.Fail("POST", "/v1/subscriptions/", slices.Repeat([]stripefake.Failure{stripefake.Lost}, 12)...) // the client tries again by itself
		if _, _, err = w.subs.Confirm(w.ctx, w.anna, id, controlplane.Confirmed{Choice: choice, At: quote.At, Gross: quote.Bill.Gross.Cents}); err == nil {
			t.Fatal("no error")
		}
		w.stripe.Forget() // nor does a webhook tell
		w.pass(controlplane.ChangePatience + time.Hour)
	}
	before := w.taken()
	die("all-in")
	w.wantState(id, billing.Active, "all-in")
	if w.taken() == before {
		t.Error("nothing was taken")
	}
	die("basic")
	w.wantState(id, billing.Active, "all-in")
	if s := w.sub(id); s.Next == nil || s.Next.Plan.ID != "basic" || s.Change != nil {
		t.Errorf("booked: %+v, pending: %+v", s.Next, s.Change)
	}
	if n := w.count(`select count(*) from audit where action = 'subscription.change.dropped'`); n != 0 {
		t.Errorf("%d changes were given up", n)
	}
}

// waiting is a server whose upgrade waits for the customer's bank.
func (w *counter) waiting(next string) tenant.ID {
	w.Helper()
	id := w.bought("advanced")
	w.pass(10 * 24 * time.Hour)
	w.stripe.SetCard(w.customer(), stripefake.SCACard)
	w.asks(id, next)
	return id
}

func (w *counter) asks(id tenant.ID, next string) {
	w.Helper()
	if _, terms := w.confirm(id, controlplane.Choice{Plan: tenant.PlanID(next)}); terms.Settled || terms.CheckoutURL == "" {
		w.Fatalf("terms: %+v", terms)
	}
	w.hear()
}

// TestStripeChangeGivenUp: a change that waits for its money is given up at once: its bill can not be paid any more, and another, or the
// same, can be asked for.
func TestStripeChangeGivenUp(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.waiting("all-in")
	bill, before := w.lastBill(), w.taken()
	gone, err := w.subs.GiveUp(w.ctx, w.anna, id)
	w.must(err)
	w.hear()
	w.tell()
	w.wantState(id, billing.Active, "advanced")
	if !gone || w.sub(id).Change != nil || w.stripe.PayInvoice(bill) || w.taken() != before {
		t.Errorf("gone %v, pending %+v, taken %d", gone, w.sub(id).Change, w.taken()-before)
	}
	if n := w.count(`select count(*) from audit where action = 'subscription.change.given_up' and tenant_id = $1`, string(id)); n != 1 {
		t.Errorf("%d entries in the audit log", n)
	}
	_, err = w.subs.GiveUp(w.ctx, w.anna, id)
	w.wantFault(err, "subscription.changed")
	w.asks(id, "all-in")
	if w.lastBill() == bill || !w.stripe.PayInvoice(w.lastBill()) {
		t.Error("asked for again, it can not be paid")
	}
	w.hear()
	w.wantState(id, billing.Active, "all-in")
}

// TestStripePaidBeforeGivenUp: the money was quicker, and nobody has told of it yet: the change is in effect.
func TestStripePaidBeforeGivenUp(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.waiting("all-in")
	w.stripe.PayInvoice(w.lastBill())
	gone, err := w.subs.GiveUp(w.ctx, w.anna, id)
	w.must(err)
	if gone {
		t.Error("given up, and paid")
	}
	w.wantState(id, billing.Active, "all-in")
	w.hear()
	w.wantState(id, billing.Active, "all-in")
	if n := w.count(`select count(*) from audit where action = 'subscription.change' and tenant_id = $1`, string(id)); n != 1 {
		t.Errorf("%d changes in the audit log", n)
	}
}

// TestStripeGivingUpCrashes: whoever dies on the way of giving up leaves a change that is not asked for again, and is dropped.
func TestStripeGivingUpCrashes(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.waiting("all-in")
	bill := w.lastBill()
	w.stripe.Fail("POST", "/v1/invoices/", stripefake.Denied)
	if _, err := w.subs.GiveUp(w.ctx, w.anna, id); err == nil {
		t.Error("Stripe refuses, and nobody says so")
	}
	if _, err := w.subs.Continue(w.ctx, w.anna, id); tenant.FaultOf(err).Code != "subscription.changed" {
		t.Errorf("what was given up goes on: %v", err)
	}
	w.stripe.Fail("POST", "/v1/invoices/", slices.Repeat([]stripefake.Failure{stripefake.Lost}, 12)...)
	w.pass(2 * time.Minute) // the biller takes it up
	if s := w.sub(id); s.Change != nil || w.stripe.PayInvoice(bill) || w.lastBill() != bill {
		t.Errorf("pending: %+v, bills %v", s.Change, w.stripe.List("invoice"))
	}
	w.wantState(id, billing.Active, "advanced")
}

// TestStripeBookingOutlivesAChange: to ask for a change Stripe must forget what was booked. When the change comes to nothing, what was
// booked still begins, and is what is billed.
func TestStripeBookingOutlivesAChange(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(*counter, tenant.ID){
		"given up": func(w *counter, id tenant.ID) { _, err := w.subs.GiveUp(w.ctx, w.anna, id); w.must(err) },
		"expired":  func(w *counter, _ tenant.ID) { w.pass(24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCounter(t)
			id := w.bought("advanced")
			w.pass(10 * 24 * time.Hour)
			w.confirm(id, controlplane.Choice{Plan: "basic"})
			w.stripe.SetCard(w.customer(), stripefake.SCACard)
			w.asks(id, "all-in")
			drop(w, id)
			w.hear()
			w.tell()
			if s := w.sub(id); s.Change != nil || s.Next == nil || s.Next.Plan.ID != "basic" {
				t.Fatalf("pending %+v, booked %+v", s.Change, s.Next)
			}
			w.stripe.SetCard(w.customer(), stripefake.GoodCard)
			w.pass(20 * 24 * time.Hour)
			w.hear()
			w.wantState(id, billing.Active, "basic")
			if bill := w.stripe.Object(w.lastBill()); bill["total"].(int64) != 476 {
				t.Errorf("the next bill is of %v", bill["total"])
			}
		})
	}
}

// TestStripeSilentHidesNoPrice: when Stripe does not say what a change costs, the page must not say that it costs nothing.
func TestStripeSilentHidesNoPrice(t *testing.T) {
	t.Parallel()
	w := newCounter(t)
	id := w.bought("basic")
	w.pass(24 * time.Hour)
	w.stripe.Fail("POST", "/v1/invoices/create_preview", slices.Repeat([]stripefake.Failure{stripefake.Denied}, 9)...)
	view, err := w.subs.View(w.ctx, w.anna, id)
	w.must(err)
	for _, option := range view.Options {
		if !option.Unknown && !option.Later && option.Next.Plan.ID != "basic" && option.Bar == nil {
			t.Errorf("%s costs %d today, it seems", option.Next.Plan.ID, option.Bill.Gross.Cents)
		}
	}
}
