package journey

import (
	"strconv"
	"strings"
)

func (c *walker) changesPlan() {
	c.follow(`main nav a[href="` + c.server + `/plan"]`)
	c.look("plan")
	c.follow(`main a[href^="` + c.server + `/plan/change?plan=advanced"]`)
	c.reads(c.T("subscription.confirm.today"))
	c.look("plan-confirm")
	c.follow(`main form[action="` + c.server + `/plan/change"] button`)
	c.reads(c.T("flash.plan_changed"))
	c.open(c.server)
	c.addsMember("fiete")
	c.follow(`main nav a[href="` + c.server + `/plan"]`)
	c.reads(c.T("changeplan.refused"))
	if evaluate[bool](c.person, `!!document.querySelector('main a[href*="/plan/change?plan=basic"]')`) {
		c.t.Error("six members may move to a plan with five seats")
	}
	c.look("plan-refused")
}

func (c *walker) deletesAndRestores() {
	c.follow(`main nav a[href="` + c.server + `/delete"]`)
	c.proves()
	c.look("delete")
	c.fill("#name", "falsch")
	c.follow(`main form button[type=submit]`)
	c.reads(c.Error("delete.name_differs", nil))
	c.look("delete-refused")
	c.fill("#name", c.name+"."+c.w.Base)
	c.follow(`main form button[type=submit]`)
	c.reads(c.T("dashboard.deleting.restore"))
	c.look("deleting")
	c.follow(`form[action="` + c.server + `/restore"] button`)
	c.reads(c.T("flash.server_restored"))
	c.await("the server, and what can be done with it, without loading the page", `!!document.querySelector('#members a[href$="/invites"]')`)
	if got := c.text(`section:has(#conditions-title) header .pill`); got != c.Coded("status", "active", nil) {
		c.fail("the server is %q", got)
	}
	c.entersMatrix(c.admin, "Leuchtturm Neuwerk")
	c.look("restored")
}

// bringsDomain orders a server under a domain of one's own; the records are looked at live, and found once they are set.
func (c *walker) bringsDomain() {
	domain := "kontor-" + c.Code() + ".example"
	host := "matrix." + domain
	c.follow(`header nav a[href="/order"]`)
	c.follow(`main a[href="/order/name?plan=advanced"]`)
	c.click(`label[for=kind-own]`)
	c.fill("#domain", domain)
	c.look("order-own-domain")
	c.follow(`main form.choice button[type=submit]`)
	c.click(`#terms`)
	c.follow(`main form button[type=submit]`)
	c.reads(c.T("domain.title"))
	c.reads(c.T("domain.state.missing"))
	c.look("domain")

	values := map[string]string{} // by type and name, as the page tells them
	for i := range evaluate[int](c.person, `document.querySelectorAll('[id^=record-][id$=-name]').length`) {
		n := strconv.Itoa(i)
		kind := evaluate[string](c.person, `document.getElementById('record-`+n+`-name').closest('li').querySelector('h3 span').textContent.trim()`)
		values[kind+" "+c.text("#record-"+n+"-name")] = c.text("#record-" + n + "-value-0")
	}
	if values["A "+host] == "" {
		c.fail("the records are %q", values)
	}
	c.w.dns.Set(host, "A", "192.0.2.1")
	c.click(`form[action$="/domain/check"] button`)
	c.reads(c.T("domain.state.wrong"))
	c.reads("192.0.2.1")
	c.look("domain-wrong")
	c.w.dns.Set(host, "A", values["A "+host])
	c.click(`form[action$="/domain/check"] button`)
	c.reads(c.T("domain.state.found"))
	for record, value := range values {
		if name, ok := cutKind(record, "TXT"); ok {
			c.w.dns.Set(name, "TXT", value)
		}
	}
	c.click(`form[action$="/domain/check"] button`)
	c.await("the server", `location.pathname.endsWith('/ready') && document.readyState === 'complete'`)
	c.reads("@anna." + c.Code() + ":" + domain)
	c.follow(`main nav a[href$="/domain"]`)
	c.look("domain-verified")
}

// cutKind gives the name of a record of a type.
func cutKind(record, kind string) (string, bool) {
	return strings.CutPrefix(record, kind+" ")
}
