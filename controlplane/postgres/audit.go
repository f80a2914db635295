package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const insertAudit = `
insert into audit (actor_id, actor, action, tenant_id, detail)
values (nullif($1, '')::uuid, $2, $3, nullif($4, ''), $5)`

// audit records who did what, within the transaction that does it. Detail never holds a secret; nil is fine.
func (s *Store) audit(ctx context.Context, tx pgx.Tx, by controlplane.Actor, action string, id tenant.ID, detail map[string]any) error {
	if detail == nil {
		detail = map[string]any{}
	}
	if _, err := tx.Exec(ctx, insertAudit, by.Account, by.Email, action, string(id), detail); err != nil {
		return fmt.Errorf("write audit entry %s: %w", action, err)
	}
	return nil
}
