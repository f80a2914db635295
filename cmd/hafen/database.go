package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

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
