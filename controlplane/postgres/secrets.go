package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

const loadSecrets = `select name, sealed from secrets where tenant_id = $1`

// Load gives a tenant's secrets by name.
func (s Secrets) Load(ctx context.Context, id tenant.ID) (map[string][]byte, error) {
	rows, err := s.store.pool.Query(ctx, loadSecrets, id)
	if err != nil {
		return nil, fmt.Errorf("load secrets of %s: %w", id, err)
	}
	secrets := map[string][]byte{}
	var (
		name   string
		sealed []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&name, &sealed}, func() error {
		secrets[name], err = s.store.config.Secrets.Open(sealed, secretContext(id, name))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load secrets of %s: %w", id, err)
	}
	return secrets, nil
}

const storeSecret = `insert into secrets (tenant_id, name, sealed) values ($1, $2, $3) on conflict do nothing`

// Store adds the secrets that are missing and leaves the others: a key in use must not change under its server.
func (s Secrets) Store(ctx context.Context, id tenant.ID, secrets map[string][]byte) error {
	return s.store.inTx(ctx, "store secrets of "+string(id), func(tx pgx.Tx) error {
		for name, secret := range secrets {
			sealed, err := s.store.config.Secrets.Seal(secret, secretContext(id, name))
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, storeSecret, id, name, sealed); err != nil {
				return err
			}
		}
		return nil
	})
}

const deleteSecrets = `delete from secrets where tenant_id = $1`

// Delete removes all of a tenant's secrets. Without its keys even an old backup of its rows opens nothing.
func (s Secrets) Delete(ctx context.Context, id tenant.ID) error {
	if _, err := s.store.pool.Exec(ctx, deleteSecrets, id); err != nil {
		return fmt.Errorf("delete secrets of %s: %w", id, err)
	}
	return nil
}

// secretContext binds a sealed secret to its tenant and its name, so that rows cannot be swapped.
func secretContext(id tenant.ID, name string) []byte {
	return []byte("secret " + string(id) + " " + name)
}
