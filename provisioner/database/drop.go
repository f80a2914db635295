package database

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// Drop removes database and role. What is absent is no error.
func (c *Cluster) Drop(ctx context.Context, id tenant.ID) error {
	name := pgx.Identifier{id.Role()}.Sanitize()
	// No new session, or one that comes in between would keep the role from being dropped.
	if err := c.execute(ctx, "ALTER ROLE "+name+" NOLOGIN"); err != nil && !is(err, "42704") { // undefined_object
		return wrap("lock the role", err)
	}
	// Its owner may have called it a template, and of those PostgreSQL drops none.
	if err := unlock(ctx, c, name); err != nil {
		return wrap("unlock the database", err)
	}
	if err := c.execute(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		return wrap("drop the database", err)
	}
	if err := dropRole(ctx, c, name); err != nil {
		return wrap("drop the role", err)
	}
	c.dropAside(ctx)
	return nil
}

// executor is a connection, or any of the pool's.
type executor interface {
	execute(ctx context.Context, statements string) error
}

// unlock makes a database one that can be dropped, and that nobody copies; its name is quoted. One that is gone, or whose
// dropping was broken off, is such a one: PostgreSQL changes nothing of the latter any more.
func unlock(ctx context.Context, on executor, name string) error {
	err := on.execute(ctx, "ALTER DATABASE "+name+" IS_TEMPLATE false")
	if is(err, "3D000") || is(err, "55000") { // invalid_catalog_name, object_not_in_prerequisite_state
		return nil
	}
	return err
}

const (
	dependentObjects = "2BP01" // dependent_objects_still_exist
	// The beginning of the names of roles that could not be dropped.
	aside = "hafen_aside_"

	asideSQL = `SELECT rolname FROM pg_roles WHERE starts_with(rolname, '` + aside + `')`
)

// dropRole drops a role that owns nothing any more and cannot log in; its name is quoted.
//
// One to which another tenant has granted something, in its own database, cannot be dropped before that is: a homeserver that
// was taken over could keep all others from being deleted, for everybody sees all roles. It is set aside under a name nobody
// uses, and dropped with a later one.
func dropRole(ctx context.Context, on executor, name string) error {
	err := on.execute(ctx, "DROP ROLE IF EXISTS "+name)
	if is(err, dependentObjects) { // what was granted on a database as such can be taken back from here
		err = on.execute(ctx, "DROP OWNED BY "+name+"; DROP ROLE "+name)
	}
	if is(err, dependentObjects) {
		err = on.execute(ctx, "ALTER ROLE "+name+" RENAME TO "+aside+strings.ToLower(rand.Text()))
	}
	return err
}

// dropAside drops those of these roles to which nothing is granted any more. What fails, the next Drop tries again.
func (c *Cluster) dropAside(ctx context.Context) {
	rows, err := c.pool.Query(ctx, asideSQL)
	if err != nil {
		return
	}
	names, _ := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		_ = c.execute(ctx, "DROP ROLE IF EXISTS "+pgx.Identifier{name}.Sanitize())
	}
}
