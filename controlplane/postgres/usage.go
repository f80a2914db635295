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
	return collect(rows, scanSpec, "list unmeasured tenants")
}

// The columns of a batch of measurements, $1 to $5; in one order, so that two meters do not wait for each other in a ring.
const measuredRows = `
with m as (select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[]) as m (id, at, database_bytes, media_bytes, remote_bytes)),
live as (select m.*, t.plan_id, t.extra_storage_bytes from m join tenants t on t.id = m.id and t.status <> 'deleted' order by m.id)`

const (
	insertUsage = measuredRows + `
insert into usage (tenant_id, measured_at, database_bytes, media_bytes, remote_bytes)
select id, at, database_bytes, media_bytes, remote_bytes from live on conflict do nothing`
	// The day's last measurement stands for the day.
	insertUsageDay = measuredRows + `
insert into usage_days (tenant_id, day, measured_at, database_bytes, media_bytes, remote_bytes, seats)
select distinct on (id, (at at time zone 'UTC')::date) id, (at at time zone 'UTC')::date, at, database_bytes, media_bytes, remote_bytes, seats_used(id)
from live order by id, (at at time zone 'UTC')::date, at desc
on conflict (tenant_id, day) do update set measured_at = excluded.measured_at, database_bytes = excluded.database_bytes,
	media_bytes = excluded.media_bytes, remote_bytes = excluded.remote_bytes, seats = excluded.seats
where excluded.measured_at > usage_days.measured_at`
	recordWithinQuota = measuredRows + `,
state as (
	select distinct on (l.id) l.id, case when q.used > q.bytes then 'storage' when q.used >= q.bytes / 10 * 9 then 'storage_90'
		when q.used >= q.bytes / 10 * 8 then 'storage_80' else '' end as code, q.used <= q.bytes as ok
	from live l join plans p on p.id = l.plan_id
		cross join lateral (select p.storage_bytes + l.extra_storage_bytes as bytes, l.database_bytes + l.media_bytes as used) q
	order by l.id, l.at desc)
insert into conditions (tenant_id, kind, ok, code) select id, 'within_quota', ok, code from state
on conflict (tenant_id, kind) do update set ok = excluded.ok, code = excluded.code,
	since = case when conditions.ok = excluded.ok then conditions.since else now() end
where (conditions.ok, conditions.code) is distinct from (excluded.ok, excluded.code)`
)

// RecordUsages appends measurements, keeps the WithinQuota conditions, and raises warnings.
func (s *Store) RecordUsages(ctx context.Context, list []controlplane.Measurement) error {
	var (
		ids                     = make([]string, len(list))
		at                      = make([]time.Time, len(list))
		database, media, remote = make([]int64, len(list)), make([]int64, len(list)), make([]int64, len(list))
	)
	for i, m := range list {
		ids[i], at[i], database[i], media[i], remote[i] = string(m.Tenant), m.At, m.Usage.DatabaseBytes, m.Usage.MediaBytes, m.Usage.RemoteBytes
	}
	return s.inTx(ctx, "record usage", func(tx pgx.Tx) error {
		for _, sql := range []string{insertUsage, insertUsageDay, recordWithinQuota} {
			if _, err := tx.Exec(ctx, sql, ids, at, database, media, remote); err != nil {
				return err
			}
		}
		return s.raiseWarnings(ctx, tx, ids)
	})
}

// RecordUsage is RecordUsages of one.
func (s *Store) RecordUsage(ctx context.Context, id tenant.ID, at time.Time, u tenant.Usage) error {
	return s.RecordUsages(ctx, []controlplane.Measurement{{Tenant: id, At: at, Usage: u}})
}

const (
	listUnsearched = `
select ` + specColumns + ` from tenants t join plans p on p.id = t.plan_id left join orphans o on o.tenant_id = t.id
where t.status in ('active', 'asleep', 'suspended') and coalesce(o.searched_at, '-infinity') <= now() - $1::interval
order by o.searched_at nulls first, t.number limit $2`
	recordOrphans = `
insert into orphans (tenant_id, bytes, searched_at) select id, greatest($2, 0), now() from tenants where id = $1 and status <> 'deleted'
on conflict (tenant_id) do update set bytes = case when $2 < 0 then orphans.bytes else $2 end, searched_at = now()`
)

// ListUnsearched gives tenants that were not searched for orphans within age, the longest unsearched first.
func (s *Store) ListUnsearched(ctx context.Context, age time.Duration, most int) ([]tenant.Spec, error) {
	rows, err := s.pool.Query(ctx, listUnsearched, age, most)
	if err != nil {
		return nil, fmt.Errorf("list unsearched tenants: %w", translate(err))
	}
	return collect(rows, scanSpec, "list unsearched tenants")
}

func scanSpec(row pgx.CollectableRow) (tenant.Spec, error) {
	claim, err := scanClaim(row)
	return claim.Spec, err
}

// RecordOrphans keeps what a search found. Less than nothing says that it could not be searched: what was known stays.
func (s *Store) RecordOrphans(ctx context.Context, id tenant.ID, bytes int64) error {
	if _, err := s.pool.Exec(ctx, recordOrphans, id, bytes); err != nil {
		return fmt.Errorf("record the orphans of %s: %w", id, translate(err))
	}
	return nil
}

// After two days one measurement an hour is kept: what a chart shows. After ninety none. What is nine days old was thinned
// before; asking again for each of millions of rows would take minutes, every hour.
const thinUsage = `
delete from usage u where measured_at < now() - interval '90 days'
or measured_at between now() - interval '9 days' and now() - interval '2 days' and exists (
	select from usage later where later.tenant_id = u.tenant_id and later.measured_at > u.measured_at
		and later.measured_at < date_trunc('hour', u.measured_at) + interval '1 hour')`

// A day a row: three years of ten thousand tenants are eleven million short ones.
const thinUsageDays = `delete from usage_days where day < current_date - 1095`

// ThinUsage removes measurements that no page shows any more.
func (s *Store) ThinUsage(ctx context.Context) error {
	for _, sql := range []string{thinUsage, thinUsageDays} {
		if _, err := s.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("thin usage: %w", translate(err))
		}
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
