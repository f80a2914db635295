package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

const (
	deleteEmailChanges = `delete from email_changes where account_id = $1`
	insertEmailChange  = `insert into email_changes (hash, account_id, email, expires_at) values ($1, $2, $3, now() + $4)`
)

// CreateEmailChange implements controlplane.AccountStore.
func (s *Store) CreateEmailChange(ctx context.Context, n controlplane.NewEmailChange) error {
	return s.inTx(ctx, "ask for another address", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, deleteEmailChanges, n.Account.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertEmailChange, n.Link.Hash, n.Account.ID, n.Email, n.Link.Lifetime); err != nil {
			return err
		}
		if err := s.queueMail(ctx, tx, n.Mail); err != nil {
			return err
		}
		return s.audit(ctx, tx, n.Account.Actor(), "account.email_asked", "", from(n.Address))
	})
}

const (
	findEmailChange = `
select ` + accountColumns + `, e.email from email_changes e join accounts a on a.id = e.account_id
where e.hash = $1 and e.used_at is null and e.expires_at > now()`
	whyNoEmailChange = `select used_at is not null from email_changes where hash = $1`
)

// FindEmailChange implements controlplane.AccountStore.
func (s *Store) FindEmailChange(ctx context.Context, link controlplane.TokenHash) (a controlplane.Account, email string, err error) {
	err = s.pool.QueryRow(ctx, findEmailChange, link).Scan(append(accountFields(&a), &email)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, "", explain(ctx, s.pool, whyNoEmailChange, link)
	}
	if err != nil {
		return a, "", fmt.Errorf("find a change of address: %w", translate(err))
	}
	return a, email, nil
}

const (
	// Of two uses the second waits for the first one's row lock and then finds used_at set.
	useEmailChange = `
update email_changes set used_at = now() where hash = $1 and used_at is null and expires_at > now()
returning account_id::text, email`

	// Somebody signed up for the address and never proved it; this link does.
	deleteUnproven = `
delete from accounts a where a.email_key = lower($1) and a.verified_at is null
and not exists (select from tenants t where t.account_id = a.id) and not exists (select from orders o where o.account_id = a.id)`

	updateEmail = `update accounts as a set email = $2, email_key = lower($2) where a.id = $1 returning ` + accountColumns

	insertEmailUndo = `insert into email_undos (hash, account_id, email, expires_at) values ($1, $2, $3, now() + $4)`
)

// moveAccount gives an account another address, which somebody has proved to be theirs. Links in the mailbox before are useless.
func moveAccount(ctx context.Context, tx pgx.Tx, account, email string) (before, after controlplane.Account, err error) {
	if _, err := tx.Exec(ctx, lockAccount, account); err != nil {
		return before, after, err
	}
	if err := tx.QueryRow(ctx, findAccount, account).Scan(accountFields(&before)...); err != nil {
		return before, after, err
	}
	if _, err := tx.Exec(ctx, deleteUnproven, email); err != nil {
		return before, after, err
	}
	if err := tx.QueryRow(ctx, updateEmail, account, email).Scan(accountFields(&after)...); err != nil {
		return before, after, err
	}
	return before, after, revokeLinks(ctx, tx, account)
}

// ChangeEmail implements controlplane.AccountStore.
func (s *Store) ChangeEmail(ctx context.Context, link controlplane.TokenHash, c controlplane.EmailChanged) error {
	return s.inTx(ctx, "change an address", func(tx pgx.Tx) error {
		var account, email string
		err := tx.QueryRow(ctx, useEmailChange, link).Scan(&account, &email)
		if errors.Is(err, pgx.ErrNoRows) {
			return explain(ctx, tx, whyNoEmailChange, link)
		}
		if err != nil {
			return err
		}
		before, after, err := moveAccount(ctx, tx, account, email)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertEmailUndo, c.Undo.Hash, account, before.Email, c.Undo.Lifetime); err != nil {
			return err
		}
		for _, m := range c.Mails {
			if err := s.queueMail(ctx, tx, m); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, before.Actor(), "account.email_change", "", map[string]any{"before": before.Email, "after": after.Email})
	})
}
