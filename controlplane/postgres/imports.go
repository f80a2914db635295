package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	// One file at a time of one person: another look replaces the first.
	dropPreviews  = `delete from import_previews where tenant_id = $1 and account_id::text = $2`
	insertPreview = `
insert into import_previews (tenant_id, account_id, file_name, rows) values ($1, $2::uuid, $3, $4) returning id::text`
)

// CreatePreview keeps a file that was read.
func (s *Store) CreatePreview(ctx context.Context, actor controlplane.Actor, id tenant.ID, p controlplane.Preview) (preview string, err error) {
	rows, err := json.Marshal(p.Rows)
	if err != nil {
		return "", fmt.Errorf("keep preview of an import: %w", err)
	}
	err = s.inTx(ctx, "keep preview of an import", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, dropPreviews, id, actor.Account); err != nil {
			return err
		}
		return tx.QueryRow(ctx, insertPreview, id, actor.Account, p.FileName, rows).Scan(&preview)
	})
	return preview, err
}

const (
	findPreview = `
select file_name, rows from import_previews
where id = $1 and tenant_id = $2 and account_id::text = $3 and created_at > now() - interval '1 hour'`
	takenNames = `select localpart from members where tenant_id = $1 and localpart = any($2)`
)

// FindPreview finds what an actor read.
func (s *Store) FindPreview(ctx context.Context, actor controlplane.Actor, id tenant.ID, preview string) (controlplane.Preview, error) {
	p := controlplane.Preview{ID: preview}
	if !isUUID(preview) {
		return p, goneImport()
	}
	var document []byte
	err := s.pool.QueryRow(ctx, findPreview, preview, id, actor.Account).Scan(&p.FileName, &document)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, goneImport()
	}
	if err != nil {
		return p, fmt.Errorf("find preview of an import: %w", translate(err))
	}
	if err := json.Unmarshal(document, &p.Rows); err != nil {
		return p, fmt.Errorf("read preview of an import: %w", err)
	}
	names := make([]string, len(p.Rows))
	for i, row := range p.Rows {
		names[i] = string(row.Localpart)
	}
	found, err := s.pool.Query(ctx, takenNames, id, names)
	if err != nil {
		return p, fmt.Errorf("look for names of an import: %w", translate(err))
	}
	taken, err := pgx.CollectRows(found, pgx.RowTo[tenant.Localpart])
	if err != nil {
		return p, fmt.Errorf("look for names of an import: %w", translate(err))
	}
	known := map[tenant.Localpart]bool{}
	for _, name := range taken {
		known[name] = true
	}
	for i := range p.Rows {
		if p.Rows[i].Code == "" && known[p.Rows[i].Localpart] {
			p.Rows[i].Code = "member.exists"
		}
	}
	return p, nil
}

func goneImport() error {
	return &tenant.Fault{Kind: tenant.Conflict, Code: "import.gone", Field: "file"}
}

const (
	usePreview   = `delete from import_previews where id = $1 and tenant_id = $2 and account_id::text = $3 returning file_name`
	insertImport = `insert into imports (tenant_id, actor, file_name, rows) values ($1, $2, $3, $4) returning id::text`
	insertSeats  = `
insert into members (tenant_id, localpart, display_name, state) select $1, r.localpart, r.display_name, 'reserved'
from unnest($2::text[], $3::text[]) as r(localpart, display_name) on conflict do nothing`
	insertRows = `
insert into operations (tenant_id, subject, localpart, kind, actor, input, sealed_password, import_id)
select $1, 'member ' || r.localpart, r.localpart, 'create', $2, jsonb_build_object('line', r.line, 'email', r.email, 'own', r.own), r.sealed, $3::uuid
from unnest($4::text[], $5::int[], $6::text[], $7::boolean[], $8::bytea[]) as r(localpart, line, email, own, sealed)`
)

// importWindow is how many rows of an import are in the queue at a time: as many as a server has workers.
const importWindow = controlplane.OperationShare

// CreateImport makes an import of a preview: it reserves all seats and records all operations, or nothing.
func (s *Store) CreateImport(ctx context.Context, r controlplane.ImportRequest) (id string, err error) {
	if !isUUID(r.Preview) {
		return "", goneImport()
	}
	err = s.inTx(ctx, "create import", func(tx pgx.Tx) error {
		free, err := freeSeats(ctx, tx, r.Tenant)
		if err != nil {
			return err
		}
		if len(r.Rows) > free {
			return controlplane.TooFewSeats(len(r.Rows), max(free, 0))
		}
		var file string
		err = tx.QueryRow(ctx, usePreview, r.Preview, r.Tenant, r.Actor.Account).Scan(&file)
		if errors.Is(err, pgx.ErrNoRows) {
			return goneImport()
		}
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, insertImport, r.Tenant, r.Actor.Email, file, len(r.Rows)).Scan(&id); err != nil {
			return err
		}
		if err := insertImported(ctx, tx, id, r); err != nil {
			return err
		}
		for range importWindow {
			if err := s.nextOfImport(ctx, tx, id); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, r.Actor, "member.import", r.Tenant, map[string]any{"rows": len(r.Rows), "file": file})
	})
	return id, err
}

func insertImported(ctx context.Context, tx pgx.Tx, id string, r controlplane.ImportRequest) error {
	n := len(r.Rows)
	names, displays, mails, lines, own, sealed := make([]string, n), make([]string, n), make([]string, n), make([]int, n), make([]bool, n), make([][]byte, n)
	for i, row := range r.Rows {
		names[i], displays[i], mails[i] = string(row.Localpart), row.DisplayName, row.Email
		lines[i], own[i], sealed[i] = row.Line, row.Own, row.Sealed
	}
	tag, err := tx.Exec(ctx, insertSeats, r.Tenant, names, displays)
	if err != nil {
		return err
	}
	if int(tag.RowsAffected()) != n {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "import.changed"}
	}
	_, err = tx.Exec(ctx, insertRows, r.Tenant, r.Actor.Email, id, names, lines, mails, own, sealed)
	return err
}

// A row that was put into the queue is no longer one that waits; it can be claimed at once all the same.
const takeNext = `
update operations set claimed_until = now() - interval '1 second'
where id = (select id from operations where import_id = $1 and finished_at is null and claimed_until = '-infinity'
	limit 1 for update skip locked)
returning id::text`

// nextOfImport puts the next waiting row of an import into the queue, behind what a person waits for.
func (s *Store) nextOfImport(ctx context.Context, tx pgx.Tx, id string) error {
	var operation string
	err := tx.QueryRow(ctx, takeNext, id).Scan(&operation)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.enqueue(ctx, tx, controlplane.OperationArgs{Operation: operation}, &river.InsertOpts{Priority: lastInQueue})
}

// settleImported goes on with an import when one of its rows has ended, and lets its member know.
func (s *Store) settleImported(ctx context.Context, tx pgx.Tx, o endedOperation) error {
	if o.importID == "" {
		return nil
	}
	if err := s.nextOfImport(ctx, tx, o.importID); err != nil {
		return fmt.Errorf("go on with import %s: %w", o.importID, err)
	}
	var row struct {
		Email string `json:"email"`
		Own   bool   `json:"own"`
	}
	if err := json.Unmarshal(o.input, &row); err != nil {
		return fmt.Errorf("read a row of import %s: %w", o.importID, err)
	}
	if o.code != "" || row.Email == "" || row.Own {
		return nil
	}
	return s.enqueue(ctx, tx, controlplane.MemberMailArgs{Tenant: o.tenant, Localpart: o.localpart, Email: row.Email}, nil)
}

const (
	// Who has been there, or was given a password since, has a way in. A link for an account with power over the server is not
	// made in passing.
	unlinked = `(o.finished_at is not null and o.code = '' and o.input->>'email' = '' and not (o.input->>'own')::boolean
	and m.state = 'active' and not m.server_admin and m.last_seen_at is null
	and not exists (select from operations p where p.tenant_id = o.tenant_id and p.localpart = o.localpart and p.localpart <> ''
		and p.kind in ('set_password', 'reactivate') and p.code = '' and p.finished_at > o.finished_at))`
	importColumns = `
	i.id::text, i.file_name, i.actor, i.created_at, i.rows,
	count(*) filter (where o.finished_at is not null and o.code = ''), count(*) filter (where o.finished_at is not null and o.code <> ''),
	count(*) filter (where o.code = '' and o.input->>'email' <> '' and not (o.input->>'own')::boolean)`
	listImports = `
select ` + importColumns + `, 0 from imports i join operations o on o.import_id = i.id
where i.tenant_id = $1 group by i.id order by i.created_at desc limit 20`
	importedMembers = `left join members m on m.tenant_id = o.tenant_id and m.localpart = o.localpart`
	findImport      = `
select ` + importColumns + `, count(*) filter (where ` + unlinked + `) from imports i join operations o on o.import_id = i.id ` + importedMembers + `
where i.tenant_id = $1 and i.id = $2 group by i.id`
	importedRows = `
select (o.input->>'line')::int, o.localpart, t.server_name, o.input->>'email', (o.input->>'own')::boolean, o.finished_at is not null,
	coalesce(` + unlinked + `, false), o.code
from operations o join tenants t on t.id = o.tenant_id ` + importedMembers + `
where o.tenant_id = $1 and o.import_id = $2::uuid`
	importFailures = importedRows + ` and o.code <> '' order by 1 limit 100`
	eachImported   = importedRows + ` order by 1`
)

func scanImport(row pgx.CollectableRow) (i controlplane.Import, err error) {
	return i, row.Scan(&i.ID, &i.FileName, &i.Actor, &i.CreatedAt, &i.Total, &i.Done, &i.Failed, &i.Mailed, &i.Unlinked)
}

func scanImported(row pgx.CollectableRow) (i controlplane.Imported, err error) {
	var server tenant.Domain
	err = row.Scan(&i.Line, &i.Localpart, &server, &i.Email, &i.Own, &i.Done, &i.Unlinked, &i.Code)
	i.UserID = i.Localpart.UserID(server)
	return i, err
}

// ListImports lists the latest imports, newest first.
func (s *Store) ListImports(ctx context.Context, id tenant.ID) ([]controlplane.Import, error) {
	rows, err := s.pool.Query(ctx, listImports, id)
	if err != nil {
		return nil, fmt.Errorf("list imports of %s: %w", id, translate(err))
	}
	return collect(rows, scanImport, "list imports")
}

// FindImport says where an import stands.
func (s *Store) FindImport(ctx context.Context, id tenant.ID, importID string) (controlplane.Import, error) {
	if !isUUID(importID) {
		return controlplane.Import{}, unknownImport()
	}
	rows, err := s.pool.Query(ctx, findImport, id, importID)
	if err != nil {
		return controlplane.Import{}, fmt.Errorf("find import: %w", translate(err))
	}
	i, err := pgx.CollectExactlyOneRow(rows, scanImport)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, unknownImport()
	}
	if err != nil {
		return i, fmt.Errorf("find import: %w", translate(err))
	}
	if rows, err = s.pool.Query(ctx, importFailures, id, importID); err != nil {
		return i, fmt.Errorf("list failures of an import: %w", translate(err))
	}
	i.Failures, err = collect(rows, scanImported, "list failures of an import")
	return i, err
}

func unknownImport() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "import.unknown"} }

// EachImported gives the rows of an import in the order of the file.
func (s *Store) EachImported(ctx context.Context, id tenant.ID, importID string, give func(controlplane.Imported) error) error {
	if !isUUID(importID) {
		return unknownImport()
	}
	rows, err := s.pool.Query(ctx, eachImported, id, importID)
	if err != nil {
		return fmt.Errorf("read import: %w", translate(err))
	}
	// Read whole, some thousand short rows: whoever reads the file slowly holds no connection.
	all, err := collect(rows, scanImported, "read import")
	if err != nil {
		return err
	}
	for _, row := range all {
		if err := give(row); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return unknownImport()
	}
	return nil
}
