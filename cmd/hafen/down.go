package main

import (
	"context"
	"fmt"
	"log/slog"

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
	db, err := c.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, db.dsn, postgres.Config{})
	if err != nil {
		return err
	}
	defer store.Close()
	installation, err := store.Installation(ctx)
	if err != nil {
		return err
	}
	engine, err := docker.New(docker.Config{Installation: installation})
	if err != nil {
		return err
	}
	defer engine.Close()
	ids, err := engine.List(ctx)
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	for _, id := range ids {
		if err := engine.Stop(ctx, id); err != nil {
			return fmt.Errorf("stop %s: %w", id, err)
		}
	}
	store.Close()
	if c.DatabaseURL != "" {
		fmt.Printf("%d servers stopped. The database is yours and runs on.\n", len(ids))
		return nil
	}
	if err := cluster.Stop(ctx, c.cluster(slog.Default())); err != nil {
		return fmt.Errorf("stop the database: %w", err)
	}
	fmt.Printf("%d servers and the database stopped. Data stays in %s.\n", len(ids), c.Data)
	return nil
}
