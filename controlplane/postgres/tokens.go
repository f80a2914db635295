package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// purpose is what a link in a mail is for. A link of one purpose is unknown to all others.
type purpose string

const (
	purposeVerify purpose = "verify_email"
	purposeReset  purpose = "reset_password"
)

// The hash is copied from the account in the same transaction that set it.
const insertVerification = `
insert into tokens (hash, purpose, account_id, password_hash, expires_at)
select $2, 'verify_email', a.id, a.password_hash, now() + $3 from accounts a where a.id = $1 and a.verified_at is null`

func (s *Store) createVerification(ctx context.Context, tx pgx.Tx, account string, l controlplane.Link) error {
	if _, err := tx.Exec(ctx, insertVerification, account, l.Hash, l.Lifetime); err != nil {
		return fmt.Errorf("create a verification link: %w", err)
	}
	return nil
}

const lockUnverified = `select ` + accountColumns + ` from accounts a where a.id = $1 and a.verified_at is null for update`

// CreateVerification implements controlplane.AccountStore.
func (s *Store) CreateVerification(ctx context.Context, account string, l controlplane.Link, m controlplane.Mail) error {
	return s.inTx(ctx, "send another verification link", func(tx pgx.Tx) error {
		var a controlplane.Account
		err := tx.QueryRow(ctx, lockUnverified, account).Scan(accountFields(&a)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // verified by now
		}
		if err != nil {
			return err
		}
		if err := s.createVerification(ctx, tx, account, l); err != nil {
			return err
		}
		if err := s.queueMail(ctx, tx, m); err != nil {
			return err
		}
		return s.audit(ctx, tx, a.Actor(), "account.verification_sent", "", nil)
	})
}

const (
	insertReset = `
insert into tokens (hash, purpose, account_id, expires_at) values ($2, 'reset_password', $1, now() + $3)`
	findAccount = `select ` + accountColumns + ` from accounts a where a.id = $1`
)

// CreateReset implements controlplane.AccountStore.
func (s *Store) CreateReset(ctx context.Context, account string, l controlplane.Link, m controlplane.Mail) error {
	return s.inTx(ctx, "send a reset link", func(tx pgx.Tx) error {
		var a controlplane.Account
		if _, err := tx.Exec(ctx, lockAccount, account); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, findAccount, account).Scan(accountFields(&a)...); err != nil {
			return err
		}
		if a.Email != m.To {
			return nil // it has moved since it was looked up, perhaps away from the one who asks
		}
		if _, err := tx.Exec(ctx, insertReset, account, l.Hash, l.Lifetime); err != nil {
			return err
		}
		if err := s.queueMail(ctx, tx, m); err != nil {
			return err
		}
		return s.audit(ctx, tx, a.Actor(), "account.reset_sent", "", nil)
	})
}

// FindReset implements controlplane.AccountStore.
func (s *Store) FindReset(ctx context.Context, link controlplane.TokenHash) (controlplane.Account, error) {
	return s.findLink(ctx, link, purposeReset)
}

// FindVerification implements controlplane.AccountStore.
func (s *Store) FindVerification(ctx context.Context, link controlplane.TokenHash) (controlplane.Account, error) {
	return s.findLink(ctx, link, purposeVerify)
}

const findLinkAccount = `
select ` + accountColumns + ` from tokens t join accounts a on a.id = t.account_id
where t.hash = $1 and t.purpose = $2 and t.used_at is null and t.expires_at > now()`

func (s *Store) findLink(ctx context.Context, link controlplane.TokenHash, p purpose) (controlplane.Account, error) {
	var a controlplane.Account
	err := s.pool.QueryRow(ctx, findLinkAccount, link, string(p)).Scan(accountFields(&a)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, explainLink(ctx, s.pool, link, p)
	}
	if err != nil {
		return a, fmt.Errorf("find a link: %w", translate(err))
	}
	return a, nil
}

const verifyAccount = `
update accounts as a set verified_at = now(), password_hash = coalesce($2, password_hash)
where a.id = $1 and a.verified_at is null returning ` + accountColumns

// VerifyEmail implements controlplane.AccountStore.
func (s *Store) VerifyEmail(ctx context.Context, link controlplane.TokenHash) (controlplane.Account, error) {
	var a controlplane.Account
	err := s.inTx(ctx, "use a verification link", func(tx pgx.Tx) error {
		account, hash, err := useLink(ctx, tx, link, purposeVerify)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, verifyAccount, account, hash).Scan(accountFields(&a)...)
		if errors.Is(err, pgx.ErrNoRows) {
			// Another link of the account was faster. This one must not change the password of a proven account.
			return linkFault(tenant.Conflict, "token.used")
		}
		if err != nil {
			return err
		}
		if err := revokeLinks(ctx, tx, account); err != nil {
			return err
		}
		return s.audit(ctx, tx, a.Actor(), "account.verify", "", nil)
	})
	return a, err
}

// Of two transactions the second waits for the first one's row lock and then finds used_at set.
const useToken = `
update tokens set used_at = now()
where hash = $1 and purpose = $2 and used_at is null and expires_at > now()
returning account_id::text, password_hash`

// useLink marks an account's link used. Exactly one of several callers gets it; the others get the fault that says why not.
func useLink(ctx context.Context, tx pgx.Tx, link controlplane.TokenHash, p purpose) (account string, hash *string, err error) {
	err = tx.QueryRow(ctx, useToken, link, string(p)).Scan(&account, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil, explainLink(ctx, tx, link, p)
	}
	if err != nil {
		return "", nil, fmt.Errorf("use a link: %w", err)
	}
	return account, hash, nil
}

const whyNot = `select used_at is not null from tokens where hash = $1 and purpose = $2`

func explainLink(ctx context.Context, db oneRow, link controlplane.TokenHash, p purpose) error {
	return explain(ctx, db, whyNot, link, string(p))
}

// oneRow is a pool or a transaction.
type oneRow interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// explain says why a link cannot be used. The statement tells whether it was.
func explain(ctx context.Context, db oneRow, statement string, args ...any) error {
	var used bool
	err := db.QueryRow(ctx, statement, args...).Scan(&used)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return linkFault(tenant.NotFound, "token.unknown")
	case err != nil:
		return fmt.Errorf("explain a link: %w", translate(err))
	case used:
		return linkFault(tenant.Conflict, "token.used")
	}
	return linkFault(tenant.Conflict, "token.expired")
}

func linkFault(kind tenant.Kind, code string) error { return &tenant.Fault{Kind: kind, Code: code} }

const (
	revokeAccountLinks = `update tokens set used_at = now() where account_id = $1 and used_at is null`
	revokeEmailChanges = `update email_changes set used_at = now() where account_id = $1 and used_at is null`
)

// revokeLinks makes all open links of an account useless: each was sent for a state of the account that is gone.
func revokeLinks(ctx context.Context, tx pgx.Tx, account string) error {
	for _, statement := range []string{revokeAccountLinks, revokeEmailChanges} {
		if _, err := tx.Exec(ctx, statement, account); err != nil {
			return fmt.Errorf("revoke links: %w", err)
		}
	}
	return nil
}
