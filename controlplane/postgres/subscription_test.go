package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/postgres"
	"hafen/tenant"
)

// till is a world in which the clock of money stands where a test puts it.
type till struct {
	*world
	mu        sync.Mutex
	at        time.Time
	sales     *controlplane.Orders // settled at once
	invoiced  *controlplane.Orders // settled by an operator
	elsewhere *outside
	subs      *controlplane.Subscriptions
	biller    *controlplane.Biller
}

func newTill(t *testing.T, at time.Time) *till {
	t.Helper()
	w := &till{world: newWorld(t), at: at, elsewhere: &outside{}}
	store, err := postgres.New(w.pool, postgres.Config{Secrets: plain{}, Edge: plain{}, Now: w.now})
	w.must(err)
	w.store = store
	config := w.orders.OrdersConfig
	config.Store, config.Now = store, w.now
	w.sales = controlplane.NewOrders(config)
	config.Billing = billing.Invoices{}
	w.invoiced = controlplane.NewOrders(config)
	w.subs = controlplane.NewSubscriptions(controlplane.SubscriptionsConfig{
		Store: store, Now: w.now, Providers: map[string]billing.Provider{"invoice": billing.Invoices{}, "stripe": w.elsewhere},
	})
	w.exec(`update plans set valid_from = timestamptz '2020-01-01'`) // sold whenever a test plays
	w.biller = &controlplane.Biller{Store: store, Subscriptions: w.subs, Now: w.now, Log: slog.New(slog.DiscardHandler)}
	w.exec(`insert into plans (id, slug, version, name, price_cents, currency, vat_rate, seats, storage_bytes, upload_bytes, federation, memory_bytes, cpu_millis,
			pids, database_connections, position, engines, period, federation_mode, trial_days, visible, valid_from)
		select 'basic-year', 'basic-year', 1, 'Basic yearly', 4000, 'EUR', 19, seats, storage_bytes, upload_bytes, false, memory_bytes, cpu_millis, pids,
			database_connections, 4, engines, 'year', federation_mode, 0, true, timestamptz '2020-01-01' from plans where id = 'basic'
		union all select 'try', 'try', 1, 'Try', 500, 'EUR', 19, seats, storage_bytes, upload_bytes, false, memory_bytes, cpu_millis, pids,
			database_connections, 5, engines, 'month', federation_mode, 14, true, timestamptz '2020-01-01' from plans where id = 'basic'`)
	w.exec(`insert into addons (id, slug, kind, amount, name, price_cents, currency, vat_rate, plans, most) values
		('seats-5', 'seats-5', 'seats', 5, '5 seats', 250, 'EUR', 19, '{}', 4),
		('storage-10', 'storage-10', 'storage', 10000000000, '10 GB', 199, 'EUR', 7, '{basic,basic-year,advanced,try}', 10)`)
	return w
}

func (w *till) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *till) goTo(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = at
}

func (w *till) buy(name, plan string, packs map[tenant.AddonID]int) tenant.ID {
	w.Helper()
	id, _, err := w.sales.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: tenant.PlanID(plan), Packs: packs, Name: name, FirstAdmin: "anna", Language: "de"})
	w.must(err)
	w.reconcile(id)
	return id
}

func (w *till) sub(id tenant.ID) controlplane.Subscription {
	w.Helper()
	s, err := w.store.FindSubscription(w.ctx, id)
	w.must(err)
	return s
}

func (w *till) bill() {
	w.Helper()
	w.must(w.biller.Once(w.ctx))
}

// confirm quotes a change and agrees to it.
func (w *till) confirm(id tenant.ID, c controlplane.Choice) (controlplane.ChangeQuote, billing.Terms) {
	w.Helper()
	quote, err := w.subs.Quote(w.ctx, w.anna, id, c, w.now())
	w.must(err)
	_, terms, err := w.subs.Confirm(w.ctx, w.anna, id, controlplane.Confirmed{Choice: c, At: quote.At, Gross: quote.Bill.Gross.Cents})
	w.must(err)
	return quote, terms
}

// bills lists what was billed for a server, oldest first.
func (w *till) bills(id tenant.ID) (list []string) {
	w.Helper()
	rows, err := w.pool.Query(w.ctx, `select to_char(period_start at time zone 'UTC', 'YYYY-MM-DD') || ' ' || to_char(period_end at time zone 'UTC', 'YYYY-MM-DD')
		|| ' ' || gross_cents || ' ' || status from invoices where tenant_id = $1 order by period_start, number`, id)
	w.must(err)
	defer rows.Close()
	for rows.Next() {
		var s string
		w.must(rows.Scan(&s))
		list = append(list, s)
	}
	w.must(rows.Err())
	return list
}

func (w *till) wantBills(id tenant.ID, want ...string) {
	w.Helper()
	if got := w.bills(id); fmt.Sprint(got) != fmt.Sprint(want) {
		w.Fatalf("bills %q, want %q", got, want)
	}
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 10, 0, 0, 0, time.UTC) }

func TestAnOrderStartsWhatIsPaidFor(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2028, 1, 31))
	w.exec(`insert into coupons (code, percent, periods) values ('SOMMER', 50, 2)`)
	id, terms, err := w.invoiced.Order(w.ctx, w.anna, controlplane.OrderRequest{
		Plan: "basic", Packs: map[tenant.AddonID]int{"seats-5": 2, "storage-10": 1}, Coupon: " sommer ", Name: "anna", FirstAdmin: "anna", Language: "de",
	})
	w.must(err)
	if s := w.sub(id); terms.Settled || s.State != billing.Pending || !s.End.IsZero() {
		t.Fatalf("%+v before it is paid", s)
	}
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	if server.Quota.Seats != 15 || server.Quota.StorageBytes != 30_000_000_000 {
		t.Fatalf("quota %+v", server.Quota)
	}
	order, err := w.store.FindOrder(w.ctx, id)
	w.must(err)
	// (400 + 2 × 250) / 2 at 19 %, 199 / 2 at 7 %.
	if order.Net.Cents != 450+99 || order.VAT.Cents != 86+7 {
		t.Fatalf("net %v, tax %v", order.Net, order.VAT)
	}
	w.must(w.store.SettleOrder(w.ctx, w.operator(), order.ID))
	s := w.sub(id)
	if s.State != billing.Active || !s.Anchor.Equal(w.now()) || !s.End.Equal(day(2028, 2, 29)) {
		t.Fatalf("%+v once it is paid", s)
	}
	w.wantBills(id, "2028-01-31 2028-02-29 642 paid")
	for _, month := range []time.Time{day(2028, 3, 1), day(2028, 4, 1)} {
		w.goTo(month)
		w.bill()
	}
	w.wantBills(id, "2028-01-31 2028-02-29 642 paid", "2028-02-29 2028-03-31 642 open", "2028-03-31 2028-04-30 1284 open")
}

func TestPeriodsEndWithTheMonth(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2028, 1, 31))
	monthly := w.buy("monthly", "basic", nil)
	w.goTo(day(2028, 2, 29))
	yearly := w.buy("yearly", "basic-year", map[tenant.AddonID]int{"storage-10": 1})
	// Nobody billed for months: each missed period is billed by itself.
	w.goTo(day(2028, 5, 15))
	w.bill()
	w.bill()
	w.wantBills(monthly, "2028-01-31 2028-02-29 476 paid", "2028-02-29 2028-03-31 476 open", "2028-03-31 2028-04-30 476 open", "2028-04-30 2028-05-31 476 open")
	w.goTo(day(2032, 3, 1))
	w.exec(`update subscriptions set state = 'ended' where tenant_id = $1`, monthly)
	w.bill()
	// 4000 × 1.19 + 12 × 199 × 1.07
	w.wantBills(yearly, "2028-02-29 2029-02-28 7315 paid", "2029-02-28 2030-02-28 7315 open", "2030-02-28 2031-02-28 7315 open",
		"2031-02-28 2032-02-29 7315 open", "2032-02-29 2033-02-28 7315 open")
	if gaps := w.count(`select count(*) from (select number, row_number() over (partition by left(number, 4) order by number) as n from invoices) i
		where right(number, 6)::int <> n`); gaps != 0 {
		t.Fatalf("%d numbers out of line", gaps)
	}
}

// What was agreed on at half past midnight on the first is for the calendar's months, though the clocks change and though it was
// another month in Greenwich.
func TestPeriodsAreThoseOfTheCalendarOnTheWall(t *testing.T) {
	t.Parallel()
	at := func(m time.Month) time.Time { return time.Date(2026, m, 1, 0, 30, 0, 0, tenant.Zone) }
	w := newTill(t, at(10))
	id := w.buy("anna", "basic", nil)
	w.goTo(at(12))
	w.bill()
	page, err := w.store.ListInvoices(w.ctx, controlplane.InvoiceFilter{Tenant: id})
	w.must(err)
	for i, m := range []time.Month{12, 11, 10} {
		if d := page.Invoices[i]; !d.Start.Equal(at(m)) || !d.End.Equal(at(m+1)) {
			t.Errorf("from %s to %s", d.Start.In(tenant.Zone), d.End.In(tenant.Zone))
		}
	}
	// One whose end was reckoned in Greenwich before does not pay for a month that is over in an hour.
	w.exec(`update subscriptions set period_end = period_end - interval '25 hours' where tenant_id = $1`, id)
	w.goTo(at(13))
	w.bill()
	if s := w.sub(id); s.End.Before(at(14)) {
		t.Errorf("it ends on %s", s.End.In(tenant.Zone))
	}
}

// The books say what came for an order, and by whom it was booked.
func TestThePaymentOfAnOrderIsInTheBooks(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2028, 1, 31))
	id, _, err := w.invoiced.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	order, err := w.store.FindOrder(w.ctx, id)
	w.must(err)
	operator := w.operator()
	w.must(w.store.SettleOrder(w.ctx, operator, order.ID))
	d := w.only(id)
	payments, err := w.store.ListPayments(w.ctx, d.ID)
	w.must(err)
	if len(payments) != 1 || payments[0].Amount != euro(476) || payments[0].BookedBy != operator.Email || payments[0].Note != "" || !d.Settled() || d.Paid != euro(476) {
		t.Errorf("invoice %+v\npayments %+v", d, payments)
	}
	if n := w.count(`select count(*) from audit where action = 'invoice.pay' and detail @> '{"before": 0, "after": 476}'`); n != 1 {
		t.Errorf("%d audit entries", n)
	}
	// One mail tells of the money and brings the bill.
	if n := w.count(`select count(*) from river_job where kind = 'invoice_mail' and args ->> 'which' = 'receipt'`); n != 1 || w.jobs("invoice_mail") != 1 {
		t.Errorf("%d receipts among %d mails", n, w.jobs("invoice_mail"))
	}
	if n := w.count(`select count(*) from river_job where kind = 'tenant_mail' and args ->> 'which' = 'payment_received'`); n != 0 {
		t.Error("another mail tells of the money")
	}
}

// Who turns out to owe no tax after having paid some has paid too much, and who turns out to owe it too little.
func TestAnOrderIsTaxedOtherwiseWhenItIsPaid(t *testing.T) {
	t.Parallel()
	abroad := billing.Party{Company: "Žižkov s.r.o.", Street: "Husitská 7", Postcode: "130 00", City: "Praha", Country: "CZ", VATID: "CZ12345678"}
	home := billing.Party{Company: "Werft", Street: "Am Kai 2", Postcode: "20457", City: "Hamburg", Country: "DE"}
	for _, test := range []struct {
		name          string
		ordered, paid billing.Party
		gross, came   int64
		note          string
		mail          string
	}{
		{"too much", home, abroad, 400, 400, "order 1: 4.76 EUR", "receipt"},
		{"too little", abroad, home, 476, 400, "order 1: 4.00 EUR", "issued"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newTill(t, day(2028, 1, 31))
			w.sells(sellerHere)
			w.must(w.store.StoreProfile(w.ctx, w.anna, test.ordered))
			id, _, err := w.invoiced.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
			w.must(err)
			w.must(w.store.StoreProfile(w.ctx, w.anna, test.paid))
			order, err := w.store.FindOrder(w.ctx, id)
			w.must(err)
			w.must(w.store.SettleOrder(w.ctx, w.operator(), order.ID))
			d := w.only(id)
			payments, err := w.store.ListPayments(w.ctx, d.ID)
			w.must(err)
			if d.Gross != euro(test.gross) || d.Paid != euro(test.came) || d.Open() != euro(test.gross-test.came) || len(payments) != 1 || payments[0].Note != test.note {
				t.Errorf("invoice %+v\npayments %+v", d, payments)
			}
			if n := w.count(`select count(*) from river_job where kind = 'invoice_mail' and args ->> 'which' = $1`, test.mail); n != 1 {
				t.Errorf("%d mails", n)
			}
		})
	}
}

// only is the one bill of a server.
func (w *till) only(id tenant.ID) billing.Document {
	w.Helper()
	page, err := w.store.ListInvoices(w.ctx, controlplane.InvoiceFilter{Tenant: id})
	w.must(err)
	if len(page.Invoices) != 1 {
		w.Fatalf("%d bills", len(page.Invoices))
	}
	return page.Invoices[0]
}

func TestATrialCostsNothingBeforeItsEnd(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 2, 20))
	w.exec(`insert into coupons (code, amount_cents, currency, periods) values ('EINER', 100, 'EUR', 1)`)
	r := controlplane.OrderRequest{Plan: "try", Coupon: "EINER", Name: "anna", FirstAdmin: "anna", Language: "de"}
	id, terms, err := w.invoiced.Order(w.ctx, w.anna, r)
	w.must(err)
	s := w.sub(id)
	if !terms.Settled || s.State != billing.Trialing || !s.End.Equal(day(2027, 3, 6)) {
		t.Fatalf("settled %v, %+v", terms.Settled, s)
	}
	// Within the trial everything may be changed at once, for nothing.
	w.reconcile(id)
	quote, _ := w.confirm(id, controlplane.Choice{Plan: "advanced"})
	if quote.Later || quote.Bill.Gross.Cents != 0 {
		t.Fatalf("%+v", quote)
	}
	w.confirm(id, controlplane.Choice{Plan: "basic"})
	w.wantBills(id)
	w.goTo(day(2027, 3, 6))
	w.bill()
	w.wantBills(id, "2027-03-06 2027-04-06 357 open")
	w.goTo(day(2027, 4, 6))
	w.bill()
	w.wantBills(id, "2027-03-06 2027-04-06 357 open", "2027-04-06 2027-05-06 476 open")
	// One trial for each account.
	r.Name, r.Coupon = "zwei", ""
	price, err := w.invoiced.Price(w.ctx, w.anna.Account, r)
	w.must(err)
	if price.TrialDays != 0 || price.Owed.Gross.Cents != 595 {
		t.Fatalf("a second trial: %+v", price)
	}
}

func TestTheLastCouponGoesToOne(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 1, 1))
	w.exec(`insert into coupons (code, percent, most) values ('LAST', 100, 3)`)
	for i := range 2 {
		_, _, err := w.sales.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Coupon: "LAST", Name: fmt.Sprintf("first%d", i), FirstAdmin: "anna", Language: "de"})
		w.must(err)
	}
	var buyers []controlplane.Actor
	for i := range 10 {
		buyers = append(buyers, w.account(fmt.Sprintf("buyer%d@example.org", i)))
	}
	results := make(chan error, 100)
	for i := range 100 {
		go func() {
			_, _, err := w.sales.Order(w.ctx, buyers[i%10], controlplane.OrderRequest{Plan: "basic", Coupon: "LAST", Name: fmt.Sprintf("berta%d", i), FirstAdmin: "anna", Language: "de"})
			results <- err
		}()
	}
	won := 0
	for range 100 {
		switch err := <-results; {
		case err == nil:
			won++
		case tenant.FaultOf(err).Code != "coupon.used_up":
			t.Errorf("refused for %v", err)
		}
	}
	if won != 1 || w.count(`select count(*) from subscriptions where coupon = 'LAST'`) != 3 {
		t.Fatalf("%d got the last one", won)
	}
}

func TestCouponsThatCannotBeRedeemed(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 1, 1))
	w.exec(`insert into coupons (code, percent, amount_cents, currency, plans, most, redeem_by, withdrawn_at) values
		('OLD', 10, null, null, '{}', null, '2026-12-31', null), ('GONE', 10, null, null, '{}', null, null, '2026-01-01'),
		('BIG', 10, null, null, '{all-in}', null, null, null), ('CHF', null, 100, 'CHF', '{}', null, null, null)`)
	for code, want := range map[string]string{
		"nope": "coupon.unknown", "OLD": "coupon.expired", "GONE": "coupon.expired", "BIG": "coupon.not_for_plan", "CHF": "coupon.currency",
		"'; drop table coupons": "coupon.unknown",
	} {
		_, err := w.sales.Price(w.ctx, w.anna.Account, controlplane.OrderRequest{Plan: "basic", Coupon: code})
		w.wantFault(err, want)
	}
	for packs, want := range map[*map[tenant.AddonID]int]string{
		{"seats-5": 5}: "addon.too_many", {"seats-5": -1}: "addon.too_many", {"none": 1}: "addon.unknown",
	} {
		_, err := w.sales.Price(w.ctx, w.anna.Account, controlplane.OrderRequest{Plan: "basic", Packs: *packs})
		w.wantFault(err, want)
	}
	_, err := w.sales.Price(w.ctx, w.anna.Account, controlplane.OrderRequest{Plan: "all-in", Packs: map[tenant.AddonID]int{"storage-10": 1}})
	w.wantFault(err, "addon.unknown")
}

func TestServersOfBeforeAreAdopted(t *testing.T) {
	t.Parallel()
	w := newTill(t, time.Now())
	id := w.buy("anna", "basic", nil)
	w.exec(`delete from subscriptions`)
	w.exec(`update tenants set created_at = now() - interval '70 days'`)
	w.bill()
	s := w.sub(id)
	if s.State != billing.Active || s.End.Before(w.now()) || s.Start.After(w.now()) || s.End.Sub(s.Start) > 32*24*time.Hour {
		t.Fatalf("%+v", s)
	}
	w.bill()
	if n := w.count(`select count(*) from invoices where status = 'open'`); n != 0 {
		t.Fatalf("%d bills for the past", n)
	}
}

// outside is a provider with an outside, in memory: what it was told, and what it says. The wire is tested with the provider.
type outside struct {
	mu        sync.Mutex
	keys      map[string]int // how often each change was told
	booked    []billing.Change
	cancel    bool
	refuses   error
	unpaid    bool
	says      billing.Outside
	ended     int
	abandoned int
}

func (o *outside) Name() string { return "stripe" }

func (o *outside) Begin(context.Context, billing.Order) (billing.Terms, error) {
	return billing.Terms{CheckoutURL: "https://pay.example/1"}, nil
}

func (o *outside) Preview(_ context.Context, s billing.Subscription, c billing.Change) (billing.Bill, error) {
	return billing.Prorate(s, c), nil
}

func (o *outside) Change(_ context.Context, _ billing.Subscription, c billing.Change) (billing.Terms, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuses != nil {
		return billing.Terms{}, o.refuses
	}
	if o.keys == nil {
		o.keys = map[string]int{}
	}
	o.keys[c.Key]++
	if o.unpaid {
		return billing.Terms{CheckoutURL: "https://pay.example/2"}, nil
	}
	o.says.Items = c.Items
	return billing.Terms{Settled: true}, nil
}

func (o *outside) Abandon(context.Context, billing.Subscription, billing.Change) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.abandoned++
	return o.unpaid, o.refuses
}

func (o *outside) Book(_ context.Context, _ billing.Subscription, c billing.Change, cancel bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.booked, o.cancel = append(o.booked, c), cancel
	return o.refuses
}

func (o *outside) Look(context.Context, billing.Subscription) (billing.Outside, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.says, nil
}

func (o *outside) Portal(context.Context, billing.Subscription, string) (string, error) {
	return "", nil
}

func (o *outside) End(context.Context, billing.Subscription) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended++
	return nil
}
