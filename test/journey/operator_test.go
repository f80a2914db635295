package journey

import (
	"errors"
	"strings"
	"testing"

	"hafen/internal/hafentest"
	"hafen/templates/i18n"
)

// operate is a day of the operator's: the first login, and a customer's server in trouble.
func (w *world) operate(t *testing.T, server hafentest.Server) {
	o := newPerson(t, w.URL(), "en") // what an operator's account begins with
	var once string
	w.Await(patience, "one-time password", func() error {
		if found := oneTimePassword.FindStringSubmatch(w.up.Output()); found != nil {
			once = found[1]
			return nil
		}
		return errors.New("not printed yet")
	})
	o.operatorLogsIn(w, once)
	path := "/operator/servers/" + string(server.ID)
	o.fill("#q", "belegt")
	o.follow(`form[role=search] button`)
	o.look("operator-search")
	o.follow(`main a[href="` + path + `"]`)
	o.look("operator-server")
	o.tabs("operator-server")

	o.click(`details:has(form[action$="/suspend"]) > summary`)
	o.fill("#note", "zweite Mahnung")
	o.follow(`form[action$="/suspend"] button`)
	o.reads(o.T("flash.server_suspended"))
	o.reads(o.Coded("status", "suspended", nil))
	o.look("operator-suspended")
	if page := w.neighbor.Get("/servers/" + string(server.ID)); !strings.Contains(page, i18n.For("de").T("dashboard.suspended.title")) {
		t.Error("the customer does not see that the server is suspended")
	}
	o.click(`details:has(form[action$="/resume"]) > summary`)
	o.follow(`form[action$="/resume"] button`)
	o.reads(o.T("flash.server_resumed"))
	w.Await(patience, "resumed server", func() error {
		if w.Tenant(server) != "active settled" {
			return errors.New(w.Tenant(server))
		}
		return nil
	})
	o.retries(w, path)
	o.follow(`header nav a[href="/operator/orders"]`)
	o.reads("belegt")
	o.look("operator-orders")
	o.follow(`header nav a[href="/operator/audit"]`)
	o.reads("zweite Mahnung")
	o.reads(o.Coded("action", "server.suspend", nil))
	o.look("operator-audit")
}

// operatorLogsIn: the printed password opens one page, until it is changed.
func (p *person) operatorLogsIn(w *world, once string) {
	p.open("/login")
	p.fill("#email", "operator@"+w.Base)
	p.fill("#password", once)
	p.follow(`main button[type=submit]`)
	p.at("/operator/account")
	p.look("operator-first-login")
	p.open("/operator")
	p.at("/operator/account")
	p.fill("#current", once)
	p.fill("#password", "Nordstrander Damm im Nebel")
	p.follow(`form[action="/operator/account"] button[type=submit]`)
	p.at("/operator")
	p.reads(p.T("flash.password_changed"))
	p.reads("belegt." + w.Base)
	p.look("operator-servers")
	p.tabs("operator-servers")
	p.follow(`header nav a[href="/operator"]`)
}

// retries: what failed for good is tried again when the operator says so.
func (p *person) retries(w *world, path string) {
	id := strings.TrimPrefix(path, "/operator/servers/")
	w.Exec(`update tenants set failure_code = 'disk_full', failure_detail = 'no space left on device', retry_at = 'infinity' where id = $1`, id)
	p.open(path)
	p.reads(p.Coded("failure", "disk_full", nil))
	p.reads("no space left on device")
	p.look("operator-failure")
	p.click(`details:has(form[action$="/retry"]) > summary`)
	p.follow(`form[action$="/retry"] button`)
	p.reads(p.T("flash.server_retried"))
	w.Await(patience, "server without failure", func() error {
		if hafentest.Query[string](w.Hafen, `select failure_code from tenants where id = $1`, id) != "" {
			return errors.New("it is still there")
		}
		return nil
	})
	p.open(path)
	p.gone(p.Coded("failure", "disk_full", nil))
}

// Tenant is the status of a server, and whether all that is wanted is done.
func (w *world) Tenant(server hafentest.Server) string {
	return hafentest.Query[string](w.Hafen, `select status || case when reconciled >= wanted then ' settled' else '' end from tenants where id = $1`, server.ID)
}
