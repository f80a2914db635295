package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"hafen/tenant"
)

// SignUpStore keeps new accounts.
type SignUpStore interface {
	// FindCredentials finds an account by its address, in any spelling; ErrNoAccount when there is none.
	FindCredentials(ctx context.Context, email string) (Credentials, error)
	// CreateAccount records an unverified account with its link and mail; ErrTaken when the address has one.
	CreateAccount(ctx context.Context, n NewAccount) error
	// RenewSignUp gives an account that was never verified another password and link; ErrTaken when it is verified by now.
	RenewSignUp(ctx context.Context, account string, n NewAccount) error
	// NoteKnownSignUp records that somebody signed up for the address of a verified account, and mails its owner. The link
	// goes nowhere; its row keeps the hash as [Credentials.SignUpHash].
	NoteKnownSignUp(ctx context.Context, known Account, n NewAccount) error
	// QueueMail sends a mail that changes nothing, with an audit entry.
	QueueMail(ctx context.Context, actor Actor, action string, m Mail) error
	// CreateVerification records another link for an account that waits for one; nothing when it is verified by now.
	CreateVerification(ctx context.Context, account string, l Link, m Mail) error
	// FindVerification looks at a link without using it. Faults as VerifyEmail.
	FindVerification(ctx context.Context, link TokenHash) (Account, error)
	// VerifyEmail uses a link. Faults token.unknown, token.expired, token.used.
	VerifyEmail(ctx context.Context, link TokenHash) (Account, error)
	UpdateLanguage(ctx context.Context, account, language string) error
}

// What the store says when a row is missing, or already there.
var (
	ErrNoAccount = errors.New("no such account")
	ErrTaken     = errors.New("already taken")
)

// NewAccount is a sign-up as it is kept. The link carries the hash of the password that was typed with it, so whoever
// clicks the link in their mailbox gets the password of that very sign-up, not one a stranger typed for their address later.
type NewAccount struct {
	Email        string
	PasswordHash string
	Language     string
	Address      string // of the visitor, for the audit log
	Link         Link
	Mail         Mail
}

// Link is a single-use secret on its way to a mailbox.
type Link struct {
	Hash     TokenHash
	Lifetime time.Duration
}

// SignUp is what a visitor typed.
type SignUp struct {
	Email    string
	Password string
	Language string
	Address  string // of the visitor
}

// SignUp makes an account and mails a link to prove the address. It answers the same whether the address has an account
// or not: its owner gets another mail then. Faults: email.invalid, password.*, signup.too_many.
func (a *Accounts) SignUp(ctx context.Context, s SignUp) error {
	email, err := ParseEmail(s.Email)
	if err != nil {
		return err
	}
	if err := checkPassword(s.Password, email); err != nil {
		return err
	}
	if err := a.take(ctx, "signup.too_many", signUpLimit(s.Address)); err != nil {
		return err
	}
	hash, err := a.Hasher.Hash(ctx, s.Password)
	if err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	n := NewAccount{Email: email, PasswordHash: hash, Language: spoken(s.Language), Address: clip(s.Address, 60)}
	// Twice is enough: only another sign-up, or a click on its link, can come between finding and recording.
	for range 3 {
		err = a.signUp(ctx, n)
		if !errors.Is(err, ErrTaken) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	return nil
}

func (a *Accounts) signUp(ctx context.Context, n NewAccount) error {
	known, err := a.Store.FindCredentials(ctx, n.Email)
	found := err == nil
	if !found && !errors.Is(err, ErrNoAccount) {
		return err
	}
	// Somebody who types a stranger's address again and again must not fill that mailbox; what they see stays the same.
	if allowed, err := a.allow(ctx, mailLimits(n.Email, n.Address)...); err != nil || !allowed {
		return err
	}
	if found && known.Verified {
		_, hash := NewToken()
		n.Link = Link{Hash: hash, Lifetime: UnverifiedLifetime}
		if n.Mail, err = a.render(known.Email, known.Language, KnownAddressMail{Email: known.Email}); err != nil {
			return err
		}
		return a.Store.NoteKnownSignUp(ctx, known.Account, n)
	}
	if n.Link, n.Mail, err = a.verification(n.Email, n.Language); err != nil {
		return err
	}
	if found {
		return a.Store.RenewSignUp(ctx, known.ID, n)
	}
	return a.Store.CreateAccount(ctx, n)
}

func (a *Accounts) verification(email, language string) (Link, Mail, error) {
	secret, hash := NewToken()
	m, err := a.render(email, language, VerifyMail{MailLink{
		Email: email, Token: secret, Expires: a.Now().Add(VerifyLifetime),
	}})
	return Link{Hash: hash, Lifetime: VerifyLifetime}, m, err
}

// VerifyEmail proves the address a link was sent to; the account can log in from then on. It does not log in by itself: who
// holds the mailbox need not be who chose the password. Faults: token.unknown, token.expired, token.used.
func (a *Accounts) VerifyEmail(ctx context.Context, token string) (Account, error) {
	account, err := a.Store.VerifyEmail(ctx, HashToken(token))
	if err != nil {
		return Account{}, fmt.Errorf("verify an address: %w", err)
	}
	return account, nil
}

// CheckVerification says whether a link would work, without using it; faults as [Accounts.VerifyEmail].
func (a *Accounts) CheckVerification(ctx context.Context, token string) error {
	_, err := a.Store.FindVerification(ctx, HashToken(token))
	return err
}

// ResendVerification mails a new link if the address has an account that waits for one. It answers the same in every case.
// Faults: email.invalid, mail.too_many.
func (a *Accounts) ResendVerification(ctx context.Context, email, language, address string) error {
	return a.requestMail(ctx, AccountMailArgs{Which: mailVerification, Email: email, Language: language, Address: address})
}

// ParseEmail reads an address as a person would type it. Fault: email.invalid. The domain is made lower case, the rest
// stays as typed.
func ParseEmail(s string) (string, error) {
	invalid := &tenant.Fault{Kind: tenant.Invalid, Code: "email.invalid", Field: "email"}
	s = strings.TrimSpace(s)
	parsed, err := mail.ParseAddress(s)
	// No display names, comments or quoting: what was typed must be the address itself. 254: RFC 5321 section 4.5.3.1.3.
	if err != nil || parsed.Address != s || len(s) > 254 {
		return "", invalid
	}
	at := strings.LastIndexByte(s, '@')
	local := s[:at]
	// RFC 5321 section 4.5.3.1.1; letters beyond ASCII would need SMTPUTF8 on every hop.
	if len(local) > 64 || strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\()<>,;:`, r) }) {
		return "", invalid
	}
	domain, err := idna.Lookup.ToASCII(s[at+1:])
	if err != nil {
		return "", invalid
	}
	name, err := tenant.ParseDomain(domain)
	if err != nil {
		return "", invalid
	}
	return local + "@" + string(name), nil
}

// emailKey is what "the same address" means.
func emailKey(email string) string { return strings.ToLower(email) }
