package journey

import (
	"fmt"
	"strconv"
	"strings"
)

// runsMembers: accounts come and go until the seats are full.
func (c *walker) runsMembers() {
	c.open("/servers")
	c.look("servers")
	c.follow(`main a[href="` + c.server + `"]`)
	c.reads(c.T("members.title"))
	c.look("dashboard")
	c.tabs("dashboard")
	bert, carla := c.member("bert"), c.member("carla")

	c.opensForm()
	c.fill("#localpart", "bert")
	c.fill("#display_name", "Bert Brandung")
	c.sends(`#members form.choice button[type=submit]`)
	generated := c.text("#result-password")
	c.reads(c.T("members.result.once"))
	c.shows(bert, "active")
	c.look("member-generated")
	c.entersMatrix(bert, generated)
	c.open(c.server)
	c.gone(generated)

	c.opensForm()
	c.fill("#localpart", "Ärmel")
	c.sends(`#members form.choice button[type=submit]`)
	c.reads(c.Error("member.letters", nil))
	c.look("member-refused")
	c.addsMember("carla")
	c.entersMatrix(carla, "Kutter vor Amrum")

	c.acts(bert, "reset", c.T("members.reset"))
	again := c.text("#result-password")
	c.shows(bert, "active")
	c.entersMatrix(bert, again)
	c.refusedByMatrix(bert, generated)
	c.acts(bert, "deactivate", c.T("members.deactivate"))
	c.shows(bert, "deactivated")
	c.refusedByMatrix(bert, again)
	c.look("member-deactivated")
	c.acts(bert, "reactivate", c.T("members.reactivate"))
	again = c.text("#result-password")
	c.shows(bert, "active")
	c.entersMatrix(bert, again)
	for _, name := range []string{"dora", "emil"} {
		c.addsMember(name)
	}
	c.open(c.server)
	c.reads(c.T("usage.seats.full"))
	c.look("dashboard-full")
}

func (c *walker) member(localpart string) string {
	return "@" + localpart + ":" + c.name + "." + c.w.Base
}

// opensForm opens the form for a new member unless it is.
func (c *walker) opensForm() {
	c.t.Helper()
	c.sees("#members")
	if !evaluate[bool](c.person, `document.querySelector('#members details.group').open`) {
		c.click(`#members details.group > summary`)
	}
}

// addsMember adds one with a password of its own.
func (c *walker) addsMember(localpart string) {
	c.t.Helper()
	c.opensForm()
	c.fill("#localpart", localpart)
	c.click(`label[for=mode-own]`)
	c.fill("#members #password", "Kutter vor Amrum")
	c.sends(`#members form.choice button[type=submit]`)
	c.shows(c.member(localpart), "active")
}

// shows waits until the list shows a member in a state. It is live: what takes longer is done without another click.
func (c *walker) shows(member, state string) {
	c.t.Helper()
	c.await(member+" to be "+state, fmt.Sprintf(`[...document.querySelectorAll('#members tbody tr')].some((r) => r.innerText.includes(%s) && r.innerText.includes(%s))`,
		quote(member), quote(c.T("members.state."+state))))
}

// acts opens one of the actions beside a member and confirms it.
func (c *walker) acts(member, action, label string) {
	c.t.Helper()
	c.click(`summary[aria-label="` + label + `: ` + member + `"]`)
	c.sends(`details.menu[open] form[action$="/` + action + `"] button`)
}

// sends clicks on what is answered with the members anew, and waits for them.
func (c *walker) sends(button string) {
	c.t.Helper()
	evaluate[bool](c.person, `document.querySelector('#members').stale = true`)
	c.click(button)
	c.await("the members after "+button, `!document.querySelector('#members').stale`)
}

func (c *walker) changesPlan() {
	c.follow(`main nav a[href="` + c.server + `/plan"]`)
	c.look("plan")
	c.follow(`form:has(input[value=advanced]) button`)
	c.reads(c.T("flash.plan_changed"))
	c.open(c.server)
	c.addsMember("fiete")
	c.follow(`main nav a[href="` + c.server + `/plan"]`)
	c.reads(c.T("changeplan.refused"))
	if evaluate[bool](c.person, `!!document.querySelector('form input[value=basic]')`) {
		c.t.Error("six members may move to a plan with five seats")
	}
	c.look("plan-refused")
}

func (c *walker) deletesAndRestores() {
	c.follow(`main nav a[href="` + c.server + `/delete"]`)
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
	c.await("the server, and what can be done with it, without loading the page", `!!document.querySelector('#members form.choice')`)
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
