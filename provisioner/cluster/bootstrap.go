package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// bootstrap makes Hafen's own database and closes the shared ones. pg_hba.conf already keeps tenants out of them; the
// revoked privileges are the second wall, should somebody loosen the first.
func (c *Cluster) bootstrap(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.DSN("template1"))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL as %s: %w", Role, err)
	}
	defer conn.Close(ctx)
	var present bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, Database).Scan(&present); err != nil {
		return fmt.Errorf("look for database %s: %w", Database, err)
	}
	if !present {
		// From template0, because we are connected to template1 and a template must have no visitors.
		_, err := conn.Exec(ctx, `CREATE DATABASE `+Database+` TEMPLATE template0`)
		var failure *pgconn.PgError
		duplicate := errors.As(err, &failure) && failure.Code == "42P04"
		if err != nil && !duplicate {
			return fmt.Errorf("create database %s: %w", Database, err)
		}
	}
	if _, err := conn.Exec(ctx, `REVOKE CONNECT, TEMPORARY ON DATABASE template1, postgres, `+Database+` FROM PUBLIC`); err != nil {
		return fmt.Errorf("close the shared databases: %w", err)
	}
	return nil
}
