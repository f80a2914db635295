package database

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A spare is a copy of a template that is nobody's yet, with a role of its own that cannot log in. It becomes a tenant's by
// being given the tenant's name, which takes some milliseconds; the copying takes a hundred or two.
//
// It is whole when it belongs to its own role and has no limit of connections, which a transaction sets last.

// spares is the beginning of the names of a template's spares.
func spares(template string) string {
	return "hafen_spare" + strings.TrimPrefix(template, "hafen_template") + "_"
}

const (
	wholeSparesSQL = `
SELECT d.datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba AND r.rolname = d.datname
 WHERE starts_with(d.datname, $1) AND d.datconnlimit = -1 ORDER BY d.datname`

	allSparesSQL = `
SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1) UNION SELECT datname FROM pg_database WHERE starts_with(datname, $1)`
)

// fromTemplate makes what is not there at all as a copy of the template, when that is there; made tells.
func (s session) fromTemplate(ctx context.Context, name, attributes string, t Template) (made bool, err error) {
	var there, template bool
	if err := s.QueryRow(ctx, databaseExistsSQL, name).Scan(&there); err != nil || there {
		return false, err
	}
	if err := s.QueryRow(ctx, templateSQL, t.name()).Scan(&template); err != nil || !template {
		return false, err
	}
	// A role without its database owns nothing: it is what a killed Create or Drop has left.
	if err := s.execute(ctx, "DROP ROLE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
		return false, err
	}
	for {
		if made, err := s.adopt(ctx, name, attributes, t); made || err != nil {
			return made, err
		}
		if err := s.makeSpare(ctx, t); err != nil {
			return false, err
		}
	}
}

// adopt gives a spare a tenant's name, and its role the tenant's password, in one transaction. False when there is no spare.
func (s session) adopt(ctx context.Context, name, attributes string, t Template) (adopted bool, err error) {
	err = pgx.BeginFunc(ctx, s, func(tx pgx.Tx) error {
		// One after the other, or two would take the same.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('hafen'), hashtext('spares'))`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, wholeSparesSQL+" LIMIT 1", spares(t.name()))
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(found) == 0 {
			return err
		}
		spare, name := pgx.Identifier{found[0]}.Sanitize(), pgx.Identifier{name}.Sanitize()
		_, err = tx.Exec(ctx, "ALTER ROLE "+spare+" RENAME TO "+name+";ALTER "+attributes+";"+limitRole(name)+
			"ALTER DATABASE "+spare+" RENAME TO "+name, pgx.QueryExecModeSimpleProtocol)
		adopted = err == nil
		return err
	})
	return adopted && err == nil, err
}

// makeSpare copies the template, and makes all that is in the copy its own role's. Until that role is a tenant's nobody can log
// in to it but the superuser.
func (s session) makeSpare(ctx context.Context, t Template) error {
	plain := spares(t.name()) + strings.ToLower(rand.Text()[:8])
	// Held while it is made: nobody takes it for what a killed process has left.
	if err := s.lock(ctx, plain); err != nil {
		return err
	}
	source, name := pgx.Identifier{t.name()}.Sanitize(), pgx.Identifier{plain}.Sanitize()
	if err := s.execute(ctx, "CREATE ROLE "+name+" NOLOGIN"); err != nil {
		return err
	}
	if err := s.execute(ctx, "CREATE DATABASE "+name+" TEMPLATE "+source+" CONNECTION LIMIT 0"); err != nil {
		return err
	}
	config := s.Conn.Conn().Config().Copy()
	config.Database = plain
	config.RuntimeParams["search_path"] = "pg_catalog"
	inside, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer inside.Close(context.WithoutCancel(ctx))
	_, err = inside.Exec(ctx, "REASSIGN OWNED BY "+source+" TO "+name+";"+
		"ALTER DATABASE "+name+" OWNER TO "+name+";"+closeToPublic(name)+
		"ALTER DATABASE "+name+" CONNECTION LIMIT -1", pgx.QueryExecModeSimpleProtocol)
	return err
}

// EnsureSpares makes spares of a template until there are so many, and drops what killed processes have left of some. None
// without the template.
func (c *Cluster) EnsureSpares(ctx context.Context, t Template, n int) error {
	there, err := c.HasTemplate(ctx, t)
	if err != nil || !there {
		return err
	}
	return wrap("make spare databases", c.alone(ctx, "making spares", func(s session) error {
		whole, err := s.names(ctx, wholeSparesSQL, spares(t.name()))
		if err != nil {
			return err
		}
		all, err := s.names(ctx, allSparesSQL, spares(t.name()))
		if err != nil {
			return err
		}
		for _, name := range all {
			if err := s.dropUnfinished(ctx, name); err != nil {
				return err
			}
		}
		for range n - len(whole) {
			if err := s.makeSpare(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}))
}

// dropUnfinished drops a spare that is not whole, and that nobody is making.
func (s session) dropUnfinished(ctx context.Context, name string) error {
	var free bool
	if err := s.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtext('hafen'), hashtext($1))`, name).Scan(&free); err != nil || !free {
		return err
	}
	// Only now: it may have been finished meanwhile.
	whole, err := s.names(ctx, wholeSparesSQL, name)
	if err != nil || len(whole) > 0 {
		return err
	}
	return s.drop(ctx, name)
}

func (s session) drop(ctx context.Context, name string) error {
	name = pgx.Identifier{name}.Sanitize()
	if err := s.execute(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		return err
	}
	return dropRole(ctx, s, name)
}

func (s session) names(ctx context.Context, sql string, arguments ...any) ([]string, error) {
	rows, err := s.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
