package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// What was measured last before an operation, and what first after it: a measurement that an operation asks for is taken within
// the last seconds of it.
const listWork = `
select o.id::text, o.kind, o.actor, o.input, o.done, o.total, o.finished_at is not null, o.code, o.attempts, o.created_at, o.finished_at,
	b.database_bytes, b.media_bytes, a.database_bytes, a.media_bytes
from operations o
	left join lateral (select * from usage where tenant_id = o.tenant_id and measured_at <= o.created_at order by measured_at desc limit 1) b on true
	left join lateral (select * from usage where tenant_id = o.tenant_id and o.code = '' and measured_at > o.created_at
		and measured_at >= o.finished_at - interval '3 seconds' order by measured_at limit 1) a on true
where o.tenant_id = $1 and o.kind = any($2) and o.kind in ('delete_room', 'delete_media', 'purge_remote_media')
	and (o.finished_at is null or o.created_at > now() - interval '7 days')
order by o.created_at desc limit 10`

// ListWork lists the latest long operations on what a server holds, newest first.
func (s *Store) ListWork(ctx context.Context, id tenant.ID, kinds ...controlplane.OperationKind) ([]controlplane.Work, error) {
	rows, err := s.pool.Query(ctx, listWork, id, kinds)
	if err != nil {
		return nil, fmt.Errorf("list work on %s: %w", id, translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (w controlplane.Work, err error) {
		var (
			in   []byte
			b, a struct{ database, media *int64 }
		)
		err = row.Scan(&w.ID, &w.Kind, &w.Actor, &in, &w.Done, &w.Total, &w.Finished, &w.Code, &w.Attempts, &w.CreatedAt, &w.FinishedAt,
			&b.database, &b.media, &a.database, &a.media)
		w.Input = in
		if b.database != nil && b.media != nil {
			w.Before = &tenant.Usage{DatabaseBytes: *b.database, MediaBytes: *b.media}
		}
		if a.database != nil && a.media != nil {
			w.After = &tenant.Usage{DatabaseBytes: *a.database, MediaBytes: *a.media}
		}
		return w, err
	}, "list work on "+string(id))
}

// The store serves these too.
var (
	_ controlplane.ContentStore      = (*Store)(nil)
	_ controlplane.AnnouncementStore = (*Store)(nil)
	_ controlplane.AnnouncementQueue = (*Store)(nil)
)
