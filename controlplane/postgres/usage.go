package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// The last measurement of each is one step down the index; which tenants have one of late would need a walk through the ledger.
const listUnmeasured = `
select ` + specColumns + ` from tenants t join plans p on p.id = t.plan_id
	cross join lateral (select coalesce(max(measured_at), '-infinity') as last from usage where tenant_id = t.id) u
where t.status in ('active', 'asleep', 'suspended') and u.last <= now() - $1::interval
order by u.last, t.number limit $2`

// ListUnmeasured gives tenants whose last measurement is older than age, the longest unmeasured first.
func (s *Store) ListUnmeasured(ctx context.Context, age time.Duration, most int) ([]tenant.Spec, error) {
	rows, err := s.pool.Query(ctx, listUnmeasured, age, most)
	if err != nil {
		return nil, fmt.Errorf("list unmeasured tenants: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (tenant.Spec, error) {
		claim, err := scanClaim(row)
		return claim.Spec, err
	}, "list unmeasured tenants")
}

const (
	insertUsage = `
insert into usage (tenant_id, measured_at, database_bytes, media_bytes)
select id, $2, $3, $4 from tenants where id = $1 and status <> 'deleted' on conflict do nothing`
	recordWithinQuota = `
with state as (
	select t.id, case when $2 > q.bytes then 'storage' when $2 >= q.bytes / 10 * 9 then 'storage_90'
		when $2 >= q.bytes / 10 * 8 then 'storage_80' else '' end as code, $2 <= q.bytes as ok
	from tenants t join plans p on p.id = t.plan_id cross join lateral (select p.storage_bytes + t.extra_storage_bytes as bytes) q where t.id = $1 and t.status <> 'deleted')
insert into conditions (tenant_id, kind, ok, code) select id, 'within_quota', ok, code from state
on conflict (tenant_id, kind) do update set ok = excluded.ok, code = excluded.code,
	since = case when conditions.ok = excluded.ok then conditions.since else now() end
where (conditions.ok, conditions.code) is distinct from (excluded.ok, excluded.code)`
)

// RecordUsage appends a measurement and keeps the WithinQuota condition.
func (s *Store) RecordUsage(ctx context.Context, id tenant.ID, at time.Time, u tenant.Usage) error {
	return s.inTx(ctx, "record usage of "+string(id), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertUsage, id, at, u.DatabaseBytes, u.MediaBytes); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, recordWithinQuota, id, u.DatabaseBytes+u.MediaBytes)
		return err
	})
}

// After two days one measurement an hour is kept: what a chart shows. After ninety none. What is nine days old was thinned
// before; asking again for each of millions of rows would take minutes, every hour.
const thinUsage = `
delete from usage u where measured_at < now() - interval '90 days'
or measured_at between now() - interval '9 days' and now() - interval '2 days' and exists (
	select from usage later where later.tenant_id = u.tenant_id and later.measured_at > u.measured_at
		and later.measured_at < date_trunc('hour', u.measured_at) + interval '1 hour')`

// ThinUsage removes measurements that no page shows any more.
func (s *Store) ThinUsage(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, thinUsage); err != nil {
		return fmt.Errorf("thin usage: %w", translate(err))
	}
	return nil
}

const listAudit = `
select e.id, e.at, e.actor, e.action, coalesce(e.tenant_id, ''), coalesce(t.server_name, ''), e.detail
from audit e left join tenants t on t.id = e.tenant_id
where ($1 = '' or e.tenant_id = $1) and ($2 = 0 or e.id < $2)
order by e.id desc limit $3`

// ListAudit lists who did what, newest first.
func (s *Store) ListAudit(ctx context.Context, f controlplane.AuditFilter) ([]controlplane.AuditEntry, error) {
	rows, err := s.pool.Query(ctx, listAudit, string(f.Tenant), f.Before, f.Most)
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (e controlplane.AuditEntry, err error) {
		err = row.Scan(&e.ID, &e.At, &e.Actor, &e.Action, &e.Tenant, &e.Server, &e.Detail)
		return e, err
	}, "list audit")
}

const findInstallation = `select id from installation`

// Installation is this installation's id, which its containers carry.
func (s *Store) Installation(ctx context.Context) (id string, err error) {
	if err := s.pool.QueryRow(ctx, findInstallation).Scan(&id); err != nil {
		return "", fmt.Errorf("find the installation's id: %w", translate(err))
	}
	return id, nil
}
