package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"hafen/tenant"
)

// PasskeyStore keeps passkeys.
type PasskeyStore interface {
	// CreatePasskey records one. Codes become the recovery codes if there are none. ErrTaken when the credential, or the
	// challenge, is known already.
	CreatePasskey(ctx context.Context, n FactorChange, p NewPasskey) (fresh bool, err error)
	RenamePasskey(ctx context.Context, account, passkey, name string) error // ErrNoFactor
	// DeletePasskey forgets one, and the recovery codes if nothing is left; ErrNoFactor.
	DeletePasskey(ctx context.Context, n FactorChange, passkey string) error
	// FindPasskeyOwner gives the account of a credential with all its passkeys; ErrNoFactor.
	FindPasskeyOwner(ctx context.Context, credential []byte) (Account, []Passkey, error)
	// UseChallenge makes a challenge useless; ErrTaken when it was answered before.
	UseChallenge(ctx context.Context, hash []byte, until time.Time) error
}

// NewPasskey is a passkey as it is kept.
type NewPasskey struct {
	Credential []byte // its id
	Name       string
	Use        PasskeyUse // without ID
}

// maxPasskeys is more than anybody carries.
const maxPasskeys = 20

// BeginPasskey asks the browser for a new passkey.
func (a *Accounts) BeginPasskey(ctx context.Context, s Session) (PasskeyRequest, error) {
	found, err := a.TwoStep(ctx, s.Account.ID)
	if err != nil {
		return PasskeyRequest{}, err
	}
	owner, err := ownerOf(s.Account, found.Passkeys)
	if err != nil {
		return PasskeyRequest{}, err
	}
	options, session, err := a.Factors.site.BeginRegistration(owner,
		webauthn.WithExclusions(webauthn.Credentials(owner.credentials).CredentialDescriptors())) // one a device is enough
	if err != nil {
		return PasskeyRequest{}, fmt.Errorf("ask for a new passkey: %w", err)
	}
	return a.Factors.request(ceremonyAdd(s), a.Now(), options.Response, session)
}

// AddPasskey adds what the browser made, and gives the recovery codes if it is the account's first second step. Faults:
// passkey.name, passkey.expired, passkey.refused, passkey.too_many.
func (a *Accounts) AddPasskey(ctx context.Context, s Session, name string, answer PasskeyAnswer) (recovery []string, err error) {
	if name, err = passkeyName(name); err != nil {
		return nil, err
	}
	opened, err := a.Factors.openChallenge(ceremonyAdd(s), answer.Challenge, a.Now())
	if err != nil {
		return nil, err
	}
	found, err := a.TwoStep(ctx, s.Account.ID)
	if err != nil {
		return nil, err
	}
	if len(found.Passkeys) >= maxPasskeys {
		return nil, &tenant.Fault{Kind: tenant.Invalid, Code: "passkey.too_many"}
	}
	made, err := a.Factors.register(s.Account, opened, answer.Credential)
	if err != nil {
		return nil, err
	}
	made.Name = name
	n, codes, err := a.newFactor(s, SecurityMail{Which: SecurityPasskeyAdded, Name: name})
	if err != nil {
		return nil, err
	}
	fresh, err := a.Store.CreatePasskey(ctx, n, made)
	if errors.Is(err, ErrTaken) {
		return nil, refusedPasskey(err)
	}
	if err != nil {
		return nil, fmt.Errorf("add a passkey: %w", err)
	}
	if !fresh {
		codes = nil
	}
	return codes, nil
}

// register checks what the browser made.
func (f *Factors) register(account Account, opened challenge, credential string) (NewPasskey, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(credential))
	if err != nil {
		return NewPasskey{}, refusedPasskey(err)
	}
	made, err := f.site.CreateCredential(keyOwner{account: account}, *opened.Session, parsed)
	if err != nil {
		return NewPasskey{}, refusedPasskey(err)
	}
	record, err := json.Marshal(made)
	if err != nil {
		return NewPasskey{}, fmt.Errorf("write a passkey: %w", err)
	}
	return NewPasskey{Credential: made.ID, Use: PasskeyUse{
		Record: record, SignCount: made.Authenticator.SignCount, Challenge: opened.hash(), Until: opened.Expires,
	}}, nil
}

// RenamePasskey gives one of the account's passkeys another name. Faults: passkey.name, twostep.none.
func (a *Accounts) RenamePasskey(ctx context.Context, s Session, passkey, name string) error {
	name, err := passkeyName(name)
	if err != nil {
		return err
	}
	if !uuidForm.MatchString(passkey) {
		return noFactor("", ErrNoFactor)
	}
	return noFactor("rename a passkey", a.Store.RenamePasskey(ctx, s.Account.ID, passkey, name))
}

// RemovePasskey forgets one of the account's passkeys. Fault: twostep.none, also for somebody else's.
func (a *Accounts) RemovePasskey(ctx context.Context, s Session, passkey string) error {
	found, err := a.TwoStep(ctx, s.Account.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(found.Passkeys, func(p Passkey) bool { return p.ID == passkey })
	if i < 0 {
		return noFactor("", ErrNoFactor)
	}
	m, err := a.security(s.Account, SecurityMail{Which: SecurityPasskeyRemoved, Name: found.Passkeys[i].Name, Address: s.Address})
	if err != nil {
		return err
	}
	return noFactor("remove a passkey", a.Store.DeletePasskey(ctx, factorChange(s, m), passkey))
}

func passkeyName(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || len([]rune(name)) > 60 {
		return "", &tenant.Fault{Kind: tenant.Invalid, Code: "passkey.name", Field: "name"}
	}
	return name, nil
}

// BeginPasskeyLogIn asks the browser for a passkey of anybody.
func (a *Accounts) BeginPasskeyLogIn() (PasskeyRequest, error) {
	options, session, err := a.Factors.site.BeginDiscoverableLogin()
	if err != nil {
		return PasskeyRequest{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return a.Factors.request(ceremonyLogIn, a.Now(), options.Response, session)
}

// LogInByPasskey opens a session without a password: the passkey is something one has, and it has verified its owner. Faults:
// passkey.expired, passkey.refused, passkey.copied, login.too_many.
func (a *Accounts) LogInByPasskey(ctx context.Context, answer PasskeyAnswer, from Visitor) (LoggedIn, error) {
	limit := limitsOfLogIn("", from.Address).network
	if err := a.take(ctx, "login.too_many", limit); err != nil {
		return LoggedIn{}, err
	}
	opened, err := a.Factors.openChallenge(ceremonyLogIn, answer.Challenge, a.Now())
	if err != nil {
		return LoggedIn{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer.Credential))
	if err != nil {
		return LoggedIn{}, refusedPasskey(err)
	}
	account, passkeys, err := a.Store.FindPasskeyOwner(ctx, parsed.RawID)
	if errors.Is(err, ErrNoFactor) {
		return LoggedIn{}, refusedPasskey(err)
	}
	if err != nil {
		return LoggedIn{}, fmt.Errorf("log in by a passkey: %w", err)
	}
	use, err := a.usePasskey(ctx, opened, account, passkeys, answer.Credential, from.Address)
	if err != nil {
		return LoggedIn{}, err
	}
	cookie, hash := NewToken()
	err = a.Store.CreateSession(ctx, NewSession{
		Account: account, Cookie: hash, UserAgent: clip(from.UserAgent, 300), Address: clip(from.Address, 60),
		Network: network(from.Address), Return: []Limit{limit}, Second: SecondStep{Passkey: &use},
	})
	if err != nil {
		return LoggedIn{}, passkeyTaken("log in by a passkey", err)
	}
	return LoggedIn{Cookie: cookie, Account: account}, nil
}

// usePasskey checks an answer, and tells the owner when a passkey may have been copied: at most once a day.
func (a *Accounts) usePasskey(ctx context.Context, opened challenge, account Account, passkeys []Passkey, credential, address string) (PasskeyUse, error) {
	owner, err := ownerOf(account, passkeys)
	if err != nil {
		return PasskeyUse{}, err
	}
	passkey, use, err := a.Factors.verify(opened, owner, credential)
	if !errors.Is(err, errCopied) {
		return use, err
	}
	// An answer that was sent twice, as by a double click, has an old counter too.
	if used := a.Store.UseChallenge(ctx, opened.hash(), opened.Expires); used != nil {
		return use, passkeyTaken("use a passkey", used)
	}
	once, failed := a.allow(ctx, Limit{Key: "passkey:copied:" + passkey.ID, Most: 1, Window: day})
	if failed != nil || !once {
		return use, errors.Join(err, failed)
	}
	m, failed := a.security(account, SecurityMail{Which: SecurityPasskeyCopied, Name: passkey.Name, Address: address})
	if failed == nil {
		failed = a.Store.QueueMail(ctx, account.Actor(), "account.passkey_copied", m)
	}
	return use, errors.Join(err, failed)
}

// passkeyTaken makes ErrTaken, of a challenge answered twice or a counter that did not grow, a refusal.
func passkeyTaken(doing string, err error) error {
	if errors.Is(err, ErrTaken) {
		return refusedPasskey(err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
