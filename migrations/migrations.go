// Package migrations holds the schema of Hafen's database and brings a database up to it.
//
// The schema goes forward only: expand, migrate, contract, each in its own release, because old and new code run side
// by side during an upgrade. Hafen's own files are numbered SQL (goose); the job queue's tables are River's and follow
// the version of the library. River's come first, so that a file of ours may refer to them.
package migrations

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed *.sql
var files embed.FS

// Files are the numbered SQL files.
func Files() fs.FS { return files }

// lockKey is an arbitrary constant: the same in every version, different from the keys other code uses.
const lockKey = 0x6861_66656e // "hafen"

// Up applies every migration that is missing. Several processes may call it at the same time: one works, the others
// wait and then find nothing to do. Each file is its own transaction, so an interrupted call is simply repeated.
func Up(ctx context.Context, dsn string) error {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return fmt.Errorf("open the database to migrate it: %w", err)
	}
	defer pool.Close()
	unlock, err := lock(ctx, pool)
	if err != nil {
		return err
	}
	defer unlock()
	if err := upRiver(ctx, pool); err != nil {
		return err
	}
	return upHafen(ctx, pool)
}

// lock takes the session's advisory lock by trying again and again. Waiting inside PostgreSQL would hold a snapshot, and
// a CREATE INDEX CONCURRENTLY of the process that works would wait for that snapshot for ever.
func lock(ctx context.Context, pool *pgxpool.Pool) (unlock func(), err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the database to migrate it: %w", err)
	}
	for {
		var locked bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lockKey)).Scan(&locked); err != nil {
			conn.Release()
			return nil, fmt.Errorf("lock the schema: %w", err)
		}
		if locked {
			break
		}
		select {
		case <-ctx.Done():
			conn.Release()
			return nil, fmt.Errorf("wait for another process that migrates the database: %w", context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
	// Closing the connection ends the session and with it the lock, also when ctx is already cancelled.
	return func() {
		_ = conn.Hijack().Close(context.WithoutCancel(ctx))
	}, nil
}

func upRiver(ctx context.Context, pool *pgxpool.Pool) error {
	config := rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &config)
	if err != nil {
		return fmt.Errorf("prepare the job queue's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job queue's tables: %w", err)
	}
	return nil
}

func upHafen(ctx context.Context, pool *pgxpool.Pool) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}
