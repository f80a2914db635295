package controlplane

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"hafen/tenant"
)

// Accounts is the people who log in to Hafen: sign-up, passwords, sessions.
//
// Nothing here tells whether an address has an account: answers are the same, a password is hashed either way, and what is
// only a mail ([Accounts.ForgotPassword], [Accounts.ResendVerification]) is left to a job, so that the request does the same
// work for every address. Whoever signs up for somebody else's address and then logs in is told to confirm it, as if it had
// been free. Secrets in mails and cookies are 256 random bits, kept as SHA-256 only: a stolen table opens nothing.
type Accounts struct{ AccountsConfig }

// AccountsConfig is what Accounts needs.
type AccountsConfig struct {
	Store  AccountStore
	Hasher PasswordHasher // [NewArgon2id]
	Texts  MailTexts
	// Factors are needed where people log in; without them everything else works.
	Factors *Factors
	Now     func() time.Time // time.Now when nil; mails and codes of apps are by it, rows by the database's clock
}

// AccountStore keeps accounts, their sessions and links. Every method is one atomic change; a mail given to it leaves with
// the change or not at all. Moments are compared with the database's clock.
type AccountStore interface {
	SignUpStore
	SessionStore
	PasswordStore
	ReauthStore
	TwoStepStore
	PasskeyStore
	HalfLogInStore
	EmailStore
	OperatorAccountStore
	AttemptStore
}

// Account is a person, as screens see them.
type Account struct {
	ID         string
	Email      string
	Language   string // de, en
	Operator   bool
	Verified   bool // the address
	MustChange bool // the password is a one-time one: nothing else is allowed before it is changed
	CreatedAt  time.Time
	TwoStep    bool // the password alone is not enough
}

// Actor is the account as the one who asks for a use case.
func (a Account) Actor() Actor { return Actor{Account: a.ID, Email: a.Email, Operator: a.Operator} }

// Credentials is an account with its hashes, which stay inside the use cases.
type Credentials struct {
	Account
	PasswordHash string
	// SignUpHash is of the password with which somebody signed up for this address although it has an account; "" for none.
	SignUpHash string
}

// Hafen is the actor of what nobody asked for.
var Hafen = Actor{Email: "hafen"}

// How long links in mails live.
const (
	VerifyLifetime     = 24 * time.Hour
	UnverifiedLifetime = 30 * 24 * time.Hour // of a sign-up nobody confirms
	ResetLifetime      = time.Hour           // OWASP "Forgot Password": as short as a person at a slow mailbox can bear
)

// NewAccounts makes Accounts.
func NewAccounts(c AccountsConfig) *Accounts {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Accounts{c}
}

// SetLanguage chooses the language of an account's pages and mails: "de" or "en".
func (a *Accounts) SetLanguage(ctx context.Context, account, language string) error {
	if language != "de" && language != "en" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "language.unknown", Field: "language"}
	}
	return a.Store.UpdateLanguage(ctx, account, language)
}

// spoken is the language of a mail to somebody who has not chosen one here.
func spoken(language string) string {
	if language == "de" {
		return "de"
	}
	return "en"
}

// TokenHash is what is kept of the secret in a cookie or a link. Plain SHA-256 is enough for 256 random bits.
type TokenHash []byte

// NewToken draws the secret of a cookie or a link.
func NewToken() (secret string, hash TokenHash) {
	var b [32]byte
	rand.Read(b[:]) // ends the process rather than return an error
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	return secret, HashToken(secret)
}

// HashToken is what NewToken gave with the secret.
func HashToken(secret string) TokenHash {
	hash := sha256.Sum256([]byte(secret))
	return hash[:]
}
