package controlplane_test

import (
	"sync"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	cookie, _ := p.session("anna@example.org", goodPassword)
	older, link := p.forgot("anna@example.org"), p.forgot("anna@example.org")
	p.must(p.CheckReset(t.Context(), link))
	p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: link, Password: otherPassword, Address: "198.51.100.9"}))

	_, err := p.Authenticate(t.Context(), cookie)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
	_, err = p.logIn("anna@example.org", goodPassword, home)
	wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	p.session("anna@example.org", otherPassword)
	for _, spent := range []string{link, older} {
		again := controlplane.PasswordReset{Token: spent, Password: goodPassword, Address: home}
		wantFault(t, p.ResetPassword(t.Context(), again), tenant.Conflict, "token.used")
	}
	if told := p.lastMail("controlplane.PasswordChangedMail de", "anna@example.org"); told.Text != "198.51.100.9" {
		t.Errorf("told %q", told.Text)
	}
	if p.audited("account.password_reset") != 1 || p.audited("account.reset_sent") != 2 {
		t.Error("audit entries are missing")
	}
}

func TestForgotTellsNothingAboutAnAddress(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	rows := func() [3]int {
		return [3]int{
			p.count(`select count(*) from river_job where kind = 'account_mail'`), p.count(`select count(*) from mails`),
			p.count(`select count(*) from audit`),
		}
	}
	for _, email := range []string{"anna@example.org", "nobody@example.org"} {
		before, runs := rows(), p.hasher.runs.Load()
		p.must(p.ForgotPassword(t.Context(), email, "de", home))
		after := rows()
		if after != [3]int{before[0] + 1, before[1], before[2]} || p.hasher.runs.Load() != runs {
			t.Errorf("%s: rows %v before, %v after", email, before, after)
		}
	}
	before := len(p.mails())
	p.workAccountMails()
	if n := len(p.mails()) - before; n != 1 {
		t.Errorf("%d mails", n)
	}
	wantFault(t, p.ForgotPassword(t.Context(), "nonsense", "de", home), tenant.Invalid, "email.invalid")
}

// TestNoResetForAFormerAddress: the account moves between the job's look at it and the link.
func TestNoResetForAFormerAddress(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	anna := p.member("anna@example.org")
	p.exec(`update accounts set email = 'neu@example.org', email_key = 'neu@example.org'`)
	_, hash := controlplane.NewToken()
	before := len(p.mails())
	p.must(p.store.CreateReset(t.Context(), anna.ID, controlplane.Link{Hash: hash, Lifetime: controlplane.ResetLifetime}, controlplane.Mail{To: "anna@example.org"}))
	if n := p.count(`select count(*) from tokens where purpose = 'reset_password'`); n != 0 || len(p.mails()) != before {
		t.Error("the former address gets a link")
	}
}

func TestAResetProvesTheAddressToo(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	verify := p.signUp("anna@example.org", otherPassword)
	reset := controlplane.PasswordReset{Token: p.forgot("anna@example.org"), Password: goodPassword, Address: home}
	p.must(p.ResetPassword(t.Context(), reset))
	p.session("anna@example.org", goodPassword)
	_, err := p.VerifyEmail(t.Context(), verify) // would bring the password of the sign-up back
	wantFault(t, err, tenant.Conflict, "token.used")
}

func TestBadResets(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	verify := p.signUp("berta@example.org", goodPassword)
	link := p.forgot("anna@example.org")
	reset := func(token, password string) error {
		return p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: token, Password: password, Address: home})
	}
	wantFault(t, reset(link, "short"), tenant.Invalid, "password.short")
	wantFault(t, reset(verify, goodPassword), tenant.NotFound, "token.unknown") // of another purpose
	p.must(p.CheckReset(t.Context(), link))                                     // a refused password does not use it up
	p.exec(`update tokens set expires_at = now()`)
	wantFault(t, reset(link, otherPassword), tenant.Conflict, "token.expired")
	wantFault(t, p.CheckReset(t.Context(), link), tenant.Conflict, "token.expired")
	p.session("anna@example.org", goodPassword)
}

func TestTwoResetsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	link := p.forgot("anna@example.org")
	passwords := []string{goodPassword + "1", goodPassword + "2", goodPassword + "3"}
	errs := make([]error, len(passwords))
	var all sync.WaitGroup
	for i := range passwords {
		all.Go(func() {
			errs[i] = p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: link, Password: passwords[i], Address: home})
		})
	}
	all.Wait()
	won := 0
	for i, err := range errs {
		_, loginErr := p.logIn("anna@example.org", passwords[i], home)
		switch {
		case err == nil && loginErr == nil:
			won++
		case err == nil || loginErr == nil:
			t.Errorf("reset said %v, login %v", err, loginErr)
		default:
			wantFault(t, err, tenant.Conflict, "token.used")
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	here, session := p.session("anna@example.org", goodPassword)
	there, _ := p.session("anna@example.org", goodPassword)
	link := p.forgot("anna@example.org")
	change := func(old, fresh string) error {
		return p.ChangePassword(t.Context(), session, controlplane.PasswordChange{Old: old, New: fresh})
	}
	wantFault(t, change(otherPassword, "noch ein langes Kennwort"), tenant.Invalid, "password.wrong")
	wantFault(t, change(goodPassword, goodPassword), tenant.Invalid, "password.same")
	wantFault(t, change(goodPassword, "short"), tenant.Invalid, "password.short")
	p.must(change(goodPassword, otherPassword))

	if _, err := p.Authenticate(t.Context(), here); err != nil {
		t.Errorf("the session it was changed in: %v", err)
	}
	_, err := p.Authenticate(t.Context(), there)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
	wantFault(t, p.CheckReset(t.Context(), link), tenant.Conflict, "token.used")
	p.lastMail("controlplane.PasswordChangedMail de", "anna@example.org")
	p.session("anna@example.org", otherPassword)
	if p.audited("account.password_change") != 1 {
		t.Error("no audit entry")
	}
}

func TestGuessingTheOldPasswordIsLimited(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, session := p.session("anna@example.org", goodPassword)
	for range 10 {
		err := p.ChangePassword(t.Context(), session, controlplane.PasswordChange{Old: otherPassword, New: goodPassword})
		wantFault(t, err, tenant.Invalid, "password.wrong")
	}
	err := p.ChangePassword(t.Context(), session, controlplane.PasswordChange{Old: goodPassword, New: otherPassword})
	wantFault(t, err, tenant.TooMany, "password.too_many")
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	account := p.member("anna@example.org")
	wantFault(t, p.SetLanguage(t.Context(), account.ID, "fr"), tenant.Invalid, "language.unknown")
	p.must(p.SetLanguage(t.Context(), account.ID, "en"))
	_, session := p.session("anna@example.org", goodPassword)
	if session.Account.Language != "en" {
		t.Errorf("language %q", session.Account.Language)
	}
}

func TestComposedAndDecomposedLettersAreTheSame(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	composed, decomposed := "Möwengeschrei über Föhr", "Mo\u0308wengeschrei u\u0308ber Fo\u0308hr"
	_, err := p.VerifyEmail(t.Context(), p.signUp("anna@example.org", composed))
	p.must(err)
	p.session("anna@example.org", decomposed)
}
