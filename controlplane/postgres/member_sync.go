package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	// Nine to eleven minutes on: tenants that became due together, after a restart, do not stay together.
	claimSyncs = `
with due as (
	select t.id from tenants t left join member_syncs s on s.tenant_id = t.id
	where t.status = 'active' and coalesce(s.due_at, '-infinity') <= now()
	order by s.due_at nulls first limit $1 for update of t skip locked),
claimed as (
	insert into member_syncs (tenant_id, due_at) select id, now() + interval '9 minutes' + random() * interval '2 minutes' from due
	on conflict (tenant_id) do update set due_at = excluded.due_at
	returning tenant_id)
select ` + specColumns + ` from claimed c join tenants t on t.id = c.tenant_id join plans p on p.id = t.plan_id`
)

// ClaimMemberSyncs gives tenants whose homeserver's list is due, and sets each its next time.
func (s *Store) ClaimMemberSyncs(ctx context.Context, most int) ([]tenant.Spec, error) {
	rows, err := s.pool.Query(ctx, claimSyncs, most)
	if err != nil {
		return nil, fmt.Errorf("claim member lists: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (tenant.Spec, error) {
		claim, err := scanClaim(row)
		return claim.Spec, err
	}, "claim member lists")
}

const (
	// One statement, which writes only rows that differ: of a server on which nothing happened it writes none. Left alone is
	// who is being changed by an operation, or was since the list began to be read: the list may be older than that.
	syncMembers = `
with list as (
	select * from unnest($2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::boolean[], $7::timestamptz[], $8::timestamptz[], $9::bigint[])
		as l(localpart, display_name, server_admin, deactivated, locked, created_at, seen_at, media_bytes)),
touched as (
	select localpart from operations where tenant_id = $1 and subject <> '' and finished_at is null
	union all select localpart from operations where tenant_id = $1 and subject <> '' and finished_at >= now() - $10::interval),
changed as (
	update members m set display_name = l.display_name, server_admin = l.server_admin, locked = l.locked,
		state = case when l.deactivated then 'deactivated' else 'active' end,
		last_seen_at = coalesce(l.seen_at, m.last_seen_at), media_bytes = l.media_bytes, missing_at = null, synced_at = now()
	from list l
	where m.tenant_id = $1 and m.localpart = l.localpart and m.state <> 'reserved'
		and m.localpart not in (select localpart from touched)
		and (m.display_name, m.server_admin, m.locked, m.state, m.last_seen_at, m.media_bytes, m.missing_at is null, m.synced_at is null)
			is distinct from (l.display_name, l.server_admin, l.locked, case when l.deactivated then 'deactivated' else 'active' end,
			coalesce(l.seen_at, m.last_seen_at), l.media_bytes, true, false)
	returning 1),
added as (
	insert into members (tenant_id, localpart, display_name, server_admin, locked, state, created_at, last_seen_at, media_bytes, synced_at)
	select $1, l.localpart, l.display_name, l.server_admin, l.locked, case when l.deactivated then 'deactivated' else 'active' end,
		l.created_at, l.seen_at, l.media_bytes, now()
	from list l
	where not exists (select from members m where m.tenant_id = $1 and m.localpart = l.localpart)
		and l.localpart not in (select localpart from touched)
	on conflict do nothing
	returning 1),
gone as (
	update members m set missing_at = now()
	where $11 and m.tenant_id = $1 and m.state = 'active' and m.missing_at is null and m.created_at < now() - $10::interval
		and m.localpart not in (select localpart from list) and m.localpart not in (select localpart from touched)
	returning 1)
select (select count(*) from changed), (select count(*) from added), (select count(*) from gone)`
	recordSync = `
insert into member_syncs (tenant_id, due_at, synced_at) values ($1, now() + interval '10 minutes', now())
on conflict (tenant_id) do update set synced_at = now()`
)

// SyncMembers makes the rows say what a homeserver's list says.
func (s *Store) SyncMembers(ctx context.Context, id tenant.ID, l controlplane.MemberList) (result controlplane.SyncResult, err error) {
	n := len(l.Accounts)
	var (
		localparts, names           = make([]string, n), make([]string, n)
		admins, deactivated, locked = make([]bool, n), make([]bool, n), make([]bool, n)
		created, seen               = make([]time.Time, n), make([]*time.Time, n)
		media                       = make([]int64, n)
	)
	for i, a := range l.Accounts {
		localparts[i], names[i] = string(a.Localpart), a.DisplayName
		admins[i], deactivated[i], locked[i] = a.Admin, a.Deactivated, a.Locked
		created[i], media[i] = a.Created, a.MediaBytes
		if created[i].IsZero() {
			created[i] = time.Now() // the engine does not know: since we know of it
		}
		if !a.SeenAt.IsZero() {
			seen[i] = &a.SeenAt
		}
	}
	// A second for clocks and transactions that are about to end.
	since := l.Took + time.Second
	err = s.inTx(ctx, "synchronise members of "+string(id), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, syncMembers, id, localparts, names, admins, deactivated, locked, created, seen, media, since, l.Complete).
			Scan(&result.Changed, &result.Added, &result.Missing)
		if err != nil {
			return err
		}
		if result.Added > 0 {
			if err := s.audit(ctx, tx, controlplane.Hafen, "member.found", id, map[string]any{"accounts": result.Added}); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, recordSync, id)
		return err
	})
	return result, err
}
