package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgconn"

	"hafen/controlplane/postgres"
	"hafen/provisioner/cluster"
	"hafen/provisioner/docker"
)

// downCommand is `hafen down`: it stops tenants and database. `hafen up` starts them again.
type downCommand struct{ settings }

// Run stops what runs. It is no error when nothing does.
func (c downCommand) Run(ctx context.Context) error {
	unlock, err := lock(c.Data)
	if err != nil {
		return fmt.Errorf("stop Hafen itself first: %w", err)
	}
	defer unlock()
	if c.DatabaseURL == "" && !cluster.Exists(c.cluster(nil)) {
		fmt.Printf("Nothing runs: Hafen was never started in %s.\n", c.Data)
		return nil
	}
	db, err := c.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	installation, stopped, err := stopTenants(ctx, db.dsn)
	if err != nil {
		return err
	}
	if c.DatabaseURL != "" {
		fmt.Printf("%d servers stopped. The database is yours and runs on.\n", stopped)
		return nil
	}
	if err := cluster.Stop(ctx, c.cluster(slog.Default())); err != nil {
		return fmt.Errorf("stop the database: %w", err)
	}
	// The next start makes them anew. Where there are none, there is nothing to remove.
	if processors, err := c.processors(installation); err == nil && installation != "" {
		if err := processors.Remove(); err != nil {
			return err
		}
	}
	fmt.Printf("%d servers and the database stopped. Data stays in %s.\n", stopped, c.Data)
	return nil
}

// stopTenants stops the containers of the installation that a database knows, and counts them. The installation is "" when there
// never was one.
func stopTenants(ctx context.Context, dsn string) (installation string, stopped int, err error) {
	store, err := postgres.Open(ctx, dsn, postgres.Config{})
	if err != nil {
		return "", 0, err
	}
	defer store.Close()
	installation, err = store.Installation(ctx)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == undefinedTable {
		return "", 0, nil // a first start that failed before there was a schema, and so before there was a tenant
	}
	if err != nil {
		return "", 0, err
	}
	engine, err := docker.New(docker.Config{Installation: installation})
	if err != nil {
		return "", 0, err
	}
	defer engine.Close()
	ids, err := engine.List(ctx)
	if err != nil {
		return "", 0, fmt.Errorf("list tenants: %w", err)
	}
	for _, id := range ids {
		if err := engine.Stop(ctx, id); err != nil {
			return "", 0, fmt.Errorf("stop %s: %w", id, err)
		}
	}
	return installation, len(ids), nil
}

// undefinedTable is an SQLSTATE, PostgreSQL manual, appendix A.
const undefinedTable = "42P01"
