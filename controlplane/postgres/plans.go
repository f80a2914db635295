package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

const planColumns = `p.id, p.slug, p.version, p.name, p.name_de, p.description_en, p.description_de, p.price_cents, p.currency, p.vat_rate,
	p.show_gross, p.period, p.seats, p.storage_bytes, p.upload_bytes, p.federation_mode, p.memory_bytes, p.cpu_millis, p.pids,
	p.database_connections, p.engines, p.backups, p.trial_days, p.position, p.visible, p.valid_from, p.valid_until, coalesce(p.account_id::text, '')`

func planFields(p *tenant.Plan) []any {
	return []any{
		&p.ID, &p.Slug, &p.Version, &p.Name.EN, &p.Name.DE, &p.Description.EN, &p.Description.DE, &p.Price.Cents, &p.Price.Currency, &p.VATRate,
		&p.ShowGross, &p.Period, &p.Quota.Seats, &p.Quota.StorageBytes, &p.Quota.UploadBytes, &p.Quota.Federation, &p.Limits.MemoryBytes, &p.Limits.CPUMillis, &p.Limits.PIDs,
		&p.Limits.DatabaseConnections, &p.Engines, &p.Backups, &p.TrialDays, &p.Position, &p.Visible, &p.ValidFrom, &p.ValidUntil, &p.Account,
	}
}

func scanPlan(row pgx.CollectableRow) (tenant.Plan, error) {
	var p tenant.Plan
	err := row.Scan(planFields(&p)...)
	return p, err
}

// Of each slug the newest version that has begun is the one that is sold, if it is.
const soldPlans = ` from plans p where p.visible and p.account_id is null and (p.valid_until is null or p.valid_until > now()) and p.version = (
	select max(n.version) from plans n where n.slug = p.slug and n.account_id is null and n.valid_from <= now()) `

const listPlans = `select ` + planColumns + soldPlans + ` order by p.position, p.slug`

// ListPlans gives the visible plans in the order of the price list.
func (s *Store) ListPlans(ctx context.Context) ([]tenant.Plan, error) {
	rows, err := s.pool.Query(ctx, listPlans)
	if err != nil {
		return nil, fmt.Errorf("list plans: %w", translate(err))
	}
	return collect(rows, scanPlan, "list plans")
}

const findPlan = `select ` + planColumns + soldPlans + ` and p.id = $1`

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
