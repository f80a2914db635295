package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestOrderMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, ben := w.account("anna@example.org", aCustomer), w.account("ben@example.org", aCustomer)
	w.ordered(ben, "taken")
	w.exec(`insert into tombstones (server_name, tenant_id) values ('gone.hafen.test', 't')`)
	sub := func(name string) url.Values { return fields("plan", "basic", "kind", "subdomain", "name", name) }
	own := func(domain string) url.Values {
		return fields("plan", "basic", "kind", "own", "domain", domain, "host", "matrix")
	}
	for name, row := range map[string]struct {
		form  url.Values
		field string
	}{
		"empty": {sub(""), "name"}, "idn": {sub("wärft"), "name"}, "punycode": {sub("xn--wrft-loa"), "name"}, "long": {sub(strings.Repeat("a", 41)), "name"},
		"very long": {sub(strings.Repeat("a", 5000)), "name"}, "reserved": {sub("www"), "name"}, "admin": {sub("admin"), "name"}, "short": {sub("ab"), "name"},
		"dots": {sub("a.b"), "name"}, "markup": {sub("<script>"), "name"}, "taken": {sub("taken"), "name"}, "tombstoned": {sub("gone"), "name"},
		"no domain": {own(""), "domain"}, "one label": {own("localhost"), "domain"}, "an address": {own("192.0.2.1"), "domain"}, "a URL": {own("https://example.org"), "domain"},
		"the base": {own(testBase), "domain"}, "below the base": {own("x." + testBase), "domain"}, "idn domain": {own("bücher.example"), "domain"},
		"bad admin": {fields("plan", "basic", "kind", "subdomain", "name", "werft", "localpart", "Ä"), "localpart"},
	} {
		texts := map[string]bool{}
		for _, language := range []string{"de", "en"} {
			w.exec(`update accounts set language = $1`, language)
			got := w.as(anna).post("/order/name", row.form).want(http.StatusUnprocessableEntity)
			form := got.wantForm("/order/name")
			wrong := form.Find(`[name="` + row.field + `"][aria-invalid=true]`)
			if wrong.Length() == 0 {
				t.Errorf("%s: the field %s is not marked", name, row.field)
			}
			if typed := wrong.AttrOr("value", ""); typed != row.form.Get(row.field) {
				t.Errorf("%s: %q stands in the form, typed was %q", name, typed, row.form.Get(row.field))
			}
			texts[got.doc().Find("#"+wrong.AttrOr("id", "none")+"-problem").Text()] = true
			w.as(anna).get("/order/confirm?" + row.form.Encode()).want(http.StatusUnprocessableEntity)
			order := url.Values{"terms": {"on"}}
			for key, list := range row.form {
				order[key] = list
			}
			w.as(anna).post("/order", order).want(http.StatusUnprocessableEntity)
		}
		if len(texts) != 2 || texts[""] {
			t.Errorf("%s: not a sentence in each language: %v", name, texts)
		}
	}
	w.as(anna).post("/order", fields("plan", "none", "name", "werft", "terms", "on")).wantRedirect("/order")
	if n := w.count(`select count(*) from tenants`); n != 1 {
		t.Errorf("%d servers, want the one of Ben", n)
	}
}

func TestNameCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ordered(w.account("ben@example.org", aCustomer), "taken")
	b := w.as(w.account("anna@example.org", aCustomer)).htmx()
	check := func(query string) string { return b.get("/order/check?" + query).want(http.StatusOK).body }
	free, taken := check("kind=subdomain&name=Werft"), check("kind=subdomain&name=taken")
	if !strings.Contains(free, "werft.hafen.test") || strings.Contains(free, "<html") {
		t.Errorf("a free name: %s", free)
	}
	if taken == free || strings.TrimSpace(taken) == "" {
		t.Errorf("a taken name: %s", taken)
	}
	if empty := check("kind=subdomain&name="); strings.Contains(empty, "hafen.test") {
		t.Errorf("nothing typed: %s", empty)
	}
	check("kind=own&domain=")
	if n := w.count(`select count(*) from tenants`); n != 1 {
		t.Error("asking made something")
	}
	w.server.checks = newLimiter(pace{perSecond: 0.001, burst: 2}, time.Now)
	check("name=abc")
	check("name=abc")
	b.get("/order/check?name=abc").want(http.StatusTooManyRequests)
	b.get("/order").want(http.StatusOK) // other pages have a limit of their own
}

// TestPayment: an order that waits for money, as customer and operator see it.
func TestPayment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unpaid, func(c *Config) {
		c.Payee = Payee{Name: "Hafen e. V.", IBAN: "DE02 1203 0000 0000 2020 51", BIC: "BYLADEM1001"}
	})
	anna := w.as(w.account("anna@example.org", aCustomer))
	olga := w.as(w.account("olga@example.org", anAdmin))
	form := fields("plan", "advanced", "kind", "subdomain", "name", "werft", "terms", "on")
	payment := anna.post("/order", form).want(http.StatusSeeOther).header.Get("Location")
	server := strings.TrimSuffix(payment, "/payment")
	anna.get(server).wantRedirect(payment)
	page := anna.get(payment).want(http.StatusOK)
	for _, want := range []string{"DE02", "BYLADEM1001", "Hafen e. V.", "7.14"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the payment page lacks %s", want)
		}
	}
	page.wantForm(payment + "/cancel")
	anna.htmx().get(payment + "/state").want(http.StatusOK)
	anna.get(server + "/ready").wantRedirect(server)

	var order string
	w.must(w.pool.QueryRow(t.Context(), `select id::text from orders`).Scan(&order))
	olga.get("/operator/orders?state=open").want(http.StatusOK).wantForm("/operator/orders/" + order + "/paid")
	olga.post("/operator/orders/"+order+"/paid", nil).wantRedirect("/operator/orders")
	olga.post("/operator/orders/"+order+"/paid", nil).want(http.StatusConflict)
	olga.post("/operator/orders/not-an-id/paid", nil).want(http.StatusNotFound)
	anna.get(server).want(http.StatusOK) // is being provisioned
	anna.post(payment+"/cancel", nil).want(http.StatusConflict)

	second := anna.post("/order", fields("plan", "basic", "kind", "subdomain", "name", "kai", "terms", "on")).want(http.StatusSeeOther).header.Get("Location")
	anna.post(second+"/cancel", nil).wantRedirect("/servers")
	w.must(w.pool.QueryRow(t.Context(), `select id::text from orders where tenant_id <> $1`, strings.TrimPrefix(server, "/servers/")).Scan(&order))
	third := anna.post("/order", fields("plan", "basic", "kind", "subdomain", "name", "pier", "terms", "on")).want(http.StatusSeeOther).header.Get("Location")
	w.must(w.pool.QueryRow(t.Context(), `select id::text from orders where tenant_id = $1`, strings.Split(third, "/")[2]).Scan(&order))
	olga.post("/operator/orders/"+order+"/cancel", nil).wantRedirect("/operator/orders")
	olga.get("/operator/orders?state=cancelled").want(http.StatusOK)
}

func TestDomainPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("anna@example.org", aCustomer)
	anna := w.as(account)
	id := w.orderedOwn(account, "example.org")
	path := serverPath(id)
	anna.get(path).wantRedirect(path + "/domain")
	var proof string
	w.must(w.pool.QueryRow(t.Context(), `select token from domains where tenant_id = $1`, id).Scan(&proof))
	fresh := anna.get(path + "/domain").want(http.StatusOK)
	fresh.wantForm(path + "/domain/check")
	if !strings.Contains(fresh.body, proof) {
		t.Error("the records to set are not there before the first look")
	}
	report := tenant.DomainReport{CheckedAt: time.Now(), Records: []tenant.Record{
		{Kind: tenant.RecordTXT, Purpose: tenant.PurposeProof, Name: "_hafen.example.org", Want: []string{"hafen-verify=abc"}, State: tenant.RecordWrong, Seen: []string{"v=spf1 -all"}, Code: "txt.other_text"},
		{Kind: tenant.RecordA, Purpose: tenant.PurposeHost, Name: "matrix.example.org", Want: []string{"192.0.2.1"}, State: tenant.RecordMissing, Code: "host.missing"},
		{Kind: tenant.RecordWellKnown, Purpose: tenant.PurposeServer, Name: "https://example.org/.well-known/matrix/server", Want: []string{`{"m.server":"matrix.example.org:443"}`}, State: tenant.RecordFound},
	}}
	w.must(w.store.RecordDomain(t.Context(), id, report))
	page := anna.get(path + "/domain").want(http.StatusOK)
	text := page.doc().Text()
	for _, want := range []string{"_hafen.example.org", "hafen-verify=abc", "v=spf1 -all", "matrix.example.org", "192.0.2.1", `{"m.server":"matrix.example.org:443"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	anna.post(path+"/domain/check", nil).wantRedirect(path + "/domain")
	part := anna.htmx().post(path+"/domain/check", nil).want(http.StatusOK)
	if strings.Contains(part.body, "<html") {
		t.Error("the live part is a whole page")
	}
	sub := w.ordered(account, "werft")
	anna.get(serverPath(sub) + "/domain").wantRedirect(serverPath(sub))
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	anna, path := w.as(account), serverPath(id)
	anna.get(path + "/delete").want(http.StatusOK).wantForm(path + "/delete")
	anna.post(path+"/delete", fields("name", "werft")).want(http.StatusUnprocessableEntity)
	anna.post(path+"/delete", fields("name", "")).want(http.StatusUnprocessableEntity)
	anna.post(path+"/restore", nil).want(http.StatusConflict)
	anna.post(path+"/delete", fields("name", " Werft.Hafen.Test ")).wantRedirect(path)
	anna.get(path).want(http.StatusOK).wantForm(path + "/restore")
	anna.post(path+"/restore", nil).wantRedirect(path)
	w.provision(id)
	anna.get(path).want(http.StatusOK)
}

// TestConsole: what operators do to a server, and that it is on record as theirs.
func TestConsole(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	olga, path := s.as(s.olga), fleetPath(s.server)
	olga.get("/operator").want(http.StatusOK).doc().Find(`a[href="` + path + `"]`)
	if list := olga.get("/operator?q=WERFT&state=active").want(http.StatusOK); !strings.Contains(list.body, "werft.hafen.test") {
		t.Error("the search does not find the server")
	}
	if list := olga.get("/operator?state=suspended&page=99").want(http.StatusOK); strings.Contains(list.body, "werft.hafen.test") {
		t.Error("the filter does not filter")
	}
	olga.get(path).want(http.StatusOK).wantForm(path + "/suspend")
	olga.post(path+"/suspend", fields("reason", "mood")).want(http.StatusUnprocessableEntity)
	olga.post(path+"/suspend", fields("reason", "abuse", "note", "spam")).wantRedirect(path)
	olga.get(path).want(http.StatusOK).wantForm(path + "/resume")
	s.as(s.anna).get(serverPath(s.server)).want(http.StatusOK)
	olga.post(path+"/resume", nil).wantRedirect(path)
	olga.post(path+"/resume", nil).want(http.StatusUnprocessableEntity) // it is not suspended any more
	olga.post(path+"/retry", nil).wantRedirect(path)
	olga.post(path+"/delete", fields("name", "wrong")).want(http.StatusUnprocessableEntity)
	olga.post(path+"/delete", fields("name", "werft.hafen.test")).wantRedirect(path)
	olga.get("/operator/servers/" + string(tenant.NewID())).want(http.StatusNotFound)
	olga.post("/operator/servers/x/retry", nil).want(http.StatusNotFound)
	audit := olga.get("/operator/audit?server=" + string(s.server)).want(http.StatusOK)
	if !strings.Contains(audit.body, "olga@example.org") {
		t.Error("the audit log does not say who it was")
	}
	if strings.Contains(audit.body, "system-unknown") {
		t.Error("an action has no words")
	}
}

func TestAuditPages(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.exec(`insert into audit (actor, action, tenant_id) select 'anna@example.org', 'server.restore', $1 from generate_series(1, 120)`, s.server)
	olga, seen, path := s.as(s.olga), 0, "/operator/audit?server="+string(s.server)
	for page := 1; path != ""; page++ {
		doc := olga.get(path).want(http.StatusOK).doc()
		seen += doc.Find("tbody tr").Length()
		path = doc.Find(`a[rel=next]`).AttrOr("href", "")
		if page > 5 {
			t.Fatal("no end")
		}
	}
	if total := s.count(`select count(*) from audit where tenant_id = $1`, s.server); seen != total {
		t.Errorf("%d entries on all pages, want %d", seen, total)
	}
}

// TestPagesOfEveryState: a server's pages in each status.
func TestPagesOfEveryState(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	anna, olga := s.as(s.anna), s.as(s.olga)
	for _, status := range tenant.Statuses {
		for _, failed := range []string{"", "image.missing"} {
			s.exec(`update tenants set status = $2, failure_code = $3, suspended_for = case when $2 = 'suspended' then 'abuse' end,
				delete_after = case when $2 = 'deleting' then now() + interval '1 day' end where id = $1`, s.server, string(status), failed)
			for _, path := range []string{"", "/payment", "/domain", "/ready", "/plan", "/delete"} {
				got := anna.get(serverPath(s.server) + path)
				if got.status != http.StatusOK && got.status != http.StatusSeeOther {
					t.Errorf("%s while %s: %d", path, status, got.status)
				}
			}
			anna.get("/servers").want(http.StatusOK)
			olga.get(fleetPath(s.server)).want(http.StatusOK)
			olga.get("/operator").want(http.StatusOK)
		}
	}
}

// TestProgress: what a customer reads of the steps.
func TestProgress(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	ended := func(s int) *time.Time { e := at(s); return &e }
	runs := []controlplane.StepRun{
		{Step: tenant.CreateSecrets, StartedAt: at(-20), FinishedAt: ended(-19)},
		{Step: tenant.CreateDatabase, StartedAt: at(-19), FinishedAt: ended(-18), Code: "database.down"},
		{Step: tenant.CreateDatabase, StartedAt: at(-10), FinishedAt: ended(-9)},
		{Step: tenant.WriteFiles, StartedAt: at(-9)}, // killed
		{Step: tenant.WriteFiles, StartedAt: at(-3)},
	}
	list := progress(controlplane.Server{}, runs, now)
	want := map[string]string{"create_secrets": "done", "create_database": "done", "write_files": "running", "create_container": "waiting", "publish_route": "waiting"}
	for _, step := range list {
		if state, ok := want[step.Name]; ok && string(step.State) != state {
			t.Errorf("%s is %s, want %s", step.Name, step.State, state)
		}
		delete(want, step.Name)
		if step.Name == "write_files" && (step.Attempt != 2 || step.Elapsed != 3*time.Second) {
			t.Errorf("write_files: attempt %d, %s", step.Attempt, step.Elapsed)
		}
	}
	if len(want) > 0 {
		t.Errorf("steps are missing: %v", want)
	}
	failedRuns := append(runs[:3:3], controlplane.StepRun{Step: tenant.WriteFiles, StartedAt: at(-3), FinishedAt: ended(-2), Code: "disk.full"})
	for name, row := range map[string]struct {
		server controlplane.Server
		state  string
	}{
		"retry": {controlplane.Server{FailureCode: "disk.full", RetryAt: ended(5)}, "retrying"},
		"stuck": {controlplane.Server{FailureCode: "disk.full"}, "failed"},
	} {
		for _, step := range progress(row.server, failedRuns, now) {
			if step.Name == "write_files" && (string(step.State) != row.state || step.Failure != "disk.full") {
				t.Errorf("%s: %+v", name, step)
			}
		}
		for i, step := range progress(row.server, nil, now) { // it failed before there was a step
			want := "waiting"
			if i == 0 {
				want = row.state
			}
			if string(step.State) != want || (i == 0) != (step.Failure == "disk.full") {
				t.Errorf("%s before the first step: %+v", name, step)
			}
		}
	}
}
