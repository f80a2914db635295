package database_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"hafen/internal/pgtest"
	"hafen/provisioner/database"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

var schema = homeserver.Schema{Tables: []string{"version"}, Settled: `SELECT NOT EXISTS (SELECT FROM public.todo)`}

// What a server makes: tables with what is the schema's and what is the server's, one that refers to another, a view, a
// function, a sequence, a type, a schema of its own, and a job in the background.
const tables = `
CREATE TABLE version (version int); INSERT INTO version VALUES (7);
CREATE TABLE users (id serial PRIMARY KEY, name text); INSERT INTO users (name) VALUES ('template.invalid');
CREATE TABLE devices (owner int REFERENCES users); INSERT INTO devices VALUES (1);
CREATE TABLE keys (owner int REFERENCES users);
CREATE VIEW names AS SELECT name FROM users;
CREATE FUNCTION seven() RETURNS int LANGUAGE sql AS 'SELECT version FROM version';
CREATE TYPE colour AS ENUM ('red');
CREATE SCHEMA other; CREATE TABLE other.things (t text); INSERT INTO other.things VALUES ('thing');
CREATE TABLE todo (job text); INSERT INTO todo VALUES ('index')`

// newTemplate is of an image that does not exist, so that no two tests share one, and is dropped at the end.
func newTemplate(t testing.TB, c *database.Cluster) (database.Template, string) {
	t.Helper()
	var digest [32]byte
	rand.Read(digest[:])
	installation := "it's test " + hex.EncodeToString(digest[:4])
	t.Cleanup(func() {
		if err := c.DropTemplates(context.Background(), installation, nil); err != nil {
			t.Error(err)
		}
	})
	return database.Template{Engine: "fake", Image: "sha256:" + hex.EncodeToString(digest[:])}, installation
}

// begin waits for its turn: one template is made at a time in a cluster, and tests run at once.
func begin(t testing.TB, c *database.Cluster, template database.Template) *database.Build {
	t.Helper()
	for {
		build, err := c.BeginBuild(t.Context(), template)
		if !errors.Is(err, database.ErrBuilding) {
			must(t, err)
			return build
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// fill is what a server does to its database.
func fill(t testing.TB, c *database.Cluster, id tenant.ID) {
	t.Helper()
	must(t, c.Create(t.Context(), id, database.New{Password: []byte("builder"), Connections: 5}))
	conn, err := c.Connect(t.Context(), id, []byte("builder"))
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "SET search_path = public;"+tables, pgx.QueryExecModeSimpleProtocol)
	must(t, err)
}

func build(t testing.TB, c *database.Cluster, template database.Template, installation string) {
	t.Helper()
	b := begin(t, c, template)
	defer b.Close(t.Context())
	fill(t, c, b.ID)
	settled := make(chan error)
	go func() { settled <- b.AwaitSettled(t.Context(), []byte("builder"), schema) }()
	conn, err := c.Connect(t.Context(), b.ID, []byte("builder"))
	must(t, err)
	_, err = conn.Exec(t.Context(), `DELETE FROM public.todo`)
	must(t, err)
	must(t, conn.Close(t.Context()))
	must(t, <-settled)
	must(t, b.Seal(t.Context(), []byte("builder"), schema, installation))
}

func TestDatabaseFromTemplate(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	template, installation := newTemplate(t, cluster)
	build(t, cluster, template, installation)
	if there, err := cluster.HasTemplate(t.Context(), template); err != nil || !there {
		t.Fatalf("no template: %v", err)
	}

	ids := make([]tenant.ID, 4)
	var group errgroup.Group
	for i := range ids { // at once: they share the template
		ids[i] = newTenant(t, cluster)
		group.Go(func() error {
			return cluster.Create(t.Context(), ids[i], database.New{Password: []byte("secret"), Connections: 5, Template: template})
		})
	}
	must(t, group.Wait())
	for _, id := range ids {
		if s, err := cluster.State(t.Context(), id); err != nil || s != (database.State{Role: true, Database: true, Connections: 5}) {
			t.Errorf("%+v, %v", s, err)
		}
		checkCopy(t, cluster, server, id)
	}
	must(t, cluster.Create(t.Context(), ids[0], database.New{Password: []byte("secret"), Connections: 5, Template: template}))
	checkOwnData(t, cluster, ids[0])
}

// checkCopy looks, as the tenant, for the tables without what was the other server's, and for anybody else's rights.
func checkCopy(t *testing.T, c *database.Cluster, server pgtest.Server, id tenant.ID) {
	t.Helper()
	conn, err := c.Connect(t.Context(), id, []byte("secret"))
	must(t, err)
	defer conn.Close(context.Background())
	var version, rows int
	must(t, conn.QueryRow(t.Context(), `SELECT public.seven()`).Scan(&version))
	must(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM public.names) + (SELECT count(*) FROM public.devices)
		+ (SELECT count(*) FROM other.things)`).Scan(&rows))
	if version != 7 || rows != 0 {
		t.Errorf("version %d, %d rows of another server", version, rows)
	}
	// The tenant may do with all of it what it may with tables of its own.
	_, err = conn.Exec(t.Context(), `SET search_path = public; ALTER TABLE users ADD COLUMN note text; ALTER TYPE colour ADD VALUE 'blue';
		DROP FUNCTION seven(); DROP SCHEMA other CASCADE; INSERT INTO users (name) VALUES ('me'); CREATE TABLE more (id int)`, pgx.QueryExecModeSimpleProtocol)
	must(t, err)
	var strangers []string
	must(t, connect(t, server.DSN).QueryRow(t.Context(), `SELECT coalesce(array_agg(DISTINCT r.rolname::text), '{}') FROM pg_shdepend s
		JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.refobjid WHERE d.datname = $1 AND r.rolname <> $1`, id.Role()).Scan(&strangers))
	if len(strangers) > 0 {
		t.Errorf("something in there is still that of %v", strangers)
	}
}

// checkOwnData fails when a repeated Create has begun anew.
func checkOwnData(t *testing.T, c *database.Cluster, id tenant.ID) {
	t.Helper()
	conn, err := c.Connect(t.Context(), id, []byte("secret"))
	must(t, err)
	defer conn.Close(context.Background())
	var name string
	must(t, conn.QueryRow(t.Context(), `SELECT name FROM public.users`).Scan(&name))
	if name != "me" {
		t.Errorf("found %q", name)
	}
}

func TestNobodyEntersATemplate(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	template, installation := newTemplate(t, cluster)
	b := begin(t, cluster, template)
	fill(t, cluster, b.ID)
	must(t, b.Seal(t.Context(), []byte("builder"), schema, installation))
	b.Close(t.Context())

	if _, err := cluster.Connect(t.Context(), b.ID, []byte("builder")); err == nil {
		t.Error("the server that made it still can log in")
	}
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("secret"), Connections: 5, Template: template}))
	conn, err := cluster.Connect(t.Context(), id, []byte("secret"))
	must(t, err)
	defer conn.Close(context.Background())
	name := "hafen_template1_fake_" + template.Image[7:19]
	for _, forbidden := range []string{
		`SET ROLE ` + name, `GRANT ` + name + ` TO CURRENT_USER`, `ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS true`,
		`CREATE DATABASE copy TEMPLATE ` + name, `REASSIGN OWNED BY ` + name + ` TO CURRENT_USER`,
	} {
		if _, err := conn.Exec(t.Context(), forbidden); err == nil {
			t.Errorf("allowed to a tenant: %s", forbidden)
		}
	}
	_, err = pgx.Connect(t.Context(), server.Database(name))
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "55000" { // object_not_in_prerequisite_state
		t.Errorf("the superuser itself is not refused: %v", err)
	}
}

func TestSpares(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	template, installation := newTemplate(t, cluster)
	must(t, cluster.EnsureSpares(t.Context(), template, 2))
	if n := len(spares(t, server, template)); n != 0 {
		t.Errorf("%d spares without a template", n)
	}
	build(t, cluster, template, installation)
	for range 2 { // twice: there are as many as there shall be
		must(t, cluster.EnsureSpares(t.Context(), template, 2))
	}
	made := spares(t, server, template)
	if len(made) != 2 {
		t.Fatalf("spares %v", made)
	}
	ids := make([]tenant.ID, 3)
	var group errgroup.Group
	for i := range ids { // at once: two get a spare, one a copy
		ids[i] = newTenant(t, cluster)
		group.Go(func() error {
			return cluster.Create(t.Context(), ids[i], database.New{Password: []byte("secret"), Connections: 5, Template: template})
		})
	}
	must(t, group.Wait())
	for _, id := range ids {
		checkCopy(t, cluster, server, id)
	}
	if left := spares(t, server, template); len(left) > 0 {
		t.Errorf("spares left: %v", left)
	}
	must(t, cluster.EnsureSpares(t.Context(), template, 1))
	must(t, cluster.DropTemplates(t.Context(), installation, nil))
	if left := spares(t, server, template); len(left) > 0 {
		t.Errorf("spares of no template: %v", left)
	}
}

// spares lists all there is of a template's spares.
func spares(t *testing.T, server pgtest.Server, template database.Template) []string {
	t.Helper()
	var names []string
	must(t, connect(t, server.DSN).QueryRow(t.Context(), `SELECT coalesce(array_agg(DISTINCT name), '{}') FROM
		(SELECT rolname::text AS name FROM pg_roles UNION SELECT datname FROM pg_database) n WHERE starts_with(name, $1)`,
		"hafen_spare1_fake_"+template.Image[7:19]).Scan(&names))
	return names
}

// What a killed copying leaves must become nobody's database, and is dropped.
func TestUnfinishedSpareIsDropped(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	template, installation := newTemplate(t, cluster)
	build(t, cluster, template, installation)
	half := "hafen_spare1_fake_" + template.Image[7:19] + "_killed"
	admin := connect(t, server.DSN)
	for _, statement := range []string{
		`CREATE ROLE ` + half + ` NOLOGIN`, `CREATE DATABASE ` + half + ` TEMPLATE hafen_template1_fake_` + template.Image[7:19] + ` CONNECTION LIMIT 0`,
	} {
		_, err := admin.Exec(t.Context(), statement)
		must(t, err)
	}
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("secret"), Connections: 5, Template: template}))
	checkCopy(t, cluster, server, id)
	if left := spares(t, server, template); len(left) != 1 || left[0] != half {
		t.Errorf("spares: %v", left)
	}
	must(t, cluster.EnsureSpares(t.Context(), template, 0))
	if left := spares(t, server, template); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A role alone is what a killed Create or Drop leaves.
func TestRoleAloneGivesWay(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	template, installation := newTemplate(t, cluster)
	build(t, cluster, template, installation)
	id := newTenant(t, cluster)
	_, err := connect(t, server.DSN).Exec(t.Context(), `CREATE ROLE `+id.Role()+` NOLOGIN`)
	must(t, err)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("secret"), Connections: 5, Template: template}))
	if s, err := cluster.State(t.Context(), id); err != nil || s != (database.State{Role: true, Database: true, Connections: 5}) {
		t.Errorf("%+v, %v", s, err)
	}
	checkCopy(t, cluster, server, id)
}

func TestKilledBuildIsDroppedByTheNext(t *testing.T) {
	t.Parallel()
	cluster, _ := open(t)
	template, installation := newTemplate(t, cluster)
	first := begin(t, cluster, template)
	fill(t, cluster, first.ID)
	if _, err := cluster.BeginBuild(t.Context(), template); !errors.Is(err, database.ErrBuilding) {
		t.Errorf("two build at once: %v", err)
	}
	if there, err := cluster.HasTemplate(t.Context(), template); err != nil || there {
		t.Errorf("half a template counts: %v", err)
	}
	first.Close(t.Context()) // as when the process is killed: nothing is removed
	build(t, cluster, template, installation)
	if exists, err := cluster.Exists(t.Context(), first.ID); err != nil || exists {
		t.Errorf("the killed one's database is left: %v", err)
	}
	ids, err := cluster.List(t.Context())
	must(t, err)
	for _, id := range ids {
		if database.Builder(id) {
			t.Errorf("%s is listed as a tenant", id)
		}
	}
}

func TestOwnTemplatesAreDropped(t *testing.T) {
	t.Parallel()
	cluster, server := open(t)
	kept, installation := newTemplate(t, cluster)
	old, _ := newTemplate(t, cluster)
	foreign, other := newTemplate(t, cluster)
	build(t, cluster, kept, installation)
	build(t, cluster, old, installation)
	build(t, cluster, foreign, other)
	must(t, cluster.DropTemplates(t.Context(), installation, []database.Template{{Engine: "fake"}}))
	must(t, cluster.DropTemplates(t.Context(), installation, []database.Template{kept, {Engine: "other"}}))
	for template, want := range map[database.Template]bool{kept: true, old: false, foreign: true} {
		if there, err := cluster.HasTemplate(t.Context(), template); err != nil || there != want {
			t.Errorf("template there: %v, want %v: %v", there, want, err)
		}
	}
	var roles int
	must(t, connect(t, server.DSN).QueryRow(t.Context(), `SELECT count(*) FROM pg_roles WHERE rolname = $1`, "hafen_template1_fake_"+old.Image[7:19]).Scan(&roles))
	if roles != 0 {
		t.Error("its role is left")
	}
	// A tenant of it begins empty.
	id := newTenant(t, cluster)
	must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("secret"), Connections: 5, Template: old}))
	conn, err := cluster.Connect(t.Context(), id, []byte("secret"))
	must(t, err)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `SELECT FROM public.version`); err == nil {
		t.Error("tables from nowhere")
	}
}

func TestTemplatesNeedADigest(t *testing.T) {
	t.Parallel()
	cluster, _ := open(t)
	for _, image := range []string{"", "hafen-synapse:latest", "sha256:short", `sha256:"; DROP ROLE x; --aaaaaaaa`} {
		if there, err := cluster.HasTemplate(t.Context(), database.Template{Engine: "fake", Image: image}); err != nil || there {
			t.Errorf("%q: %v, %v", image, there, err)
		}
		id := newTenant(t, cluster)
		must(t, cluster.Create(t.Context(), id, database.New{Password: []byte("secret"), Connections: 5, Template: database.Template{Engine: "fake", Image: image}}))
	}
}

func BenchmarkCreateFromTemplate(b *testing.B) {
	server := pgtest.Cluster(b)
	cluster, err := database.Open(b.Context(), database.Config{DSN: server.DSN, SocketDir: server.SocketDir})
	must(b, err)
	b.Cleanup(cluster.Close)
	template, installation := newTemplate(b, cluster)
	build(b, cluster, template, installation)
	for name, spares := range map[string]int{"copy": 0, "spare": 1} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				must(b, cluster.EnsureSpares(b.Context(), template, spares))
				id := tenant.NewID()
				b.StartTimer()
				must(b, cluster.Create(b.Context(), id, database.New{Password: []byte("password"), Connections: 5, Template: template}))
				b.StopTimer()
				_ = cluster.Drop(b.Context(), id)
				b.StartTimer()
			}
		})
	}
}
