package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

var _ controlplane.WorkLog = (*Store)(nil)

const (
	noteFailing = `
insert into failing_work (name, error) values ($1, left($2, 2000))
on conflict (name) do update set last = now(), error = excluded.error`
	clearFailing = `delete from failing_work where name = $1`
	listFailing  = `select name, since, error from failing_work order by since, name`
)

// NoteFailure implements controlplane.WorkLog.
func (s *Store) NoteFailure(ctx context.Context, name, failure string) error {
	if _, err := s.pool.Exec(ctx, noteFailing, name, failure); err != nil {
		return fmt.Errorf("note that %s fails: %w", name, translate(err))
	}
	return nil
}

// ClearFailure implements controlplane.WorkLog.
func (s *Store) ClearFailure(ctx context.Context, name string) error {
	if _, err := s.pool.Exec(ctx, clearFailing, name); err != nil {
		return fmt.Errorf("note that %s works: %w", name, translate(err))
	}
	return nil
}

// ListFailing lists what fails at present, the longest first.
func (s *Store) ListFailing(ctx context.Context) ([]controlplane.FailingWork, error) {
	rows, err := s.pool.Query(ctx, listFailing)
	if err != nil {
		return nil, fmt.Errorf("list what fails: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (w controlplane.FailingWork, err error) {
		return w, row.Scan(&w.Name, &w.Since, &w.Error)
	}, "list what fails")
}
