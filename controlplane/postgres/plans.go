package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

const planColumns = `p.id, p.name, p.price_cents, p.currency, p.vat_rate, p.seats, p.storage_bytes, p.upload_bytes, p.federation,
	p.memory_bytes, p.cpu_millis, p.pids, p.database_connections, p.position, p.visible, p.engines`

func planFields(p *tenant.Plan) []any {
	return []any{
		&p.ID, &p.Name, &p.Price.Cents, &p.Price.Currency, &p.VATRate, &p.Quota.Seats, &p.Quota.StorageBytes, &p.Quota.UploadBytes,
		&p.Quota.Federation, &p.Limits.MemoryBytes, &p.Limits.CPUMillis, &p.Limits.PIDs, &p.Limits.DatabaseConnections, &p.Position, &p.Visible, &p.Engines,
	}
}

func scanPlan(row pgx.CollectableRow) (tenant.Plan, error) {
	var p tenant.Plan
	err := row.Scan(planFields(&p)...)
	return p, err
}

const listPlans = `select ` + planColumns + ` from plans p where p.visible order by p.position`

// ListPlans gives the visible plans in the order of the price list.
func (s *Store) ListPlans(ctx context.Context) ([]tenant.Plan, error) {
	rows, err := s.pool.Query(ctx, listPlans)
	if err != nil {
		return nil, fmt.Errorf("list plans: %w", translate(err))
	}
	return collect(rows, scanPlan, "list plans")
}

const findPlan = `select ` + planColumns + ` from plans p where p.id = $1 and p.visible`

// FindPlan finds a plan that can be bought; any other is the Fault plan.unknown.
func (s *Store) FindPlan(ctx context.Context, id tenant.PlanID) (tenant.Plan, error) {
	rows, err := s.pool.Query(ctx, findPlan, id)
	if err != nil {
		return tenant.Plan{}, fmt.Errorf("find plan %s: %w", id, translate(err))
	}
	plan, err := pgx.CollectExactlyOneRow(rows, scanPlan)
	if errors.Is(err, pgx.ErrNoRows) {
		return tenant.Plan{}, &tenant.Fault{Kind: tenant.NotFound, Code: "plan.unknown", Field: "plan"}
	}
	if err != nil {
		return tenant.Plan{}, fmt.Errorf("find plan %s: %w", id, translate(err))
	}
	return plan, nil
}

func collect[T any](rows pgx.Rows, scan pgx.RowToFunc[T], doing string) ([]T, error) {
	list, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, translate(err))
	}
	return list, nil
}
