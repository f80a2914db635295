package controlplane_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestLogInTellsNothingAboutAnAddress(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	p.signUp("waiting@example.org", goodPassword)
	for i, email := range []string{"anna@example.org", "waiting@example.org", "nobody@example.org", "no address", "\x00", ""} {
		before := p.hasher.runs.Load()
		_, err := p.logIn(email, otherPassword, fmt.Sprintf("192.0.2.%d", i))
		wantFault(t, err, tenant.Unauthenticated, "login.wrong")
		if work := p.hasher.runs.Load() - before; work != 2 {
			t.Errorf("%q: the slow function ran %d times", email, work)
		}
		if noted := p.audited("account.login_failed"); noted != i+1 {
			t.Errorf("%q: %d audit entries", email, noted)
		}
	}
	if n := p.count(`select count(*) from audit where actor like 'nobody%' or actor like 'no address%'`); n != 0 {
		t.Error("what was typed for an unknown address is in the audit log")
	}
}

func TestUnverifiedIsToldOnlyToTheOneWithThePassword(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	first := p.signUp("anna@example.org", goodPassword)
	_, err := p.logIn("anna@example.org", goodPassword, home)
	wantFault(t, err, tenant.Forbidden, "login.unverified")
	fresh := p.lastMail("controlplane.VerifyMail de", "anna@example.org").Text
	if fresh == first {
		t.Fatal("no fresh mail")
	}
	_, err = p.VerifyEmail(t.Context(), fresh)
	p.must(err)
	p.session("anna@example.org", goodPassword)
}

func TestGuessingIsLimitedWithoutLockingTheOwnerOut(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	p.session("anna@example.org", goodPassword) // from home

	const stranger = "198.51.100.1"
	for range 5 {
		_, err := p.logIn("anna@example.org", otherPassword, stranger)
		wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	}
	before := p.hasher.runs.Load()
	_, err := p.logIn("anna@example.org", goodPassword, stranger)
	wantFault(t, err, tenant.TooMany, "login.too_many")
	if p.hasher.runs.Load() != before {
		t.Error("a refused attempt still costs a hash")
	}
	if minutes := tenant.FaultOf(err).Params["minutes"]; minutes != "15" {
		t.Errorf("wait %q minutes", minutes)
	}
	// From many networks, until the account's own limit.
	for i := range 95 {
		_, err := p.logIn("anna@example.org", otherPassword, fmt.Sprintf("203.0.113.%d", i))
		wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	}
	_, err = p.logIn("anna@example.org", otherPassword, "203.0.113.200")
	wantFault(t, err, tenant.TooMany, "login.too_many")

	// The owner still gets in where they have been before,
	p.session("anna@example.org", goodPassword)
	// and after a new password by mail also elsewhere,
	const hotel = "203.0.113.201"
	p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{
		Token: p.forgot("anna@example.org"), Password: otherPassword, Address: hotel,
	}))
	if _, err := p.logIn("anna@example.org", otherPassword, hotel); err != nil {
		t.Error(err)
	}
	// and an attempt that was refused by the limit was not counted, so the limit ends.
	p.backdate("attempts", "at", 15*time.Minute)
	if _, err := p.logIn("anna@example.org", otherPassword, stranger); err != nil {
		t.Error(err)
	}
}

func TestALimitedUnknownAddressLooksTheSame(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	for _, email := range []string{"anna@example.org", "nobody@example.org"} {
		for range 5 {
			_, err := p.logIn(email, otherPassword, "198.51.100.1")
			wantFault(t, err, tenant.Unauthenticated, "login.wrong")
		}
		_, err := p.logIn(email, otherPassword, "198.51.100.1")
		wantFault(t, err, tenant.TooMany, "login.too_many")
	}
}

func TestGuessesAtOnceDoNotSlipThrough(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	var tried atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := p.logIn("anna@example.org", otherPassword, home); tenant.FaultOf(err).Code == "login.wrong" {
				tried.Add(1)
			}
		})
	}
	all.Wait()
	if tried.Load() != 5 {
		t.Errorf("%d guesses of 20 at once, want 5", tried.Load())
	}
}

func TestManyPeopleBehindOneAddress(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	for range 60 { // more than the network's limit of failures
		if _, err := p.logIn("anna@example.org", goodPassword, home); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		_, err := p.logIn("guess"+strconv.Itoa(i)+"@example.org", otherPassword, home)
		wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	}
	_, err := p.logIn("another@example.org", otherPassword, home)
	wantFault(t, err, tenant.TooMany, "login.too_many")
}

func TestSessionsOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	anna := p.member("anna@example.org")
	p.member("berta@example.org")
	bertas, _ := p.session("berta@example.org", goodPassword)
	p.backdate("sessions", "seen_at", 24*time.Hour)
	unused, _ := p.session("anna@example.org", goodPassword)
	p.backdate("sessions", "seen_at", time.Hour)
	inUse, _ := p.session("anna@example.org", goodPassword)
	p.backdate("sessions", "seen_at", time.Second)
	var all sync.WaitGroup
	for range controlplane.MostSessions - 1 {
		all.Go(func() {
			if _, err := p.logIn("anna@example.org", goodPassword, home); err != nil && tenant.FaultOf(err).Code != "login.too_many" {
				t.Error(err)
			}
		})
	}
	all.Wait()
	p.exec(`delete from attempts`) // logins under way at once count until they are in
	for p.count(`select count(*) from audit where action = 'account.login' and actor = 'anna@example.org'`) <= controlplane.MostSessions {
		_, err := p.logIn("anna@example.org", goodPassword, home)
		p.must(err)
	}
	if n := p.count(`select count(*) from sessions where account_id = $1`, anna.ID); n != controlplane.MostSessions {
		t.Errorf("%d sessions", n)
	}
	for name, cookie := range map[string]string{"in use": inUse, "somebody else's": bertas} {
		if _, err := p.Authenticate(t.Context(), cookie); err != nil {
			t.Errorf("the session %s: %v", name, err)
		}
	}
	_, err := p.Authenticate(t.Context(), unused)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	cookie, session := p.session("anna@example.org", goodPassword)
	if session.Account.Email != "anna@example.org" || session.UserAgent != "Firefox" || session.Address != home {
		t.Errorf("session %+v", session)
	}
	if n := p.count(`select count(*) from sessions where encode(token_hash, 'escape') like '%' || $1 || '%'`, cookie); n != 0 {
		t.Error("the cookie is kept as it is")
	}
	for _, forged := range []string{"", "x", cookie + "x", cookie[1:], session.ID, string(make([]byte, 5000))} {
		_, err := p.Authenticate(t.Context(), forged)
		wantFault(t, err, tenant.Unauthenticated, "session.none")
	}
}

func TestASessionIsTouchedAtMostEveryMinute(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	cookie, first := p.session("anna@example.org", goodPassword)
	again, err := p.Authenticate(t.Context(), cookie)
	p.must(err)
	if !again.SeenAt.Equal(first.SeenAt) || !again.ExpiresAt.Equal(first.ExpiresAt) {
		t.Error("touched within a minute")
	}
	p.backdate("sessions", "seen_at", 2*time.Minute)
	p.backdate("sessions", "expires_at", 2*time.Minute)
	later, err := p.Authenticate(t.Context(), cookie)
	p.must(err)
	if later.SeenAt.Before(first.SeenAt) || !later.ExpiresAt.After(first.ExpiresAt.Add(-time.Minute)) {
		t.Errorf("seen %v, expires %v: not touched", later.SeenAt, later.ExpiresAt)
	}
}

func TestASessionEnds(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	cookie, _ := p.session("anna@example.org", goodPassword)
	older := func(age time.Duration) {
		for _, column := range []string{"created_at", "seen_at", "expires_at"} {
			p.backdate("sessions", column, age)
		}
	}
	// Used every 29 days it slides on, but not beyond 90 days.
	for _, days := range []time.Duration{29, 29, 29} {
		older(days * 24 * time.Hour)
		if _, err := p.Authenticate(t.Context(), cookie); err != nil {
			t.Fatal(err)
		}
	}
	older(4 * 24 * time.Hour)
	_, err := p.Authenticate(t.Context(), cookie)
	wantFault(t, err, tenant.Unauthenticated, "session.none")

	// Unused it ends after 30.
	cookie, _ = p.session("anna@example.org", goodPassword)
	older(31 * 24 * time.Hour)
	_, err = p.Authenticate(t.Context(), cookie)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
}

func TestLogOut(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	cookie, _ := p.session("anna@example.org", goodPassword)
	other, _ := p.session("anna@example.org", goodPassword)
	p.must(p.LogOut(t.Context(), cookie))
	p.must(p.LogOut(t.Context(), cookie))
	_, err := p.Authenticate(t.Context(), cookie)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
	if _, err := p.Authenticate(t.Context(), other); err != nil {
		t.Errorf("the other session: %v", err)
	}
	if p.audited("account.logout") != 1 {
		t.Errorf("%d audit entries", p.audited("account.logout"))
	}
}

func TestOwnSessions(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	anna, berta := p.member("anna@example.org"), p.member("berta@example.org")
	_, here := p.session("anna@example.org", goodPassword)
	there, elsewhere := p.session("anna@example.org", goodPassword)
	third, _ := p.session("anna@example.org", goodPassword)
	bertas, _ := p.session("berta@example.org", goodPassword)

	list, err := p.Sessions(t.Context(), anna.ID)
	p.must(err)
	if len(list) != 3 {
		t.Fatalf("%d sessions", len(list))
	}
	wantFault(t, p.EndSession(t.Context(), berta.ID, here.ID), tenant.NotFound, "session.unknown")
	wantFault(t, p.EndSession(t.Context(), anna.ID, "x'\x00"), tenant.NotFound, "session.unknown")
	p.must(p.EndSession(t.Context(), anna.ID, elsewhere.ID))
	wantFault(t, p.EndSession(t.Context(), anna.ID, elsewhere.ID), tenant.NotFound, "session.unknown")
	_, err = p.Authenticate(t.Context(), there)
	wantFault(t, err, tenant.Unauthenticated, "session.none")

	p.must(p.EndOtherSessions(t.Context(), here))
	_, err = p.Authenticate(t.Context(), third)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
	if list, err = p.Sessions(t.Context(), anna.ID); err != nil || len(list) != 1 || list[0].ID != here.ID {
		t.Errorf("left %+v, %v", list, err)
	}
	if _, err := p.Authenticate(t.Context(), bertas); err != nil {
		t.Errorf("somebody else's session: %v", err)
	}
}

func TestAnOldHashIsRenewedAtLogIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	p.hasher.Argon2id = controlplane.NewArgon2id() // today's parameters are not those of the sign-up
	p.session("anna@example.org", goodPassword)
	if n := p.count(`select count(*) from accounts where password_hash like '$argon2id$v=19$m=19456,t=2,p=1$%'`); n != 1 {
		t.Error("the hash was not renewed")
	}
	p.session("anna@example.org", goodPassword)
}

func TestWhatABrowserSendsIsClipped(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	agent := "Firefox\x00\xff" + string(make([]rune, 10)) + "ä"
	for len(agent) < 5000 {
		agent += "ä"
	}
	_, err := p.LogIn(t.Context(), controlplane.LogIn{Email: "anna@example.org", Password: goodPassword, UserAgent: agent, Address: "not an address\x00"})
	p.must(err)
	if n := p.count(`select max(octet_length(user_agent)) from sessions`); n > 300 || n < 299 {
		t.Errorf("%d bytes kept", n)
	}
}
