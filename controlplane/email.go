package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hafen/tenant"
)

// EmailChangeLifetime is how long the link to a new address works.
const EmailChangeLifetime = time.Hour

// EmailStore keeps changes of addresses on their way.
type EmailStore interface {
	// CreateEmailChange records a link and its mail, in place of the account's older one.
	CreateEmailChange(ctx context.Context, n NewEmailChange) error
	// FindEmailChange looks at a link without using it: the account, and its new address. Faults token.unknown, token.expired,
	// token.used.
	FindEmailChange(ctx context.Context, link TokenHash) (Account, string, error)
	// ChangeEmail uses a link: the account has the new address from then on, and all its other links are useless but the way back.
	// Faults as FindEmailChange; ErrTaken when a verified account has the address by now.
	ChangeEmail(ctx context.Context, link TokenHash, c EmailChanged) error
	EmailUndoStore
}

// EmailChanged is what goes with a change of address.
type EmailChanged struct {
	Undo  Link // of the former address
	Mails []Mail
}

// NewEmailChange is a change of address as it is kept.
type NewEmailChange struct {
	Account Account
	Email   string
	Link    Link
	Mail    Mail
	Address string // of the one who asks, for the audit log
}

// Mails about a change of address.
type (
	// EmailChangeMail carries the link that proves a new address.
	EmailChangeMail struct{ MailLink }
	// EmailTakenMail tells a new address that it has an account of its own.
	EmailTakenMail struct{ Email string }
)

func (EmailChangeMail) mailContent() {}
func (EmailTakenMail) mailContent()  {}

// RequestEmail mails a link to a new address. It answers the same, after the same work, whether another account has it or not:
// its owner gets another mail then, with no link. Faults: email.invalid, email.same, mail.too_many.
func (a *Accounts) RequestEmail(ctx context.Context, s Session, typed string) error {
	email, err := ParseEmail(typed)
	if err != nil {
		return err
	}
	if emailKey(email) == emailKey(s.Account.Email) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "email.same", Field: "email"}
	}
	if err := a.take(ctx, "mail.too_many", mailRequestLimit(s.Address), Limit{Key: "email:account:" + s.Account.ID, Most: 5, Window: time.Hour}); err != nil {
		return err
	}
	if allowed, err := a.allow(ctx, mailLimits(email, s.Address)...); err != nil || !allowed {
		return err
	}
	holder, err := a.Store.FindCredentials(ctx, email)
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return fmt.Errorf("change an address: %w", err)
	}
	secret, hash := NewToken()
	var content MailContent = EmailChangeMail{MailLink{Email: email, Token: secret, Expires: a.Now().Add(EmailChangeLifetime)}}
	if holder.Verified {
		content = EmailTakenMail{Email: email}
	}
	m, err := a.render(email, s.Account.Language, content)
	if err != nil {
		return err
	}
	err = a.Store.CreateEmailChange(ctx, NewEmailChange{
		Account: s.Account, Email: email, Link: Link{Hash: hash, Lifetime: EmailChangeLifetime}, Mail: m, Address: clip(s.Address, 60),
	})
	if err != nil {
		return fmt.Errorf("change an address: %w", err)
	}
	return nil
}

// CheckEmail says whether a link would work and which address it is about, without using it; faults as [Accounts.ChangeEmail].
func (a *Accounts) CheckEmail(ctx context.Context, token string) (email string, err error) {
	_, email, err = a.Store.FindEmailChange(ctx, HashToken(token))
	return email, err
}

// ChangeEmail uses a link, tells the old address and the new one, and gives the old one a way back. Faults: token.unknown, token.expired, token.used, email.taken.
func (a *Accounts) ChangeEmail(ctx context.Context, token string) (email string, err error) {
	link := HashToken(token)
	account, email, err := a.Store.FindEmailChange(ctx, link)
	if err != nil {
		return "", err
	}
	undo, hash := NewToken()
	told, err := a.security(account, SecurityMail{Which: SecurityEmailChanged, Name: email, Undo: undo})
	if err != nil {
		return "", err
	}
	also, err := a.security(account, SecurityMail{Which: SecurityEmailChanged, Name: email})
	if err != nil {
		return "", err
	}
	also.To = email
	err = a.Store.ChangeEmail(ctx, link, EmailChanged{Undo: Link{Hash: hash, Lifetime: EmailUndoLifetime}, Mails: []Mail{told, also}})
	if errors.Is(err, ErrTaken) {
		return "", &tenant.Fault{Kind: tenant.Conflict, Code: "email.taken", Err: err}
	}
	if err != nil {
		return "", fmt.Errorf("change an address: %w", err)
	}
	return email, nil
}
