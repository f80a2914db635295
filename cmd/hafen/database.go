package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane/postgres"
	"hafen/migrations"
	"hafen/provisioner/cluster"
	"hafen/provisioner/database"
)

// databases is where the rows are, and the cluster of the tenants' databases, which is the same one.
type databases struct {
	dsn     string
	tenants database.Config
}

// openDatabases starts or adopts Hafen's own cluster, or takes the one that DatabaseURL names.
func (s settings) openDatabases(ctx context.Context, log *slog.Logger) (databases, error) {
	if s.DatabaseURL != "" {
		return s.foreignDatabases()
	}
	c, err := cluster.Ensure(ctx, s.cluster(log))
	if err != nil {
		return databases{}, fmt.Errorf("start Hafen's database: %w", err)
	}
	return databases{
		dsn:     c.DSN(cluster.Database),
		tenants: database.Config{DSN: c.DSN("postgres"), SocketDir: c.SocketDir()},
	}, nil
}

func (s settings) cluster(log *slog.Logger) cluster.Config {
	return cluster.Config{Dir: filepath.Join(s.Data, "postgres"), SocketDir: s.databaseSocket(), Log: log}
}

// foreignDatabases takes a server that Hafen does not run. Its socket's directory is mounted into the tenants' containers,
// so it must be reached over one: there is no network path from a tenant to a database.
func (s settings) foreignDatabases() (databases, error) {
	config, err := pgx.ParseConfig(s.DatabaseURL)
	if err != nil {
		return databases{}, errors.New("DATABASE_URL is no PostgreSQL address") // err would quote it, password and all
	}
	if !strings.HasPrefix(config.Host, "/") {
		return databases{}, errors.New("DATABASE_URL must lead to a Unix socket (…?host=/run/postgresql): tenants reach the database over it")
	}
	return databases{dsn: s.DatabaseURL, tenants: database.Config{DSN: s.DatabaseURL, SocketDir: config.Host}}, nil
}

// databaseKeeper starts Hafen's own cluster again when it has ended: after a full disk, or killed for want of memory.
type databaseKeeper struct {
	settings settings
	store    *postgres.Store
	log      *slog.Logger
}

func (k databaseKeeper) run(ctx context.Context) error {
	if k.settings.DatabaseURL != "" {
		return nil // not ours to start
	}
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if k.answers(ctx) {
			continue
		}
		if _, err := cluster.Ensure(ctx, k.settings.cluster(k.log)); err != nil && ctx.Err() == nil {
			k.log.ErrorContext(ctx, "the database is away, starting it will be tried again", "error", err)
		}
	}
}

func (k databaseKeeper) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return k.store.Pool().Ping(ctx) == nil
}

// migrateCommand is `hafen migrate`.
type migrateCommand struct{ settings }

// Run is fast when there is nothing to do.
func (c migrateCommand) Run(ctx context.Context) error {
	db, err := c.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	return migrations.Up(ctx, db.dsn)
}
