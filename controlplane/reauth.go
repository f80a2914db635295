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
	// Reauthenticate notes it, by the database's clock; ErrNoSession when the session is over, ErrTaken when the second step was
	// used before.
	Reauthenticate(ctx context.Context, n Reauthentication) error
}

// Reauthentication is a proof as it is kept.
type Reauthentication struct {
	Session Session
	Forget  []Limit    // attempts that no longer count
	Second  SecondStep // empty: the password alone was enough
}

// Proof is what somebody typed to show that it is still them: the password and, where the account asks for more, one of a code of
// the app and a recovery code.
type Proof struct{ Password, Code, Recovery string }

// Reauthenticate makes a session fresh. It asks for as much as a login does: what it guards is worth no less, and a stranger at an
// open browser may well know the password. Faults: password.wrong, password.too_many, code.wrong, recovery.wrong,
// second.too_many, session.none.
func (a *Accounts) Reauthenticate(ctx context.Context, s Session, proof Proof) error {
	if err := a.take(ctx, "password.too_many", oldPasswordLimit(s.Account.ID)); err != nil {
		return err
	}
	hash, err := a.Store.FindHash(ctx, s.Account.ID)
	if err != nil {
		return fmt.Errorf("reauthenticate: %w", err)
	}
	match, err := a.Hasher.Verify(ctx, hash, proof.Password)
	if err != nil {
		return fmt.Errorf("reauthenticate: %w", err)
	}
	if match == HashDiffers {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.wrong", Field: "password"}
	}
	n := Reauthentication{Session: s, Forget: []Limit{oldPasswordLimit(s.Account.ID)}}
	if s.Account.TwoStep {
		limits := limitsOfSecond(s.Account.ID, s.Address)
		typed := SecondLogIn{Code: proof.Code, Recovery: proof.Recovery, Visitor: Visitor{Address: s.Address}}
		if n.Second, err = a.checkTyped(ctx, s.Account, typed, limits, true); err != nil {
			return err
		}
		n.Forget = append(n.Forget, limits.pair, limits.recovery)
	}
	return a.reauthenticate(ctx, n)
}

// AskProof says what a session may be made fresh with.
func (a *Accounts) AskProof(ctx context.Context, s Session) (StepsAsked, error) {
	return a.askSteps(ctx, ceremonyProve(s), s.Account)
}

// ReauthenticateByPasskey makes a session fresh by a passkey. Faults: passkey.expired, passkey.refused, passkey.copied,
// session.none.
func (a *Accounts) ReauthenticateByPasskey(ctx context.Context, s Session, answer PasskeyAnswer) error {
	use, err := a.answerPasskey(ctx, ceremonyProve(s), s.Account, answer, s.Address)
	if err != nil {
		return err
	}
	return a.reauthenticate(ctx, Reauthentication{Session: s, Second: SecondStep{Passkey: &use}})
}

func (a *Accounts) reauthenticate(ctx context.Context, n Reauthentication) error {
	err := a.Store.Reauthenticate(ctx, n)
	switch {
	case errors.Is(err, ErrNoSession):
		return &tenant.Fault{Kind: tenant.Unauthenticated, Code: "session.none"}
	case errors.Is(err, ErrTaken):
		return wrongSecond(n.Second, err)
	case err != nil:
		return fmt.Errorf("reauthenticate: %w", err)
	}
	return nil
}
