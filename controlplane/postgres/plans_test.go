package postgres_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

var olga = controlplane.Actor{Email: "olga@example.org", Operator: true}

// selling is the price list of a world, with a clock that can be put ahead.
func (w *world) selling() (*controlplane.Plans, *time.Duration) {
	ahead := new(time.Duration)
	return controlplane.NewPlans(controlplane.PlansConfig{Store: w.store, Now: func() time.Time { return time.Now().Add(*ahead) }}), ahead
}

// line is one slug of the price list.
func (w *world) line(p *controlplane.Plans, slug string) controlplane.PlanLine {
	w.Helper()
	line, err := p.Find(w.ctx, olga, slug)
	w.must(err)
	return line
}

// newVersion makes a new version of a slug.
func (w *world) newVersion(p *controlplane.Plans, slug string, change func(*tenant.Plan)) tenant.Plan {
	w.Helper()
	plan := w.line(p, slug).Newest().Plan
	after := plan.Version
	change(&plan)
	plan.ValidFrom = laterThan(plan.ValidFrom)
	changed, err := p.Change(w.ctx, olga, after, plan)
	w.must(err)
	if !changed {
		w.Fatalf("%s: nothing is different", slug)
	}
	return w.line(p, slug).Newest().Plan
}

func laterThan(at time.Time) time.Time {
	if at.After(time.Now()) {
		return at
	}
	return time.Time{}
}

func TestSeededPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plans, err := w.store.ListPlans(w.ctx, "")
	w.must(err)
	var said []string
	for _, p := range plans {
		said = append(said, strings.Join([]string{
			string(p.ID), p.Name.EN, tenant.FormatCents(p.Price.Cents), p.Price.Currency, string(p.Period), tenant.FormatBytes(p.Quota.StorageBytes),
			string(p.Quota.Federation), p.Description.In("de"),
		}, "|"))
		if err := p.Check(time.Now()); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
	}
	want := `basic|Basic|4.00|EUR|month|20 GB|off|Für Familien und kleine Teams
advanced|Advanced|6.00|EUR|month|50 GB|open|Für Vereine und Betriebe
all-in|All-in|14.00|EUR|month|250 GB|open|Für Schulen und Kommunen`
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("sold:\n%s", got)
	}
}

func TestAChangeIsANewVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.selling()
	id := w.active("anna")
	second := w.newVersion(p, "basic", func(plan *tenant.Plan) { plan.Price.Cents, plan.Quota.Seats = 500, 7 })
	if second.ID != "basic.2" || second.Version != 2 || second.Price.Cents != 500 {
		t.Fatalf("the second version: %+v", second)
	}
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	if server.Plan.ID != "basic" || server.Plan.Price.Cents != 400 || server.Quota.Seats != 5 {
		t.Errorf("whoever bought the first version has now %+v", server.Plan)
	}
	line := w.line(p, "basic")
	if line.Versions[0].Servers != 0 || line.Versions[1].Servers != 1 || line.Versions[0].State != controlplane.OnSale || line.Versions[1].State != controlplane.Replaced {
		t.Errorf("versions %+v", line.Versions)
	}
	// An old link leads to what is sold now; an order must name exactly what was seen.
	found, err := w.store.FindPlan(w.ctx, "", "basic")
	w.must(err)
	if found.ID != "basic.2" {
		t.Errorf("the slug leads to %s", found.ID)
	}
	_, _, err = w.orders.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "zwei", FirstAdmin: "anna", Language: "de"})
	w.wantFault(err, "plan.changed")
	_, _, err = w.orders.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic.2", Name: "zwei", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	// Nothing different makes no version, and one from an outdated page none either.
	changed, err := p.Change(w.ctx, olga, 2, second)
	if changed || err != nil {
		t.Errorf("the same again: %v %v", changed, err)
	}
	_, err = p.Change(w.ctx, olga, 1, second)
	w.wantFault(err, "catalogue.changed")
	if n := w.count(`select count(*) from audit where action = 'plan.change' and detail->'before'->>'price' = '4.00' and detail->'after'->>'price' = '5.00'`); n != 1 {
		t.Errorf("%d audit entries with before and after", n)
	}
}

func TestPlansComeAndGoByTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, ahead := w.selling()
	w.newVersion(p, "basic", func(plan *tenant.Plan) { plan.ValidFrom, plan.Price.Cents = time.Now().Add(time.Hour), 900 })
	if found, err := w.store.FindPlan(w.ctx, "", "basic"); err != nil || found.Price.Cents != 400 {
		t.Fatalf("before its day: %+v, %v", found, err)
	}
	if line := w.line(p, "basic"); line.Versions[0].State != controlplane.Upcoming || line.Versions[1].State != controlplane.OnSale {
		t.Errorf("versions %+v", line.Versions)
	}
	*ahead = 2 * time.Hour
	if line := w.line(p, "basic"); line.Versions[0].State != controlplane.OnSale || line.Versions[1].State != controlplane.Replaced {
		t.Errorf("after its day: %+v", line.Versions)
	}
	*ahead = 0
	w.exec(`update plans set valid_from = now() - interval '2 minutes', valid_until = now() - interval '1 minute' where id = 'basic.2'`)
	_, err := w.store.FindPlan(w.ctx, "", "basic")
	w.wantFault(err, "plan.unknown")
	if line := w.line(p, "basic"); line.Versions[0].State != controlplane.Over {
		t.Errorf("after its end: %+v", line.Versions[0])
	}
	w.must(p.Show(w.ctx, olga, "basic", true)) // sold again, without the end that has passed
	found, err := w.store.FindPlan(w.ctx, "", "basic")
	w.must(err)
	if found.ID != "basic.3" || found.ValidUntil != nil {
		t.Errorf("sold again: %+v", found)
	}
}

func TestAWithdrawnPlanStaysWithWhoHasIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.selling()
	id := w.active("anna")
	w.must(p.Show(w.ctx, olga, "basic", false))
	w.must(p.Show(w.ctx, olga, "basic", false)) // twice is once
	for _, plan := range []tenant.PlanID{"basic", "basic.2"} {
		_, err := w.store.FindPlan(w.ctx, "", plan)
		w.wantFault(err, "plan.unknown")
	}
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	if server.Plan.ID != "basic" || server.Quota.Seats != 5 {
		t.Errorf("its server has %+v", server.Plan)
	}
	// The database itself keeps what is in use.
	if _, err := w.pool.Exec(w.ctx, `delete from plans where id = 'basic'`); err == nil {
		t.Error("a plan in use was deleted")
	}
	if line := w.line(p, "basic"); len(line.Versions) != 2 || line.Newest().State != controlplane.Hidden {
		t.Errorf("versions %+v", line.Versions)
	}
}

func TestServersAreMovedBetweenVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.selling()
	small, large := w.active("small"), w.active("large")
	unpaid, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "offen", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	second := w.newVersion(p, "basic", func(plan *tenant.Plan) { plan.Quota.StorageBytes, plan.Price.Cents = 10e9, 300 })
	w.must(w.store.RecordUsage(w.ctx, large, time.Now(), tenant.Usage{DatabaseBytes: 1e9, MediaBytes: 11e9}))
	move, err := p.PreviewMove(w.ctx, olga, "basic", "basic", second.ID)
	w.must(err)
	if len(move.Fits) != 1 || move.Fits[0].ID != small || len(move.Misfits) != 2 || move.Misfits[0].Excess[0].Limit != 10e9 || move.Misfits[1].Code != "waiting" {
		t.Fatalf("preview %+v", move)
	}
	_, err = p.Move(w.ctx, olga, "basic", "basic", second.ID, false)
	w.wantFault(err, "move.misfits")
	if n := w.count(`select count(*) from tenants where plan_id <> 'basic'`); n != 0 {
		t.Fatalf("%d were moved all the same", n)
	}
	wanted := w.count(`select wanted::int from tenants where id = $1`, small)
	moved, err := p.Move(w.ctx, olga, "basic", "basic", second.ID, true)
	w.must(err)
	if moved != 1 || w.count(`select count(*) from tenants where plan_id = 'basic.2' and id = $1 and wanted = $2`, small, wanted+1) != 1 {
		t.Errorf("%d moved, or not woken", moved)
	}
	if n := w.count(`select count(*) from audit where action = 'server.move_plan' and tenant_id = $1 and detail->>'after' = 'basic.2'`, small); n != 1 {
		t.Errorf("%d audit entries", n)
	}
	// With an add-on it fits: the quota is the plan's with what the server has beside it.
	w.exec(`update tenants set extra_storage_bytes = 5000000000 where id = $1`, large)
	w.must(w.store.MoveServer(w.ctx, olga, large, "basic", second.ID))
	w.must(w.store.MoveServer(w.ctx, olga, large, "basic", second.ID)) // again: it is there
	w.wantFault(w.store.MoveServer(w.ctx, olga, unpaid, "basic", second.ID), "status.conflict")
	_, err = p.PreviewMove(w.ctx, olga, "basic", "basic", "basic")
	w.wantFault(err, "move.same")
	_, err = p.PreviewMove(w.ctx, olga, "basic", "basic", "advanced")
	w.wantFault(err, "plan.unknown")
}

func TestOnlyTheirCustomerSeesAnOwnPrice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.selling()
	ben := w.account("ben@example.org")
	set := func(values ...string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			for i := 0; i < len(values); i += 2 {
				if values[i] == name {
					return values[i+1], true
				}
			}
			return "", false
		}
	}
	give := func(email string, values ...string) error {
		return p.GiveOwn(w.ctx, olga, controlplane.OwnPrice{Slug: "basic", Email: email, Set: set(values...)})
	}
	w.wantFault(give("niemand@example.org", "price", "3"), "account.unknown")
	w.wantFault(give("Anna@example.org", "price", "-3"), "price.negative")
	w.wantFault(give("Anna@example.org", "currency", "CHF"), "field.fixed")
	w.must(give("Anna@example.org", "price", "3,00", "seats", "8"))
	own, err := w.store.FindPlan(w.ctx, w.anna.Account, "basic.2")
	w.must(err)
	if own.Price.Cents != 300 || own.Quota.Seats != 8 || own.Account != w.anna.Account {
		t.Fatalf("own %+v", own)
	}
	for _, account := range []string{"", ben.Account} {
		_, err = w.store.FindPlan(w.ctx, account, "basic.2")
		w.wantFault(err, "plan.unknown")
		list, err := w.store.ListPlans(w.ctx, account)
		w.must(err)
		if len(list) != 3 {
			t.Errorf("%d plans for %q", len(list), account)
		}
	}
	list, err := w.store.ListPlans(w.ctx, w.anna.Account)
	w.must(err)
	if len(list) != 4 || list[0].ID != "basic.2" {
		t.Fatalf("%d plans, the first is %s", len(list), list[0].ID)
	}
	// The public one is still there, and goes on by itself.
	third := w.newVersion(p, "basic", func(plan *tenant.Plan) { plan.Price.Cents = 500 })
	if third.ID != "basic.3" {
		t.Errorf("the next public version is %s", third.ID)
	}
	if found, err := w.store.FindPlan(w.ctx, w.anna.Account, "basic"); err != nil || found.ID != "basic.3" {
		t.Errorf("the slug leads to %s, %v", found.ID, err)
	}
	_, _, err = w.orders.Order(w.ctx, ben, controlplane.OrderRequest{Plan: "basic.2", Name: "ben", FirstAdmin: "ben", Language: "de"})
	w.wantFault(err, "plan.unknown")
	_, _, err = w.orders.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic.2", Name: "anna", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	// Another price for the same customer replaces the one before; withdrawn, it is gone.
	w.must(give("anna@example.org", "price", "2"))
	if line := w.line(p, "basic"); len(line.Own) != 2 || line.Own[0].State != controlplane.OnSale || line.Own[1].State != controlplane.Replaced || line.Own[1].Servers != 1 || line.Own[0].Owner != "anna@example.org" {
		t.Errorf("own versions %+v", line.Own)
	}
	w.must(p.WithdrawOwn(w.ctx, olga, "basic", "basic.2"))
	list, err = w.store.ListPlans(w.ctx, w.anna.Account)
	w.must(err)
	if len(list) != 3 {
		t.Errorf("%d plans after the own one was withdrawn", len(list))
	}
	w.wantFault(p.WithdrawOwn(w.ctx, olga, "basic", "basic.3"), "plan.unknown")
	// A server with an own price can be moved to the public one, nobody else's to an own price.
	w.exec(`update plans set visible = true`)
	bens := w.account("carl@example.org")
	_, _, err = w.orders.Order(w.ctx, bens, controlplane.OrderRequest{Plan: "basic.3", Name: "carl", FirstAdmin: "carl", Language: "de"})
	w.must(err)
	move, err := p.PreviewMove(w.ctx, olga, "basic", "basic.3", "basic.2")
	w.must(err)
	if len(move.Fits) != 0 || move.Misfits[0].Code != "account" {
		t.Errorf("a stranger's server would get an own price: %+v", move)
	}
}

func TestAddonsAndCoupons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.selling()
	seats := tenant.Addon{
		Slug: "seats", Kind: tenant.AddonSeats, Amount: 5, Name: tenant.Text{EN: "Five more seats", DE: "Fünf Plätze mehr"},
		Price: tenant.Money{Cents: 150, Currency: "EUR"}, VATRate: 19, Most: 10, Visible: true,
	}
	w.must(p.CreateAddon(w.ctx, olga, seats))
	w.wantFault(p.CreateAddon(w.ctx, olga, seats), "slug.taken")
	id := w.active("anna")
	w.exec(`insert into tenant_addons (tenant_id, addon_id, quantity) values ($1, 'seats', 2)`, id)
	seats.Price.Cents = 200
	changed, err := p.ChangeAddon(w.ctx, olga, 1, seats)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	line, err := p.FindAddon(w.ctx, olga, "seats")
	w.must(err)
	if line.Newest().ID != "seats.2" || line.Servers() != 1 || line.Versions[1].Price.Cents != 150 || line.Versions[1].State != controlplane.Replaced {
		t.Errorf("versions %+v", line)
	}
	for code, change := range map[string]func(*tenant.Addon){
		"plans.unknown":    func(a *tenant.Addon) { a.Plans = []string{"platin"} },
		"currency.differs": func(a *tenant.Addon) { a.Slug, a.Price.Currency, a.Plans = "chf", "CHF", []string{"basic"} },
		"currency.unused":  func(a *tenant.Addon) { a.Slug, a.Price.Currency = "chf", "CHF" },
		"price.negative":   func(a *tenant.Addon) { a.Slug, a.Price.Cents = "neg", -1 },
		"number.range":     func(a *tenant.Addon) { a.Slug, a.Amount = "none", 0 },
	} {
		wrong := seats
		wrong.Slug = "other"
		change(&wrong)
		w.wantFault(p.CreateAddon(w.ctx, olga, wrong), code)
	}
	w.must(p.ShowAddon(w.ctx, olga, "seats", false))
	if line, err = p.FindAddon(w.ctx, olga, "seats"); err != nil || line.Newest().State != controlplane.Hidden {
		t.Errorf("withdrawn: %+v, %v", line, err)
	}

	until := time.Now().Add(time.Hour)
	coupon := tenant.Coupon{Code: "HAFEN-10", Percent: 10, Periods: 12, Most: 100, RedeemBy: &until, Plans: []string{"basic"}, Note: "fair"}
	w.must(p.CreateCoupon(w.ctx, olga, coupon))
	w.wantFault(p.CreateCoupon(w.ctx, olga, coupon), "coupon.taken")
	w.wantFault(p.CreateCoupon(w.ctx, olga, tenant.Coupon{Code: "CHF", Amount: tenant.Money{Cents: 100, Currency: "CHF"}}), "currency.unused")
	w.wantFault(p.CreateCoupon(w.ctx, olga, tenant.Coupon{Code: "BOTH", Percent: 5, Amount: tenant.Money{Cents: 100, Currency: "EUR"}}), "coupon.either")
	w.wantFault(p.CreateCoupon(w.ctx, olga, tenant.Coupon{Code: "MUCH", Percent: 101}), "number.range")
	w.exec(`update orders set coupon = 'HAFEN-10'`)
	w.must(p.WithdrawCoupon(w.ctx, olga, "HAFEN-10"))
	w.must(p.WithdrawCoupon(w.ctx, olga, "HAFEN-10"))
	w.wantFault(p.WithdrawCoupon(w.ctx, olga, "NONE"), "coupon.unknown")
	coupons, err := p.Coupons(w.ctx, olga)
	w.must(err)
	if len(coupons) != 1 || coupons[0].Redeemed != 1 || !coupons[0].Withdrawn || coupons[0].Periods != 12 || !coupons[0].RedeemBy.Truncate(time.Second).Equal(until.Truncate(time.Second)) {
		t.Errorf("coupons %+v", coupons)
	}
	if n := w.count(`select count(*) from audit where action in ('addon.create', 'addon.change', 'coupon.create', 'coupon.withdraw')`); n != 5 {
		t.Errorf("%d audit entries", n)
	}
}

// TestOneOfManyChangesAtOnceIsMade: all were made from the same version, so all but one know less than there is.
func TestOneOfManyChangesAtOnceIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.selling()
	errs := make([]error, 16)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			plan := w.line(p, "basic").Newest().Plan
			plan.Price.Cents, plan.ValidFrom = int64(1000+i), time.Time{}
			_, errs[i] = p.Change(w.ctx, olga, 1, plan)
		})
	}
	all.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if tenant.FaultOf(err).Code != "catalogue.changed" {
			t.Errorf("refused with %v", err)
		}
	}
	if n := w.count(`select count(*) from plans where slug = 'basic'`); made != 1 || n != 2 {
		t.Errorf("%d were told that theirs is made; there are %d versions", made, n)
	}
}

func TestOnlyOperatorsSell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.selling()
	for name, try := range map[string]func() error{
		"list":     func() error { _, err := p.List(w.ctx, w.anna); return err },
		"create":   func() error { return p.Create(w.ctx, w.anna, tenant.Plan{}) },
		"change":   func() error { _, err := p.Change(w.ctx, w.anna, 1, tenant.Plan{Slug: "basic"}); return err },
		"show":     func() error { return p.Show(w.ctx, w.anna, "basic", false) },
		"own":      func() error { return p.GiveOwn(w.ctx, w.anna, controlplane.OwnPrice{Slug: "basic"}) },
		"move":     func() error { _, err := p.Move(w.ctx, w.anna, "basic", "basic", "basic", true); return err },
		"addon":    func() error { return p.CreateAddon(w.ctx, w.anna, tenant.Addon{}) },
		"coupon":   func() error { return p.CreateCoupon(w.ctx, w.anna, tenant.Coupon{}) },
		"withdraw": func() error { return p.WithdrawCoupon(w.ctx, w.anna, "X") },
		"export":   func() error { _, err := p.Export(w.ctx, w.anna); return err },
		"apply":    func() error { return p.Apply(w.ctx, w.anna, controlplane.CatalogueDiff{}) },
	} {
		if err := try(); tenant.FaultOf(err).Code != "operator.only" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The clock of money says what is sold: in the console and to customers.
func TestOneClockSaysWhatIsSold(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2028, 1, 31))
	plans := controlplane.NewPlans(controlplane.PlansConfig{Store: w.store, Now: w.now})
	sold := func() (price int64, state controlplane.SaleState) {
		w.Helper()
		quote, err := w.sales.Quote(w.ctx, w.anna.Account, "basic")
		w.must(err)
		line, err := plans.Find(w.ctx, olga, "basic")
		w.must(err)
		return quote.Net.Cents, line.Newest().State
	}
	line, err := plans.Find(w.ctx, olga, "basic")
	w.must(err)
	next := line.Newest().Plan
	next.Price.Cents, next.ValidFrom = 500, day(2028, 2, 10)
	_, err = plans.Change(w.ctx, olga, 1, next)
	w.must(err)
	if price, state := sold(); price != 400 || state != controlplane.Upcoming {
		t.Errorf("before its day: %d, %s", price, state)
	}
	w.goTo(day(2028, 2, 11))
	if price, state := sold(); price != 500 || state != controlplane.OnSale {
		t.Errorf("on its day: %d, %s", price, state)
	}
	// A change at once is in the price list at once.
	line, err = plans.Find(w.ctx, olga, "basic")
	w.must(err)
	next = line.Newest().Plan
	next.Price.Cents, next.ValidFrom = 600, time.Time{}
	_, err = plans.Change(w.ctx, olga, 2, next)
	w.must(err)
	if price, state := sold(); price != 600 || state != controlplane.OnSale {
		t.Errorf("at once: %d, %s", price, state)
	}
}
