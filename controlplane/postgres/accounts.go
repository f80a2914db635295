package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

var _ controlplane.AccountStore = (*Store)(nil)

// accountColumns go with scanAccount.
const (
	accountColumns = `a.id::text, a.email, a.language, a.role = 'operator', a.verified_at is not null, a.must_change, a.created_at, ` + twoStepColumn
	twoStepColumn  = `exists (select from totp f where f.account_id = a.id) or exists (select from passkeys f where f.account_id = a.id)`
)

// accountFields are where accountColumns go.
func accountFields(a *controlplane.Account) []any {
	return []any{&a.ID, &a.Email, &a.Language, &a.Operator, &a.Verified, &a.MustChange, &a.CreatedAt, &a.TwoStep}
}

const findCredentials = `select ` + accountColumns + `, a.password_hash from accounts a where a.email_key = lower($1)`

// FindCredentials implements controlplane.AccountStore.
func (s *Store) FindCredentials(ctx context.Context, email string) (controlplane.Credentials, error) {
	var c controlplane.Credentials
	err := s.pool.QueryRow(ctx, findCredentials, email).Scan(append(accountFields(&c.Account), &c.PasswordHash)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, controlplane.ErrNoAccount
	}
	if err != nil {
		return c, fmt.Errorf("find an account: %w", translate(err))
	}
	return c, nil
}

const insertAccount = `
insert into accounts as a (email, email_key, password_hash, language) values ($1, lower($1), $2, $3)
returning ` + accountColumns

// CreateAccount implements controlplane.AccountStore.
func (s *Store) CreateAccount(ctx context.Context, n controlplane.NewAccount) error {
	return s.inTx(ctx, "create an account", func(tx pgx.Tx) error {
		var a controlplane.Account
		err := tx.QueryRow(ctx, insertAccount, n.Email, n.PasswordHash, n.Language).Scan(accountFields(&a)...)
		if err != nil {
			return err
		}
		return s.startSignUp(ctx, tx, a, n)
	})
}

const renewAccount = `
update accounts as a set email = $2, password_hash = $3, language = $4 where a.id = $1 and a.verified_at is null
returning ` + accountColumns

// RenewSignUp implements controlplane.AccountStore.
func (s *Store) RenewSignUp(ctx context.Context, account string, n controlplane.NewAccount) error {
	return s.inTx(ctx, "renew a sign-up", func(tx pgx.Tx) error {
		var a controlplane.Account
		err := tx.QueryRow(ctx, renewAccount, account, n.Email, n.PasswordHash, n.Language).Scan(accountFields(&a)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return controlplane.ErrTaken // verified, or swept away, meanwhile
		}
		if err != nil {
			return err
		}
		return s.startSignUp(ctx, tx, a, n)
	})
}

func (s *Store) startSignUp(ctx context.Context, tx pgx.Tx, a controlplane.Account, n controlplane.NewAccount) error {
	if err := s.createVerification(ctx, tx, a.ID, n.Link); err != nil {
		return err
	}
	if err := s.queueMail(ctx, tx, n.Mail); err != nil {
		return err
	}
	return s.audit(ctx, tx, a.Actor(), "account.signup", "", from(n.Address))
}

const insertKnownSignUp = `
insert into tokens (hash, purpose, account_id, password_hash, expires_at) values ($2, 'verify_email', $1, $3, now() + $4)`

// NoteKnownSignUp implements controlplane.AccountStore.
func (s *Store) NoteKnownSignUp(ctx context.Context, known controlplane.Account, n controlplane.NewAccount) error {
	return s.inTx(ctx, "note a sign-up for a known address", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertKnownSignUp, known.ID, n.Link.Hash, n.PasswordHash, n.Link.Lifetime); err != nil {
			return err
		}
		if err := s.queueMail(ctx, tx, n.Mail); err != nil {
			return err
		}
		return s.audit(ctx, tx, known.Actor(), "account.signup_known", "", from(n.Address))
	})
}

const updateLanguage = `update accounts set language = $2 where id = $1`

// UpdateLanguage implements controlplane.AccountStore.
func (s *Store) UpdateLanguage(ctx context.Context, account, language string) error {
	if _, err := s.pool.Exec(ctx, updateLanguage, account, language); err != nil {
		return fmt.Errorf("set the language of an account: %w", translate(err))
	}
	return nil
}

const updateHash = `update accounts set password_hash = $3 where id = $1 and password_hash = $2`

// UpdateHash implements controlplane.AccountStore.
func (s *Store) UpdateHash(ctx context.Context, account, old, fresh string) error {
	if _, err := s.pool.Exec(ctx, updateHash, account, old, fresh); err != nil {
		return fmt.Errorf("renew a password hash: %w", translate(err))
	}
	return nil
}

const findHash = `select password_hash from accounts where id = $1`

// FindHash implements controlplane.AccountStore.
func (s *Store) FindHash(ctx context.Context, account string) (string, error) {
	var hash string
	err := s.pool.QueryRow(ctx, findHash, account).Scan(&hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", controlplane.ErrNoAccount
	}
	if err != nil {
		return "", fmt.Errorf("find a password hash: %w", translate(err))
	}
	return hash, nil
}

const changePassword = `
update accounts set password_hash = $3, must_change = false where id = $1 and password_hash = $2`

// ChangePassword implements controlplane.AccountStore.
func (s *Store) ChangePassword(ctx context.Context, n controlplane.NewPassword, oldHash, session string) error {
	return s.inTx(ctx, "change a password", func(tx pgx.Tx) error {
		changed, err := tx.Exec(ctx, changePassword, n.Account.ID, oldHash, n.Hash)
		if err != nil {
			return err
		}
		if changed.RowsAffected() == 0 {
			return controlplane.ErrTaken // another change came first
		}
		return s.finishPassword(ctx, tx, n, "account.password_change", session)
	})
}

const resetPassword = `
update accounts set password_hash = $2, must_change = false, verified_at = coalesce(verified_at, now()) where id = $1`

// ResetPassword implements controlplane.AccountStore.
func (s *Store) ResetPassword(ctx context.Context, n controlplane.NewPassword, link controlplane.TokenHash) error {
	return s.inTx(ctx, "reset a password", func(tx pgx.Tx) error {
		account, _, err := useLink(ctx, tx, link, purposeReset)
		if err != nil {
			return err
		}
		if account != n.Account.ID {
			return errors.New("link and account do not belong together")
		}
		if _, err := tx.Exec(ctx, resetPassword, account, n.Hash); err != nil {
			return err
		}
		return s.finishPassword(ctx, tx, n, "account.password_reset", "")
	})
}

// finishPassword is what every new password brings with it.
func (s *Store) finishPassword(ctx context.Context, tx pgx.Tx, n controlplane.NewPassword, action, keep string) error {
	if _, err := tx.Exec(ctx, endSessionsBut, n.Account.ID, keep); err != nil {
		return err
	}
	if err := revokeLinks(ctx, tx, n.Account.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, deleteHalfLogIns, n.Account.ID); err != nil {
		return err
	}
	if err := forgetAttempts(ctx, tx, n.Forget); err != nil {
		return err
	}
	if n.Network != "" {
		if err := knowNetwork(ctx, tx, n.Account.ID, n.Network); err != nil {
			return err
		}
	}
	if err := s.queueMail(ctx, tx, n.Mail); err != nil {
		return err
	}
	return s.audit(ctx, tx, n.Account.Actor(), action, "", from(n.Address))
}

// from is the detail of an audit entry about a request from an address.
func from(address string) map[string]any { return map[string]any{"address": address} }
