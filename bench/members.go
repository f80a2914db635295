package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// measureOne looks at one tenant of an engine after a minute in which nobody did anything.
func measureOne(b *bed, h *hafentest.Hafen, engine homeserver.Engine, idle time.Duration, r *report) {
	name := string(engine.Describe().Name)
	id := hafentest.Query[string](h, `select id from tenants where engine = $1 and status = 'active' order by number desc limit 1`, name)
	pid, err := strconv.Atoi(output(b.ctx, "docker", "inspect", "--format", "{{.State.Pid}}", tenant.ID(id).Container()))
	b.must("find the process of "+id, err)
	before := processorSeconds(pid)
	pause(b, idle)
	r.once(name+": idle: one tenant, resident memory", "MB", residentMB(pid))
	r.once(name+": idle: one tenant, memory (shared counted once)", "MB", proportionalMB(pid))
	r.once(name+": idle: one tenant, processor", "% of a core", round(100*(processorSeconds(pid)-before)/idle.Seconds(), 3))
}

// manyMembers fills a server's list as the control plane's look at a homeserver with that many accounts would.
const manyMembers = `
insert into members (tenant_id, localpart, display_name, state, created_at)
select $1, 'pupil' || lpad(i::text, 5, '0'), 'Pupil ' || i, 'active', now() - i * interval '1 minute' from generate_series(1, $2::int) i`

// measureMembers reads the list of members of a server with thousands, page by page, as its owner.
func measureMembers(b *bed, h *hafentest.Hafen, up *hafentest.Process, n int, r *report) {
	customer := h.NewCustomer("members@example.org")
	server := customer.Server("basic", "members")
	h.Exec(`update plans set seats = 20000 where id = 'basic'`)
	h.Exec(manyMembers, server.ID, n)
	h.Exec(`analyze members`)
	var pages, searches []float64
	read := func(query string) float64 {
		watch := newStopwatch()
		if status, body := customer.Try(http.MethodGet, "/servers/"+string(server.ID)+"/members?"+query, nil); status != http.StatusOK {
			b.Fatalf("the members' page answers %d: %.200s", status, body)
		}
		return watch.seconds() * 1000
	}
	read("page=1")
	before := residentMB(up.PID())
	for i := range 200 {
		pages = append(pages, read(fmt.Sprintf("page=%d", 2+i%(n/50-1))))
		searches = append(searches, read(fmt.Sprintf("q=%d&sort=created", i*37%n)))
	}
	r.sample(fmt.Sprintf("list of %d members: a page after the first", n), "ms", pages, nil)
	r.once(fmt.Sprintf("list of %d members: a page after the first, p99", n), "ms", percentile(pages, 99))
	r.sample(fmt.Sprintf("list of %d members: a search", n), "ms", searches, nil)
	r.once(fmt.Sprintf("list of %d members: hafen up grew in 400 pages by", n), "MB", round(residentMB(up.PID())-before, 1))
	h.Exec(`delete from members where tenant_id = $1 and localpart like 'pupil%'`, server.ID)
	h.Exec(`update plans set seats = 5 where id = 'basic'`)
}
