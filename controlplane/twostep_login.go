package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hafen/tenant"
)

const (
	// HalfLogInLifetime is how long the second step may take.
	HalfLogInLifetime = 10 * time.Minute
	day               = 24 * time.Hour
)

// HalfLogInStore keeps logins whose password was right and whose second step is still to come. They open nothing but that step,
// and end with a change of the password or of the second steps.
type HalfLogInStore interface {
	// CreateHalfLogIn records one; ErrChanged when it has been overtaken by a change of the password or of the second steps.
	CreateHalfLogIn(ctx context.Context, n NewHalfLogIn) error
	// FindHalfLogIn says whose it is and whether they have logged in from the network before; ErrNoSession.
	FindHalfLogIn(ctx context.Context, half TokenHash, network string) (account Account, known bool, err error)
}

// NewHalfLogIn is a half login as it is kept.
type NewHalfLogIn struct {
	Account Account
	Hash    string // of the password
	Token   TokenHash
	Address string
	Forget  []Limit // attempts that no longer count
	Return  []Limit // of each the attempt of this login
}

// SecondStep is what opened a session beside a password, or made one fresh, to be used up with it. Empty: nothing was needed.
type SecondStep struct {
	Half     TokenHash // the login it completes; nil for a passkey alone
	AppStep  int64
	Recovery []byte // hash of a code
	Passkey  *PasskeyUse
	Mail     *Mail // tells the owner of a recovery code
}

// Visitor is somebody at a browser.
type Visitor struct {
	UserAgent string
	Address   string
}

// secondLimits are like those of the password: strict for one account from one network, and for the account as a whole only
// where its owner has never been. Codes have six digits, so an hour of guessing from everywhere is worth a chance in ten
// thousand; and only who knows the password gets to guess. The owner's ways around it: a network they have used, a passkey, or a
// recovery code. Nobody guesses those: the first are not counted, the second only to spare the machine. A new password by mail
// ends the stranger's logins, but not these counts.
type secondLimits struct{ pair, account, recovery Limit }

func limitsOfSecond(account, address string) secondLimits {
	at := account + ":" + network(address)
	return secondLimits{
		pair:     Limit{Key: "second:pair:" + at, Most: 5, Window: 15 * time.Minute},
		account:  Limit{Key: "second:account:" + account, Most: 30, Window: time.Hour},
		recovery: Limit{Key: "second:recovery:" + at, Most: 10, Window: 15 * time.Minute},
	}
}

func (l secondLimits) of(known bool) []Limit {
	if known {
		return []Limit{l.pair}
	}
	return []Limit{l.pair, l.account}
}

// halfOpen records that the password was right.
func (a *Accounts) halfOpen(ctx context.Context, known Credentials, l LogIn, limits logInLimits, familiar bool) (LoggedIn, error) {
	half, hash := NewToken()
	err := a.Store.CreateHalfLogIn(ctx, NewHalfLogIn{
		Account: known.Account, Hash: known.PasswordHash, Token: hash, Address: clip(l.Address, 60),
		Forget: []Limit{limits.pair}, Return: limits.of(familiar)[1:],
	})
	if err != nil {
		return LoggedIn{}, fmt.Errorf("log in: %w", err)
	}
	return LoggedIn{Half: half, Account: known.Account}, nil
}

// StepsAsked is what an account may show beside the password.
type StepsAsked struct {
	App      bool
	Recovery bool
	Passkey  *PasskeyRequest // nil: the account has none
}

// AskSecondStep says what a half login waits for. Fault: login.expired.
func (a *Accounts) AskSecondStep(ctx context.Context, half string) (StepsAsked, error) {
	account, _, err := a.half(ctx, half, "")
	if err != nil {
		return StepsAsked{}, err
	}
	return a.askSteps(ctx, ceremonySecond(account, half), account)
}

func (a *Accounts) askSteps(ctx context.Context, c ceremony, account Account) (StepsAsked, error) {
	found, err := a.TwoStep(ctx, account.ID)
	if err != nil {
		return StepsAsked{}, err
	}
	asked := StepsAsked{App: !found.AppSince.IsZero(), Recovery: found.RecoveryLeft > 0}
	if len(found.Passkeys) == 0 {
		return asked, nil
	}
	request, err := a.askPasskey(c, account, found.Passkeys)
	asked.Passkey = &request
	return asked, err
}

// askPasskey asks the browser for one of an account's passkeys.
func (a *Accounts) askPasskey(c ceremony, account Account, passkeys []Passkey) (PasskeyRequest, error) {
	owner, err := ownerOf(account, passkeys)
	if err != nil {
		return PasskeyRequest{}, err
	}
	options, session, err := a.Factors.site.BeginLogin(owner)
	if err != nil {
		return PasskeyRequest{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return a.Factors.request(c, a.Now(), options.Response, session)
}

func (a *Accounts) half(ctx context.Context, half, address string) (Account, bool, error) {
	expired := &tenant.Fault{Kind: tenant.Unauthenticated, Code: "login.expired"}
	if half == "" || len(half) > 100 {
		return Account{}, false, expired
	}
	account, known, err := a.Store.FindHalfLogIn(ctx, HashToken(half), network(address))
	if errors.Is(err, ErrNoSession) {
		return Account{}, false, expired
	}
	if err != nil {
		return Account{}, false, fmt.Errorf("find a half login: %w", err)
	}
	return account, known, nil
}

// SecondLogIn is the second step as a visitor gave it: one of a code of the app, a recovery code, or a passkey.
type SecondLogIn struct {
	Half     string
	Code     string
	Recovery string
	Passkey  PasskeyAnswer
	Visitor
}

// LogInSecond completes a half login. Faults: login.expired, code.wrong, recovery.wrong (also for what was used before),
// second.too_many (Params minutes), passkey.expired, passkey.refused, passkey.copied.
func (a *Accounts) LogInSecond(ctx context.Context, l SecondLogIn) (LoggedIn, error) {
	account, known, err := a.half(ctx, l.Half, l.Address)
	if err != nil {
		return LoggedIn{}, err
	}
	limits := limitsOfSecond(account.ID, l.Address)
	second, err := a.checkSecond(ctx, account, l, limits, known)
	if err != nil {
		return LoggedIn{}, err
	}
	second.Half = HashToken(l.Half)
	cookie, hash := NewToken()
	err = a.Store.CreateSession(ctx, NewSession{
		Account: account, Cookie: hash, UserAgent: clip(l.UserAgent, 300), Address: clip(l.Address, 60), Network: network(l.Address),
		Forget: []Limit{limits.pair, limits.recovery}, Second: second,
	})
	if err != nil {
		return LoggedIn{}, usedUp(err, second)
	}
	return LoggedIn{Cookie: cookie, Account: account}, nil
}

// wrongSecond is the one answer to a second step that is wrong, and to one that was used before.
func wrongSecond(second SecondStep, err error) error {
	switch {
	case second.Recovery != nil:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "recovery.wrong", Field: "recovery", Err: err}
	case second.Passkey != nil:
		return refusedPasskey(err)
	default:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "code.wrong", Field: "code", Err: err}
	}
}

func (a *Accounts) checkSecond(ctx context.Context, account Account, l SecondLogIn, limits secondLimits, known bool) (SecondStep, error) {
	if l.Passkey.Credential != "" {
		use, err := a.answerPasskey(ctx, ceremonySecond(account, l.Half), account, l.Passkey, l.Address)
		return SecondStep{Passkey: &use}, err
	}
	return a.checkTyped(ctx, account, l, limits, known)
}

// checkTyped checks a code of the app, or a recovery code.
func (a *Accounts) checkTyped(ctx context.Context, account Account, l SecondLogIn, limits secondLimits, known bool) (SecondStep, error) {
	if l.Recovery != "" {
		if err := a.takeSecond(ctx, account, l.Address, limits.recovery); err != nil {
			return SecondStep{}, err
		}
		return a.checkRecovery(ctx, account, l)
	}
	if err := a.takeSecond(ctx, account, l.Address, limits.of(known)...); err != nil {
		return SecondStep{}, err
	}
	step, err := a.checkCode(ctx, account.ID, l.Code)
	if err != nil {
		return SecondStep{}, fmt.Errorf("check a code: %w", err)
	}
	if step == 0 {
		return SecondStep{}, a.refuseSecond(ctx, account, l.Address, SecondStep{})
	}
	return SecondStep{AppStep: step}, nil
}

func (a *Accounts) checkRecovery(ctx context.Context, account Account, l SecondLogIn) (SecondStep, error) {
	hash := hashRecoveryCode(account.ID, clip(l.Recovery, 100))
	ok, err := a.Store.HasRecoveryCode(ctx, account.ID, hash)
	if err != nil {
		return SecondStep{}, fmt.Errorf("check a recovery code: %w", err)
	}
	if !ok {
		return SecondStep{}, a.refuseSecond(ctx, account, l.Address, SecondStep{Recovery: hash})
	}
	found, err := a.TwoStep(ctx, account.ID)
	if err != nil {
		return SecondStep{}, err
	}
	m, err := a.security(account, SecurityMail{Which: SecurityCodeUsed, Address: l.Address, Left: max(found.RecoveryLeft-1, 0)})
	return SecondStep{Recovery: hash, Mail: &m}, err
}

func (a *Accounts) refuseSecond(ctx context.Context, account Account, address string, second SecondStep) error {
	if err := a.Store.NoteFailedLogIn(ctx, account.Actor(), clip(address, 60)); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return wrongSecond(second, nil)
}

// takeSecond counts a guess. When there were too many, somebody knows the password: the owner hears of it, once a day.
func (a *Accounts) takeSecond(ctx context.Context, account Account, address string, limits ...Limit) error {
	err := a.take(ctx, "second.too_many", limits...)
	if tenant.FaultOf(err).Kind != tenant.TooMany {
		return err
	}
	once, failed := a.allow(ctx, Limit{Key: "second:told:" + account.ID, Most: 1, Window: day})
	if failed != nil || !once {
		return errors.Join(err, failed)
	}
	m, failed := a.security(account, SecurityMail{Which: SecurityGuessed, Address: address})
	if failed == nil {
		failed = a.Store.QueueMail(ctx, account.Actor(), "account.second_guessed", m)
	}
	return errors.Join(err, failed)
}

// answerPasskey checks the passkey of a known account.
func (a *Accounts) answerPasskey(ctx context.Context, c ceremony, account Account, answer PasskeyAnswer, address string) (PasskeyUse, error) {
	opened, err := a.Factors.openChallenge(c, answer.Challenge, a.Now())
	if err != nil {
		return PasskeyUse{}, err
	}
	found, err := a.TwoStep(ctx, account.ID)
	if err != nil {
		return PasskeyUse{}, err
	}
	return a.usePasskey(ctx, opened, account, found.Passkeys, answer.Credential, address)
}
