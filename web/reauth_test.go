package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hafen/internal/passkeytest"
	"hafen/internal/totptest"
)

// age makes all sessions as old as one that was left open.
func (w *world) age() {
	w.Helper()
	w.exec(`update sessions set reauthenticated_at = now() - interval '11 minutes'`)
}

// grave are addresses behind which something cannot be undone, or opens a way in. What is not fresh although its address says
// so is listed with the reason.
var grave = regexp.MustCompile(`/delete\b|/email\b|/two-step|/passkeys|/roles?\b|/colleagues|/erase\b|/members/:localpart/admin$`)

var graveAndNot = map[string]string{
	"GET /email/confirm":  "the link in the mail is the proof",
	"POST /email/confirm": "the link in the mail is the proof",
	"GET /email/undo":     "the link in the mail is the proof",
	"POST /email/undo":    "the link in the mail is the proof",
}

// TestGraveRoutesAskForFreshProof holds the table against the list above, and every fresh route against a session left open.
func TestGraveRoutesAskForFreshProof(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	fit := map[access]func() *browser{
		customer: func() *browser { return s.as(s.anna) },
		member:   func() *browser { return s.as(s.anna) }, setup: func() *browser { return s.as(s.olga) }, signed: func() *browser { return s.as(s.anna) },
		operator: func() *browser { return s.as(s.olga) },
	}
	for access := range needs {
		fit[access] = func() *browser { return s.as(s.anna) }
	}
	asked := 0
	for _, route := range s.routes() {
		name := route.method + " " + route.path
		if !route.nature.has(fresh) {
			if grave.MatchString(route.path) && graveAndNot[name] == "" {
				t.Errorf("%s does not ask for a fresh proof", name)
			}
			continue
		}
		asked++
		b := fit[route.access]()
		s.age()
		before := s.snapshot()
		got := s.ask(b, route)
		to, err := url.Parse(got.header.Get("Location"))
		if err != nil || got.status != http.StatusSeeOther || to.Path != reauthPath {
			t.Errorf("%s with a session left open: %d to %q", name, got.status, got.header.Get("Location"))
		}
		if next := to.Query().Get("next"); route.method == get && next != s.path(route, b) {
			t.Errorf("%s: the proof leads to %q", name, next)
		}
		if after := s.snapshot(); after != before {
			t.Errorf("%s with a session left open changed rows: %s, before %s", name, after, before)
		}
	}
	if asked < 2 {
		t.Error("no route asks")
	}
}

func TestReauthenticationGoesOn(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.as(s.anna)
	wish := "/servers/" + string(s.server) + "/delete"
	s.age()
	b.get(wish).wantRedirect(reauthURL(wish))
	form := b.get(reauthURL(wish)).want(http.StatusOK).wantForm(reauthPath)
	if next := form.Find("input[name=next]").AttrOr("value", ""); next != wish {
		t.Fatalf("the form leads to %q", next)
	}
	wrong := b.post(reauthPath, fields("password", "nicht dieses", "next", wish)).want(http.StatusUnprocessableEntity)
	if next := wrong.wantForm(reauthPath).Find("input[name=next]").AttrOr("value", ""); next != wish {
		t.Errorf("after a mistake the form leads to %q", next)
	}
	if strings.Contains(wrong.body, "nicht dieses") {
		t.Error("the password is written back")
	}
	b.post(reauthPath, fields("password", password, "next", wish)).wantRedirect(wish)
	b.get(wish).want(http.StatusOK)
	b.get(reauthURL(wish)).wantRedirect(wish) // nothing to ask
}

// TestReauthenticationAsksForTheSecondStep shows of the ways to prove it those that the account has.
func TestReauthenticationAsksForTheSecondStep(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	wish := "/servers/" + string(s.server) + "/delete"
	b := s.as(s.anna)
	secret, codes := b.addsApp()
	s.age()
	form := b.get(reauthURL(wish)).want(http.StatusOK).wantForm(reauthPath)
	for _, name := range []string{"password", "code", "recovery"} {
		if form.Find("input[name="+name+"]").Length() != 1 {
			t.Errorf("the form does not ask for the %s", name)
		}
	}
	wrong := b.post(reauthPath, fields("password", password, "next", wish)).want(http.StatusUnprocessableEntity)
	if wrong.doc().Find("#code-problem").Length() != 1 {
		t.Error("nothing says that a code is missing")
	}
	b.get(wish).wantRedirect(reauthURL(wish))
	b.post(reauthPath, fields("password", password, "code", totptest.Code(t, secret, time.Now().Add(30*time.Second)), "next", wish)).wantRedirect(wish)
	b.get(wish).want(http.StatusOK)
	s.age()
	b.post(reauthPath, fields("password", password, "recovery", codes[0], "next", wish)).wantRedirect(wish)

	key := passkeytest.New(t, "https://"+testHost)
	ben := s.as(s.ben)
	ben.addsPasskey(key).want(http.StatusOK)
	s.age()
	page := ben.get(reauthURL("/account/email")).want(http.StatusOK).doc()
	if page.Find("form input[name=recovery]").Length() != 1 || page.Find("form input[name=code]").Length() != 0 {
		t.Error("who has passkeys only is not asked for a recovery code beside the password")
	}
	s.exec(`update recovery_codes set used_at = now()`)
	if page = ben.get(reauthURL("/account/email")).doc(); page.Find("input[name=password]").Length() != 0 {
		t.Error("the password is asked for and leads nowhere")
	}
	ben.uses(key, reauthURL("/account/email"), reauthPath, "/account/email").wantRedirect("/account/email")
}

func TestReauthenticationLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, next := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "javascript:alert(1)", "", "/\t/evil.example"} {
		b := s.as(s.anna)
		s.age()
		b.post(reauthPath, fields("password", password, "next", next)).wantRedirect("/servers")
		b.get(reauthURL(next)).wantRedirect("/servers")
	}
}

// TestFormSentTooLate: a page left open sends its form; nothing happens, and the proof leads back to the page.
func TestFormSentTooLate(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.as(s.anna)
	wish := "/servers/" + string(s.server) + "/delete"
	b.get(wish).want(http.StatusOK)
	s.age()
	b.post(wish, fields("name", "werft."+testBase)).wantRedirect(reauthURL(wish))
	if n := s.count(`select count(*) from tenants where status = 'deleting'`); n != 0 {
		t.Error("the server is being deleted without a proof")
	}
	b.post(reauthPath, fields("password", password, "next", wish)).wantRedirect(wish)
	b.post(wish, fields("name", "werft."+testBase)).wantRedirect("/servers/" + string(s.server))
}
