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
	findApp       = `select sealed, last_step from totp where account_id = $1`
	findAppSince  = `select created_at from totp where account_id = $1`
	countRecovery = `select count(*) from recovery_codes where account_id = $1 and used_at is null`
)

// FindTwoStep implements controlplane.AccountStore.
func (s *Store) FindTwoStep(ctx context.Context, account string) (controlplane.TwoStep, error) {
	var found controlplane.TwoStep
	// One moment for all three, or a page could show recovery codes of a second step that is gone.
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, findAppSince, account).Scan(&found.AppSince)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if found.Passkeys, err = listPasskeys(ctx, tx, account); err != nil {
			return err
		}
		return tx.QueryRow(ctx, countRecovery, account).Scan(&found.RecoveryLeft)
	})
	if err != nil {
		return controlplane.TwoStep{}, fmt.Errorf("find second steps: %w", translate(err))
	}
	return found, nil
}

// FindApp implements controlplane.AccountStore.
func (s *Store) FindApp(ctx context.Context, account string) (sealed []byte, last int64, err error) {
	err = s.pool.QueryRow(ctx, findApp, account).Scan(&sealed, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, controlplane.ErrNoFactor
	}
	if err != nil {
		return nil, 0, fmt.Errorf("find an authenticator app: %w", translate(err))
	}
	return sealed, last, nil
}

// changeFactors makes a change of an account's second steps, one after the other, with what goes with every one: logins that are
// half done and all other sessions end, the owner is told, and the log says so.
func (s *Store) changeFactors(ctx context.Context, n controlplane.FactorChange, action string, change func(pgx.Tx) error) error {
	return s.inTx(ctx, action, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockAccount, n.Account.ID); err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, deleteHalfLogIns, n.Account.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, endSessionsBut, n.Account.ID, n.Session); err != nil {
			return err
		}
		if err := s.queueMail(ctx, tx, n.Mail); err != nil {
			return err
		}
		return s.audit(ctx, tx, n.Account.Actor(), action, "", from(n.Address))
	})
}

const insertApp = `insert into totp (account_id, sealed, last_step) values ($1, $2, $3)`

// CreateApp implements controlplane.AccountStore.
func (s *Store) CreateApp(ctx context.Context, n controlplane.FactorChange, sealed []byte, step int64) (fresh bool, err error) {
	err = s.changeFactors(ctx, n, "account.app_add", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertApp, n.Account.ID, sealed, step); err != nil {
			return err
		}
		fresh, err = insertFirstCodes(ctx, tx, n)
		return err
	})
	return fresh, err
}

const (
	hasCodes    = `select exists (select from recovery_codes where account_id = $1)`
	insertCodes = `insert into recovery_codes (account_id, hash) select $1, unnest($2::bytea[])`
)

// insertFirstCodes records the recovery codes of an account that has none.
func insertFirstCodes(ctx context.Context, tx pgx.Tx, n controlplane.FactorChange) (bool, error) {
	var exist bool
	if err := tx.QueryRow(ctx, hasCodes, n.Account.ID).Scan(&exist); err != nil || exist {
		return false, err
	}
	_, err := tx.Exec(ctx, insertCodes, n.Account.ID, n.Codes)
	return true, err
}

const (
	deleteApp = `delete from totp where account_id = $1`

	// What is left for nobody: without a second step there is nothing to recover.
	deleteLonelyCodes = `
delete from recovery_codes where account_id = $1 and not exists (select from totp where account_id = $1)
and not exists (select from passkeys where account_id = $1)`
)

// DeleteApp implements controlplane.AccountStore.
func (s *Store) DeleteApp(ctx context.Context, n controlplane.FactorChange) error {
	return s.changeFactors(ctx, n, "account.app_remove", func(tx pgx.Tx) error {
		return deleteFactor(ctx, tx, n.Account.ID, deleteApp, n.Account.ID)
	})
}

// deleteFactor deletes one second step, and what only made sense with it.
func deleteFactor(ctx context.Context, tx pgx.Tx, account, statement string, args ...any) error {
	deleted, err := tx.Exec(ctx, statement, args...)
	if err != nil {
		return err
	}
	if deleted.RowsAffected() == 0 {
		return controlplane.ErrNoFactor
	}
	_, err = tx.Exec(ctx, deleteLonelyCodes, account)
	return err
}

const hasRecoveryCode = `select exists (select from recovery_codes where account_id = $1 and hash = $2 and used_at is null)`

// HasRecoveryCode implements controlplane.AccountStore.
func (s *Store) HasRecoveryCode(ctx context.Context, account string, hash []byte) (bool, error) {
	var exists bool
	if err := s.pool.QueryRow(ctx, hasRecoveryCode, account, hash).Scan(&exists); err != nil {
		return false, fmt.Errorf("look for a recovery code: %w", translate(err))
	}
	return exists, nil
}

const (
	deleteCodes = `delete from recovery_codes where account_id = $1`
	hasFactor   = `select exists (select from totp where account_id = $1) or exists (select from passkeys where account_id = $1)`
)

// ReplaceRecoveryCodes implements controlplane.AccountStore.
func (s *Store) ReplaceRecoveryCodes(ctx context.Context, n controlplane.FactorChange) error {
	return s.changeFactors(ctx, n, "account.codes_renew", func(tx pgx.Tx) error {
		var has bool
		if err := tx.QueryRow(ctx, hasFactor, n.Account.ID).Scan(&has); err != nil {
			return err
		}
		if !has {
			return controlplane.ErrNoFactor
		}
		if _, err := tx.Exec(ctx, deleteCodes, n.Account.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertCodes, n.Account.ID, n.Codes)
		return err
	})
}

// DeleteTwoStep implements controlplane.AccountStore.
func (s *Store) DeleteTwoStep(ctx context.Context, r controlplane.TwoStepReset) error {
	return s.inTx(ctx, "reset two-step login", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockAccount, r.Account.ID); err != nil {
			return err
		}
		var deleted int64
		for _, statement := range []string{deleteApp, deletePasskeys} {
			done, err := tx.Exec(ctx, statement, r.Account.ID)
			if err != nil {
				return err
			}
			deleted += done.RowsAffected()
		}
		if deleted == 0 {
			return controlplane.ErrNoFactor
		}
		for _, statement := range []string{deleteCodes, deleteHalfLogIns} {
			if _, err := tx.Exec(ctx, statement, r.Account.ID); err != nil {
				return err
			}
		}
		// Whoever has the lost phone may have a session on it.
		if _, err := tx.Exec(ctx, endSessionsBut, r.Account.ID, ""); err != nil {
			return err
		}
		if err := s.queueMail(ctx, tx, r.Mail); err != nil {
			return err
		}
		return s.audit(ctx, tx, r.By, "account.twostep_reset", "", map[string]any{"account": r.Account.Email, "note": r.Note})
	})
}

// FindAccount implements controlplane.AccountStore.
func (s *Store) FindAccount(ctx context.Context, id string) (controlplane.Account, error) {
	var a controlplane.Account
	err := s.pool.QueryRow(ctx, findAccount, id).Scan(accountFields(&a)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, controlplane.ErrNoAccount
	}
	if err != nil {
		return a, fmt.Errorf("find an account: %w", translate(err))
	}
	return a, nil
}

const (
	insertHalfLogIn  = `insert into half_logins (token_hash, account_id, expires_at) values ($1, $2, now() + $3)`
	deleteHalfLogIns = `delete from half_logins where account_id = $1`
)

// CreateHalfLogIn implements controlplane.AccountStore.
func (s *Store) CreateHalfLogIn(ctx context.Context, n controlplane.NewHalfLogIn) error {
	return s.inTx(ctx, "create a half login", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockAccount, n.Account.ID); err != nil {
			return err
		}
		if err := stillRight(ctx, tx, n.Account.ID, n.Hash, true); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertHalfLogIn, n.Token, n.Account.ID, controlplane.HalfLogInLifetime)
		if err != nil {
			return err
		}
		if err := forgetAttempts(ctx, tx, n.Forget); err != nil {
			return err
		}
		if err := returnAttempts(ctx, tx, n.Return); err != nil {
			return err
		}
		return s.audit(ctx, tx, n.Account.Actor(), "account.login_half", "", from(n.Address))
	})
}

const findHalfLogIn = `
select ` + accountColumns + `, exists (select from known_networks n where n.account_id = a.id and n.network = $2)
from half_logins h join accounts a on a.id = h.account_id where h.token_hash = $1 and h.expires_at > now()`

// FindHalfLogIn implements controlplane.AccountStore.
func (s *Store) FindHalfLogIn(ctx context.Context, half controlplane.TokenHash, network string) (controlplane.Account, bool, error) {
	var a controlplane.Account
	var known bool
	err := s.pool.QueryRow(ctx, findHalfLogIn, half, network).Scan(append(accountFields(&a), &known)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, false, controlplane.ErrNoSession
	}
	if err != nil {
		return a, false, fmt.Errorf("find a half login: %w", translate(err))
	}
	return a, known, nil
}

const (
	useHalfLogIn = `delete from half_logins where token_hash = $1 and account_id = $2 and expires_at > now()`
	// Of two uses at the same time the second waits for the row and then finds it used.
	useAppStep  = `update totp set last_step = $2 where account_id = $1 and last_step < $2`
	useRecovery = `update recovery_codes set used_at = now() where account_id = $1 and hash = $2 and used_at is null`
)

// useSecond uses a second step up within the transaction that opens its session, or makes it fresh.
func (s *Store) useSecond(ctx context.Context, tx pgx.Tx, account string, second controlplane.SecondStep) error {
	if second.Half != nil {
		used, err := tx.Exec(ctx, useHalfLogIn, second.Half, account)
		if err != nil {
			return err
		}
		if used.RowsAffected() == 0 {
			return controlplane.ErrNoSession
		}
	}
	switch {
	case second.AppStep > 0:
		return useOnce(ctx, tx, useAppStep, account, second.AppStep)
	case second.Recovery != nil:
		if err := useOnce(ctx, tx, useRecovery, account, second.Recovery); err != nil {
			return err
		}
		return s.queueMail(ctx, tx, *second.Mail)
	case second.Passkey != nil:
		return usePasskey(ctx, tx, account, *second.Passkey)
	case second.Half != nil:
		return errors.New("half a login is completed by nothing")
	}
	return nil
}

func useOnce(ctx context.Context, tx pgx.Tx, statement string, args ...any) error {
	used, err := tx.Exec(ctx, statement, args...)
	if err != nil {
		return err
	}
	if used.RowsAffected() == 0 {
		return controlplane.ErrTaken
	}
	return nil
}

// how names what opened a session, for the audit log.
func how(second controlplane.SecondStep) string {
	switch {
	case second.AppStep > 0:
		return "app"
	case second.Recovery != nil:
		return "recovery code"
	case second.Passkey != nil:
		return "passkey"
	default:
		return ""
	}
}

// optional is nil for the zero time, which a row holds as null.
func optional(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return *at
}
