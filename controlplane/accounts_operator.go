package controlplane

import (
	"context"
	"errors"
	"fmt"

	"hafen/tenant"
)

// OperatorAccountStore keeps the accounts of the hoster's staff.
type OperatorAccountStore interface {
	// CreateFirstOperator makes an operator with a one-time password unless there is one; ErrTaken when there is, or when
	// the address has another account. HasOperator tells the two apart.
	CreateFirstOperator(ctx context.Context, email, hash string) error
	HasOperator(ctx context.Context) (bool, error)
	// ReplaceOperatorPassword sets a one-time password and ends all sessions; ErrNoAccount when no operator has the address.
	ReplaceOperatorPassword(ctx context.Context, email, hash string) error
}

// EnsureOperator makes the first operator, with a password that must be changed at the first login. It does nothing when
// there is an operator already. The password is shown once and kept nowhere. Fault: operator.address_taken.
func (a *Accounts) EnsureOperator(ctx context.Context, email string) (password string, created bool, err error) {
	if email, err = ParseEmail(email); err != nil {
		return "", false, err
	}
	// Asked first, so that a start with an operator in place costs no hash.
	if exists, err := a.Store.HasOperator(ctx); err != nil || exists {
		return "", false, err
	}
	password = GeneratePassword()
	hash, err := a.Hasher.Hash(ctx, password)
	if err != nil {
		return "", false, fmt.Errorf("create the first operator: %w", err)
	}
	err = a.Store.CreateFirstOperator(ctx, email, hash)
	if errors.Is(err, ErrTaken) {
		if exists, err := a.Store.HasOperator(ctx); err != nil || exists {
			return "", false, err // another process was faster
		}
		return "", false, &tenant.Fault{Kind: tenant.Conflict, Code: "operator.address_taken", Err: err}
	}
	if err != nil {
		return "", false, fmt.Errorf("create the first operator: %w", err)
	}
	return password, true, nil
}

// ResetOperator gives an operator another one-time password and ends their sessions. Fault: operator.unknown.
func (a *Accounts) ResetOperator(ctx context.Context, email string) (password string, err error) {
	if email, err = ParseEmail(email); err != nil {
		return "", err
	}
	password = GeneratePassword()
	hash, err := a.Hasher.Hash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("reset an operator's password: %w", err)
	}
	err = a.Store.ReplaceOperatorPassword(ctx, email, hash)
	if errors.Is(err, ErrNoAccount) {
		return "", &tenant.Fault{Kind: tenant.NotFound, Code: "operator.unknown"}
	}
	if err != nil {
		return "", fmt.Errorf("reset an operator's password: %w", err)
	}
	return password, nil
}
