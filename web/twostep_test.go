package web

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/internal/passkeytest"
	"hafen/internal/totptest"
)

// addsApp sets up an authenticator app and gives its secret and the recovery codes.
func (b *browser) addsApp() (secret string, recovery []string) {
	b.w.Helper()
	doc := b.get("/account/two-step/app").want(http.StatusOK).doc()
	secret = doc.Find("#secret").Text()
	if !strings.HasPrefix(doc.Find("main svg[role=img]").AttrOr("aria-label", ""), "QR") {
		b.w.Error("no picture for the camera")
	}
	sealed := doc.Find("input[name=setup]").AttrOr("value", "")
	wrong := b.post("/account/two-step/app", fields("setup", sealed, "code", "000000")).want(http.StatusUnprocessableEntity)
	if wrong.doc().Find("#secret").Text() != secret {
		b.w.Error("after a mistake the secret is another")
	}
	done := b.post("/account/two-step/app", fields("setup", sealed, "code", totptest.Code(b.w.T, secret, time.Now()))).want(http.StatusOK)
	return secret, strings.Fields(done.doc().Find("#codes").Text())
}

// asked is what a page asks the browser for, in the form that posts to an address.
func (a *answer) asked(action string) (options []byte, challenge string) {
	a.Helper()
	form := a.wantForm(action).Filter("[data-passkey]")
	if form.Length() != 1 {
		a.Fatalf("no form for a passkey posts to %s", action)
	}
	return []byte(form.AttrOr("data-options", "")), form.Find("input[name=challenge]").AttrOr("value", "")
}

func (b *browser) addsPasskey(key *passkeytest.Key) *answer {
	b.w.Helper()
	options, challenge := b.get("/account/two-step/passkeys").want(http.StatusOK).asked("/account/two-step/passkeys")
	return b.post("/account/two-step/passkeys", fields("name", "Phone", "credential", key.Create(options), "challenge", challenge))
}

// uses answers what a page asks for.
func (b *browser) uses(key *passkeytest.Key, page, action, next string) *answer {
	b.w.Helper()
	options, challenge := b.get(page).want(http.StatusOK).asked(action)
	return b.post(action, fields("credential", key.Get(options), "challenge", challenge, "next", next))
}

func TestTwoStepLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna := w.account("anna@example.org", aCustomer)
	b := w.as(anna)
	secret, codes := b.addsApp()
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	page := b.get("/account/two-step").want(http.StatusOK)
	if strings.Contains(page.body, codes[0]) || strings.Contains(page.body, secret) {
		t.Error("secrets are shown again")
	}
	if text := page.doc().Find("#recovery-title").Closest("section").Text(); !strings.Contains(text, "10 recovery codes") {
		t.Errorf("the page says %q", text)
	}

	v := w.visitor()
	v.post("/login", fields("email", anna.Email, "password", password, "next", "/order")).wantRedirect("/login/second?next=%2Forder")
	if v.cookies[sessionCookie] != "" {
		t.Fatal("the password alone opens a session")
	}
	v.get("/servers").wantRedirect("/login?next=%2Fservers")
	second := v.get("/login/second?next=%2Forder").want(http.StatusOK)
	code := second.doc().Find("input[name=code]")
	if code.AttrOr("autocomplete", "") != "one-time-code" || code.AttrOr("inputmode", "") != "numeric" {
		t.Error("a phone does not help with the code")
	}
	wrong := v.post("/login/second", fields("code", "123456", "next", "/order")).want(http.StatusUnprocessableEntity)
	if strings.Contains(wrong.body, "123456") && wrong.doc().Find("input[value='123456']").Length() > 0 {
		t.Error("a wrong code is written back")
	}
	v.post("/login/second", fields("recovery", strings.ToUpper(codes[4]), "next", "/order")).wantRedirect("/order")
	v.get("/servers").want(http.StatusOK)
	if v.cookies[halfCookie] != "" {
		t.Error("the half login's cookie stays")
	}
	// The code for the next 30 seconds is right already: clocks differ.
	v = w.visitor()
	v.post("/login", fields("email", anna.Email, "password", password)).wantRedirect("/login/second")
	v.post("/login/second", fields("code", totptest.Code(t, secret, time.Now().Add(30*time.Second)))).wantRedirect("/servers")
	if strings.Contains(w.log.String(), codes[4]) || strings.Contains(w.log.String(), strings.ReplaceAll(secret, " ", "")) {
		t.Error("a secret is in the log")
	}
	last[controlplane.SecurityMail](w)
}

func TestSecondStepWithoutTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, cookie := range []string{"", strings.Repeat("A", 43), strings.Repeat("x", 5000), "' or 1=1 --"} {
		v := w.visitor()
		if cookie != "" {
			v.cookies[halfCookie] = cookie
		}
		for _, a := range []*answer{v.get("/login/second"), v.post("/login/second", fields("code", "123456"))} {
			a.want(http.StatusUnprocessableEntity).wantForm("/login")
			if a.doc().Find("[role=alert]").Length() == 0 {
				t.Error("nothing says why")
			}
		}
		if v.cookies[halfCookie] != "" {
			t.Error("the cookie stays")
		}
	}
}

func TestPasskeysThroughThePages(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	key := passkeytest.New(t, "https://"+testHost)
	b := s.as(s.anna)
	started := b.addsPasskey(key).want(http.StatusOK)
	if n := len(strings.Fields(started.doc().Find("#codes").Text())); n != 10 {
		t.Errorf("%d recovery codes", n)
	}
	file := started.doc().Find("a[download]").AttrOr("href", "")
	if text, err := url.PathUnescape(file); err != nil || !strings.Contains(text, strings.Fields(started.doc().Find("#codes").Text())[9]) {
		t.Errorf("the file to keep is %q", file)
	}
	b.addsPasskey(passkeytest.New(t, "https://evil.example")).want(http.StatusUnprocessableEntity)

	// Without a password,
	v := s.visitor()
	login := v.get("/login").doc().Find("input[name=email]").AttrOr("autocomplete", "")
	if login != "username webauthn" {
		t.Errorf("the field of the address offers %q", login)
	}
	v.uses(key, "/login?next=%2Forder", "/login/passkey", "/order").wantRedirect("/order")
	v.get("/servers").want(http.StatusOK)
	// after it,
	v = s.visitor()
	v.post("/login", fields("email", s.anna.Email, "password", password)).wantRedirect("/login/second")
	v.uses(key, "/login/second", "/login/second", "").wantRedirect("/servers")
	// and to prove that one is still there.
	wish := "/servers/" + string(s.server) + "/delete"
	s.age()
	v.get(wish).wantRedirect(reauthURL(wish))
	v.uses(key, reauthURL(wish), reauthPath, wish).wantRedirect(wish)
	v.get(wish).want(http.StatusOK)

	row := v.get("/account/two-step").doc().Find(`form[action$="/rename"]`)
	rename := row.AttrOr("action", "")
	v.post(rename, fields("name", "<b>Safe</b>")).wantRedirect("/account/two-step")
	if page := v.get("/account/two-step"); !strings.Contains(page.body, html.EscapeString("<b>Safe</b>")) {
		t.Error("the new name is not shown as it was typed")
	}
	v.post(rename, fields("name", "")).want(http.StatusUnprocessableEntity)
	s.as(s.ben).post(rename, fields("name", "mine")).want(http.StatusUnprocessableEntity)
	remove := strings.TrimSuffix(rename, "rename") + "remove"
	s.as(s.ben).post(remove, nil).want(http.StatusConflict)
	v.post(remove, nil).wantRedirect("/account/two-step")
	s.visitor().uses(key, "/login", "/login/passkey", "").want(http.StatusUnprocessableEntity)
}

// TestOperatorsNeedTwoStep: nothing opens before the second step is set up.
func TestOperatorsNeedTwoStep(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.OperatorsNeedTwoStep = true })
	b := s.as(s.olga)
	before := s.snapshot()
	for _, route := range s.routes() {
		if route.access != operator && route.access != member {
			continue
		}
		a := s.ask(b, route)
		led := a.status == http.StatusSeeOther && a.header.Get("Location") == twoStepPath
		if led != (route.method == get && route.nature&^fresh == page) || !led && a.status != http.StatusForbidden {
			t.Errorf("%s %s with a password alone: %d to %q", route.method, route.path, a.status, a.header.Get("Location"))
		}
	}
	if after := s.snapshot(); after != before {
		t.Errorf("rows changed: %s, before %s", after, before)
	}
	s.as(s.anna).get("/servers").want(http.StatusOK) // customers are free
	s.as(s.newcomer).get("/operator").wantRedirect("/operator/account")
	if page := b.get(twoStepPath).want(http.StatusOK); page.doc().Find(".note.tone-warn").Length() != 1 {
		t.Error("the page does not say why it is all there is")
	}
	b.addsApp()
	b.get("/operator").want(http.StatusOK)
}

func TestOperatorResetsTwoStep(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	customer := s.as(s.anna)
	customer.addsApp()
	b := s.as(s.olga)
	b.get("/operator/accounts?email=nobody@example.org").want(http.StatusUnprocessableEntity)
	b.get("/operator/accounts?email=olga@example.org").want(http.StatusUnprocessableEntity) // no customer
	b.get("/operator/accounts?email=Anna@example.org").wantRedirect("/operator/accounts/" + s.anna.ID)
	path := "/operator/accounts/" + s.anna.ID + "/two-step"
	if b.get("/operator/accounts/"+s.anna.ID).want(http.StatusOK).doc().Find(`a[href="`+path+`"]`).Length() != 1 {
		t.Error("the account's page does not lead to the reset")
	}
	b.get("/operator/accounts/" + s.newcomer.ID).want(http.StatusNotFound)
	b.get("/operator/accounts/x").want(http.StatusNotFound)
	b.get(path).want(http.StatusOK).wantForm(path)
	kept := b.post(path, fields("email", "ben@example.org", "note", "called back")).want(http.StatusUnprocessableEntity)
	if kept.doc().Find("input[name=note]").AttrOr("value", "") != "called back" {
		t.Error("the note is lost")
	}
	b.post(path, fields("email", "anna@example.org", "note", "called back")).wantRedirect("/operator/accounts/" + s.anna.ID)
	if m := last[controlplane.SecurityMail](s.world); m.Which != controlplane.SecurityReset || m.Email != "anna@example.org" {
		t.Errorf("the customer was told %+v", m)
	}
	customer.get("/servers").wantRedirect("/login?next=%2Fservers")
	customer.post("/login", fields("email", s.anna.Email, "password", password)).wantRedirect("/servers")
}

func TestChangeOfAddressThroughThePages(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.as(s.anna)
	b.get("/account/email").want(http.StatusOK)
	b.post("/account/email", fields("email", "nonsense")).want(http.StatusUnprocessableEntity)
	answers := map[string]string{}
	for _, name := range []string{"ben", "free"} {
		b.post("/account/email", fields("email", name+"@example.org")).wantRedirect("/account/email?sent=1")
		answers[name] = strings.ReplaceAll(b.get("/account/email?sent=1").want(http.StatusOK).body, name+"@", "NAME@")
	}
	if answers["ben"] != answers["free"] {
		t.Error("the pages tell who has an account")
	}
	token := last[controlplane.EmailChangeMail](s.world).Token
	v := s.visitor() // a phone, where the mail is read
	v.get("/email/confirm?token=unknown").want(http.StatusUnprocessableEntity)
	form := v.get("/email/confirm?token=" + token).want(http.StatusOK).wantForm("/email/confirm")
	if form.Find("input[name=token]").AttrOr("value", "") != token {
		t.Fatal("the form does not carry the token")
	}
	v.post("/email/confirm", fields("token", token)).want(http.StatusOK)
	v.post("/email/confirm", fields("token", token)).want(http.StatusUnprocessableEntity)
	v.post("/login", fields("email", "free@example.org", "password", password)).wantRedirect("/servers")

	// What the former address was told takes it back.
	undo := ""
	for _, m := range s.texts.sent {
		if told, ok := m.(controlplane.SecurityMail); ok && told.Undo != "" {
			undo = told.Undo
		}
	}
	v = s.visitor()
	v.get("/email/undo?token=unknown").want(http.StatusUnprocessableEntity)
	page := v.get("/email/undo?token=" + undo).want(http.StatusOK)
	if page.wantForm("/email/undo").Find("input[name=token]").AttrOr("value", "") != undo || !strings.Contains(page.body, "anna@example.org") {
		t.Fatal("the page does not say what it leads back to")
	}
	led := v.post("/email/undo", fields("token", undo)).header.Get("Location")
	if !strings.HasPrefix(led, "/password/reset?token=") {
		t.Fatalf("led to %q", led)
	}
	v.get(led).want(http.StatusOK).wantForm("/password/reset")
	v.post("/email/undo", fields("token", undo)).want(http.StatusUnprocessableEntity)
	b.get("/servers").wantRedirect("/login?next=%2Fservers")
	if strings.Contains(s.log.String(), undo) {
		t.Error("the secret is in the log")
	}
}
