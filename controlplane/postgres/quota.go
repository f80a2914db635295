package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

var _ controlplane.QuotaWarningStore = (*Store)(nil)

const (
	// By the latest measurement, whoever brought which: an older one that comes late must not lower a level.
	listQuotaUse = `
select t.id, q.kind, q.used, q.quota, coalesce(l.level, 0)
from tenants t join plans p on p.id = t.plan_id
	cross join lateral (select database_bytes + media_bytes as bytes from usage where tenant_id = t.id order by measured_at desc limit 1) u
	cross join lateral (values ('storage', u.bytes, p.storage_bytes + t.extra_storage_bytes), ('seats', seats_used(t.id)::bigint, (p.seats + t.extra_seats)::bigint)) q (kind, used, quota)
	left join quota_levels l on l.tenant_id = t.id and l.kind = q.kind
where t.id = any($1) and t.status in ('active', 'asleep') order by t.id, q.kind`
	// Compare and set: of two meters that see the same mark crossed one changes the row, and warns.
	setQuotaLevel = `
insert into quota_levels (tenant_id, kind, level) values ($1, $2, $3)
on conflict (tenant_id, kind) do update set level = excluded.level, changed_at = now() where quota_levels.level = $4`
	insertQuotaWarning = `insert into quota_warnings (tenant_id, kind, level, used, quota) values ($1, $2, $3, $4, $5) returning id::text`
)

// raiseWarnings keeps the levels of tenants just measured, and has people told of those that rose.
func (s *Store) raiseWarnings(ctx context.Context, tx pgx.Tx, ids []string) error {
	rows, err := tx.Query(ctx, listQuotaUse, ids)
	if err != nil {
		return fmt.Errorf("read quotas: %w", err)
	}
	uses, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w controlplane.QuotaWarning, err error) {
		err = row.Scan(&w.Tenant, &w.Kind, &w.Used, &w.Limit, &w.Level)
		return w, err
	})
	if err != nil {
		return fmt.Errorf("read quotas: %w", err)
	}
	for _, use := range uses {
		before := use.Level
		use.Level = tenant.NextLevel(before, use.Used, use.Limit)
		if use.Kind == controlplane.QuotaSeats && use.Limit == 1 {
			continue // taken by who ordered it: no news
		}
		if use.Level == before {
			continue
		}
		tag, err := tx.Exec(ctx, setQuotaLevel, use.Tenant, use.Kind, use.Level, before)
		if err != nil {
			return fmt.Errorf("set the level of %s: %w", use.Tenant, err)
		}
		if tag.RowsAffected() == 0 || use.Level < before {
			continue
		}
		if err := s.warn(ctx, tx, use); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) warn(ctx context.Context, tx pgx.Tx, w controlplane.QuotaWarning) error {
	var id string
	if err := tx.QueryRow(ctx, insertQuotaWarning, w.Tenant, w.Kind, w.Level, w.Used, w.Limit).Scan(&id); err != nil {
		return fmt.Errorf("warn %s: %w", w.Tenant, err)
	}
	return s.enqueue(ctx, tx, controlplane.QuotaWarningArgs{Warning: id}, nil)
}

const findQuotaWarning = `
select id::text, tenant_id, kind, level, used, quota, raised_at, mailed_at is not null from quota_warnings where id = $1`

// FindQuotaWarning finds a warning: the Fault quota.unknown when there is none.
func (s *Store) FindQuotaWarning(ctx context.Context, id string) (w controlplane.QuotaWarning, err error) {
	err = s.pool.QueryRow(ctx, findQuotaWarning, id).Scan(&w.ID, &w.Tenant, &w.Kind, &w.Level, &w.Used, &w.Limit, &w.RaisedAt, &w.Mailed)
	if errors.Is(err, pgx.ErrNoRows) {
		return w, &tenant.Fault{Kind: tenant.NotFound, Code: "quota.unknown"}
	}
	if err != nil {
		return w, fmt.Errorf("find quota warning %s: %w", id, translate(err))
	}
	return w, nil
}

const markMailed = `update quota_warnings set mailed_at = now() where id = $1 and mailed_at is null`

// MailQuotaWarning puts the mail of a warning into the outbox, once.
func (s *Store) MailQuotaWarning(ctx context.Context, id string, mail controlplane.Mail) error {
	return s.inTx(ctx, "mail a quota warning", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, markMailed, id)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return s.queueMail(ctx, tx, mail)
	})
}

const listAdministrators = `
select localpart from members where tenant_id = $1 and state = 'active' and server_admin order by localpart limit $2`

// ListAdministrators lists members with an open account who administer a server; no more than one can write to.
func (s *Store) ListAdministrators(ctx context.Context, id tenant.ID) ([]tenant.Localpart, error) {
	rows, err := s.pool.Query(ctx, listAdministrators, id, controlplane.RecipientsMax)
	if err != nil {
		return nil, fmt.Errorf("list administrators of %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (who tenant.Localpart, err error) {
		err = row.Scan(&who)
		return who, err
	}, "list administrators")
}
