package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

const hasOperator = `select exists (select from accounts where role = 'operator')`

// HasOperator implements controlplane.AccountStore.
func (s *Store) HasOperator(ctx context.Context) (bool, error) {
	var exists bool
	if err := s.pool.QueryRow(ctx, hasOperator).Scan(&exists); err != nil {
		return false, fmt.Errorf("look for an operator: %w", translate(err))
	}
	return exists, nil
}

const (
	// Two processes that start at once must not make two operators of different addresses.
	lockOperators  = `select pg_advisory_xact_lock(hashtextextended('hafen first operator', 0))`
	insertOperator = `
insert into accounts as a (email, email_key, password_hash, must_change, language, role, verified_at)
values ($1, lower($1), $2, true, 'en', 'operator', now())
returning ` + accountColumns
)

// CreateFirstOperator implements controlplane.AccountStore.
func (s *Store) CreateFirstOperator(ctx context.Context, email, hash string) error {
	return s.inTx(ctx, "create the first operator", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockOperators); err != nil {
			return err
		}
		var exists bool
		if err := tx.QueryRow(ctx, hasOperator).Scan(&exists); err != nil {
			return err
		}
		if exists {
			return controlplane.ErrTaken
		}
		var a controlplane.Account
		if err := tx.QueryRow(ctx, insertOperator, email, hash).Scan(accountFields(&a)...); err != nil {
			return err
		}
		return s.audit(ctx, tx, controlplane.Hafen, "operator.create", "", map[string]any{"operator": a.Email})
	})
}

const replaceOperatorPassword = `
update accounts as a set password_hash = $2, must_change = true where a.email_key = lower($1) and a.role = 'operator'
returning ` + accountColumns

// ReplaceOperatorPassword implements controlplane.AccountStore.
func (s *Store) ReplaceOperatorPassword(ctx context.Context, email, hash string) error {
	return s.inTx(ctx, "replace an operator's password", func(tx pgx.Tx) error {
		var a controlplane.Account
		err := tx.QueryRow(ctx, replaceOperatorPassword, email, hash).Scan(accountFields(&a)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return controlplane.ErrNoAccount
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, endSessionsBut, a.ID, ""); err != nil {
			return err
		}
		if err := revokeLinks(ctx, tx, a.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, deleteHalfLogIns, a.ID); err != nil {
			return err
		}
		return s.audit(ctx, tx, controlplane.Hafen, "operator.password", "", map[string]any{"operator": a.Email})
	})
}
