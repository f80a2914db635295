package migrations_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"hafen/internal/pgtest"
	"hafen/migrations"
)

func TestProcessesMayMigrateAtTheSameTime(t *testing.T) {
	t.Parallel()
	dsn := emptyDatabase(t)
	const processes = 3
	failures := make(chan error, processes)
	for range processes {
		go func() { failures <- migrations.Up(t.Context(), dsn) }()
	}
	for range processes {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, query := range []string{
		`SELECT count(*) FROM goose_db_version WHERE version_id = 1`,
		`SELECT count(*) FROM river_migration WHERE version = 1`,
	} {
		var times int
		if err := conn.QueryRow(t.Context(), query).Scan(&times); err != nil || times != 1 {
			t.Errorf("%s: %d, %v", query, times, err)
		}
	}
}

func TestWaitingForTheLockEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	dsn := emptyDatabase(t)
	holder, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, 0x6861_66656e); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failure := make(chan error, 1)
	go func() { failure <- migrations.Up(ctx, dsn) }()
	cancel()
	if err := <-failure; err == nil {
		t.Error("migrated although another session holds the lock")
	}
}

func emptyDatabase(t *testing.T) string {
	t.Helper()
	server := pgtest.Cluster(t)
	name := "hafen_migrations_" + strings.ToLower(rand.Text()[:10])
	execute(t, server.DSN, `CREATE DATABASE `+name+` TEMPLATE template0`)
	t.Cleanup(func() { execute(t, server.DSN, `DROP DATABASE `+name+` WITH (FORCE)`) })
	return server.Database(name)
}

func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also in a cleanup, where the test's own context has ended
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
