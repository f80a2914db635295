package controlplane_test

import (
	"strings"
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

// undoFor gives the way back that was mailed to a former address.
func (p *people) undoFor(email string) string {
	p.t.Helper()
	text := strings.Fields(p.lastMail("email_changed de", email).Text)
	return text[len(text)-1]
}

// changes moves the account of a session to another address, from the request to the link.
func (p *people) changes(s controlplane.Session, email string) {
	p.t.Helper()
	p.exec(`delete from attempts`)
	p.must(p.RequestEmail(p.t.Context(), s, email))
	_, err := p.ChangeEmail(p.t.Context(), p.lastMail("controlplane.EmailChangeMail de", email).Text)
	p.must(err)
}

// TestTakenOverAccountComesBack: a thief at an open browser moves the account twice, sets a password, and keeps every link.
func TestTakenOverAccountComesBack(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	anna := p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	p.changes(s, "thief@example.org")
	undo := p.undoFor("anna@example.org")
	if text := p.lastMail("email_changed de", "thief@example.org").Text; strings.Contains(text, undo) {
		t.Fatal("the new address gets the way back too")
	}
	s.Account.Email = "thief@example.org"
	p.changes(s, "thief2@example.org")
	thiefs := p.undoFor("thief@example.org")
	p.must(p.ChangePassword(t.Context(), s, controlplane.PasswordChange{Old: goodPassword, New: otherPassword}))
	cookie, _ := p.session("thief2@example.org", otherPassword)
	reset := p.forgot("thief2@example.org")

	if email, err := p.CheckEmailUndo(t.Context(), undo); err != nil || email != "anna@example.org" {
		t.Errorf("the link leads back to %q, %v", email, err)
	}
	fresh, err := p.UndoEmail(t.Context(), undo, home)
	p.must(err)
	for _, to := range []string{"anna@example.org", "thief2@example.org"} {
		p.lastMail("email_restored de", to)
	}
	_, err = p.Authenticate(t.Context(), cookie)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
	_, err = p.logIn("anna@example.org", otherPassword, home)
	wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	wantFault(t, p.CheckReset(t.Context(), reset), tenant.Conflict, "token.used")
	for _, link := range []string{undo, thiefs} {
		_, err = p.UndoEmail(t.Context(), link, home)
		wantFault(t, err, tenant.Conflict, "token.used")
	}
	p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: fresh, Password: goodPassword, Address: home}))
	if _, back := p.session("anna@example.org", goodPassword); back.Account.ID != anna.ID {
		t.Error("the account is another one")
	}
	if p.audited("account.email_undo") != 1 {
		t.Error("it is not in the log")
	}
}

func TestWaysBackEnd(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	p.changes(s, "neu@example.org")
	undo := p.undoFor("anna@example.org")
	_, err := p.UndoEmail(t.Context(), "forged", home)
	wantFault(t, err, tenant.NotFound, "token.unknown")
	p.member("anna@example.org") // somebody else's by now, proven
	_, err = p.UndoEmail(t.Context(), undo, home)
	wantFault(t, err, tenant.Conflict, "email.taken")
	p.exec(`delete from accounts where email = 'anna@example.org'`)
	p.backdate("email_undos", "expires_at", controlplane.EmailUndoLifetime)
	_, err = p.UndoEmail(t.Context(), undo, home)
	wantFault(t, err, tenant.Conflict, "token.expired")
}
