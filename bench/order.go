package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// orderTimes are the times of orders, in seconds since each was accepted.
type orderTimes struct{ accepted, ready, password, login []float64 }

// measureOrders orders servers of an engine under the base domain, one after another, with floors before each. The servers stay.
func measureOrders(b *bed, h *hafentest.Hafen, engine homeserver.Engine, n int, r *report) {
	name := string(engine.Describe().Name)
	customer := h.NewCustomer(name + "@example.org")
	customer.Engine = engine.Describe().Name
	f := newFloor(b, h, engine)
	awaitTemplate(b, h, name)
	var times orderTimes
	var empty, template, restart, made []float64
	for i := range n {
		t := f.measure(b, i)
		empty, template = append(empty, t.empty), append(template, t.template)
		restart, made = append(restart, t.restart), append(made, t.create)
		times.order(b, h, customer, fmt.Sprintf("%s%d", name, i))
		tell("%s: order %d of %d: login after %.2f s, bare restart %.2f s", name, i+1, n, times.login[i], t.restart)
	}
	r.sample(name+": order accepted to first login", "s", times.login, restart)
	r.sample(name+": order: form sent to accepted (not included)", "s", times.accepted, nil)
	r.sample(name+": order: accepted to the page saying ready", "s", times.ready, restart)
	r.sample(name+": order: accepted to password set", "s", times.password, restart)
	r.sample(name+": bare: create, start, ready on an empty database", "s", empty, restart)
	r.sample(name+": bare: create, start, ready on a database from the template", "s", template, restart)
	r.sample(name+": bare: docker create", "s", made, nil)
	r.sample(name+": bare: restart to ready", "s", restart, nil)
	reportSteps(b, h, name, r)
}

// awaitTemplate waits until the first orders of an installation are over for the cluster too: its template is made in the
// background.
func awaitTemplate(b *bed, h *hafentest.Hafen, engine string) {
	for deadline := time.Now().Add(2 * time.Minute); ; pause(b, 100*time.Millisecond) {
		if hafentest.Query[int](h, `select count(*)::int from pg_database where datistemplate and position($1 in datname) > 0`, engine) > 0 {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("there is no template of a database of %s", engine)
		}
	}
}

func (t *orderTimes) order(b *bed, h *hafentest.Hafen, customer *hafentest.Customer, name string) {
	page := newBrowser(b, h, customer)
	client := h.HTTPClient()
	sent := newStopwatch()
	at := page.submit("/order", url.Values{
		"plan": {"basic"}, "kind": {"subdomain"}, "engine": {string(customer.Engine)}, "name": {name}, "localpart": {"admin"}, "terms": {"yes"},
	})
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
join tenants t on t.id = s.tenant_id where s.step = $1 and s.finished_at <= t.active_at and s.code = '' and t.engine = $2`
	beforeSteps = `
select array_agg(extract(epoch from (select min(started_at) from steps s where s.tenant_id = t.id) - t.created_at)::float8)
from tenants t where t.engine = $1`
	afterSteps = `
select array_agg(extract(epoch from t.active_at - (select max(finished_at) from steps s where s.tenant_id = t.id and s.finished_at < t.active_at))::float8)
from tenants t where t.engine = $1`
)

// reportSteps takes the provisioning apart, by Hafen's own record of it.
func reportSteps(b *bed, h *hafentest.Hafen, engine string, r *report) {
	r.sample(engine+": order: recorded to first step", "s", hafentest.Query[[]float64](h, beforeSteps, engine), nil)
	for _, step := range tenant.Steps {
		r.sample(engine+": order: step "+string(step), "s", hafentest.Query[[]float64](h, stepTimes, step, engine), nil)
	}
	r.sample(engine+": order: last step to active", "s", hafentest.Query[[]float64](h, afterSteps, engine), nil)
}
