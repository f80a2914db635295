package controlplane_test

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/internal/passkeytest"
	"hafen/tenant"
)

// addsPasskey adds a passkey to the account of a session.
func (p *people) addsPasskey(s controlplane.Session, key *passkeytest.Key) []string {
	p.t.Helper()
	request, err := p.BeginPasskey(p.t.Context(), s)
	p.must(err)
	codes, err := p.AddPasskey(p.t.Context(), s, "Phone", controlplane.PasskeyAnswer{
		Credential: key.Create(request.Options), Challenge: request.Challenge,
	})
	p.must(err)
	return codes
}

// asksPasskey logs in without a password.
func (p *people) byPasskey(key *passkeytest.Key) (controlplane.LoggedIn, error) {
	p.t.Helper()
	request, err := p.BeginPasskeyLogIn()
	p.must(err)
	return p.LogInByPasskey(p.t.Context(), controlplane.PasskeyAnswer{Credential: key.Get(request.Options), Challenge: request.Challenge},
		controlplane.Visitor{Address: home, UserAgent: "Firefox"})
}

func TestPasskeyLogsInAlone(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	anna := p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	key := passkeytest.New(t, site)
	if codes := p.addsPasskey(s, key); len(codes) != 10 {
		t.Errorf("%d recovery codes", len(codes))
	}
	if codes := p.addsPasskey(s, passkeytest.New(t, site)); codes != nil {
		t.Error("a second passkey makes other recovery codes")
	}
	p.lastMail("passkey_added de", "anna@example.org")
	for range 2 {
		in, err := p.byPasskey(key)
		p.must(err)
		session, err := p.Authenticate(t.Context(), in.Cookie)
		p.must(err)
		if session.Account.ID != anna.ID || !session.Fresh() {
			t.Errorf("logged in as %+v", session.Account)
		}
	}
	found, err := p.TwoStep(t.Context(), anna.ID)
	p.must(err)
	if len(found.Passkeys) != 2 || found.Passkeys[0].UsedAt.IsZero() || !found.Passkeys[1].UsedAt.IsZero() || found.Passkeys[0].SignCount != 3 {
		t.Errorf("the passkeys are %+v", found.Passkeys)
	}
}

func TestPasskeyIsASecondStep(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	p.member("ben@example.org")
	_, anna := p.session("anna@example.org", goodPassword)
	_, ben := p.session("ben@example.org", goodPassword)
	key, bens := passkeytest.New(t, site), passkeytest.New(t, site)
	p.addsPasskey(anna, key)
	p.addsPasskey(ben, bens)
	half := p.half("anna@example.org")
	asked, err := p.AskSecondStep(t.Context(), half)
	p.must(err)
	if asked.App || asked.Passkey == nil {
		t.Fatalf("asked for %+v", asked)
	}
	try := func(key *passkeytest.Key) error {
		_, err := p.LogInSecond(t.Context(), controlplane.SecondLogIn{
			Half:    half,
			Passkey: controlplane.PasskeyAnswer{Credential: key.Get(asked.Passkey.Options), Challenge: asked.Passkey.Challenge},
			Visitor: controlplane.Visitor{Address: home},
		})
		return err
	}
	wantFault(t, try(bens), tenant.Invalid, "passkey.refused")
	claiming := *bens
	claiming.User, claiming.ID = key.User, key.ID // says it is Anna's, and cannot sign as hers
	wantFault(t, try(&claiming), tenant.Invalid, "passkey.refused")
	first := half
	half = p.half("anna@example.org")
	wantFault(t, try(key), tenant.Invalid, "passkey.expired") // asked in another login
	half = first
	p.must(try(key))
}

// TestPasskeysThatLie: everything a browser or an authenticator may get wrong.
func TestPasskeysThatLie(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	p.member("ben@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	_, ben := p.session("ben@example.org", goodPassword)
	key := passkeytest.New(t, site)
	p.addsPasskey(s, key)
	for name, lie := range map[string]func(*passkeytest.Key){
		"a tenant's page":      func(k *passkeytest.Key) { k.Origin = "https://werft.hafen.test" },
		"another site":         func(k *passkeytest.Key) { k.Origin = "https://evil.example" },
		"plain HTTP":           func(k *passkeytest.Key) { k.Origin = "http://hafen.test" },
		"unverified owner":     func(k *passkeytest.Key) { k.Verifies = false },
		"another's handle":     func(k *passkeytest.Key) { k.User = []byte(ben.Account.ID) },
		"no handle":            func(k *passkeytest.Key) { k.User = nil },
		"unknown credential":   func(k *passkeytest.Key) { k.ID = []byte(strings.Repeat("x", 32)) },
		"another's credential": func(k *passkeytest.Key) { *k = *passkeytest.New(t, site); k.ID = key.ID },
	} {
		liar := *key
		lie(&liar)
		if _, err := p.byPasskey(&liar); tenant.FaultOf(err).Code != "passkey.refused" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, nonsense := range []string{"", "{}", "null", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, strings.Repeat("[", 10000)} {
		request, err := p.BeginPasskeyLogIn()
		p.must(err)
		_, err = p.LogInByPasskey(t.Context(), controlplane.PasskeyAnswer{Credential: nonsense, Challenge: request.Challenge}, controlplane.Visitor{Address: home})
		wantFault(t, err, tenant.Invalid, "passkey.refused")
	}
	for name, lie := range map[string]func(*passkeytest.Key){
		"a tenant's page":  func(k *passkeytest.Key) { k.Origin = "https://werft.hafen.test" },
		"unverified owner": func(k *passkeytest.Key) { k.Verifies = false },
		"known already":    func(k *passkeytest.Key) { k.ID = key.ID },
	} {
		liar := passkeytest.New(t, site)
		lie(liar)
		request, err := p.BeginPasskey(t.Context(), ben)
		p.must(err)
		_, err = p.AddPasskey(t.Context(), ben, "Phone", controlplane.PasskeyAnswer{Credential: liar.Create(request.Options), Challenge: request.Challenge})
		if tenant.FaultOf(err).Code != "passkey.refused" {
			t.Errorf("add, %s: %v", name, err)
		}
	}
	p.must(func() error { _, err := p.byPasskey(key); return err }())
}

// TestChallengesAreForOnePurposeOnce holds challenges against use elsewhere, by others, late, and twice.
func TestChallengesAreForOnePurposeOnce(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	now := time.Now()
	p.at(now)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	key := passkeytest.New(t, site)
	key.Frozen = true // it does not count, as those of phones
	key.Count = 0
	codes := p.addsPasskey(s, key)
	login, err := p.BeginPasskeyLogIn()
	p.must(err)
	proof, err := p.AskProof(t.Context(), s)
	p.must(err)
	_, elsewhere := p.secondSession(p.half("anna@example.org"), codes[0])
	from := controlplane.Visitor{Address: home}
	answer := func(r controlplane.PasskeyRequest) controlplane.PasskeyAnswer {
		return controlplane.PasskeyAnswer{Credential: key.Get(r.Options), Challenge: r.Challenge}
	}
	wantFault(t, p.ReauthenticateByPasskey(t.Context(), s, answer(login)), tenant.Invalid, "passkey.expired")
	wantFault(t, p.ReauthenticateByPasskey(t.Context(), elsewhere, answer(*proof.Passkey)), tenant.Invalid, "passkey.expired")
	_, err = p.LogInByPasskey(t.Context(), answer(*proof.Passkey), from)
	wantFault(t, err, tenant.Invalid, "passkey.expired")
	_, err = p.LogInByPasskey(t.Context(), controlplane.PasskeyAnswer{Credential: key.Get(login.Options), Challenge: "forged"}, from)
	wantFault(t, err, tenant.Invalid, "passkey.expired")
	p.at(now.Add(11 * time.Minute))
	_, err = p.LogInByPasskey(t.Context(), answer(login), from)
	wantFault(t, err, tenant.Invalid, "passkey.expired")
	p.at(now)

	same := answer(login) // sent five times at once
	var opened atomic.Int32
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := p.LogInByPasskey(t.Context(), same, from); err == nil {
				opened.Add(1)
			} else if code := tenant.FaultOf(err).Code; code != "passkey.refused" {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := opened.Load(); n != 1 {
		t.Errorf("one answer opened %d sessions", n)
	}
	p.backdate("sessions", "reauthenticated_at", time.Hour)
	p.must(p.ReauthenticateByPasskey(t.Context(), s, answer(*proof.Passkey)))
	wantFault(t, p.ReauthenticateByPasskey(t.Context(), s, answer(*proof.Passkey)), tenant.Invalid, "passkey.refused")
	if n := p.count(`select count(*) from sessions where id = $1 and reauthenticated_at > now() - interval '1 minute'`, s.ID); n != 1 {
		t.Error("the passkey proved nothing")
	}
}

// TestCopiedPasskey: a counter that goes back says that there are two of what should be one.
func TestCopiedPasskey(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	key := passkeytest.New(t, site)
	p.addsPasskey(s, key)
	copied := *key
	for range 3 {
		_, err := p.byPasskey(key)
		p.must(err)
	}
	for range 2 {
		_, err := p.byPasskey(&copied)
		wantFault(t, err, tenant.Invalid, "passkey.copied")
	}
	if n := p.count(`select count(*) from mails where subject like 'passkey_copied %'`); n != 1 || p.audited("account.passkey_copied") != 1 {
		t.Errorf("the owner was told %d times", n)
	}
	if _, err := p.byPasskey(key); err != nil {
		t.Errorf("the owner's own no longer works: %v", err)
	}
}

// TestPasskeysOfASiteHoweverItIsWritten: the configuration forgives capitals and a last dot, browsers show neither.
func TestPasskeysOfASiteHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for configured, origin := range map[string]string{
		"https://Hafen.Test.": "https://hafen.test", "https://HAFEN.test:8443": "https://hafen.test:8443", "http://hafen.localhost:8080": "http://hafen.localhost:8080",
	} {
		p := newPeople(t)
		factors, err := controlplane.NewFactors(configured, openKey{})
		p.must(err)
		p.Accounts.Factors = factors
		p.member("anna@example.org")
		_, s := p.session("anna@example.org", goodPassword)
		key := passkeytest.New(t, origin)
		p.addsPasskey(s, key)
		if _, err := p.byPasskey(key); err != nil {
			t.Errorf("%s at %s: %v", configured, origin, err)
		}
		request, err := p.BeginPasskeyLogIn()
		p.must(err)
		if u, err := url.Parse(origin); err != nil || !strings.Contains(string(request.Options), `"rpId":"`+u.Hostname()+`"`) {
			t.Errorf("%s asks with %s", configured, request.Options)
		}
	}
}

// TestAnswerSentTwiceIsNoCopy: an impatient owner must not be told that somebody else has their key.
func TestAnswerSentTwiceIsNoCopy(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	key := passkeytest.New(t, site)
	p.addsPasskey(s, key)
	request, err := p.BeginPasskeyLogIn()
	p.must(err)
	answer := controlplane.PasskeyAnswer{Credential: key.Get(request.Options), Challenge: request.Challenge}
	_, err = p.LogInByPasskey(t.Context(), answer, controlplane.Visitor{Address: home})
	p.must(err)
	_, err = p.LogInByPasskey(t.Context(), answer, controlplane.Visitor{Address: home})
	wantFault(t, err, tenant.Invalid, "passkey.refused")
	if n := p.count(`select count(*) from mails where subject like 'passkey_copied %'`); n != 0 {
		t.Error("the owner was told of a copy")
	}
}

func TestPasskeysAreManaged(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	p.member("ben@example.org")
	_, anna := p.session("anna@example.org", goodPassword)
	_, ben := p.session("ben@example.org", goodPassword)
	key := passkeytest.New(t, site)
	p.addsPasskey(anna, key)
	found, err := p.TwoStep(t.Context(), anna.Account.ID)
	p.must(err)
	id := found.Passkeys[0].ID
	p.must(p.RenamePasskey(t.Context(), anna, id, "  Schlüssel   am Bund "))
	wantFault(t, p.RenamePasskey(t.Context(), anna, id, " "), tenant.Invalid, "passkey.name")
	wantFault(t, p.RenamePasskey(t.Context(), anna, id, strings.Repeat("ä", 61)), tenant.Invalid, "passkey.name")
	for _, foreign := range []string{id, "x", "00000000-0000-4000-8000-000000000000"} {
		wantFault(t, p.RenamePasskey(t.Context(), ben, foreign, "mine"), tenant.Conflict, "twostep.none")
		wantFault(t, p.RemovePasskey(t.Context(), ben, foreign), tenant.Conflict, "twostep.none")
	}
	found, err = p.TwoStep(t.Context(), anna.Account.ID)
	p.must(err)
	if !slices.ContainsFunc(found.Passkeys, func(k controlplane.Passkey) bool { return k.Name == "Schlüssel am Bund" }) {
		t.Errorf("the passkeys are %+v", found.Passkeys)
	}
	p.must(p.RemovePasskey(t.Context(), anna, id))
	p.lastMail("passkey_removed de", "anna@example.org")
	_, err = p.byPasskey(key)
	wantFault(t, err, tenant.Invalid, "passkey.refused")
	if n := p.count(`select count(*) from recovery_codes where account_id = $1`, anna.Account.ID); n != 0 {
		t.Errorf("%d recovery codes are left", n)
	}
}
