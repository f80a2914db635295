package pgtest_test

import (
	"testing"

	"hafen/internal/pgtest"
)

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	one, two := pgtest.New(t), pgtest.New(t)
	if _, err := one.Exec(t.Context(), `CREATE TABLE only_here (id int)`); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Exec(t.Context(), `SELECT FROM only_here`); err == nil {
		t.Error("a table made in one database shows in the other")
	}
}

func TestSchemaIsThere(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	for _, table := range []string{"river_job", "goose_db_version"} {
		var present bool
		if err := pool.QueryRow(t.Context(), `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&present); err != nil {
			t.Fatal(err)
		}
		if !present {
			t.Errorf("table %s is missing", table)
		}
	}
}

func TestDatabaseIsDroppedAtTheEnd(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	var name string
	t.Run("user", func(t *testing.T) {
		if err := pgtest.New(t).QueryRow(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	var left bool
	pool := pgtest.New(t)
	err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&left)
	if err != nil || left {
		t.Errorf("database %s on %s: still there: %v, %v", name, server.SocketDir, left, err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		pgtest.DSN(b)
	}
}
