package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
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

// Of each slug the newest version that has begun is the one that is sold, if it is; and beside it the newest of an account's
// own, which nobody else sees. Since when and until when is by the clock of money, as it is in the console.
const soldPlans = ` from plans p where p.visible and (p.account_id is null or p.account_id::text = $1) and p.valid_from <= $2
	and (p.valid_until is null or p.valid_until > $2) and p.version = (
		select max(n.version) from plans n where n.slug = p.slug and n.account_id is not distinct from p.account_id and n.valid_from <= $2) `

const listPlans = `select ` + planColumns + soldPlans + ` order by p.account_id nulls last, p.position, p.slug`

// ListPlans gives the visible plans in the order of the price list, those of an account's own first. "" is no account.
func (s *Store) ListPlans(ctx context.Context, account string) ([]tenant.Plan, error) {
	rows, err := s.pool.Query(ctx, listPlans, account, s.config.Now())
	if err != nil {
		return nil, fmt.Errorf("list plans: %w", translate(err))
	}
	return collect(rows, scanPlan, "list plans")
}

// A slug alone is the version that is sold to everybody now, so that an old link or an order begun before a change still
// leads to a plan; it is also the id of the first version, which may not be sold any more.
const findPlan = `select ` + planColumns + soldPlans + ` and (p.id = $3 or p.slug = $3 and p.account_id is null) order by p.id = $3 desc limit 1`

// FindPlan finds a plan that an account ("" for nobody's) can buy, by the id of the version that is sold or by its slug; any
// other is the Fault plan.unknown.
func (s *Store) FindPlan(ctx context.Context, account string, id tenant.PlanID) (tenant.Plan, error) {
	rows, err := s.pool.Query(ctx, findPlan, account, s.config.Now(), id)
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

const listPlanVersions = `
select ` + planColumns + `, coalesce(a.email, ''), p.created_at, p.created_by,
	(select count(*) from tenants t where t.plan_id = p.id and t.status <> 'deleted')
from plans p left join accounts a on a.id = p.account_id
order by p.slug, p.version desc`

// ListPlanVersions lists all versions of all plans, the newest first.
func (s *Store) ListPlanVersions(ctx context.Context) ([]controlplane.PlanVersion, error) {
	rows, err := s.pool.Query(ctx, listPlanVersions)
	if err != nil {
		return nil, fmt.Errorf("list versions of plans: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (v controlplane.PlanVersion, err error) {
		err = row.Scan(append(planFields(&v.Plan), &v.Owner, &v.CreatedAt, &v.CreatedBy, &v.Servers)...)
		return v, err
	}, "list versions of plans")
}

// The versions of a slug are counted together, customers' own among them; each customer's, and everybody's, have a newest of
// their own.
const (
	newestPlan = `
select coalesce(max(version), 0), coalesce(max(version) filter (where account_id is not distinct from nullif($2, '')::uuid), 0)
from plans where slug = $1`
	insertPlan = `
insert into plans (id, slug, version, name, name_de, description_en, description_de, price_cents, currency, vat_rate, show_gross, period, seats,
	storage_bytes, upload_bytes, federation, federation_mode, memory_bytes, cpu_millis, pids, database_connections, engines, backups, trial_days,
	position, visible, valid_from, valid_until, account_id, created_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
	greatest($31::timestamptz, $27), $28, nullif($29, '')::uuid, $30)`
)

func (s *Store) insertPlan(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, d controlplane.PlanDraft) error {
	p := d.Plan
	var last, mine int
	if err := tx.QueryRow(ctx, newestPlan, p.Slug, p.Account).Scan(&last, &mine); err != nil {
		return err
	}
	if mine != d.After {
		return catalogueChanged()
	}
	p.Version = last + 1
	p.ID = tenant.PlanID(versionID(p.Slug, p.Version))
	_, err := tx.Exec(ctx, insertPlan, p.ID, p.Slug, p.Version, p.Name.EN, p.Name.DE, p.Description.EN, p.Description.DE, p.Price.Cents, p.Price.Currency,
		p.VATRate, p.ShowGross, p.Period, p.Quota.Seats, p.Quota.StorageBytes, p.Quota.UploadBytes, p.Quota.Federation != tenant.FederationOff,
		p.Quota.Federation, p.Limits.MemoryBytes, p.Limits.CPUMillis, p.Limits.PIDs, p.Limits.DatabaseConnections, p.Engines, p.Backups, p.TrialDays,
		p.Position, p.Visible, p.ValidFrom, p.ValidUntil, p.Account, actor.Email, s.config.Now())
	if err != nil {
		return fmt.Errorf("insert plan %s: %w", p.ID, err)
	}
	detail := changesDetail(string(p.ID), d.Changes)
	action := "plan.change"
	switch {
	case p.Account != "":
		action, detail["account"] = "plan.own", p.Account
	case d.After == 0:
		action = "plan.create"
	}
	return s.audit(ctx, tx, actor, action, "", detail)
}

// versionID names a version: the first has the slug alone.
func versionID(slug string, version int) string {
	if version == 1 {
		return slug
	}
	return slug + "." + strconv.Itoa(version)
}

// changesDetail is what an audit entry says of a new version: what was, and what is.
func changesDetail(id string, changes []tenant.FieldChange) map[string]any {
	before, after := map[string]string{}, map[string]string{}
	for _, c := range changes {
		if c.Before != "" {
			before[c.Field] = c.Before
		}
		after[c.Field] = c.After
	}
	return map[string]any{"id": id, "before": before, "after": after}
}

func catalogueChanged() error {
	return &tenant.Fault{Kind: tenant.Conflict, Code: "catalogue.changed"}
}

// One change at a time: numbers of versions follow one another, and what a draft was made from stays the newest until it is in.
// Readers are not held up. The number is "plan" in ASCII.
const lockCatalogue = `select pg_advisory_xact_lock(x'706c616e'::int)`

// SaveCatalogue makes new versions and coupons in one transaction.
func (s *Store) SaveCatalogue(ctx context.Context, actor controlplane.Actor, c controlplane.CatalogueChange) error {
	return s.inTx(ctx, "change the price list", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockCatalogue); err != nil {
			return err
		}
		for _, d := range c.Plans {
			if err := s.insertPlan(ctx, tx, actor, d); err != nil {
				return err
			}
		}
		for _, d := range c.Addons {
			if err := s.insertAddon(ctx, tx, actor, d); err != nil {
				return err
			}
		}
		for _, coupon := range c.Coupons {
			if err := s.insertCoupon(ctx, tx, actor, coupon); err != nil {
				return err
			}
		}
		for _, code := range c.Withdrawn {
			if err := s.withdrawCoupon(ctx, tx, actor, code); err != nil {
				return err
			}
		}
		return nil
	})
}
