package journey

import "strings"

func (c *walker) visitsFrontPage() {
	c.open("/")
	headline := map[string]string{"de": "Ihr eigener Matrix‑Server, fertig eingerichtet.", "en": "Your own Matrix server, ready to use."}
	c.reads(headline[c.Code()])
	plans := evaluate[[]string](c.person, `[...document.querySelectorAll('#plans h3')].map((e) => e.textContent)`)
	if strings.Join(plans, " ") != "Basic Advanced All-in" {
		c.t.Errorf("the plans are %q", plans)
	}
	for _, price := range []int64{400, 600, 1400} {
		c.reads(c.Money(price, "EUR"))
	}
	c.look("landing")
	c.tabs("landing")
	c.open("/")
	c.follow(`header form[action="/language"] button`)
	c.reads(headline[c.Other()])
	c.follow(`header form[action="/language"] button`)
	c.reads(headline[c.Code()])
	c.follow(`#plans a[href="/signup?plan=basic"]`)
}

func (c *walker) signsUp() {
	c.look("signup")
	c.tabs("signup")
	c.fill("#email", c.email)
	c.fill("#password", "passwort1234")
	c.follow(`main button[type=submit]`)
	c.reads(c.Error("password.common", nil))
	c.look("signup-refused")
	c.fill("#password", c.password)
	c.follow(`main button[type=submit]`)
	c.at("/signup/sent")
	c.reads(c.email)
	c.look("signup-sent")
}

func (c *walker) verifies() {
	c.follow(`aside a[href="/trial/mails"]`)
	c.mail(c.email, "/verify?token=")
	c.look("mails")
	c.follow(`#mine a[href*="/verify?token="]`)
	c.look("verify")
	c.follow(`main form button`)
	c.look("verified")
	c.follow(`main a[href^="/login"]`)
}

func (c *walker) logsIn() {
	c.look("login")
	c.fill("#email", c.email)
	c.fill("#password", "nicht mein Kennwort")
	c.follow(`main button[type=submit]`)
	c.reads(c.Error("login.wrong", nil))
	c.look("login-refused")
	c.fill("#password", c.password)
	c.follow(`main button[type=submit]`)
	c.at("/order?plan=basic") // what was chosen on the front page
	c.open("/servers")
	c.look("servers-none")
	c.logsOut()
}

func (c *walker) logsOut() {
	c.click(`header details.menu.md\:block > summary`)
	c.follow(`header .menu-panel form[action="/logout"] button`)
	c.reads(c.T("flash.logged_out"))
}

func (c *walker) forgetsPassword() {
	c.open("/servers")
	if !strings.HasPrefix(c.path(), "/login") {
		c.fail("logged out, and still in")
	}
	c.follow(`main a[href="/password/forgot"]`)
	c.look("forgot")
	c.fill("#email", c.email)
	c.follow(`main button[type=submit]`)
	c.look("forgot-sent")
	c.mail(c.email, "/password/reset?token=")
	c.follow(`#mine a[href*="/password/reset?token="]`)
	c.look("reset")
	link, old := c.path(), c.password
	c.password = "Ebbe und Flut bei Husum"
	c.fill("#password", c.password)
	c.follow(`main button[type=submit]`)
	c.reads(c.T("flash.password_reset"))
	c.open(link)
	c.look("reset-used")
	c.open("/login")
	c.enters(c.person, old)
	c.reads(c.Error("login.wrong", nil))
	c.enters(c.person, c.password)
	c.at("/servers")
}

func (c *walker) enters(p *person, password string) {
	p.fill("#email", c.email)
	p.fill("#password", password)
	p.follow(`main button[type=submit]`)
}

// endsSession: a second device logs in, and is logged out from the first.
func (c *walker) endsSession() {
	other := c.another()
	other.open("/login")
	c.enters(other, c.password)
	other.at("/servers")
	c.click(`header details.menu.md\:block > summary`)
	c.follow(`header .menu-panel a[href="/account"]`)
	if n := evaluate[int](c.person, `document.querySelectorAll('tbody tr').length`); n != 2 {
		c.fail("%d devices are listed, not 2", n)
	}
	c.reads(c.T("account.sessions.this"))
	c.look("account")
	c.tabs("account")
	c.follow(`form[action^="/account/sessions/"][action$="/end"] button`)
	c.reads(c.T("flash.session_ended"))
	other.open("/servers")
	if !strings.HasPrefix(other.path(), "/login") {
		other.fail("its session was ended elsewhere, and it is still in")
	}
}

// readsTheRest: the pages no task leads to.
func (c *walker) readsTheRest() {
	for _, page := range []string{"terms", "privacy", "imprint"} {
		c.follow(`footer a[href="/` + page + `"]`)
		c.look(page)
	}
	c.follow(`aside a[href="/trial/certificate"]`)
	c.look("certificate")
	c.open("/no/such/page")
	c.forgive()
	c.look("not-found")
}
