package web

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"hafen/controlplane"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// TestWalk goes from the front page to a server of one's own, by the forms as they are in the pages.
func TestWalk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.visitor()
	b.get("/").want(http.StatusOK)
	b.get("/signup?plan=basic").want(http.StatusOK).wantForm("/signup")
	b.post("/signup", fields("email", "anna@example.org", "password", password, "plan", "basic")).wantRedirect("/signup/sent")
	if sent := b.get("/signup/sent").want(http.StatusOK); !strings.Contains(sent.body, "anna@example.org") {
		t.Error("the page does not say where the mail went")
	}
	b.post("/login", fields("email", "anna@example.org", "password", password)).want(http.StatusUnprocessableEntity) // not verified
	token := last[controlplane.VerifyMail](w).Token
	for range 3 { // a mail scanner looks, and looks again
		form := b.get("/verify?token=" + token).want(http.StatusOK).wantForm("/verify")
		if got, _ := form.Find(`input[name=token]`).Attr("value"); got != token {
			t.Fatalf("the form carries %q", got)
		}
	}
	verified := b.post("/verify", fields("token", token)).want(http.StatusOK)
	login := verified.doc().Find(`main a[href^="/login"]`).AttrOr("href", "")
	if login != "/login?next=%2Forder%3Fplan%3Dbasic" {
		t.Fatalf("the way on is %q: the plan is forgotten", login)
	}
	b.post("/verify", fields("token", token)).want(http.StatusUnprocessableEntity) // single use
	next := b.get(login).want(http.StatusOK).doc().Find(`input[name=next]`).AttrOr("value", "")
	b.post("/login", fields("email", "anna@example.org", "password", password, "next", next)).wantRedirect("/order?plan=basic")

	b.get("/order?plan=basic").want(http.StatusOK)
	b.get("/order/name?plan=basic").want(http.StatusOK).wantForm("/order/name")
	confirm := b.post("/order/name", fields("plan", "basic", "kind", "subdomain", "name", "Werft", "localpart", "anna")).want(http.StatusSeeOther).header.Get("Location")
	page := b.get(confirm).want(http.StatusOK)
	form := page.wantForm("/order")
	if !strings.Contains(page.body, "werft.hafen.test") || !strings.Contains(page.body, "@anna:werft.hafen.test") {
		t.Error("the last page does not name server and first account")
	}
	keepsNames(t, b.get(form.Find(`a[href^="/order/name?"]`).AttrOr("href", "")).want(http.StatusOK).doc())
	values := values(form)
	without := maps.Clone(values)
	delete(without, "terms")
	b.post("/order", without).want(http.StatusUnprocessableEntity)
	if n := w.count(`select count(*) from tenants`); n != 0 {
		t.Fatal("a server was ordered without agreeing to the terms")
	}
	server := b.post("/order", values).want(http.StatusSeeOther).header.Get("Location")
	progress := b.get(server).want(http.StatusOK)
	if connect := progress.doc().Find("[sse-connect]").AttrOr("sse-connect", ""); connect != server+"/events?view=provisioning" {
		t.Errorf("the page listens to %q", connect)
	}
	if old := "remove_container"; strings.Contains(progress.body, i18n.For("de").Coded("step", old, nil)) {
		t.Errorf("a new server begins with %s", old)
	}
	id, err := tenant.ParseID(strings.TrimPrefix(server, "/servers/"))
	w.must(err)
	w.provision(id)
	b.get(server).want(http.StatusOK).doc().Find(`a[href="` + server + `/members"]`)
	b.get(server + "/members").want(http.StatusOK).wantForm(server + "/members")
	w.work()
	ready := b.get(server + "/ready").want(http.StatusOK)
	ready.wantForm(server + "/admin-link")
	if strings.Contains(ready.body, "/set-password?token=") {
		t.Error("a link is there before anybody asked")
	}
	if to := b.post(server+"/admin-link", fields("go", "yes")).want(http.StatusSeeOther).header.Get("Location"); !strings.HasPrefix(to, "/set-password?token=") {
		t.Errorf("who wants to set the password at once comes to %s", to)
	}
	made := b.post(server+"/admin-link", nil).want(http.StatusOK)
	_, rest, found := strings.Cut(made.body, "https://hafen.test/set-password?token=")
	if !found {
		t.Fatalf("no link in:\n%s", made.body)
	}
	link, _, _ := strings.Cut(rest, `"`)
	link, _, _ = strings.Cut(link, `<`)
	w.setsOwnPassword(link)
}

// values is a form as it stands, with its boxes ticked.
func values(form *goquery.Selection) url.Values {
	filled := url.Values{}
	form.Find("input").Each(func(_ int, node *goquery.Selection) {
		filled.Set(node.AttrOr("name", ""), node.AttrOr("value", "on"))
	})
	return filled
}

// keepsNames: one step back in the order, what was typed is still there.
func keepsNames(t *testing.T, page *goquery.Document) {
	t.Helper()
	if name, first := page.Find("#name").AttrOr("value", ""), page.Find("#localpart").AttrOr("value", ""); name != "Werft" || first != "anna" {
		t.Errorf("one step back, the names are %q and %q", name, first)
	}
}

// setsOwnPassword is the first member behind their link.
func (w *world) setsOwnPassword(token string) {
	w.Helper()
	m := w.visitor()
	form := m.get("/set-password?token=" + token).want(http.StatusOK).wantForm("/set-password")
	if form.Find(`input[name=token]`).AttrOr("value", "") != token {
		w.Fatal("the form does not carry the token")
	}
	m.post("/set-password", fields("token", token, "password", "short")).want(http.StatusUnprocessableEntity).wantForm("/set-password")
	done := m.post("/set-password", fields("token", token, "password", "long enough for a member")).want(http.StatusOK)
	if !strings.Contains(done.body, "@anna:werft.hafen.test") {
		w.Error("the page does not say how to log in")
	}
	m.post("/set-password", fields("token", token, "password", "another long password")).want(http.StatusUnprocessableEntity)
	m.get("/set-password?token=" + token).want(http.StatusUnprocessableEntity)
	m.get("/set-password?token=unknown").want(http.StatusUnprocessableEntity)
}

// TestSignUpTellsNothing: the answer to a known address is that to a new one, byte for byte.
func TestSignUpTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("known@example.org", aCustomer)
	answers := map[string]string{}
	for _, name := range []string{"known", "fresh"} {
		b := w.visitor()
		b.post("/signup", fields("email", name+"@example.org", "password", password)).wantRedirect("/signup/sent")
		sent := b.get("/signup/sent").want(http.StatusOK)
		b.post("/password/forgot", fields("email", name+"@example.org")).wantRedirect("/password/forgot?sent=1")
		forgot := b.get("/password/forgot?sent=1").want(http.StatusOK)
		wrong := b.post("/login", fields("email", name+"@example.org", "password", "not "+password)).want(http.StatusUnprocessableEntity)
		text := sent.body + forgot.body + wrong.withoutChallenge()
		answers[name] = strings.ReplaceAll(text, name+"@", "NAME@")
	}
	if answers["known"] != answers["fresh"] {
		t.Error("the pages differ")
	}
}

func TestSignUpMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range [][2]string{
		{"", password},
		{"anna", password},
		{"anna@", password},
		{"anna@example.org", ""},
		{"anna@example.org", "short"},
		{"anna@example.org", "passwordpassword"},
		{strings.Repeat("a", 300) + "@example.org", password},
	} {
		for _, language := range []string{"de", "en"} {
			b := w.visitor()
			b.language = language
			got := b.post("/signup", fields("email", row[0], "password", row[1])).want(http.StatusUnprocessableEntity)
			form := got.wantForm("/signup")
			if form.Find(`input[name=email]`).AttrOr("value", "") != row[0] {
				t.Errorf("%q is not in the form any more", row[0])
			}
			if value := form.Find(`input[name=password]`).AttrOr("value", ""); value != "" {
				t.Error("the password comes back")
			}
			if got.doc().Find(`[aria-invalid=true]`).Length() == 0 {
				t.Errorf("%q, %q: nothing is marked as wrong", row[0], row[1])
			}
		}
	}
	if n := w.count(`select count(*) from accounts`); n != 0 {
		t.Errorf("%d accounts were made", n)
	}
}

func TestPasswordReset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna := w.account("anna@example.org", aCustomer)
	elsewhere := w.as(anna)
	b := w.visitor()
	b.post("/password/forgot", fields("email", "anna@example.org")).wantRedirect("/password/forgot?sent=1")
	token := w.resetToken(anna)
	for range 2 {
		b.get("/password/reset?token=" + token).want(http.StatusOK).wantForm("/password/reset")
	}
	b.get("/password/reset?token=unknown").want(http.StatusUnprocessableEntity)
	b.post("/password/reset", fields("token", token, "password", "short")).want(http.StatusUnprocessableEntity).wantForm("/password/reset")
	b.post("/password/reset", fields("token", token, "password", "a new and long password")).wantRedirect("/login")
	b.post("/password/reset", fields("token", token, "password", "a newer and longer password")).want(http.StatusUnprocessableEntity)
	elsewhere.get("/servers").wantRedirect("/login?next=%2Fservers") // all sessions are over
	b.post("/login", fields("email", "anna@example.org", "password", password)).want(http.StatusUnprocessableEntity)
	b.post("/login", fields("email", "anna@example.org", "password", "a new and long password")).wantRedirect("/servers")
}

// resetToken makes a link as the job behind the form does, which runs in another process.
func (w *world) resetToken(a controlplane.Account) string {
	w.Helper()
	token := strings.Repeat("r", 43)
	w.exec(`insert into tokens (hash, purpose, account_id, expires_at) values (sha256($1), 'reset_password', $2, now() + interval '1 hour')`, []byte(token), a.ID)
	return token
}

func TestOwnSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, ben := w.account("anna@example.org", aCustomer), w.account("ben@example.org", aCustomer)
	here, there, third, foreign := w.as(anna), w.as(anna), w.as(anna), w.as(ben)
	page := here.get("/account").want(http.StatusOK)
	for _, b := range []*browser{there, third} {
		page.wantForm("/account/sessions/" + b.session + "/end")
	}
	if strings.Contains(page.body, foreign.session) {
		t.Error("somebody else's session is listed")
	}
	here.post("/account/sessions/"+there.session+"/end", nil).wantRedirect("/account")
	there.get("/account").want(http.StatusSeeOther)
	here.post("/account/sessions/"+foreign.session+"/end", nil).want(http.StatusNotFound)
	here.post("/account/sessions/not-an-id/end", nil).want(http.StatusNotFound)
	foreign.get("/account").want(http.StatusOK)
	here.post("/account/sessions/end-others", nil).wantRedirect("/account")
	third.get("/account").want(http.StatusSeeOther)
	here.post("/account/password", fields("current", "wrong", "password", "a new and long password")).want(http.StatusUnprocessableEntity)
	here.post("/account/password", fields("current", password, "password", "a new and long password")).wantRedirect("/account")
	here.post("/logout", nil).wantRedirect("/")
	if here.cookies[sessionCookie] != "" {
		t.Error("the cookie stays after logging out")
	}
	here.get("/account").wantRedirect("/login?next=%2Faccount")
}

func TestOneTimePassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("neu@example.org", aNewAdmin)
	b := w.visitor()
	b.post("/login", fields("email", "neu@example.org", "password", password, "next", "/operator/audit")).wantRedirect("/operator/account")
	b.get("/operator").wantRedirect("/operator/account")
	b.get("/operator/account").want(http.StatusOK).wantForm("/operator/account")
	b.post("/operator/account", fields("current", password, "password", password)).want(http.StatusUnprocessableEntity)
	b.post("/operator/account", fields("current", password, "password", "a new and long password")).wantRedirect("/operator")
	b.get("/operator").want(http.StatusOK)
}
