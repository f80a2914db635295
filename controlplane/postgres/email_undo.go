package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

const (
	findEmailUndo = `
select ` + accountColumns + `, e.email from email_undos e join accounts a on a.id = e.account_id
where e.hash = $1 and e.used_at is null and e.expires_at > now()`
	whyNoEmailUndo = `select used_at is not null from email_undos where hash = $1`
)

// FindEmailUndo implements controlplane.AccountStore.
func (s *Store) FindEmailUndo(ctx context.Context, link controlplane.TokenHash) (a controlplane.Account, email string, err error) {
	err = s.pool.QueryRow(ctx, findEmailUndo, link).Scan(append(accountFields(&a), &email)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, "", explain(ctx, s.pool, whyNoEmailUndo, link)
	}
	if err != nil {
		return a, "", fmt.Errorf("find the way back to an address: %w", translate(err))
	}
	return a, email, nil
}

const (
	// Of two uses the second waits for the first one's row lock and then finds used_at set.
	useEmailUndo = `
update email_undos set used_at = now() where hash = $1 and used_at is null and expires_at > now()
returning account_id::text, email, created_at`

	// They lead to addresses the account had since.
	endYoungerUndos = `update email_undos set used_at = now() where account_id = $1 and created_at >= $2 and used_at is null`

	// No password has an empty hash.
	forgetPassword = `update accounts set password_hash = '' where id = $1`
)

// UndoEmail implements controlplane.AccountStore.
func (s *Store) UndoEmail(ctx context.Context, link controlplane.TokenHash, u controlplane.EmailUndo) error {
	return s.inTx(ctx, "take a change of address back", func(tx pgx.Tx) error {
		var account, email string
		var made time.Time
		err := tx.QueryRow(ctx, useEmailUndo, link).Scan(&account, &email, &made)
		if errors.Is(err, pgx.ErrNoRows) {
			return explain(ctx, tx, whyNoEmailUndo, link)
		}
		if err != nil {
			return err
		}
		before, after, err := moveAccount(ctx, tx, account, email)
		if err != nil {
			return err
		}
		for _, statement := range []string{forgetPassword, deleteHalfLogIns} {
			if _, err := tx.Exec(ctx, statement, account); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, endYoungerUndos, account, made); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, endSessionsBut, account, ""); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertReset, account, u.Reset.Hash, u.Reset.Lifetime); err != nil {
			return err
		}
		for _, m := range u.Mails {
			if err := s.queueMail(ctx, tx, m); err != nil {
				return err
			}
		}
		detail := map[string]any{"before": before.Email, "after": after.Email, "address": u.Address}
		return s.audit(ctx, tx, after.Actor(), "account.email_undo", "", detail)
	})
}
