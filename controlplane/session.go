package controlplane

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"hafen/tenant"
)

// How long a session lives: a month from the last request, and never longer than three from the login.
const (
	SessionIdle = 30 * 24 * time.Hour
	SessionMost = 90 * 24 * time.Hour
)

// MostSessions is how many an account may have: beyond them, a login ends the one that was not used for the longest time. More
// devices than a person has, and few enough to be looked through.
const MostSessions = 50

// SessionStore keeps who is logged in.
type SessionStore interface {
	// FindLogIn finds an account by address and says whether it knows one of the networks. An unknown address takes the same
	// one query and is ErrNoAccount.
	FindLogIn(ctx context.Context, email string, networks ...string) (c Credentials, known bool, err error)
	// CreateSession opens a session and uses its second step up. ErrTaken when that has been used meanwhile, ErrNoSession when
	// the half login it completes is over, ErrChanged when a login by password alone has been overtaken.
	CreateSession(ctx context.Context, n NewSession) error
	NoteFailedLogIn(ctx context.Context, by Actor, address string) error
	// FindSession finds a living session and notes, at most every minute, that it was used; ErrNoSession.
	FindSession(ctx context.Context, cookie TokenHash) (Session, error)
	// EndSession ends the session of a cookie, if there is one.
	EndSession(ctx context.Context, cookie TokenHash) error
	ListSessions(ctx context.Context, account string) ([]Session, error)
	// EndSessionOf ends one of an account's sessions; the fault session.unknown when it has none of that id.
	EndSessionOf(ctx context.Context, account, session string) error
	// EndSessionsBut ends all sessions of an account but one ("" for all).
	EndSessionsBut(ctx context.Context, account, session string) error
	// UpdateHash replaces a hash by one of the same password with other parameters, if it has not changed meanwhile.
	UpdateHash(ctx context.Context, account, old, new string) error
}

// ErrNoSession says that a cookie opens nothing.
var ErrNoSession = errors.New("no such session")

// ErrChanged says that since a password was looked at it, or whether it is enough, has changed.
var ErrChanged = errors.New("the password or the second steps have changed meanwhile")

// NewSession is a login as it is kept.
type NewSession struct {
	Account   Account
	Cookie    TokenHash
	Hash      string // of the password, where that opens the session alone
	UserAgent string
	Address   string
	Network   string  // remembered as one of the account's
	Forget    []Limit // attempts that no longer count
	Return    []Limit // of each the attempt of this login
	Second    SecondStep
}

// Session is one place where somebody is logged in.
type Session struct {
	ID        string // not the secret
	Account   Account
	UserAgent string
	Address   string // at login
	CreatedAt time.Time
	SeenAt    time.Time // to the minute
	ExpiresAt time.Time
	ProvedAgo time.Duration // since the person last proved to be there, see [Session.Fresh]
}

// LogIn is what a visitor typed.
type LogIn struct {
	Email     string
	Password  string
	UserAgent string
	Address   string
}

// LoggedIn is a fresh session, or the first half of a login. The secrets are shown once and kept nowhere.
type LoggedIn struct {
	Cookie  string
	Half    string // instead of Cookie: what [Accounts.LogInSecond] completes
	Account Account
}

// LogIn opens a session, or the first half of a login where the account asks for a second step. Faults: login.wrong (also for an
// unknown address, after the same work), login.unverified (the password was right; a new link is on its way), login.too_many
// (Params minutes).
func (a *Accounts) LogIn(ctx context.Context, l LogIn) (LoggedIn, error) {
	in, err := a.logIn(ctx, l)
	if errors.Is(err, ErrChanged) {
		in, err = a.logIn(ctx, l) // another login may have renewed the hash: the password can still be right
	}
	return in, err
}

func (a *Accounts) logIn(ctx context.Context, l LogIn) (LoggedIn, error) {
	// An address that cannot be one is looked up all the same: nobody has it.
	email := clip(strings.TrimSpace(l.Email), 254)
	if parsed, err := ParseEmail(email); err == nil {
		email = parsed
	}
	known, familiar, err := a.Store.FindLogIn(ctx, email, network(l.Address), afterMail(l.Address))
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return LoggedIn{}, fmt.Errorf("log in: %w", err)
	}
	limits := limitsOfLogIn(email, l.Address)
	if err := a.take(ctx, "login.too_many", limits.of(familiar)...); err != nil {
		return LoggedIn{}, err
	}
	// For nobody the hash is empty, and the work the same.
	match, err := a.Hasher.Verify(ctx, known.PasswordHash, l.Password)
	if err != nil {
		return LoggedIn{}, fmt.Errorf("log in: %w", err)
	}
	if match == HashDiffers || !known.Verified {
		return LoggedIn{}, a.turnAway(ctx, known, match, l)
	}
	if match == HashOutdated {
		if known.PasswordHash, err = a.rehash(ctx, known, l.Password); err != nil {
			return LoggedIn{}, fmt.Errorf("log in: %w", err)
		}
	}
	if known.TwoStep {
		return a.halfOpen(ctx, known, l, limits, familiar)
	}
	return a.open(ctx, known, l, limits, familiar)
}

// turnAway answers everybody who does not get in. A second comparison finds those who signed up for an address that has an
// account: they are told what they would be told had it been free. All others do the same work.
func (a *Accounts) turnAway(ctx context.Context, known Credentials, match HashMatch, l LogIn) error {
	signUp, err := a.Hasher.Verify(ctx, known.SignUpHash, l.Password)
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	if match == HashDiffers && signUp == HashDiffers {
		return a.refuse(ctx, known.Account, l.Address)
	}
	if err := a.remind(ctx, known.Account, l.Address); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return &tenant.Fault{Kind: tenant.Forbidden, Code: "login.unverified"}
}

// refuse notes a failed login, for an unknown address with the same statement as for a known one. What was typed is not
// noted: it may be a password in the wrong field.
func (a *Accounts) refuse(ctx context.Context, account Account, address string) error {
	by := account.Actor()
	if by.Account == "" {
		by.Email = "unknown"
	}
	if err := a.Store.NoteFailedLogIn(ctx, by, clip(address, 60)); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return &tenant.Fault{Kind: tenant.Unauthenticated, Code: "login.wrong"}
}

func (a *Accounts) open(ctx context.Context, known Credentials, l LogIn, limits logInLimits, familiar bool) (LoggedIn, error) {
	cookie, hash := NewToken()
	err := a.Store.CreateSession(ctx, NewSession{
		Account: known.Account, Cookie: hash, Hash: known.PasswordHash,
		UserAgent: clip(l.UserAgent, 300), Address: clip(l.Address, 60), Network: network(l.Address),
		Forget: []Limit{limits.pair}, Return: limits.of(familiar)[1:],
	})
	if err != nil {
		return LoggedIn{}, fmt.Errorf("log in: %w", err)
	}
	return LoggedIn{Cookie: cookie, Account: known.Account}, nil
}

// remind sends once more the mail that a sign-up got: a link, or word that there is an account.
func (a *Accounts) remind(ctx context.Context, account Account, address string) error {
	if allowed, err := a.allow(ctx, mailLimits(account.Email, address)...); err != nil || !allowed {
		return err
	}
	if account.Verified {
		m, err := a.render(account.Email, account.Language, KnownAddressMail{Email: account.Email})
		if err != nil {
			return err
		}
		return a.Store.QueueMail(ctx, account.Actor(), "account.signup_known", m)
	}
	link, m, err := a.verification(account.Email, account.Language)
	if err != nil {
		return err
	}
	return a.Store.CreateVerification(ctx, account.ID, link, m)
}

func (a *Accounts) rehash(ctx context.Context, c Credentials, password string) (fresh string, err error) {
	if fresh, err = a.Hasher.Hash(ctx, password); err != nil {
		return "", err
	}
	return fresh, a.Store.UpdateHash(ctx, c.ID, c.PasswordHash, fresh)
}

// Authenticate says whose session a cookie is. Fault: session.none.
func (a *Accounts) Authenticate(ctx context.Context, cookie string) (Session, error) {
	none := &tenant.Fault{Kind: tenant.Unauthenticated, Code: "session.none"}
	if len(cookie) > 100 { // ours have 43; no need to ask the database about anything else's size
		return Session{}, none
	}
	session, err := a.Store.FindSession(ctx, HashToken(cookie))
	if errors.Is(err, ErrNoSession) {
		return Session{}, none
	}
	if err != nil {
		return Session{}, fmt.Errorf("authenticate: %w", err)
	}
	return session, nil
}

// LogOut ends the session of a cookie. One that opens nothing is fine.
func (a *Accounts) LogOut(ctx context.Context, cookie string) error {
	if err := a.Store.EndSession(ctx, HashToken(cookie)); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// Sessions lists where an account is logged in, last used first.
func (a *Accounts) Sessions(ctx context.Context, account string) ([]Session, error) {
	return a.Store.ListSessions(ctx, account)
}

// EndSession ends one of an account's own sessions. Fault: session.unknown, also for somebody else's.
func (a *Accounts) EndSession(ctx context.Context, account, session string) error {
	if !uuidForm.MatchString(session) {
		return &tenant.Fault{Kind: tenant.NotFound, Code: "session.unknown"}
	}
	return a.Store.EndSessionOf(ctx, account, session)
}

// EndOtherSessions ends all sessions of the account but this one.
func (a *Accounts) EndOtherSessions(ctx context.Context, s Session) error {
	return a.Store.EndSessionsBut(ctx, s.Account.ID, s.ID)
}

// uuidForm keeps what is no id from PostgreSQL, for which that is an error of the statement.
var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// clip shortens what a stranger sent to what a row should hold, and makes it valid UTF-8 without the zero byte that
// PostgreSQL refuses.
func clip(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
