package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hafen/tenant"
)

// ReauthLifetime is how long a proof of being there lasts: long enough for one task, shorter than a coffee break.
const ReauthLifetime = 10 * time.Minute

// Fresh says whether somebody has proved lately to be the account's owner, and not just whoever sits at a browser that was
// left open. What cannot be undone, or opens a way in for somebody else, asks for it.
func (s Session) Fresh() bool { return s.ProvedAgo < ReauthLifetime }

// ReauthStore keeps when the person behind a session last proved to be there.
type ReauthStore interface {
	// Reauthenticate notes it, by the database's clock; ErrNoSession when the session is over, ErrTaken when the passkey's
	// answer was used before.
	Reauthenticate(ctx context.Context, n Reauthentication) error
}

// Reauthentication is a proof as it is kept.
type Reauthentication struct {
	Session Session
	Forget  []Limit     // attempts that no longer count
	Passkey *PasskeyUse // what proved it; nil: the password
}

// Reauthenticate makes a session fresh by the account's password. Faults: password.wrong, password.too_many, session.none.
func (a *Accounts) Reauthenticate(ctx context.Context, s Session, password string) error {
	if err := a.take(ctx, "password.too_many", oldPasswordLimit(s.Account.ID)); err != nil {
		return err
	}
	hash, err := a.Store.FindHash(ctx, s.Account.ID)
	if err != nil {
		return fmt.Errorf("reauthenticate: %w", err)
	}
	match, err := a.Hasher.Verify(ctx, hash, password)
	if err != nil {
		return fmt.Errorf("reauthenticate: %w", err)
	}
	if match == HashDiffers {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.wrong", Field: "password"}
	}
	return a.reauthenticate(ctx, Reauthentication{Session: s, Forget: []Limit{oldPasswordLimit(s.Account.ID)}})
}

// AskProof asks the browser for one of the account's passkeys; nil when it has none.
func (a *Accounts) AskProof(ctx context.Context, s Session) (*PasskeyRequest, error) {
	found, err := a.TwoStep(ctx, s.Account.ID)
	if err != nil || len(found.Passkeys) == 0 {
		return nil, err
	}
	request, err := a.askPasskey(ceremonyProve(s), s.Account, found.Passkeys)
	return &request, err
}

// ReauthenticateByPasskey makes a session fresh by a passkey. Faults: passkey.expired, passkey.refused, passkey.copied,
// session.none.
func (a *Accounts) ReauthenticateByPasskey(ctx context.Context, s Session, answer PasskeyAnswer) error {
	use, err := a.answerPasskey(ctx, ceremonyProve(s), s.Account, answer, s.Address)
	if err != nil {
		return err
	}
	return a.reauthenticate(ctx, Reauthentication{Session: s, Passkey: &use})
}

func (a *Accounts) reauthenticate(ctx context.Context, n Reauthentication) error {
	err := a.Store.Reauthenticate(ctx, n)
	if errors.Is(err, ErrNoSession) {
		return &tenant.Fault{Kind: tenant.Unauthenticated, Code: "session.none"}
	}
	if err != nil {
		return passkeyTaken("reauthenticate", err)
	}
	return nil
}
