package controlplane

import (
	"context"
	"errors"
	"fmt"

	"hafen/tenant"
)

// PasswordStore keeps passwords and the links that set them.
type PasswordStore interface {
	// QueueAccountMail records the job that may write a mail.
	QueueAccountMail(ctx context.Context, args AccountMailArgs) error
	// CreateReset records a link and its mail; nothing when the account has another address by now.
	CreateReset(ctx context.Context, account string, l Link, m Mail) error
	// FindReset looks at a link without using it. Faults token.unknown, token.expired, token.used.
	FindReset(ctx context.Context, link TokenHash) (Account, error)
	// ResetPassword uses a link: it sets the password, ends all sessions and makes all other links of the account useless.
	// Faults as FindReset; of two uses at the same time one wins.
	ResetPassword(ctx context.Context, r NewPassword, link TokenHash) error
	FindHash(ctx context.Context, account string) (string, error)
	// ChangePassword sets the password if the old hash is still the one, and ends all sessions but one; ErrTaken otherwise.
	ChangePassword(ctx context.Context, n NewPassword, oldHash, session string) error
}

// NewPassword is a change of password as it is kept.
type NewPassword struct {
	Account Account
	Hash    string
	Mail    Mail
	Address string  // of the one who does it, for the audit log
	Network string  // remembered as one of the account's, "" for none
	Forget  []Limit // attempts that no longer count
}

// ForgotPassword mails a link to set a new password, if the address has an account. It answers the same in every case.
// Faults: email.invalid, mail.too_many.
func (a *Accounts) ForgotPassword(ctx context.Context, email, language, address string) error {
	return a.requestMail(ctx, AccountMailArgs{Which: mailReset, Email: email, Language: language, Address: address})
}

func (a *Accounts) reset(account Account) (Link, Mail, error) {
	secret, hash := NewToken()
	m, err := a.render(account.Email, account.Language, ResetMail{MailLink{
		Email: account.Email, Token: secret, Expires: a.Now().Add(ResetLifetime),
	}})
	return Link{Hash: hash, Lifetime: ResetLifetime}, m, err
}

// CheckReset says whether a link would work, without using it; faults as [Accounts.ResetPassword].
func (a *Accounts) CheckReset(ctx context.Context, token string) error {
	_, err := a.Store.FindReset(ctx, HashToken(token))
	return err
}

// PasswordReset is what somebody with a link typed.
type PasswordReset struct {
	Token    string
	Password string
	Address  string
}

// ResetPassword sets a new password by a link. It proves the address too, ends all sessions and tells the owner.
// Faults: token.unknown, token.expired, token.used, password.*.
func (a *Accounts) ResetPassword(ctx context.Context, r PasswordReset) error {
	link := HashToken(r.Token)
	account, err := a.Store.FindReset(ctx, link)
	if err != nil {
		return err
	}
	n, err := a.newPassword(ctx, account, r.Password, r.Address)
	if err != nil {
		return err
	}
	// What was tried at the second step stays counted: else every mail would buy as many guesses again.
	limits := limitsOfLogIn(account.Email, r.Address)
	n.Network, n.Forget = afterMail(r.Address), []Limit{limits.pair, limits.account}
	if err := a.Store.ResetPassword(ctx, n, link); err != nil {
		return fmt.Errorf("reset a password: %w", err)
	}
	return nil
}

// PasswordChange is what somebody who is logged in typed.
type PasswordChange struct{ Old, New string }

// ChangePassword sets a new password, ends the account's other sessions and tells the owner. A one-time password is no
// longer one. Faults: password.wrong, password.same, password.*, password.too_many.
func (a *Accounts) ChangePassword(ctx context.Context, s Session, c PasswordChange) error {
	if err := a.take(ctx, "password.too_many", oldPasswordLimit(s.Account.ID)); err != nil {
		return err
	}
	old, err := a.Store.FindHash(ctx, s.Account.ID)
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	match, err := a.Hasher.Verify(ctx, old, c.Old)
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	if match == HashDiffers {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.wrong", Field: "current"}
	}
	if normalPassword(c.Old) == normalPassword(c.New) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.same", Field: "password"}
	}
	n, err := a.newPassword(ctx, s.Account, c.New, s.Address)
	if err != nil {
		return err
	}
	n.Forget = []Limit{oldPasswordLimit(s.Account.ID)}
	err = a.Store.ChangePassword(ctx, n, old, s.ID)
	if errors.Is(err, ErrTaken) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.wrong", Field: "current", Err: err}
	}
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	return nil
}

func (a *Accounts) newPassword(ctx context.Context, account Account, password, address string) (NewPassword, error) {
	if err := checkPassword(password, account.Email); err != nil {
		return NewPassword{}, err
	}
	hash, err := a.Hasher.Hash(ctx, password)
	if err != nil {
		return NewPassword{}, fmt.Errorf("set a password: %w", err)
	}
	m, err := a.render(account.Email, account.Language, PasswordChangedMail{
		Email: account.Email, At: a.Now(), Address: clip(address, 60),
	})
	return NewPassword{Account: account, Hash: hash, Mail: m, Address: clip(address, 60)}, err
}
