package provisioner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Usage measures what a tenant stores: its database, and what its media takes on the disk, with what the engine has
// forgotten, and apart from it the copies of other servers' files. Seats and orphans are not counted here.
func (p *Provisioner) Usage(ctx context.Context, spec tenant.Spec) (tenant.Usage, error) {
	engine, err := p.engine(spec)
	if err != nil {
		return tenant.Usage{}, err
	}
	size, err := p.database.Size(ctx, spec.ID)
	if err != nil {
		return tenant.Usage{}, classify(err)
	}
	usage := tenant.Usage{DatabaseBytes: size}
	about := engine.Describe()
	err = p.files.walk(ctx, spec.ID, about.MediaDir, func(f storedFile) {
		if top, _, _ := strings.Cut(f.path, "/"); slices.Contains(about.Media.Remote, top) {
			usage.RemoteBytes += f.bytes
			return
		}
		usage.MediaBytes += f.bytes
	})
	if err != nil || about.Media.RemoteSQL == "" || usage.MediaBytes == 0 {
		return usage, classify(err)
	}
	// What the tenant's own database says is for the tenant to say: it can move bytes from one sum to the other, no further
	// than to nothing. The two together are what the disk says.
	var remote int64
	err = p.readMedia(ctx, spec, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, about.Media.RemoteSQL, string(spec.ServerName)).Scan(&remote)
	})
	remote = min(max(remote, 0), usage.MediaBytes)
	usage.MediaBytes, usage.RemoteBytes = usage.MediaBytes-remote, remote
	return usage, err
}

// Of the search for orphans.
const (
	// A homeserver writes a file and then its row; and what is younger than this may be on its way.
	orphanAge = 10 * time.Minute
	// So many names are kept in memory at most, some 100 MB. A server with more files is not searched.
	mostNames = 1_000_000
)

// Orphans is how many bytes of a tenant's own media its homeserver has forgotten: files on the disk without a row. It reads
// the names of all files, so it is for once in a while.
func (p *Provisioner) Orphans(ctx context.Context, spec tenant.Spec) (int64, error) {
	engine, err := p.engine(spec)
	if err != nil {
		return 0, err
	}
	about := engine.Describe()
	found := map[string]int64{}
	err = p.files.walk(ctx, spec.ID, about.MediaDir, func(f storedFile) {
		if name := about.Media.Name(f.path); name != "" && time.Since(f.changed) > orphanAge && len(found) <= mostNames {
			found[strings.Clone(name)] += f.bytes
		}
	})
	if err != nil || len(found) == 0 || len(found) > mostNames {
		return 0, classify(err)
	}
	// After the walk: whatever was found by then has its row by now.
	err = p.readMedia(ctx, spec, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, about.Media.NamesSQL)
		if err != nil {
			return err
		}
		var name string
		_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
			delete(found, name)
			return nil
		})
		return err
	})
	if err != nil {
		return 0, err
	}
	var bytes int64
	for _, b := range found {
		bytes += b
	}
	return bytes, nil
}

// mediaPatience bounds a question to a tenant's own database: what it reads there may be anything, and others wait.
const mediaPatience = `SET LOCAL statement_timeout = '5s'`

// readMedia asks a tenant's database, as the tenant's role and changing nothing. Tables that are not made yet are empty ones.
func (p *Provisioner) readMedia(ctx context.Context, spec tenant.Spec, do func(pgx.Tx) error) error {
	secrets, err := p.config.Secrets.Load(ctx, spec.ID)
	if err != nil {
		return fmt.Errorf("load the secrets of %s: %w", spec.ID, err)
	}
	conn, err := p.database.Connect(ctx, spec.ID, secrets[homeserver.DatabasePassword])
	if err != nil {
		return classify(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, mediaPatience); err != nil {
			return err
		}
		return do(tx)
	})
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42P01" { // undefined_table
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask the database of %s for its media: %w", spec.ID, err)
	}
	return nil
}
