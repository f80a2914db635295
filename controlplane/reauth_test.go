package controlplane_test

import (
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestReauthenticate(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	cookie, session := p.session("anna@example.org", goodPassword)
	if !session.Fresh() {
		t.Error("a login is no proof of being there")
	}
	again := func() controlplane.Session {
		t.Helper()
		s, err := p.Authenticate(t.Context(), cookie)
		p.must(err)
		return s
	}
	p.backdate("sessions", "reauthenticated_at", controlplane.ReauthLifetime-5*time.Second)
	if !again().Fresh() {
		t.Error("the proof ended too early")
	}
	p.backdate("sessions", "reauthenticated_at", 6*time.Second)
	if again().Fresh() {
		t.Fatal("the proof does not end")
	}
	wantFault(t, p.Reauthenticate(t.Context(), again(), controlplane.Proof{Password: otherPassword}), tenant.Invalid, "password.wrong")
	if again().Fresh() {
		t.Fatal("a wrong password proves something")
	}
	p.must(p.Reauthenticate(t.Context(), again(), controlplane.Proof{Password: goodPassword}))
	if !again().Fresh() || p.audited("account.reauthenticate") != 1 {
		t.Error("the proof was not noted")
	}
	if _, other := p.session("anna@example.org", goodPassword); other.ProvedAgo > time.Minute {
		t.Error("another login is not fresh")
	}
}

func TestReauthenticateIsLimitedAndEndsWithTheSession(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, session := p.session("anna@example.org", goodPassword)
	for range 10 {
		wantFault(t, p.Reauthenticate(t.Context(), session, controlplane.Proof{Password: otherPassword}), tenant.Invalid, "password.wrong")
	}
	wantFault(t, p.Reauthenticate(t.Context(), session, controlplane.Proof{Password: goodPassword}), tenant.TooMany, "password.too_many")
	p.backdate("attempts", "at", 16*time.Minute)
	p.must(p.EndSession(t.Context(), session.Account.ID, session.ID))
	wantFault(t, p.Reauthenticate(t.Context(), session, controlplane.Proof{Password: goodPassword}), tenant.Unauthenticated, "session.none")
}

// TestReauthenticateAsksForTheSecondStep: somebody at an open browser knows the password.
func TestReauthenticateAsksForTheSecondStep(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	now := time.Now()
	p.at(now)
	p.member("anna@example.org")
	cookie, session := p.session("anna@example.org", goodPassword)
	app, codes := p.addsApp(session)
	again := func() controlplane.Session {
		t.Helper()
		s, err := p.Authenticate(t.Context(), cookie)
		p.must(err)
		return s
	}
	try := func(code, recovery string) error {
		p.backdate("sessions", "reauthenticated_at", 11*time.Minute)
		return p.Reauthenticate(t.Context(), again(), controlplane.Proof{Password: goodPassword, Code: code, Recovery: recovery})
	}
	wantFault(t, try("", ""), tenant.Invalid, "code.wrong")
	wantFault(t, try("000000", ""), tenant.Invalid, "code.wrong")
	wantFault(t, try(app.code(now), ""), tenant.Invalid, "code.wrong") // it has confirmed the app
	wantFault(t, try("", "aaaa-aaaa-aaaa-aaaa"), tenant.Invalid, "recovery.wrong")
	if again().Fresh() {
		t.Fatal("the password alone is enough")
	}
	p.at(now.Add(time.Minute))
	p.must(try(app.code(now.Add(time.Minute)), ""))
	if !again().Fresh() {
		t.Error("the proof was not noted")
	}
	wantFault(t, try(app.code(now.Add(time.Minute)), ""), tenant.Invalid, "code.wrong")
	p.must(try("", codes[0]))
	p.lastMail("code_used de", "anna@example.org")
	wantFault(t, try("", codes[0]), tenant.Invalid, "recovery.wrong")
	for range 5 {
		wantFault(t, try("000000", ""), tenant.Invalid, "code.wrong")
	}
	wantFault(t, try("000000", ""), tenant.TooMany, "second.too_many")
	if n := p.count(`select count(*) from mails where subject like 'guessed %'`); n != 1 {
		t.Errorf("the owner was told %d times", n)
	}
	asked, err := p.AskProof(t.Context(), again())
	p.must(err)
	if !asked.App || !asked.Recovery || asked.Passkey != nil {
		t.Errorf("asked for %+v", asked)
	}
}
