package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hafen/tenant"
)

// TwoStep is what an account asks for beside the password.
//
// One of the two ways is enough to switch it on: an authenticator app (RFC 6238), or a passkey, which also logs in alone. With the
// first way ten recovery codes are made; with the last one gone they go too. A new password by mail does not touch any of it, or
// a mailbox would be worth both steps. Who has lost everything is identified by an operator, who resets it: see
// [Accounts.ResetTwoStep]; an operator in that place asks whoever can run `hafen operator` on the machine.
type TwoStep struct {
	AppSince     time.Time // zero: no authenticator app
	Passkeys     []Passkey // oldest first
	RecoveryLeft int
}

// On says whether the password alone is not enough.
func (t TwoStep) On() bool { return !t.AppSince.IsZero() || len(t.Passkeys) > 0 }

// TwoStepStore keeps second steps. Every change of them ends logins that are half done, and all sessions but the one it is made in:
// whoever has one of them may be who it is made against.
type TwoStepStore interface {
	FindTwoStep(ctx context.Context, account string) (TwoStep, error)
	// FindApp gives the sealed secret of an account's app and the step of the newest code that was accepted; ErrNoFactor.
	FindApp(ctx context.Context, account string) (sealed []byte, last int64, err error)
	// CreateApp records an app. Codes become the recovery codes if there are none. ErrTaken when there is an app.
	CreateApp(ctx context.Context, n FactorChange, sealed []byte, step int64) (fresh bool, err error)
	// DeleteApp forgets the app, and the recovery codes if nothing is left; ErrNoFactor.
	DeleteApp(ctx context.Context, n FactorChange) error
	// HasRecoveryCode tells whether a code is one of the account's and not used up.
	HasRecoveryCode(ctx context.Context, account string, hash []byte) (bool, error)
	// ReplaceRecoveryCodes makes all older codes useless; ErrNoFactor when the account has no second step.
	ReplaceRecoveryCodes(ctx context.Context, n FactorChange) error
	// DeleteTwoStep forgets all second steps of an account and ends its sessions; ErrNoFactor when it has none.
	DeleteTwoStep(ctx context.Context, r TwoStepReset) error
	// FindAccount gives an account; ErrNoAccount.
	FindAccount(ctx context.Context, id string) (Account, error)
}

// ErrNoFactor says that an account has no such second step.
var ErrNoFactor = errors.New("no such second step")

// FactorChange is a change of second steps as it is kept, less what is special to its kind.
type FactorChange struct {
	Account Account
	Session string   // in which it is made
	Codes   [][]byte // hashes of fresh recovery codes, where it may bring some
	Mail    Mail
	Address string // of the one who does it, for the audit log
}

func factorChange(s Session, m Mail) FactorChange {
	return FactorChange{Account: s.Account, Session: s.ID, Mail: m, Address: clip(s.Address, 60)}
}

// TwoStepReset is a reset as it is kept.
type TwoStepReset struct {
	By      Actor
	Account Account
	Note    string // how the owner was identified
	Mail    Mail
}

// TwoStep tells what an account asks for beside the password.
func (a *Accounts) TwoStep(ctx context.Context, account string) (TwoStep, error) {
	found, err := a.Store.FindTwoStep(ctx, account)
	if err != nil {
		return TwoStep{}, fmt.Errorf("look at two-step login: %w", err)
	}
	return found, nil
}

// RemoveApp forgets the authenticator app. Fault: twostep.none.
func (a *Accounts) RemoveApp(ctx context.Context, s Session) error {
	m, err := a.security(s.Account, SecurityMail{Which: SecurityAppRemoved, Address: s.Address})
	if err != nil {
		return err
	}
	return noFactor("remove an authenticator app", a.Store.DeleteApp(ctx, factorChange(s, m)))
}

// noFactor makes ErrNoFactor the fault twostep.none: the page it was asked from is out of date.
func noFactor(doing string, err error) error {
	if errors.Is(err, ErrNoFactor) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "twostep.none"}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// ResetByOperator is what an operator typed to let somebody in again who has lost everything.
type ResetByOperator struct {
	Account string // id
	Email   string // typed once more, so that nobody resets the account beside the one they mean
	Note    string // how the owner was identified
}

// FindCustomer gives a customer's account to an operator, with what it asks for beside the password. Faults: operator.only,
// account.unknown, also for an operator's account: those are reset at the machine.
func (a *Accounts) FindCustomer(ctx context.Context, by Actor, id string) (Account, TwoStep, error) {
	unknown := &tenant.Fault{Kind: tenant.NotFound, Code: "account.unknown"}
	if !by.Operator {
		return Account{}, TwoStep{}, errOperator()
	}
	if !uuidForm.MatchString(id) {
		return Account{}, TwoStep{}, unknown
	}
	account, err := a.Store.FindAccount(ctx, id)
	if errors.Is(err, ErrNoAccount) || err == nil && account.Operator {
		return Account{}, TwoStep{}, unknown
	}
	if err != nil {
		return Account{}, TwoStep{}, fmt.Errorf("find a customer: %w", err)
	}
	found, err := a.TwoStep(ctx, id)
	return account, found, err
}

// FindCustomerByEmail gives the id of a customer's account. Faults: operator.only, email.invalid, account.unknown.
func (a *Accounts) FindCustomerByEmail(ctx context.Context, by Actor, email string) (string, error) {
	if !by.Operator {
		return "", errOperator()
	}
	email, err := ParseEmail(email)
	if err != nil {
		return "", err
	}
	found, err := a.Store.FindCredentials(ctx, email)
	if errors.Is(err, ErrNoAccount) || err == nil && found.Operator {
		return "", &tenant.Fault{Kind: tenant.Invalid, Code: "account.unknown", Field: "email"}
	}
	if err != nil {
		return "", fmt.Errorf("find a customer by address: %w", err)
	}
	return found.ID, nil
}

// ResetTwoStep forgets a customer's second steps, ends their sessions and tells them. The password stays, so whoever talked an
// operator into it still lacks that. Faults as FindCustomer, and reset.email_differs, reset.note_missing, twostep.none.
func (a *Accounts) ResetTwoStep(ctx context.Context, by Actor, r ResetByOperator) error {
	account, _, err := a.FindCustomer(ctx, by, r.Account)
	if err != nil {
		return err
	}
	if typed, err := ParseEmail(r.Email); err != nil || emailKey(typed) != emailKey(account.Email) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "reset.email_differs", Field: "email"}
	}
	note := trimmed(r.Note, 500)
	if note == "" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "reset.note_missing", Field: "note"}
	}
	return a.resetTwoStep(ctx, by, account, note)
}

func (a *Accounts) resetTwoStep(ctx context.Context, by Actor, account Account, note string) error {
	m, err := a.security(account, SecurityMail{Which: SecurityReset})
	if err != nil {
		return err
	}
	return noFactor("reset two-step login", a.Store.DeleteTwoStep(ctx, TwoStepReset{By: by, Account: account, Note: note, Mail: m}))
}

// ResetOperatorTwoStep is the same for an operator, at the machine itself. Faults: operator.unknown, twostep.none.
func (a *Accounts) ResetOperatorTwoStep(ctx context.Context, email string) error {
	email, err := ParseEmail(email)
	if err != nil {
		return err
	}
	found, err := a.Store.FindCredentials(ctx, email)
	if errors.Is(err, ErrNoAccount) || err == nil && !found.Operator {
		return &tenant.Fault{Kind: tenant.NotFound, Code: "operator.unknown"}
	}
	if err != nil {
		return fmt.Errorf("find an operator: %w", err)
	}
	return a.resetTwoStep(ctx, Hafen, found.Account, "at the machine")
}
