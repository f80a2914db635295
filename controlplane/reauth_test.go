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
	wantFault(t, p.Reauthenticate(t.Context(), again(), otherPassword), tenant.Invalid, "password.wrong")
	if again().Fresh() {
		t.Fatal("a wrong password proves something")
	}
	p.must(p.Reauthenticate(t.Context(), again(), goodPassword))
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
		wantFault(t, p.Reauthenticate(t.Context(), session, otherPassword), tenant.Invalid, "password.wrong")
	}
	wantFault(t, p.Reauthenticate(t.Context(), session, goodPassword), tenant.TooMany, "password.too_many")
	p.backdate("attempts", "at", 16*time.Minute)
	p.must(p.EndSession(t.Context(), session.Account.ID, session.ID))
	wantFault(t, p.Reauthenticate(t.Context(), session, goodPassword), tenant.Unauthenticated, "session.none")
}
