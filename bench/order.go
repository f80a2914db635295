package main

import (
	"fmt"
	"net/url"
	"strings"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// orderTimes are the times of orders, in seconds since each was accepted.
type orderTimes struct{ accepted, ready, password, login []float64 }

// measureOrders orders servers under the base domain, one after another, with a floor before each. The servers stay.
func measureOrders(b *bed, h *hafentest.Hafen, n int, r *report) {
	customer := h.NewCustomer("orders@example.org")
	f := newFloor(b, h)
	var times orderTimes
	var floor, made []float64
	for i := range n {
		total, create := f.measure(b, i)
		floor, made = append(floor, total), append(made, create)
		times.order(b, h, customer, fmt.Sprintf("bench%d", i))
		tell("order %d of %d: login after %.2f s, floor %.2f s", i+1, n, times.login[i], floor[i])
	}
	r.sample("order accepted to first login", "s", times.login, floor)
	r.sample("order: form sent to accepted (not included)", "s", times.accepted, nil)
	r.sample("order: accepted to the page saying ready", "s", times.ready, floor)
	r.sample("order: accepted to password set", "s", times.password, floor)
	r.sample("floor: docker create", "s", made, nil)
	r.sample("floor: docker create, start, ready", "s", floor, nil)
	reportSteps(b, h, r)
}

func (t *orderTimes) order(b *bed, h *hafentest.Hafen, customer *hafentest.Customer, name string) {
	page := newBrowser(b, h, customer)
	client := h.HTTPClient()
	sent := newStopwatch()
	at := page.submit("/order", url.Values{"plan": {"basic"}, "kind": {"subdomain"}, "name": {name}, "localpart": {"admin"}, "terms": {"yes"}})
	t.accepted = append(t.accepted, sent.seconds())
	watch := newStopwatch()
	id := strings.TrimPrefix(at, "/servers/")
	if _, err := tenant.ParseID(id); err != nil {
		b.Fatalf("the order leads to %q, not to a server", at)
	}
	page.open(at)
	page.awaitDone(id, "provisioning")
	t.ready = append(t.ready, watch.seconds())
	page.setPassword(id)
	t.password = append(t.password, watch.seconds())
	logIn(b, h, client, name+"."+h.Base, "admin")
	t.login = append(t.login, watch.seconds())
}

const (
	// What a customer sees on the live page, and what lies before the first step.
	stepTimes = `
select array_agg(extract(epoch from s.finished_at - s.started_at)::float8) from steps s
join tenants t on t.id = s.tenant_id where s.step = $1 and s.finished_at <= t.active_at and s.code = ''`
	beforeSteps = `
select array_agg(extract(epoch from (select min(started_at) from steps s where s.tenant_id = t.id) - t.created_at)::float8) from tenants t`
	afterSteps = `
select array_agg(extract(epoch from t.active_at - (select max(finished_at) from steps s where s.tenant_id = t.id and s.finished_at < t.active_at))::float8)
from tenants t`
)

// reportSteps takes the provisioning apart, by Hafen's own record of it.
func reportSteps(b *bed, h *hafentest.Hafen, r *report) {
	r.sample("order: recorded to first step", "s", hafentest.Query[[]float64](h, beforeSteps), nil)
	for _, step := range tenant.Steps {
		r.sample("order: step "+string(step), "s", hafentest.Query[[]float64](h, stepTimes, step), nil)
	}
	r.sample("order: last step to active", "s", hafentest.Query[[]float64](h, afterSteps), nil)
}
