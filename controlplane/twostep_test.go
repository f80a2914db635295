package controlplane_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/internal/passkeytest"
	"hafen/internal/totptest"
	"hafen/tenant"
)

const site = "https://hafen.test"

// openKey seals nothing but checks the context.
type openKey struct{}

func (openKey) Seal(plaintext, context []byte) ([]byte, error) {
	return bytes.Join([][]byte{context, plaintext}, []byte{0}), nil
}

func (openKey) Open(sealed, context []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, append(bytes.Clone(context), 0))
	if !ok {
		return nil, errors.New("sealed for something else")
	}
	return rest, nil
}

// phone is an authenticator app.
type phone struct {
	t      *testing.T
	secret string
}

func (p phone) code(at time.Time) string { return totptest.Code(p.t, p.secret, at) }

// at makes the accounts' clock say this.
func (p *people) at(now time.Time) { p.Accounts.Now = func() time.Time { return now } }

// addsApp adds an app to the account of a session.
func (p *people) addsApp(s controlplane.Session) (phone, []string) {
	p.t.Helper()
	setup, err := p.BeginApp(s.Account)
	p.must(err)
	u, err := url.Parse(setup.URI)
	p.must(err)
	if strings.ReplaceAll(setup.Secret, " ", "") != u.Query().Get("secret") || u.Query().Get("issuer") != "hafen.test" {
		p.t.Errorf("the camera and the eyes see different secrets: %+v", setup)
	}
	app := phone{p.t, setup.Secret}
	codes, err := p.AddApp(p.t.Context(), s, setup.Sealed, app.code(p.Now()))
	p.must(err)
	return app, codes
}

// half logs in with the password and gives what the second step completes.
func (p *people) half(email string) string {
	p.t.Helper()
	in, err := p.logIn(email, goodPassword, home)
	p.must(err)
	if in.Cookie != "" || in.Half == "" {
		p.t.Fatal("the password alone opens a session")
	}
	return in.Half
}

func (p *people) second(half, code, recovery, address string) (controlplane.LoggedIn, error) {
	return p.LogInSecond(p.t.Context(), controlplane.SecondLogIn{
		Half: half, Code: code, Recovery: recovery, Visitor: controlplane.Visitor{Address: address, UserAgent: "Firefox"},
	})
}

func TestTwoStepLogIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	now := time.Now()
	p.at(now)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	app, codes := p.addsApp(s)
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	p.lastMail("app_added de", "anna@example.org")
	sealed := ""
	p.must(p.pool.QueryRow(t.Context(), `select encode(sealed, 'escape') from totp`).Scan(&sealed))
	if !strings.HasPrefix(sealed, "totp "+s.Account.ID) {
		t.Error("the secret is not sealed to its account")
	}

	half := p.half("anna@example.org")
	if _, err := p.Authenticate(t.Context(), half); err == nil {
		t.Fatal("half a login is a session")
	}
	asked, err := p.AskSecondStep(t.Context(), half)
	p.must(err)
	if !asked.App || !asked.Recovery || asked.Passkey != nil {
		t.Errorf("asked for %+v", asked)
	}
	// The code that confirmed the app is used up.
	_, err = p.second(half, app.code(now), "", home)
	wantFault(t, err, tenant.Invalid, "code.wrong")
	p.at(now.Add(30 * time.Second))
	in, err := p.second(half, app.code(now.Add(30*time.Second)), "", home)
	p.must(err)
	session, err := p.Authenticate(t.Context(), in.Cookie)
	p.must(err)
	if !session.Account.TwoStep || !session.Fresh() {
		t.Errorf("the session is %+v", session)
	}
	_, err = p.second(half, app.code(now.Add(time.Minute)), "", home)
	wantFault(t, err, tenant.Unauthenticated, "login.expired")
	half = p.half("anna@example.org")
	_, err = p.second(half, app.code(now.Add(30*time.Second)), "", home)
	wantFault(t, err, tenant.Invalid, "code.wrong")
}

func TestOneCodeOpensOneSession(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	now := time.Now()
	p.at(now)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	app, recovery := p.addsApp(s)
	p.at(now.Add(time.Minute))
	for name, attempt := range map[string]func(half string) error{
		"code": func(half string) error {
			_, err := p.second(half, app.code(now.Add(time.Minute)), "", home)
			return err
		},
		"recovery code": func(half string) error { _, err := p.second(half, "", recovery[3], home); return err },
	} {
		var opened atomic.Int32
		var all sync.WaitGroup
		for range 5 { // what may be tried in a quarter of an hour
			half := p.half("anna@example.org")
			all.Go(func() {
				err := attempt(half)
				if err == nil {
					opened.Add(1)
				} else if code := tenant.FaultOf(err).Code; code != "code.wrong" && code != "recovery.wrong" {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
		if n := opened.Load(); n != 1 {
			t.Errorf("one %s opened %d sessions", name, n)
		}
		p.exec(`delete from attempts`)
	}
	found, err := p.TwoStep(t.Context(), s.Account.ID)
	p.must(err)
	if found.RecoveryLeft != 9 || p.audited("account.login") != 3 {
		t.Errorf("%d codes are left, %d logins", found.RecoveryLeft, p.audited("account.login"))
	}
	p.lastMail("code_used de", "anna@example.org")
}

func TestHalfLogInsThatAreNone(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	_, codes := p.addsApp(s)
	for name, spoil := range map[string]func(half string) string{
		"forged":  func(string) string { return strings.Repeat("A", 43) },
		"empty":   func(string) string { return "" },
		"long":    func(string) string { return strings.Repeat("x", 5000) },
		"expired": func(half string) string { p.backdate("half_logins", "expires_at", 11*time.Minute); return half },
		"of an older password": func(half string) string {
			p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{
				Token: p.forgot("anna@example.org"), Password: goodPassword, Address: home,
			}))
			return half
		},
		"of older second steps": func(half string) string {
			_, s := p.secondSession(half, codes[0])
			half = p.half("anna@example.org")
			var err error
			codes, err = p.RenewRecoveryCodes(t.Context(), s)
			p.must(err)
			return half
		},
	} {
		half := spoil(p.half("anna@example.org"))
		_, err := p.second(half, "", codes[1], home)
		if tenant.FaultOf(err).Code != "login.expired" {
			t.Errorf("%s: %v", name, err)
		}
		_, err = p.AskSecondStep(t.Context(), half)
		wantFault(t, err, tenant.Unauthenticated, "login.expired")
	}
}

// secondSession completes a login with a recovery code.
func (p *people) secondSession(half, recovery string) (string, controlplane.Session) {
	p.t.Helper()
	in, err := p.second(half, "", recovery, home)
	p.must(err)
	session, err := p.Authenticate(p.t.Context(), in.Cookie)
	p.must(err)
	return in.Cookie, session
}

// TestGuessingCodesIsLimitedWithoutLockingTheOwnerOut: somebody knows the password.
func TestGuessingCodesIsLimitedWithoutLockingTheOwnerOut(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	_, codes := p.addsApp(s)
	guess := func(address string) error {
		in, err := p.logIn("anna@example.org", goodPassword, address)
		p.must(err)
		_, err = p.second(in.Half, "000000", "", address)
		return err
	}
	for range 5 {
		wantFault(t, guess("198.51.100.1"), tenant.Invalid, "code.wrong")
	}
	for range 2 {
		wantFault(t, guess("198.51.100.1"), tenant.TooMany, "second.too_many")
	}
	if n := p.count(`select count(*) from mails where subject like 'guessed %'`); n != 1 {
		t.Errorf("the owner was told %d times", n)
	}
	for i := range 25 {
		wantFault(t, guess(fmt.Sprintf("203.0.113.%d", i)), tenant.Invalid, "code.wrong")
	}
	const hotel = "203.0.113.200"
	wantFault(t, guess(hotel), tenant.TooMany, "second.too_many")
	// The owner gets in where they have been before,
	p.secondSession(p.half("anna@example.org"), codes[0])
	// and elsewhere by what nobody guesses.
	in, err := p.logIn("anna@example.org", goodPassword, hotel)
	p.must(err)
	if _, err := p.second(in.Half, "", codes[1], hotel); err != nil {
		t.Error(err)
	}
}

func TestAppSetUpMayGoWrong(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	now := time.Now()
	p.at(now)
	p.member("anna@example.org")
	p.member("ben@example.org")
	_, anna := p.session("anna@example.org", goodPassword)
	_, ben := p.session("ben@example.org", goodPassword)
	setup, err := p.BeginApp(anna.Account)
	p.must(err)
	again, err := p.ResumeApp(anna.Account, setup.Sealed)
	p.must(err)
	if again != setup {
		t.Error("after a mistake the secret is another")
	}
	_, err = p.AddApp(t.Context(), anna, setup.Sealed, "000000")
	wantFault(t, err, tenant.Invalid, "code.wrong")
	if in, err := p.logIn("anna@example.org", goodPassword, home); err != nil || in.Half != "" {
		t.Error("an app that showed no code is asked for")
	}
	_, err = p.AddApp(t.Context(), ben, setup.Sealed, "000000")
	wantFault(t, err, tenant.Conflict, "twostep.setup_expired")
	_, err = p.AddApp(t.Context(), anna, "AAAA", "000000")
	wantFault(t, err, tenant.Conflict, "twostep.setup_expired")
	p.at(now.Add(2 * time.Hour))
	_, err = p.ResumeApp(anna.Account, setup.Sealed)
	wantFault(t, err, tenant.Conflict, "twostep.setup_expired")
	p.addsApp(anna)
	other, err := p.BeginApp(anna.Account)
	p.must(err)
	_, err = p.AddApp(t.Context(), anna, other.Sealed, phone{t, other.Secret}.code(p.Now()))
	wantFault(t, err, tenant.Conflict, "twostep.app_exists")
}

func TestRemovingTheAppEndsTwoStepLogIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	_, err := p.RenewRecoveryCodes(t.Context(), s)
	wantFault(t, err, tenant.Conflict, "twostep.none")
	wantFault(t, p.RemoveApp(t.Context(), s), tenant.Conflict, "twostep.none")
	p.addsApp(s)
	p.must(p.RemoveApp(t.Context(), s))
	p.lastMail("app_removed de", "anna@example.org")
	if n := p.count(`select count(*) from recovery_codes`); n != 0 {
		t.Errorf("%d recovery codes are left", n)
	}
	if in, err := p.logIn("anna@example.org", goodPassword, home); err != nil || in.Cookie == "" {
		t.Errorf("the password is not enough: %v", err)
	}
}

// TestChangesOfSecondStepsEndOtherSessions: a second step is often added, or taken away, because somebody else may be in.
func TestChangesOfSecondStepsEndOtherSessions(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	cookie, s := p.session("anna@example.org", goodPassword)
	for _, change := range []struct {
		name string
		do   func()
	}{
		{"app added", func() { p.addsApp(s) }},
		{"passkey added", func() { p.addsPasskey(s, passkeytest.New(t, site)) }},
		{"codes renewed", func() { _, err := p.RenewRecoveryCodes(t.Context(), s); p.must(err) }},
		{"app removed", func() { p.must(p.RemoveApp(t.Context(), s)) }},
		{"passkey removed", func() {
			found, err := p.TwoStep(t.Context(), s.Account.ID)
			p.must(err)
			p.must(p.RemovePasskey(t.Context(), s, found.Passkeys[0].ID))
		}},
	} {
		_, other := controlplane.NewToken()
		p.exec(`insert into sessions (token_hash, account_id, expires_at, user_agent, address) values ($1, $2, now() + interval '1 day', '', '')`,
			other, s.Account.ID)
		change.do()
		if n := p.count(`select count(*) from sessions where token_hash = $1`, other); n != 0 {
			t.Errorf("%s: another session goes on", change.name)
		}
		if _, err := p.Authenticate(t.Context(), cookie); err != nil {
			t.Errorf("%s: the session it was done in: %v", change.name, err)
		}
	}
}

func TestOperatorResetsTwoStepLogIn(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	anna := p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	p.addsApp(s)
	half := p.half("anna@example.org")
	p.exec(`insert into accounts (email, email_key, password_hash, language, role, verified_at)
		values ('olga@example.org', 'olga@example.org', '', 'en', 'operator', now())`)
	var operatorID string
	p.must(p.pool.QueryRow(t.Context(), `select id::text from accounts where role = 'operator'`).Scan(&operatorID))
	olga := controlplane.Actor{Account: operatorID, Email: "olga@example.org", Operator: true}
	reset := controlplane.ResetByOperator{Account: anna.ID, Email: "Anna@example.org", Note: " called back, knew the invoice "}

	wantFault(t, p.ResetTwoStep(t.Context(), anna.Actor(), reset), tenant.Forbidden, "operator.only")
	for code, change := range map[string]func(*controlplane.ResetByOperator){
		"reset.email_differs": func(r *controlplane.ResetByOperator) { r.Email = "ben@example.org" },
		"reset.note_missing":  func(r *controlplane.ResetByOperator) { r.Note = "  " },
	} {
		r := reset
		change(&r)
		wantFault(t, p.ResetTwoStep(t.Context(), olga, r), tenant.Invalid, code)
	}
	for _, id := range []string{operatorID, "x", "00000000-0000-4000-8000-000000000000"} {
		r := reset
		r.Account = id
		wantFault(t, p.ResetTwoStep(t.Context(), olga, r), tenant.NotFound, "account.unknown")
	}
	p.must(p.ResetTwoStep(t.Context(), olga, reset))
	p.lastMail("reset de", "anna@example.org")
	if n := p.count(`select count(*) from audit where action = 'account.twostep_reset' and actor = 'olga@example.org' and detail->>'note' = 'called back, knew the invoice'`); n != 1 {
		t.Error("the reset is not in the log")
	}
	if n := p.count(`select count(*) from sessions`); n != 0 {
		t.Error("sessions are left")
	}
	_, err := p.AskSecondStep(t.Context(), half)
	wantFault(t, err, tenant.Unauthenticated, "login.expired")
	if in, err := p.logIn("anna@example.org", goodPassword, home); err != nil || in.Cookie == "" {
		t.Errorf("the password is not enough: %v", err)
	}
	wantFault(t, p.ResetTwoStep(t.Context(), olga, reset), tenant.Conflict, "twostep.none")
	wantFault(t, p.ResetOperatorTwoStep(t.Context(), "anna@example.org"), tenant.NotFound, "operator.unknown")
	p.exec(`insert into totp (account_id, sealed, last_step) values ($1, '', 0)`, operatorID)
	p.must(p.ResetOperatorTwoStep(t.Context(), "olga@example.org"))
}
