package controlplane_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestSignUpToLogIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	link := p.signUp("Anna@example.org", goodPassword)
	_, err := p.logIn("anna@example.org", goodPassword, home)
	wantFault(t, err, tenant.Forbidden, "login.unverified")

	p.must(p.CheckVerification(t.Context(), link))
	account, err := p.VerifyEmail(t.Context(), link)
	p.must(err)
	if account.Email != "Anna@example.org" || !account.Verified || account.Language != "de" || account.Operator || account.MustChange {
		t.Errorf("account %+v", account)
	}
	in, err := p.logIn(" ANNA@example.ORG ", goodPassword, home)
	p.must(err)
	if in.Account.ID != account.ID {
		t.Errorf("logged in as %+v", in.Account)
	}
	for _, action := range []string{"account.signup", "account.verify", "account.login"} {
		if p.audited(action) != 1 {
			t.Errorf("%d audit entries %s", p.audited(action), action)
		}
	}
}

func TestALinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	link := p.signUp("anna@example.org", goodPassword)
	var all sync.WaitGroup
	var won, used int
	var mu sync.Mutex
	for range 8 {
		all.Go(func() {
			_, err := p.VerifyEmail(t.Context(), link)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case tenant.FaultOf(err).Code == "token.used":
				used++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won != 1 || used != 7 {
		t.Errorf("%d won, %d found it used", won, used)
	}
	wantFault(t, p.CheckVerification(t.Context(), link), tenant.Conflict, "token.used")
}

func TestBadLinks(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("berta@example.org")
	reset := p.forgot("berta@example.org")
	expired := p.signUp("anna@example.org", goodPassword)
	p.exec(`update tokens set expires_at = now() where purpose = 'verify_email'`)
	for link, want := range map[string]tenant.Fault{
		expired:                    {Kind: tenant.Conflict, Code: "token.expired"},
		reset:                      {Kind: tenant.NotFound, Code: "token.unknown"}, // of another purpose
		"":                         {Kind: tenant.NotFound, Code: "token.unknown"},
		"nonsense\x00\xff":         {Kind: tenant.NotFound, Code: "token.unknown"},
		strings.Repeat("a", 10000): {Kind: tenant.NotFound, Code: "token.unknown"},
	} {
		_, err := p.VerifyEmail(t.Context(), link)
		wantFault(t, err, want.Kind, want.Code)
		wantFault(t, p.CheckVerification(t.Context(), link), want.Kind, want.Code)
	}
}

func TestSignUpTellsNothingAboutAnAddress(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	for _, email := range []string{"anna@example.org", "ANNA@EXAMPLE.ORG", "new@example.org"} {
		before := p.hasher.runs.Load()
		p.must(p.SignUp(t.Context(), controlplane.SignUp{Email: email, Password: otherPassword, Language: "en", Address: home}))
		if work := p.hasher.runs.Load() - before; work != 1 {
			t.Errorf("%s: the slow function ran %d times", email, work)
		}
	}
	// The owner is told, in their own language, and their password stays.
	p.lastMail("controlplane.KnownAddressMail de", "anna@example.org")
	p.session("anna@example.org", goodPassword)
}

// Signing up and logging in at once must not tell either.
func TestASignUpForAKnownAddressLogsInLikeANewOne(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	for _, email := range []string{"anna@example.org", "new@example.org"} {
		p.must(p.SignUp(t.Context(), controlplane.SignUp{Email: email, Password: otherPassword, Address: "198.51.100.1"}))
		runs, mails := p.hasher.runs.Load(), len(p.mails())
		_, err := p.logIn(email, otherPassword, "198.51.100.1")
		wantFault(t, err, tenant.Forbidden, "login.unverified")
		if work, sent := p.hasher.runs.Load()-runs, len(p.mails())-mails; work != 2 || sent != 1 {
			t.Errorf("%s: the slow function ran %d times, %d mails", email, work, sent)
		}
		_, err = p.logIn(email, otherPassword+"!", "198.51.100.1")
		wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	}
	p.session("anna@example.org", goodPassword)
}

// A stranger who signs up with somebody's address must not get an account that its owner proves.
func TestALinkBringsThePasswordItWasSentFor(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	owners := p.signUp("anna@example.org", goodPassword)
	strangers := p.signUp("anna@example.org", otherPassword)
	_, err := p.VerifyEmail(t.Context(), owners)
	p.must(err)
	if _, err := p.logIn("anna@example.org", goodPassword, home); err != nil {
		t.Errorf("the owner's password: %v", err)
	}
	_, err = p.logIn("anna@example.org", otherPassword, "198.51.100.1")
	wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	_, err = p.VerifyEmail(t.Context(), strangers)
	wantFault(t, err, tenant.Conflict, "token.used")
	if _, err := p.logIn("anna@example.org", goodPassword, home); err != nil {
		t.Errorf("after the stranger's link: %v", err)
	}
}

func TestTwoLinksAtOnceVerifyOnce(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	links := []string{p.signUp("anna@example.org", goodPassword), p.signUp("anna@example.org", otherPassword)}
	errs := make([]error, 2)
	var all sync.WaitGroup
	for i := range links {
		all.Go(func() { _, errs[i] = p.VerifyEmail(t.Context(), links[i]) })
	}
	all.Wait()
	winner, loser := 0, 1
	if errs[0] != nil {
		winner, loser = 1, 0
	}
	p.must(errs[winner])
	wantFault(t, errs[loser], tenant.Conflict, "token.used")
	if _, err := p.logIn("anna@example.org", []string{goodPassword, otherPassword}[winner], home); err != nil {
		t.Error(err)
	}
}

func TestSignUpAtOnceMakesOneAccount(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			email := []string{"anna@example.org", "Anna@example.org"}[i%2]
			if err := p.SignUp(t.Context(), controlplane.SignUp{Email: email, Password: goodPassword, Address: home}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := p.count(`select count(*) from accounts`); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

func TestResendVerification(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	first := p.signUp("anna@example.org", goodPassword)
	p.member("done@example.org")
	before := len(p.mails())
	for _, email := range []string{"anna@example.org", "done@example.org", "nobody@example.org"} {
		runs := p.hasher.runs.Load()
		p.must(p.ResendVerification(t.Context(), email, "en", home))
		if p.hasher.runs.Load() != runs || len(p.mails()) != before {
			t.Errorf("%s: the request did more than record a job", email)
		}
	}
	p.workAccountMails()
	if n := len(p.mails()) - before; n != 1 {
		t.Fatalf("%d mails, want one for the account that waits", n)
	}
	second := p.lastMail("controlplane.VerifyMail de", "anna@example.org").Text
	if second == first {
		t.Error("the same link again")
	}
	_, err := p.VerifyEmail(t.Context(), second)
	p.must(err)
	if _, err := p.logIn("anna@example.org", goodPassword, home); err != nil {
		t.Error(err)
	}
}

func TestAMailboxIsNotFilled(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	before := len(p.mails())
	for range 10 {
		p.must(p.SignUp(t.Context(), controlplane.SignUp{Email: "anna@example.org", Password: goodPassword, Address: "198.51.100.1"}))
		p.must(p.ForgotPassword(t.Context(), "anna@example.org", "de", "198.51.100.1"))
	}
	p.workAccountMails()
	if n := len(p.mails()) - before; n != 4 {
		t.Errorf("%d mails from one network within an hour", n)
	}
	// Somebody else can still ask.
	p.forgot("anna@example.org")
}

func TestSignUpsOfANetworkAreLimited(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	try := func(address string) error {
		return p.SignUp(t.Context(), controlplane.SignUp{Email: "a@example.org", Password: goodPassword, Address: address})
	}
	for range 20 {
		p.must(try("2001:db8::1"))
	}
	err := try("2001:db8::2") // the same customer's next address
	wantFault(t, err, tenant.TooMany, "signup.too_many")
	if minutes := tenant.FaultOf(err).Params["minutes"]; minutes != "60" {
		t.Errorf("wait %q minutes", minutes)
	}
	p.must(try("2001:db8:0:1::1"))
	p.backdate("attempts", "at", time.Hour)
	p.must(try("2001:db8::1"))
}

func TestBadSignUps(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	for email, code := range map[string]string{
		"":                                       "email.invalid",
		"anna":                                   "email.invalid",
		"anna@":                                  "email.invalid",
		"@example.org":                           "email.invalid",
		"anna@localhost":                         "email.invalid",
		"anna@192.0.2.1":                         "email.invalid",
		"anna@[192.0.2.1]":                       "email.invalid",
		"Anna <anna@example.org>":                "email.invalid",
		"anna@example.org, b@x.org":              "email.invalid",
		"\"an na\"@example.org":                  "email.invalid",
		"anna\r\nBcc: x@example.org":             "email.invalid",
		"anna@exa\x00mple.org":                   "email.invalid",
		"änna@example.org":                       "email.invalid",
		strings.Repeat("a", 65) + "@example.org": "email.invalid",
		"anna@" + strings.Repeat("a.", 125) + "example.org": "email.invalid",
	} {
		err := p.SignUp(t.Context(), controlplane.SignUp{Email: email, Password: goodPassword, Address: home})
		wantFault(t, err, tenant.Invalid, code)
		if tenant.FaultOf(err).Field != "email" {
			t.Errorf("field %q", tenant.FaultOf(err).Field)
		}
	}
	if n := p.count(`select (select count(*) from accounts) + (select count(*) from mails) + (select count(*) from tokens)`); n != 0 {
		t.Errorf("%d rows half made", n)
	}
}

func TestAnAddressWithUmlautsBecomesItsASCIIForm(t *testing.T) {
	t.Parallel()
	got, err := controlplane.ParseEmail("anna.b+hafen@Bücher.example")
	if err != nil || got != "anna.b+hafen@xn--bcher-kva.example" {
		t.Errorf("%q, %v", got, err)
	}
}
