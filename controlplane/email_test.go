package controlplane_test

import (
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestChangeOfAddress(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	wantFault(t, p.RequestEmail(t.Context(), s, "nonsense"), tenant.Invalid, "email.invalid")
	wantFault(t, p.RequestEmail(t.Context(), s, "ANNA@example.org"), tenant.Invalid, "email.same")
	p.must(p.RequestEmail(t.Context(), s, "first@example.org"))
	older := p.lastMail("controlplane.EmailChangeMail de", "first@example.org").Text
	p.must(p.RequestEmail(t.Context(), s, "Neu@example.org"))
	link := p.lastMail("controlplane.EmailChangeMail de", "Neu@example.org").Text
	_, err := p.ChangeEmail(t.Context(), older)
	wantFault(t, err, tenant.NotFound, "token.unknown")
	if email, err := p.CheckEmail(t.Context(), link); err != nil || email != "Neu@example.org" {
		t.Errorf("the link is about %q, %v", email, err)
	}
	if _, err := p.logIn("anna@example.org", goodPassword, home); err != nil {
		t.Error("the address changed before the link was used")
	}
	reset := p.forgot("anna@example.org")
	email, err := p.ChangeEmail(t.Context(), link)
	p.must(err)
	if email != "Neu@example.org" {
		t.Errorf("changed to %q", email)
	}
	for _, to := range []string{"anna@example.org", "Neu@example.org"} {
		p.lastMail("email_changed de", to)
	}
	if _, err := p.logIn("neu@example.org", goodPassword, home); err != nil {
		t.Error(err)
	}
	_, err = p.logIn("anna@example.org", goodPassword, home)
	wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	_, err = p.ChangeEmail(t.Context(), link)
	wantFault(t, err, tenant.Conflict, "token.used")
	// What lies in the old mailbox opens nothing.
	wantFault(t, p.CheckReset(t.Context(), reset), tenant.Conflict, "token.used")
	if n := p.count(`select count(*) from audit where action = 'account.email_change' and detail->>'before' = 'anna@example.org'`); n != 1 {
		t.Error("the change is not in the log")
	}
}

// TestTakenAddressLooksTheSame: the answer, the rows and the mails, less what the mail says.
func TestTakenAddressLooksTheSame(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	p.member("ben@example.org")
	p.signUp("waiting@example.org", goodPassword)
	_, s := p.session("anna@example.org", goodPassword)
	mails := p.count(`select count(*) from mails`)
	for _, email := range []string{"ben@example.org", "free@example.org", "waiting@example.org"} {
		p.must(p.RequestEmail(t.Context(), s, email))
		mails++
		if n := p.count(`select count(*) from mails`); n != mails {
			t.Errorf("%s: %d mails, want %d", email, n, mails)
		}
		if changes := p.count(`select count(*) from email_changes`); changes != 1 {
			t.Errorf("%s: %d rows", email, changes)
		}
	}
	p.lastMail("controlplane.EmailTakenMail de", "ben@example.org")
	// Who signed up for the address never proved it.
	_, err := p.ChangeEmail(t.Context(), p.lastMail("controlplane.EmailChangeMail de", "waiting@example.org").Text)
	p.must(err)
}

func TestAddressTakenMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	p.must(p.RequestEmail(t.Context(), s, "neu@example.org"))
	link := p.lastMail("controlplane.EmailChangeMail de", "neu@example.org").Text
	p.member("neu@example.org")
	_, err := p.ChangeEmail(t.Context(), link)
	wantFault(t, err, tenant.Conflict, "email.taken")
}

func TestLinksToAnAddressEnd(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	ask := func() string {
		t.Helper()
		p.exec(`delete from attempts`)
		p.must(p.RequestEmail(t.Context(), s, "neu@example.org"))
		return p.lastMail("controlplane.EmailChangeMail de", "neu@example.org").Text
	}
	link := ask()
	p.backdate("email_changes", "expires_at", 2*time.Hour)
	_, err := p.ChangeEmail(t.Context(), link)
	wantFault(t, err, tenant.Conflict, "token.expired")
	link = ask()
	p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: p.forgot("anna@example.org"), Password: otherPassword, Address: home}))
	_, err = p.ChangeEmail(t.Context(), link) // whoever took the account over asked for it
	wantFault(t, err, tenant.Conflict, "token.used")
	for range 4 { // with the one before
		p.must(p.RequestEmail(t.Context(), s, "neu@example.org"))
	}
	wantFault(t, p.RequestEmail(t.Context(), s, "neu@example.org"), tenant.TooMany, "mail.too_many")
}
