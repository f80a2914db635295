package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

const selectPasskeys = `
select id::text, name, created_at, used_at, sign_count, credential from passkeys where account_id = $1 order by created_at, id`

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func listPasskeys(ctx context.Context, db querier, account string) ([]controlplane.Passkey, error) {
	rows, err := db.Query(ctx, selectPasskeys, account)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (controlplane.Passkey, error) {
		var p controlplane.Passkey
		var used *time.Time
		var count int64
		err := row.Scan(&p.ID, &p.Name, &p.CreatedAt, &used, &count, &p.Record)
		p.UsedAt, p.SignCount = optional(used), uint32(count)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return list, nil
}

const insertPasskey = `
insert into passkeys (account_id, credential_id, credential, sign_count, name) values ($1, $2, $3, $4, $5)`

// CreatePasskey implements controlplane.AccountStore.
func (s *Store) CreatePasskey(ctx context.Context, n controlplane.FactorChange, p controlplane.NewPasskey) (fresh bool, err error) {
	err = s.changeFactors(ctx, n, "account.passkey_add", func(tx pgx.Tx) error {
		if err := useChallenge(ctx, tx, p.Use); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertPasskey, n.Account.ID, p.Credential, p.Use.Record, int64(p.Use.SignCount), p.Name)
		if err != nil {
			return err
		}
		fresh, err = insertFirstCodes(ctx, tx, n)
		return err
	})
	return fresh, err
}

const renamePasskey = `update passkeys set name = $3 where id = $2 and account_id = $1`

// RenamePasskey implements controlplane.AccountStore.
func (s *Store) RenamePasskey(ctx context.Context, account, passkey, name string) error {
	renamed, err := s.pool.Exec(ctx, renamePasskey, account, passkey, name)
	if err != nil {
		return fmt.Errorf("rename a passkey: %w", translate(err))
	}
	if renamed.RowsAffected() == 0 {
		return controlplane.ErrNoFactor
	}
	return nil
}

const (
	deletePasskey  = `delete from passkeys where account_id = $1 and id = $2`
	deletePasskeys = `delete from passkeys where account_id = $1`
)

// DeletePasskey implements controlplane.AccountStore.
func (s *Store) DeletePasskey(ctx context.Context, n controlplane.FactorChange, passkey string) error {
	return s.changeFactors(ctx, n, "account.passkey_remove", func(tx pgx.Tx) error {
		return deleteFactor(ctx, tx, n.Account.ID, deletePasskey, n.Account.ID, passkey)
	})
}

const findPasskeyOwner = `
select ` + accountColumns + ` from passkeys p join accounts a on a.id = p.account_id where p.credential_id = $1`

// FindPasskeyOwner implements controlplane.AccountStore.
func (s *Store) FindPasskeyOwner(ctx context.Context, credential []byte) (controlplane.Account, []controlplane.Passkey, error) {
	var a controlplane.Account
	err := s.pool.QueryRow(ctx, findPasskeyOwner, credential).Scan(accountFields(&a)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, nil, controlplane.ErrNoFactor
	}
	if err != nil {
		return a, nil, fmt.Errorf("find the owner of a passkey: %w", translate(err))
	}
	list, err := listPasskeys(ctx, s.pool, a.ID)
	return a, list, translate(err)
}

const (
	// Kept until the challenge would be refused as too old.
	insertChallenge = `insert into passkey_challenges (hash, expires_at) values ($1, $2) on conflict do nothing`

	// A counter that did not grow belongs to a copy, or to an answer that arrived twice. Authenticators that do not count say 0.
	advancePasskey = `
update passkeys set credential = $3, sign_count = $4, used_at = now()
where id = $2 and account_id = $1 and (sign_count < $4 or sign_count = 0 and $4 = 0)`
)

func useChallenge(ctx context.Context, tx pgx.Tx, use controlplane.PasskeyUse) error {
	return useOnce(ctx, tx, insertChallenge, use.Challenge, use.Until)
}

// UseChallenge implements controlplane.AccountStore.
func (s *Store) UseChallenge(ctx context.Context, hash []byte, until time.Time) error {
	return s.inTx(ctx, "use a challenge", func(tx pgx.Tx) error {
		return useOnce(ctx, tx, insertChallenge, hash, until)
	})
}

func usePasskey(ctx context.Context, tx pgx.Tx, account string, use controlplane.PasskeyUse) error {
	if err := useChallenge(ctx, tx, use); err != nil {
		return err
	}
	return useOnce(ctx, tx, advancePasskey, account, use.ID, use.Record, int64(use.SignCount))
}
