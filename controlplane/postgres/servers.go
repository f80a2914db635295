package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const serverColumns = `
	t.id, t.account_id, a.email, t.server_name, t.host, d.tenant_id is not null, t.engine, t.status, coalesce(t.suspended_for, ''),
	t.first_admin, t.language, t.failure_code, t.failure_detail, nullif(t.retry_at, 'infinity'), t.reconciled >= t.wanted,
	t.created_at, t.active_at, t.delete_after,
	seats_used(t.id), t.extra_seats, t.extra_storage_bytes, t.restricted,
	coalesce(u.database_bytes, 0), coalesce(u.media_bytes, 0), coalesce(u.remote_bytes, 0), least(coalesce(r.bytes, 0), coalesce(u.media_bytes, 0)),
	u.measured_at, t.settings, ` + planColumns

const serverTables = `
	from tenants t join accounts a on a.id = t.account_id join plans p on p.id = t.plan_id
	left join domains d on d.tenant_id = t.id
	left join orphans r on r.tenant_id = t.id
	left join lateral (select * from usage where tenant_id = t.id order by measured_at desc limit 1) u on true `

func scanServer(row pgx.CollectableRow) (controlplane.Server, error) {
	var (
		s        controlplane.Server
		settings []byte
		extra    tenant.Quota
	)
	err := row.Scan(append([]any{
		&s.ID, &s.Account, &s.OwnerEmail, &s.ServerName, &s.Host, &s.OwnDomain, &s.Engine, &s.Status, &s.SuspendedFor,
		&s.FirstAdmin, &s.Language, &s.FailureCode, &s.FailureText, &s.RetryAt, &s.Settled,
		&s.CreatedAt, &s.ActiveAt, &s.DeleteAfter,
		&s.Usage.Seats, &extra.Seats, &extra.StorageBytes, &s.Restricted, &s.Usage.DatabaseBytes, &s.Usage.MediaBytes, &s.Usage.RemoteBytes, &s.Usage.OrphanBytes,
		&s.MeasuredAt, &settings,
	}, planFields(&s.Plan)...)...)
	if err != nil {
		return s, err
	}
	s.Quota = s.Plan.Quota.Plus(extra)
	s.Settings, err = readSettings(settings, s.Quota)
	return s, err
}

const (
	findServer = `select ` + serverColumns + serverTables + ` where t.id = $1`
	findRole   = `
select coalesce((select 'owner' from tenants where id = $1 and account_id::text = $2),
	(select role from colleagues where tenant_id = $1 and account_id::text = $2), '')`
)

// FindServer finds one tenant, with its conditions, for an account that owns it or has a role on it ("" for an operator).
// Otherwise the Fault tenant.unknown.
func (s *Store) FindServer(ctx context.Context, account string, id tenant.ID) (controlplane.Server, error) {
	var role controlplane.Role
	if account != "" {
		if err := s.pool.QueryRow(ctx, findRole, id, account).Scan(&role); err != nil {
			return controlplane.Server{}, fmt.Errorf("find role on %s: %w", id, translate(err))
		}
		if role == "" {
			return controlplane.Server{}, &tenant.Fault{Kind: tenant.NotFound, Code: "tenant.unknown"}
		}
	}
	rows, err := s.pool.Query(ctx, findServer, id)
	if err != nil {
		return controlplane.Server{}, fmt.Errorf("find server %s: %w", id, translate(err))
	}
	server, err := pgx.CollectExactlyOneRow(rows, scanServer)
	if errors.Is(err, pgx.ErrNoRows) {
		return server, &tenant.Fault{Kind: tenant.NotFound, Code: "tenant.unknown"}
	}
	if err != nil {
		return server, fmt.Errorf("find server %s: %w", id, translate(err))
	}
	server.Role = role
	server.Conditions, err = s.listConditions(ctx, id)
	return server, err
}

const listConditions = `select kind, ok, code, since from conditions where tenant_id = $1 order by kind`

func (s *Store) listConditions(ctx context.Context, id tenant.ID) ([]tenant.Condition, error) {
	rows, err := s.pool.Query(ctx, listConditions, id)
	if err != nil {
		return nil, fmt.Errorf("list conditions of %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (c tenant.Condition, err error) {
		err = row.Scan(&c.Kind, &c.OK, &c.Code, &c.Since)
		return c, err
	}, "list conditions")
}

const listServers = `select ` + serverColumns + serverTables + `
where (t.account_id::text = $1 or exists (select from colleagues c where c.tenant_id = t.id and c.account_id::text = $1)) and (t.status <> 'deleted' or t.deleted_at > now() - interval '1 day') order by t.number desc limit 200`

// ListServers lists the tenants an account owns or has a role on, newest first.
func (s *Store) ListServers(ctx context.Context, account string) ([]controlplane.Server, error) {
	rows, err := s.pool.Query(ctx, listServers, account)
	if err != nil {
		return nil, fmt.Errorf("list servers: %w", translate(err))
	}
	servers, err := collect(rows, scanServer, "list servers")
	if err != nil {
		return nil, err
	}
	roles, err := s.rolesOf(ctx, account)
	for i := range servers {
		servers[i].Role = roles[servers[i].ID]
		if servers[i].Account == account {
			servers[i].Role = controlplane.Owner
		}
	}
	return servers, err
}

const listRoles = `select tenant_id, role from colleagues where account_id::text = $1`

// rolesOf lists what an account is on the servers of others.
func (s *Store) rolesOf(ctx context.Context, account string) (map[tenant.ID]controlplane.Role, error) {
	rows, err := s.pool.Query(ctx, listRoles, account)
	if err != nil {
		return nil, fmt.Errorf("list roles: %w", translate(err))
	}
	roles := map[tenant.ID]controlplane.Role{}
	var (
		id   tenant.ID
		role controlplane.Role
	)
	if _, err := pgx.ForEachRow(rows, []any{&id, &role}, func() error { roles[id] = role; return nil }); err != nil {
		return nil, fmt.Errorf("list roles: %w", translate(err))
	}
	return roles, nil
}

// In the search, % and _ of the person's words stand for themselves.
const (
	searchWhere = ` where ($1 = '' or t.status = $1) and ($2 = '' or t.server_name ilike $3 or a.email ilike $3) `
	searchPage  = `select ` + serverColumns + serverTables + searchWhere + ` order by t.number desc limit $4 offset $5`
	searchCount = `select count(*) from tenants t join accounts a on a.id = t.account_id` + searchWhere
	countStates = `select status, count(*) from tenants group by status`
)

// SearchServers gives one page of all tenants.
func (s *Store) SearchServers(ctx context.Context, f controlplane.ServerFilter) (controlplane.ServerPage, error) {
	page := controlplane.ServerPage{ByState: map[tenant.Status]int{}}
	like := "%" + likeEscaper.Replace(f.Search) + "%"
	err := s.pool.QueryRow(ctx, searchCount, string(f.Status), f.Search, like).Scan(&page.Total)
	if err != nil {
		return page, fmt.Errorf("count servers: %w", translate(err))
	}
	rows, err := s.pool.Query(ctx, searchPage, string(f.Status), f.Search, like,
		controlplane.ServersPerPage, (f.Page-1)*controlplane.ServersPerPage)
	if err != nil {
		return page, fmt.Errorf("search servers: %w", translate(err))
	}
	if page.Servers, err = collect(rows, scanServer, "search servers"); err != nil {
		return page, err
	}
	rows, err = s.pool.Query(ctx, countStates)
	if err != nil {
		return page, fmt.Errorf("count states: %w", translate(err))
	}
	var (
		status tenant.Status
		count  int
	)
	if _, err := pgx.ForEachRow(rows, []any{&status, &count}, func() error { page.ByState[status] = count; return nil }); err != nil {
		return page, fmt.Errorf("count states: %w", translate(err))
	}
	return page, nil
}

// The latest steps, oldest first.
const listStepRuns = `
select step, started_at, finished_at, code, detail from
	(select * from steps where tenant_id = $1 order by id desc limit $2) latest
order by id`

// ListStepRuns lists the latest steps of a tenant, oldest first.
func (s *Store) ListStepRuns(ctx context.Context, id tenant.ID, most int) ([]controlplane.StepRun, error) {
	rows, err := s.pool.Query(ctx, listStepRuns, id, most)
	if err != nil {
		return nil, fmt.Errorf("list steps of %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (r controlplane.StepRun, err error) {
		err = row.Scan(&r.Step, &r.StartedAt, &r.FinishedAt, &r.Code, &r.Detail)
		return r, err
	}, "list steps")
}

// One point an hour is all a chart of thirty days can show; the newest measurement is always among them.
const listUsage = `
select distinct on (date_trunc('hour', measured_at)) measured_at, database_bytes, media_bytes
from usage where tenant_id = $1 and measured_at >= $2
order by date_trunc('hour', measured_at), measured_at desc`

// ListUsage lists measurements since a moment, one an hour, oldest first.
func (s *Store) ListUsage(ctx context.Context, id tenant.ID, since time.Time) ([]controlplane.UsagePoint, error) {
	rows, err := s.pool.Query(ctx, listUsage, id, since)
	if err != nil {
		return nil, fmt.Errorf("list usage of %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (p controlplane.UsagePoint, err error) {
		err = row.Scan(&p.At, &p.DatabaseBytes, &p.MediaBytes)
		return p, err
	}, "list usage")
}

const listUsageDays = `
select measured_at, database_bytes, media_bytes from usage_days
where tenant_id = $1 and day >= ($2::timestamptz at time zone 'UTC')::date order by day`

// ListUsageDays lists the last measurement of each day since a moment, oldest first.
func (s *Store) ListUsageDays(ctx context.Context, id tenant.ID, since time.Time) ([]controlplane.UsagePoint, error) {
	rows, err := s.pool.Query(ctx, listUsageDays, id, since)
	if err != nil {
		return nil, fmt.Errorf("list the days of %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (p controlplane.UsagePoint, err error) {
		err = row.Scan(&p.At, &p.DatabaseBytes, &p.MediaBytes)
		return p, err
	}, "list days")
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
