package database_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"hafen/internal/pgtest"
	"hafen/provisioner/database"
	"hafen/tenant"
)

func open(t *testing.T) (*database.Cluster, pgtest.Server) {
	t.Helper()
	server := pgtest.Cluster(t)
	cluster, err := database.Open(t.Context(), database.Config{DSN: server.DSN, SocketDir: server.SocketDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, server
}

func newTenant(t *testing.T, c *database.Cluster) tenant.ID {
	t.Helper()
	id := tenant.NewID()
	t.Cleanup(func() {
		if err := c.Drop(context.Background(), id); err != nil {
			t.Error(err)
		}
	})
	return id
}

func TestLifeOfADatabase(t *testing.T) {
	t.Parallel()
	cluster, _ := open(t)
	id := newTenant(t, cluster)
	ctx := t.Context()

	if s, err := cluster.State(ctx, id); err != nil || s != (database.State{}) {
		t.Fatalf("before: %+v, %v", s, err)
	}
	for range 2 { // twice: it is idempotent
		if err := cluster.Create(ctx, id, database.New{Password: []byte("a long password"), Connections: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := cluster.State(ctx, id); err != nil || s != (database.State{Role: true, Database: true, Connections: 7}) {
		t.Fatalf("created: %+v, %v", s, err)
	}
	if err := cluster.Limit(ctx, id, 9); err != nil {
		t.Fatal(err)
	}
	if s, err := cluster.State(ctx, id); err != nil || s.Connections != 9 {
		t.Fatalf("limited: %+v, %v", s, err)
	}
	if size, err := cluster.Size(ctx, id); err != nil || size < 1<<20 {
		t.Errorf("size %d, %v: an empty database has some megabytes", size, err)
	}
	for range 2 {
		if err := cluster.Drop(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if exists, err := cluster.Exists(ctx, id); err != nil || exists {
		t.Errorf("dropped, yet exists: %v, %v", exists, err)
	}
	if size, err := cluster.Size(ctx, id); err != nil || size != 0 {
		t.Errorf("size of nothing: %d, %v", size, err)
	}
}

// What a killed Create leaves must count as absent, or nothing would ever complete it.
func TestHalfMadeDatabaseCountsAsAbsent(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	admin := connect(t, server.DSN)
	for name, half := range map[string]string{
		"rights not taken from the public": `GRANT CONNECT ON DATABASE %s TO PUBLIC`,
		"temporary tables for the public":  `GRANT TEMPORARY ON DATABASE %s TO PUBLIC`,
		"wrong owner":                      `ALTER DATABASE %s OWNER TO CURRENT_USER`,
		"role without its settings":        `ALTER ROLE %s RESET ALL`,
		"role without a password":          `ALTER ROLE %s PASSWORD NULL`,
		"role locked by a killed Drop":     `ALTER ROLE %s NOLOGIN`,
	} {
		id := newTenant(t, cluster)
		must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("password"), Connections: 5}))
		_, err := admin.Exec(t.Context(), strings.ReplaceAll(half, "%s", id.Role()))
		must(t, err)
		if s, err := cluster.State(t.Context(), id); err != nil || (s.Role && s.Database) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("password"), Connections: 5}))
		if s, err := cluster.State(t.Context(), id); err != nil || !s.Role || !s.Database {
			t.Errorf("%s: not mended: %+v, %v", name, s, err)
		}
	}
}

func TestTenantReachesItsOwnDatabaseOnly(t *testing.T) {
	t.Parallel()
	cluster, _ := open(t)
	mine, other := newTenant(t, cluster), newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), mine, database.New{Password: []byte("mine"), Connections: 5}))
	must(t, cluster.Create(t.Context(), other, database.New{Password: []byte("theirs"), Connections: 5}))

	conn, err := cluster.Connect(t.Context(), mine, []byte("mine"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `CREATE TABLE public.notes (id int)`); err != nil {
		t.Errorf("a tenant cannot use its own database: %v", err)
	}
	for _, forbidden := range []string{
		`CREATE DATABASE more`, `CREATE ROLE friend`, `COPY public.notes FROM '/etc/passwd'`, `COPY public.notes TO PROGRAM 'id'`,
		`SET temp_file_limit = -1`, `ALTER ROLE CURRENT_USER CONNECTION LIMIT 1000`, `SELECT rolpassword FROM pg_authid`,
		`ALTER ROLE ` + other.Role() + ` PASSWORD 'x'`, `SELECT pg_read_file('/etc/passwd')`, `CREATE EXTENSION dblink`,
	} {
		if _, err := conn.Exec(t.Context(), forbidden); err == nil {
			t.Errorf("allowed to a tenant: %s", forbidden)
		}
	}
	for _, database := range []string{other.Role(), "postgres", "template1"} {
		c := conn.Config().Copy()
		c.Database = database
		if opened, err := pgx.ConnectConfig(t.Context(), c); err == nil {
			opened.Close(t.Context())
			t.Errorf("a tenant reaches database %s", database)
		}
	}
	if _, err := cluster.Connect(t.Context(), mine, []byte("theirs")); err == nil {
		t.Error("a wrong password logs in")
	}
}

// A tenant that was taken over must not keep itself or others from being deleted: all roles are for all to see, and an owner
// may grant what it owns to any of them.
func TestNobodyPreventsADrop(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	hostile, other, third := newTenant(t, cluster), newTenant(t, cluster), newTenant(t, cluster)
	for _, id := range []tenant.ID{hostile, other, third} {
		must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("password"), Connections: 5}))
	}
	admin := connect(t, server.DSN)
	var role uint32
	must(t, admin.QueryRow(t.Context(), `SELECT oid FROM pg_roles WHERE rolname = $1`, other.Role()).Scan(&role))
	conn, err := cluster.Connect(t.Context(), hostile, []byte("password"))
	must(t, err)
	_, err = conn.Exec(t.Context(), `CREATE TABLE public.bait (id int); GRANT SELECT ON public.bait TO `+other.Role()+`;
		GRANT CONNECT ON DATABASE `+hostile.Role()+` TO `+third.Role()+`; ALTER DATABASE `+hostile.Role()+` IS_TEMPLATE true`, pgx.QueryExecModeSimpleProtocol)
	must(t, err)
	must(t, conn.Close(t.Context()))

	for _, id := range []tenant.ID{other, third, hostile} {
		must(t, cluster.Drop(t.Context(), id))
		if exists, err := cluster.Exists(t.Context(), id); err != nil || exists {
			t.Errorf("dropped, yet exists: %v, %v", exists, err)
		}
	}
	// With the database of whoever granted it, the last of the role goes too.
	var left bool
	must(t, admin.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_roles WHERE oid = $1)`, role).Scan(&left))
	if left {
		t.Error("its role is left for ever")
	}
}

// PostgreSQL marks a database before it takes it apart; broken off there, it can be dropped and nothing else.
func TestADropThatWasBrokenOffIsFinished(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("password"), Connections: 5}))
	_, err := connect(t, server.DSN).Exec(t.Context(), `UPDATE pg_database SET datconnlimit = -2 WHERE datname = $1`, id.Role())
	must(t, err)
	must(t, cluster.Drop(t.Context(), id))
	if exists, err := cluster.Exists(t.Context(), id); err != nil || exists {
		t.Errorf("dropped, yet exists: %v, %v", exists, err)
	}
}

// A table may be a view by now, and give rows that fill the memory of whoever reads them.
func TestRowsAreBounded(t *testing.T) {
	t.Parallel()
	cluster, _ := open(t)
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("password"), Connections: 5}))
	conn, err := cluster.Connect(t.Context(), id, []byte("password"))
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `CREATE VIEW public.users AS SELECT repeat('x', 10 << 20) AS name`)
	must(t, err)
	var name string
	if err := conn.QueryRow(t.Context(), `SELECT name FROM public.users`).Scan(&name); err == nil {
		t.Errorf("a row of %d bytes is read", len(name))
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	cluster, _ := open(t)
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("password"), Connections: 1}))
	for range 1 + database.Reserved {
		conn, err := cluster.Connect(t.Context(), id, []byte("password"))
		must(t, err)
		defer conn.Close(context.Background())
	}
	_, err := cluster.Connect(t.Context(), id, []byte("password"))
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "53300" { // too_many_connections
		t.Errorf("one connection too many: %v", err)
	}
}

func TestPasswordIsKeptAsVerifier(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("very secret"), Connections: 1}))
	var kept string
	must(t, connect(t, server.DSN).QueryRow(t.Context(), `SELECT rolpassword FROM pg_authid WHERE rolname = $1`, id.Role()).Scan(&kept))
	if !strings.HasPrefix(kept, "SCRAM-SHA-256$4096:") || strings.Contains(kept, "very secret") {
		t.Errorf("kept as %q", kept)
	}
}

func TestAbsentCluster(t *testing.T) {
	t.Parallel()
	cluster, err := database.Open(t.Context(), database.Config{DSN: "postgres:///postgres?host=" + t.TempDir(), SocketDir: "/nowhere"})
	must(t, err)
	defer cluster.Close()
	_, err = cluster.State(t.Context(), tenant.NewID())
	if !database.Absent(err) {
		t.Errorf("an absent cluster is not told from other errors: %v", err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	cluster, _ := open(t)
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("password"), Connections: 1}))
	ids, err := cluster.List(t.Context())
	must(t, err)
	count := 0
	for _, found := range ids {
		if found == id {
			count++
		}
	}
	if count != 1 {
		t.Errorf("listed %d times", count)
	}
}

func BenchmarkCreate(b *testing.B) {
	server := pgtest.Cluster(b)
	cluster, err := database.Open(b.Context(), database.Config{DSN: server.DSN, SocketDir: server.SocketDir})
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	for b.Loop() {
		id := tenant.NewID()
		if err := cluster.Create(b.Context(), id, database.New{Password: []byte("password"), Connections: 5}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = cluster.Drop(b.Context(), id)
		b.StartTimer()
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
