package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hafen/tenant"
)

// EmailUndoLifetime is how long the former address can take a change back: over a long weekend. Not longer, for as long the former
// mailbox is worth what it was worth before.
const EmailUndoLifetime = 4 * 24 * time.Hour

// EmailUndoStore keeps the ways back after changes of addresses. They end by use, by age, and with the use of an older one.
type EmailUndoStore interface {
	// FindEmailUndo looks at a link without using it: the account, and its former address. Faults token.unknown, token.expired,
	// token.used.
	FindEmailUndo(ctx context.Context, link TokenHash) (Account, string, error)
	// UndoEmail uses a link: the account has its former address again, its password opens nothing, its sessions and links end, and
	// a link for a new password is there. Faults as FindEmailUndo; ErrTaken when a verified account has the address by now.
	UndoEmail(ctx context.Context, link TokenHash, u EmailUndo) error
}

// EmailUndo is a change of address taken back, as it is kept.
type EmailUndo struct {
	Reset   Link
	Mails   []Mail
	Address string // of the one who does it, for the audit log
}

// CheckEmailUndo says whether a link would work and which address comes back, without using it; faults as [Accounts.UndoEmail].
func (a *Accounts) CheckEmailUndo(ctx context.Context, token string) (email string, err error) {
	_, email, err = a.Store.FindEmailUndo(ctx, HashToken(token))
	return email, err
}

// UndoEmail takes a change of address back, by the link that was mailed to the former one: somebody has taken the account over, or
// a mistyped address had an owner. It gives the secret of a link for a new password, for whoever changed the address may know the
// old one. Second steps stay: a mailbox is not worth them. Both addresses are told. Faults: token.unknown, token.expired,
// token.used, email.taken.
func (a *Accounts) UndoEmail(ctx context.Context, token, address string) (reset string, err error) {
	link := HashToken(token)
	account, email, err := a.Store.FindEmailUndo(ctx, link)
	if err != nil {
		return "", err
	}
	told, err := a.security(account, SecurityMail{Which: SecurityEmailRestored, Name: email, Address: address})
	if err != nil {
		return "", err
	}
	also := told
	also.To = email
	reset, hash := NewToken()
	err = a.Store.UndoEmail(ctx, link, EmailUndo{
		Reset: Link{Hash: hash, Lifetime: ResetLifetime}, Mails: []Mail{told, also}, Address: clip(address, 60),
	})
	if errors.Is(err, ErrTaken) {
		return "", &tenant.Fault{Kind: tenant.Conflict, Code: "email.taken", Err: err}
	}
	if err != nil {
		return "", fmt.Errorf("take a change of address back: %w", err)
	}
	return reset, nil
}
