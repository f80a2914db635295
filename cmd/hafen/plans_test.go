package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/internal/pgtest"
)

// priceLists is the command line over a database of its own.
type priceLists struct {
	*testing.T
	pool  *pgxpool.Pool
	plans *controlplane.Plans
}

func newPriceLists(t *testing.T) *priceLists {
	t.Helper()
	pool := pgtest.New(t)
	store, err := postgres.New(pool, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &priceLists{T: t, pool: pool, plans: controlplane.NewPlans(controlplane.PlansConfig{Store: store})}
}

func (p *priceLists) export() string {
	p.Helper()
	var out bytes.Buffer
	if err := exportPlans(context.Background(), p.plans, &out); err != nil {
		p.Fatal(err)
	}
	return out.String()
}

func (p *priceLists) apply(file string, how priceList) (string, error) {
	p.Helper()
	var out bytes.Buffer
	how.File, how.Out = strings.NewReader(file), &out
	if how.Answers == nil {
		how.Answers = strings.NewReader("")
	}
	err := applyPlans(context.Background(), p.plans, how)
	return out.String(), err
}

// rows tells whether anything changed.
func (p *priceLists) rows() (n int) {
	p.Helper()
	err := p.pool.QueryRow(context.Background(), `select (select count(*) from plans) + (select count(*) from addons) + (select count(*) from coupons)
		+ (select count(*) from audit)`).Scan(&n)
	if err != nil {
		p.Fatal(err)
	}
	return n
}

const more = `
addons:
  - slug: seats
    name: Five more seats
    name_de: "Fünf Plätze mehr"
    visible: true
    kind: seats
    amount: 5
    price: 1.50
    currency: EUR
    vat_rate: 19
    plans: [basic, advanced]
    most: 10
coupons:
  - code: hafen-10
    percent: 10
    periods: 12
  - {code: TWO, amount: 2, currency: EUR, note: 'no', most: 5, redeem_by: 2100-01-01T00:00:00Z}
plans:
  - slug: "1x"
`

func TestWhatIsExportedAppliesToNothing(t *testing.T) {
	t.Parallel()
	p := newPriceLists(t)
	file := strings.Replace(more, "plans:\n  - slug: \"1x\"\n", `plans:
  - slug: advanced-year
    name: "1.000"
    description: "no: a \"quoted\" # thing"
    description_de: "Für Ämter – größer"
    visible: yes
    position: 9
    price: 60
    currency: EUR
    vat_rate: 19
    show_gross: true
    period: year
    trial_days: 30
    seats: 20
    storage: 50 GB
    upload: 0,1 GB
    federation: list
    engines: [synapse]
    memory: 512 MiB
    cpu_millis: 1500
    pids: 256
    database_connections: 15
    valid_from: 2099-01-01T00:00:00+01:00
    valid_until: 2100-01-01T00:00:00Z
`, 1)
	out, err := p.apply(file, priceList{Yes: true})
	if err != nil || !strings.Contains(out, "+ plan advanced-year, new") || !strings.Contains(out, "plan basic is not in the file and stays as it is") {
		t.Fatalf("%v\n%s", err, out)
	}
	// A customer's own price is nobody else's business.
	_, err = p.pool.Exec(t.Context(), `
with a as (insert into accounts (email, email_key, password_hash, language) values ('geheim@example.org', 'geheim@example.org', '', 'de') returning id)
insert into plans select 'basic.2', p.name, 1, p.currency, p.vat_rate, p.seats, p.storage_bytes, p.upload_bytes, p.federation, p.memory_bytes, p.cpu_millis,
	p.pids, p.database_connections, p.position, true, p.engines, p.slug, 2, '', '', '', 'month', false, 'off', 0, 0, now(), null, a.id from plans p, a where p.id = 'basic'`)
	if err != nil {
		t.Fatal(err)
	}
	first, before := p.export(), p.rows()
	if strings.Contains(first, "geheim") || strings.Contains(first, "0.01") || strings.Count(first, "slug: basic\n") != 1 {
		t.Errorf("a customer's own price is in the file:\n%s", first)
	}
	out, err = p.apply(first, priceList{}) // without asking: there is nothing to do
	if err != nil || out != "Nothing to change.\n" || p.rows() != before {
		t.Errorf("applying what was exported: %v, %s", err, out)
	}
	if second := p.export(); second != first {
		t.Errorf("exported again:\n%s\nat first:\n%s", second, first)
	}
	for _, line := range []string{`name: "1.000"`, "price: 60.00", "storage: 50 GB", "upload: 100 MB", "federation: list", "engines: synapse", "visible: yes", "valid_from: 2098-12-31T23:00:00Z", "code: HAFEN-10", `note: "no"`, "plans: basic, advanced"} {
		if !strings.Contains(first, line+"\n") {
			t.Errorf("the file has no line %s:\n%s", line, first)
		}
	}
	// On another installation it makes the same price list.
	other := newPriceLists(t)
	if _, err := other.apply(first, priceList{Yes: true}); err != nil {
		t.Fatal(err)
	}
	if got := other.export(); got != first {
		t.Errorf("on another installation:\n%s", got)
	}
}

func TestApplyShowsAsksAndMakesNewVersions(t *testing.T) {
	t.Parallel()
	p := newPriceLists(t)
	before := p.rows()
	changed := strings.Replace(p.export(), "price: 4.00", "price: 4.50", 1)
	for name, how := range map[string]priceList{"dry run": {DryRun: true}, "no": {Answers: strings.NewReader("n\n")}, "no answer": {}} {
		out, err := p.apply(changed, how)
		if (err == nil) != how.DryRun || !strings.Contains(out, "~ plan basic, a new version\n    price: 4.00 → 4.50\n") || p.rows() != before {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := p.apply(changed, priceList{Answers: strings.NewReader("yes\n")}); err != nil || !strings.HasSuffix(out, "Done.\n") {
		t.Fatalf("%v %s", err, out)
	}
	var id, by string
	if err := p.pool.QueryRow(t.Context(), `select id, created_by from plans where price_cents = 450`).Scan(&id, &by); err != nil || id != "basic.2" || by != "hafen" {
		t.Errorf("version %s by %s, %v", id, by, err)
	}
	if _, err := p.apply(`{"plans": [{"slug": "basic", "price": "5.00"}], "coupons": [{"code": "X-1", "percent": 5}]}`, priceList{Yes: true}); err != nil {
		t.Errorf("as JSON: %v", err)
	}
	out, err := p.apply("coupons:\n- code: x-1\n  withdrawn: yes\n", priceList{Yes: true})
	if err != nil || !strings.Contains(out, "~ coupon X-1\n    withdrawn: no → yes\n") {
		t.Errorf("%v %s", err, out)
	}
}

func TestApplyRefusesWithTheLine(t *testing.T) {
	t.Parallel()
	p := newPriceLists(t)
	before := p.rows()
	for name, c := range map[string]struct{ file, says string }{
		"unknown field":     {"plans:\n- slug: basic\n  seat: 3\n", "line 3: unknown field seat"},
		"unknown list":      {"plan:\n- slug: basic\n", "line 1: unknown field plan"},
		"field twice":       {"plans:\n- slug: basic\n  seats: 3\n  seats: 4\n", "line 4: seats is there twice"},
		"slug twice":        {"plans:\n- slug: basic\n  seats: 6\n- slug: basic\n  seats: 7\n", "line 4: plan basic: slug: This is in the file twice."},
		"list twice":        {"plans: []\nplans: []\n", "line 2: plans is there twice"},
		"no slug":           {"plans:\n- seats: 3\n", "line 2: slug is missing"},
		"negative":          {"plans:\n- slug: basic\n  price: -1\n", "line 3: plan basic: price: A price is never negative."},
		"huge":              {"plans:\n- slug: basic\n  price: 99999999999999999999999\n", "line 3: plan basic: price: 1000000.00 at most."},
		"a float":           {"plans:\n- slug: basic\n  price: 4e0\n", "line 3: plan basic: price: Please an amount"},
		"three places":      {"plans:\n- slug: basic\n  price: 4.005\n", "line 3: plan basic: price: Please an amount"},
		"no seats":          {"plans:\n- slug: basic\n  seats: 0\n", "line 3: plan basic: seats: Between 1 and 100000."},
		"another currency":  {"plans:\n- slug: basic\n  currency: CHF\n", "line 3: plan basic: currency: The same through all versions: EUR."},
		"unknown mode":      {"plans:\n- slug: basic\n  federation: perhaps\n", "line 3: plan basic: federation: Please choose one"},
		"too little":        {"plans:\n- slug: fresh\n  name: Fresh\n", "line 2: plan fresh: seats:"},
		"for a plan unsold": {"addons:\n- {slug: s, name: S, kind: seats, amount: 1, price: 1, currency: EUR, vat_rate: 19, most: 1, plans: platin}\n", "line 2: add-on s: plans: The plan platin does not exist."},
		"currencies differ": {"addons:\n- {slug: s, name: S, kind: seats, amount: 1, price: 1, currency: CHF, vat_rate: 19, most: 1, plans: basic}\n", "currency: The plan basic costs EUR."},
		"nothing given":     {"coupons:\n- code: FREE\n", "line 2: coupon FREE: percent: Either"},
		"an alias":          {"plans:\n- slug: &a basic\n  name: *a\n", "line 3: want a plain value"},
		"nested":            {"plans:\n- slug: basic\n  name: {en: x}\n", "line 3: want a plain value"},
		"two documents":     {"plans: []\n---\nplans: []\n", "more than one document"},
		"a text":            {"hello", "want plans, addons and coupons"},
		"nothing":           {"", "read the price list"},
		"no list":           {"plans: 3\n", "line 1: want a list"},
		"half right": {
			"plans:\n- slug: basic\n  seats: 6\n- slug: advanced\n  seats: -1\n  storage: lots\n",
			"line 6: plan advanced: storage: Please a size",
		},
	} {
		_, err := p.apply(c.file, priceList{Yes: true})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := p.rows(); n != before {
		t.Errorf("%d rows after refusals, %d before", n, before)
	}
	if _, err := p.apply("coupons:\n- code: KEPT\n  percent: 5\n", priceList{Yes: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.apply("coupons:\n- code: KEPT\n  percent: 6\n", priceList{Yes: true}); err == nil || !strings.Contains(err.Error(), "line 3: coupon KEPT: percent: What a coupon gives never changes.") {
		t.Errorf("a coupon that was given out: %v", err)
	}
}
