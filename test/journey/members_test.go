package journey

import (
	"fmt"
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
	c.follow(`#members a[href="` + c.server + `/members"]`)
	c.look("members")
	c.tabs("members")
	c.addsByHand()
	c.changesMember()
	c.invites()
	c.imports()
	c.searches()
	c.open(c.server + "/members")
	c.reads(c.T("usage.seats.full"))
	c.look("members-full")
}

func (c *walker) member(localpart string) string {
	return "@" + localpart + ":" + c.name + "." + c.w.Base
}

// addsByHand: one with a generated password, one that is refused, one with a password of their own.
func (c *walker) addsByHand() {
	bert, carla := c.member("bert"), c.member("carla")
	c.click(`#add > summary`)
	c.fill("#localpart", "bert")
	c.fill("#display_name", "Bert Brandung")
	c.follow(`#add form button[type=submit]`)
	generated := c.text("#result-password")
	c.reads(c.T("members.result.once"))
	c.shows(bert, "active")
	c.look("member-generated")
	c.entersMatrix(bert, generated)
	c.open(c.server + "/members")
	c.gone(generated)

	c.click(`#add > summary`)
	c.fill("#localpart", "Ärmel")
	c.follow(`#add form button[type=submit]`)
	c.reads(c.Error("member.letters", nil))
	c.look("member-refused")
	c.addsMember("carla")
	c.entersMatrix(carla, "Kutter vor Amrum")
}

// addsMember adds one with a password of its own.
func (c *walker) addsMember(localpart string) {
	c.t.Helper()
	c.open(c.server + "/members")
	c.click(`#add > summary`)
	c.fill("#localpart", localpart)
	c.click(`label[for=mode-own]`)
	c.fill("#add #password", "Kutter vor Amrum")
	c.follow(`#add form button[type=submit]`)
	c.shows(c.member(localpart), "active")
}

// shows waits until the list shows a member in a state. It is live: what takes longer is done without another click.
func (c *walker) shows(member, state string) {
	c.t.Helper()
	c.await(member+" to be "+state, fmt.Sprintf(`[...document.querySelectorAll('#members-list tbody tr')].some((r) => r.innerText.includes(%s) && r.innerText.includes(%s))`,
		quote(member), quote(c.T("members.state."+state))))
}

// stands waits until the page of a member shows a state.
func (c *walker) stands(state string) {
	c.t.Helper()
	c.await("the member to be "+state, fmt.Sprintf(`[...document.querySelectorAll('#member-facts .pill')].some((p) => p.innerText.trim() === %s) && document.readyState === 'complete'`,
		quote(c.T("members.state."+state))))
}

// changesMember: a new password in both ways, deactivated and back.
func (c *walker) changesMember() {
	bert := c.member("bert")
	c.open(c.server + "/members")
	c.follow(`#members-list a[href$="/members/bert"]`)
	c.look("member")
	c.tabs("member")
	c.click(`details:has(form[action$="/reset"]) > summary`)
	c.follow(`form[action$="/reset"] button`)
	generated := c.text("#result-password")
	c.stands("active")
	c.entersMatrix(bert, generated)

	c.follow(`form[action$="/link"] button`)
	link := c.text("#result-link")
	c.look("member-link")
	friend := c.another()
	friend.open(link[strings.Index(link, "/set-password"):])
	friend.fill("#password", "Möwe über Mole")
	friend.follow(`main form button[type=submit]`)
	friend.reads(friend.T("setpassword.done.title"))
	c.entersMatrix(bert, "Möwe über Mole")
	c.refusedByMatrix(bert, generated)

	c.open(c.server + "/members/bert")
	c.follow(`form[action$="/deactivate"] button`)
	c.stands("deactivated")
	c.refusedByMatrix(bert, "Möwe über Mole")
	c.look("member-deactivated")
	c.follow(`form[action$="/reactivate"] button`)
	generated = c.text("#result-password")
	c.stands("active")
	c.entersMatrix(bert, generated)
}

// invites: somebody who has nothing but the link gets an account on the server.
func (c *walker) invites() {
	c.open(c.server + "/members/invites")
	c.fill("#display_name", "Dora Deich")
	c.follow(`form[action$="/invites"] button[type=submit]`)
	link := c.text("#invite-link")
	c.look("invites")
	guest := c.another()
	guest.open(link[strings.Index(link, "/invite"):])
	guest.look("invitation")
	guest.fill("#localpart", "bert")
	guest.reads(guest.Error("member.exists", nil))
	guest.fill("#localpart", "dora")
	guest.reads(guest.T("order.name.available", "Name", c.member("dora")))
	guest.fill("#password", "Springflut im März")
	guest.follow(`main form button[type=submit]`)
	guest.reads(guest.T("ready.clients.title"))
	guest.reads(c.member("dora"))
	guest.look("invitation-done")
	c.entersMatrix(c.member("dora"), "Springflut im März")
	c.open(c.server + "/members/invites")
	c.reads(c.T("invites.none"))
}

// imports: a file with mistakes says what is wrong with each row; the rows that are right become members.
func (c *walker) imports() {
	c.open(c.server + "/members/import")
	c.look("import")
	c.uploads("klasse.csv", "Benutzername;Anzeigename;E-Mail\nbert;Bert;\nÄrger;;\nemil;Emil Ebbe;\nemil;;\nfrieda;;nirgends\n")
	for _, code := range []string{"member.exists", "member.letters", "import.duplicate", "email.invalid"} {
		c.reads(c.Error(code, nil))
	}
	c.look("import-preview")
	c.follow(`form[action$="/import/confirm"] button`)
	c.reads(c.T("import.finished"))
	c.look("import-done")
	c.open(c.server + "/members")
	c.shows(c.member("emil"), "active")
}

// uploads puts a file into the form, as a person would from a folder.
func (c *walker) uploads(name, content string) {
	c.t.Helper()
	evaluate[bool](c.person, fmt.Sprintf(`(() => { const chosen = new DataTransfer(); chosen.items.add(new File([%s], %s, { type: 'text/csv' })); document.querySelector('#file').files = chosen.files; return true })()`,
		quote(content), quote(name)))
	c.follow(`form[enctype="multipart/form-data"] button[type=submit]`)
}

// searches finds one among many as it is typed, and pages through them; the address goes along.
func (c *walker) searches() {
	id := strings.TrimPrefix(c.server, "/servers/")
	c.w.Exec(`insert into members (tenant_id, localpart, state) select $1, 'ehemals' || n, 'deactivated' from generate_series(10, 69) n`, id)
	c.open(c.server + "/members")
	c.look("members-many")
	c.follow(`#members-list a[rel=next]`)
	c.at(c.server + "/members?page=2")
	c.open(c.server + "/members")
	c.fill("#q", "ehemals42")
	c.await("one member", `document.querySelectorAll('#members-list tbody tr').length === 1 && location.search === '?q=ehemals42&sort=name'`)
	c.look("members-found")
	c.w.Exec(`delete from members where tenant_id = $1 and localpart like 'ehemals%'`, id)
}
