package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const listServersOn = `select ` + serverColumns + serverTables + ` where t.plan_id = $1 and t.status <> 'deleted' order by t.number`

// ListServersOn lists the servers of one version of a plan.
func (s *Store) ListServersOn(ctx context.Context, id tenant.PlanID) ([]controlplane.Server, error) {
	rows, err := s.pool.Query(ctx, listServersOn, id)
	if err != nil {
		return nil, fmt.Errorf("list servers on %s: %w", id, translate(err))
	}
	return collect(rows, scanServer, "list servers on "+string(id))
}

const findCustomer = `select id::text from accounts where email_key = lower($1) and role = 'customer'`

// FindCustomerByAddress gives the id of a customer's account, "" when there is none.
func (s *Store) FindCustomerByAddress(ctx context.Context, email string) (id string, err error) {
	err = s.pool.QueryRow(ctx, findCustomer, email).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find a customer by address: %w", translate(err))
	}
	return id, nil
}

const lockMove = `
select t.plan_id, t.status, p.seats + t.extra_seats, p.storage_bytes + t.extra_storage_bytes
from tenants t, plans p where t.id = $1 and p.id = $2 for update of t`

// MoveServer gives a server another version of its plan. The lock holds off new seats meanwhile.
func (s *Store) MoveServer(ctx context.Context, actor controlplane.Actor, id tenant.ID, from, to tenant.PlanID) error {
	return s.inTx(ctx, "move server between versions", func(tx pgx.Tx) error {
		var (
			at     tenant.PlanID
			status tenant.Status
			quota  tenant.Quota
			usage  tenant.Usage
		)
		if err := tx.QueryRow(ctx, lockMove, id, to).Scan(&at, &status, &quota.Seats, &quota.StorageBytes); err != nil {
			return err
		}
		if at != from {
			return nil
		}
		if status == tenant.AwaitingPayment || status == tenant.Deleting || status == tenant.Deleted {
			return statusConflict()
		}
		if err := tx.QueryRow(ctx, currentUsage, id).Scan(&usage.Seats, &usage.DatabaseBytes, &usage.MediaBytes); err != nil {
			return err
		}
		if len(usage.Exceeds(quota)) > 0 {
			return &tenant.Fault{Kind: tenant.OverQuota, Code: "plan.too_small"}
		}
		if err := s.setPlan(ctx, tx, id, to); err != nil {
			return err
		}
		if err := s.tellOutside(ctx, tx, id); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, actor, "server.move_plan", id, map[string]any{"before": from, "after": to}); err != nil {
			return err
		}
		return s.wake(ctx, tx, id)
	})
}
