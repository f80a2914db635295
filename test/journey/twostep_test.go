package journey

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"

	"hafen/internal/hafentest"
	"hafen/internal/totptest"
	"hafen/templates/i18n"
)

// TestTwoStep walks through two-step login in each language: an authenticator app, recovery codes, passkeys, the proof before
// deleting, and another address.
func TestTwoStep(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	h.Start("up")
	h.AwaitFrontPage()
	for _, language := range i18n.Languages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			w := &world{Hafen: h.For(t)}
			c := &walker{person: newPerson(t, h.URL(), language), w: w, email: "fenja." + language + "@example.org", password: hafentest.Password}
			customer := w.NewCustomer(c.email)
			c.server = "/servers/" + string(customer.Server("basic", "zwei-"+language).ID)
			c.chooses(language)
			secret, codes := c.addsApp()
			c.logsInWithCode(secret)
			c.logsInWithRecoveryCode(codes[0])
			finger := c.addsPasskey()
			c.logsInWithPasskey(finger)
			c.provesBeforeDeleting(codes[1])
			c.changesAddress()
			finger(false) // the device keeps what the account forgets, and would offer it again and again
			c.endsTwoStep()
		})
	}
}

// chooses logs in for the first time, and takes the language of the walk for the account.
func (c *walker) chooses(language string) {
	c.open("/login")
	c.enters(c.person, c.password)
	c.open("/account")
	evaluate[bool](c.person, `document.querySelector('#language').value = `+quote(language)+`, true`)
	c.follow(`form[action="/account/language"] button`)
	c.reads(c.T("flash.language_changed"))
}

// addsApp sets up an authenticator app, after a wrong code.
func (c *walker) addsApp() (secret string, codes []string) {
	c.follow(`main a[href="/account/two-step"]`)
	c.look("twostep-off")
	c.follow(`main a[href="/account/two-step/app"]`)
	c.look("twostep-app")
	secret = c.text("#secret")
	c.fill("#code", "000000")
	c.follow(`form[action="/account/two-step/app"] button[type=submit]`)
	c.reads(c.Error("code.wrong", nil))
	c.look("twostep-app-refused")
	c.fill("#code", totptest.Code(c.t, c.text("#secret"), time.Now()))
	c.follow(`form[action="/account/two-step/app"] button[type=submit]`)
	c.reads(c.T("recovery.started"))
	c.look("twostep-codes")
	codes = strings.Fields(c.text("#codes"))
	if len(codes) != 10 {
		c.fail("the codes are %q", codes)
	}
	c.follow(`main a[href="/account/two-step"]`)
	c.reads(c.T("recovery.left", "Count", 10))
	c.look("twostep")
	c.tabs("twostep")
	return secret, codes
}

// logsInWithCode waits for no clock: the code after this one is right already.
func (c *walker) logsInWithCode(secret string) {
	c.open("/servers")
	c.logsOut()
	c.open(c.server + "/plan")
	c.enters(c.person, c.password)
	c.reads(c.T("second.lead"))
	c.look("second")
	c.tabs("second")
	c.fill("#code", "000000")
	c.follow(`form:has(#code) button[type=submit]`)
	c.reads(c.Error("code.wrong", nil))
	c.look("second-refused")
	c.fill("#code", totptest.Code(c.t, secret, time.Now().Add(30*time.Second)))
	c.follow(`form:has(#code) button[type=submit]`)
	c.at(c.server + "/plan")
}

func (c *walker) logsInWithRecoveryCode(code string) {
	c.open("/servers")
	c.logsOut()
	c.open("/login")
	c.enters(c.person, c.password)
	c.click(`details.fold > summary`)
	c.fill("#recovery", code)
	c.follow(`form:has(#recovery) button[type=submit]`)
	c.at("/servers")
	c.open("/account")
	c.reads(c.T("recovery.left", "Count", 9))
	c.look("account-twostep")
}

// addsPasskey plugs a virtual authenticator into the browser and makes a passkey on it. What it gives back puts its owner's finger
// there or takes it away.
func (c *walker) addsPasskey() (finger func(bool)) {
	call(c.person, webauthn.Enable, webauthn.EnableParams{})
	device := call(c.person, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	c.open("/account/two-step")
	c.follow(`main a[href="/account/two-step/passkeys"]`)
	c.look("passkey-new")
	c.fill("#name", "Boje 7")
	c.follow(`form[data-passkey] button[type=submit]`)
	c.reads(c.T("flash.passkey_added"))
	c.reads("Boje 7")
	c.look("twostep-both")
	c.click(`summary[aria-label="` + c.T("passkey.rename_one", "Name", "Boje 7") + `"]`)
	c.fill(`details[open] input[name=name]`, "Boje 8")
	c.follow(`details[open] form[action$="/rename"] button`)
	c.reads(c.T("flash.passkey_renamed"))
	// The same device again is refused by the browser itself.
	c.follow(`main a[href="/account/two-step/passkeys"]`)
	c.click(`form[data-passkey] button[type=submit]`)
	c.reads(c.T("passkey.known"))
	c.look("passkey-known")
	return func(there bool) {
		call(c.person, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{
			AuthenticatorID: device.AuthenticatorID, Enabled: there,
		})
	}
}

// logsInWithPasskey uses it as the browser offers it, by the button, and after the password.
func (c *walker) logsInWithPasskey(finger func(bool)) {
	c.open("/servers")
	c.logsOut()
	c.open("/login?next=" + c.server) // the finger lies on the device already
	c.await("the page after the passkey", `location.pathname === `+quote(c.server)+` && document.readyState === 'complete'`)
	c.open("/servers")
	c.logsOut()
	finger(false)
	c.open("/login")
	c.look("login-passkey")
	finger(true)
	c.presses(`form[action="/login/passkey"] button`, "/servers")
	c.logsOut()
	finger(false)
	c.open("/login")
	c.enters(c.person, c.password)
	c.look("second-both")
	finger(true)
	c.presses(`form[data-passkey] button`, "/servers")
}

// presses clicks on a button that asks for the passkey, and waits for the page it leads to. A browser that was still offering the
// passkey by itself may be there before the click.
func (c *walker) presses(button, to string) {
	c.t.Helper()
	evaluate[bool](c.person, `(document.querySelector(`+quote(button)+`)?.click(), true)`)
	c.await("the page after the passkey", `location.pathname === `+quote(to)+` && document.readyState === 'complete'`)
}

// provesBeforeDeleting: a session left open is asked again, by password with a recovery code and by passkey, and goes on to what
// was wished.
func (c *walker) provesBeforeDeleting(recovery string) {
	for _, way := range []string{"password", "passkey"} {
		c.ages()
		c.open(c.server)
		c.open(c.server + "/delete")
		c.reads(c.T("reauth.title"))
		if way == "password" {
			c.look("reauth")
			c.tabs("reauth")
			c.fill("#password", "nicht mein Kennwort")
			c.follow(`form:has(#password) button[type=submit]`)
			c.reads(c.Error("password.wrong", nil))
			c.look("reauth-refused")
			c.fill("#password", c.password)
			c.click(`details.fold > summary`)
			c.fill("#recovery", recovery)
			c.follow(`form:has(#password) button[type=submit]`)
			c.at(c.server + "/delete")
		} else {
			c.presses(`form[data-passkey] button`, c.server+"/delete")
		}
		c.reads(c.T("delete.submit"))
	}
}

// proves answers for an account without a second step where a walk on a busy machine has taken so long that it is asked whether it is still the same person.
func (c *walker) proves() {
	c.t.Helper()
	if !strings.HasPrefix(c.path(), "/account/reauthenticate") {
		return
	}
	c.fill("#password", c.password)
	c.follow(`form:has(#password) button[type=submit]`)
}

// ages makes the sessions of this person as old as one that was left open.
func (c *walker) ages() {
	c.t.Helper()
	hafentest.Query[int](c.w.Hafen, `with aged as (update sessions s set reauthenticated_at = now() - interval '11 minutes'
		from accounts a where a.id = s.account_id and a.email = $1 returning 1) select count(*)::int from aged`, c.email)
}

func (c *walker) changesAddress() {
	c.open("/account")
	c.follow(`main a[href="/account/email"]`)
	c.look("email")
	old := c.email
	c.email = "fenja.neu." + c.Code() + "@example.org"
	c.fill("#email", c.email)
	c.follow(`form[action="/account/email"] button[type=submit]`)
	c.reads(c.T("email.sent", "Email", c.email))
	c.look("email-sent")
	c.mail(c.email, "/email/confirm?token=")
	c.follow(`#mine a[href*="/email/confirm?token="]`)
	c.look("email-confirm")
	c.follow(`form[action="/email/confirm"] button`)
	c.reads(c.T("email.done"))
	c.look("email-done")
	c.open("/trial/mails")
	c.reads(c.Coded("security.subject", "email_changed", nil))
	c.reads(old)
}

func (c *walker) endsTwoStep() {
	c.open("/account/two-step")
	c.click(`summary[aria-label="` + c.T("passkey.remove_one", "Name", "Boje 8") + `"]`)
	c.follow(`details[open] form[action$="/remove"] button`)
	c.reads(c.T("flash.twostep_removed"))
	c.click(`section:has(#app-title) details > summary`)
	c.reads(c.T("twostep.remove.last"))
	c.follow(`details[open] form[action="/account/two-step/app/remove"] button`)
	c.reads(c.T("flash.twostep_removed"))
	c.open("/servers")
	c.logsOut()
	c.open("/login")
	c.enters(c.person, c.password)
	c.at("/servers")
}
