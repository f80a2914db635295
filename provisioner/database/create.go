package database

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hafen/tenant"
)

// New is a database to be made.
type New struct {
	Password    []byte
	Connections int
	Template    Template // copied when it is there; otherwise the database begins empty
}

// Settings of a tenant's role. temp_file_limit can be changed by a superuser only, so it holds against a homeserver that
// was taken over; the others stop accidents: a statement that runs for minutes, a transaction left open that keeps
// vacuum from the whole cluster's old rows.
var roleSettings = []string{
	"statement_timeout = '120s'",
	"idle_in_transaction_session_timeout = '60s'",
	"temp_file_limit = '512MB'",
}

// Create makes role and database, or completes what is there of them, and sets the role's password and connections.
func (c *Cluster) Create(ctx context.Context, id tenant.ID, n New) error {
	verifier, err := scramVerifier(n.Password)
	if err != nil {
		return wrap("create the role", err)
	}
	return c.alone(ctx, "tenant "+string(id), func(session *pgxpool.Conn) error {
		m := making{Cluster: c, session: session, id: id, name: pgx.Identifier{id.Role()}.Sanitize()}
		if err := m.role(ctx, verifier, n.Connections); err != nil {
			return wrap("create the role", err)
		}
		if err := m.database(ctx, n.Template); err != nil {
			return err
		}
		// A new database lets everybody connect and make temporary tables.
		if err := m.execute(ctx, "REVOKE CONNECT, TEMPORARY ON DATABASE "+m.name+" FROM PUBLIC"); err != nil {
			return wrap("take the database from the public", err)
		}
		// Last, and all in one transaction, as statements in one message are: State takes their presence as a sign that all is done.
		var set strings.Builder
		for _, s := range roleSettings {
			set.WriteString("ALTER ROLE " + m.name + " SET " + s + ";")
		}
		return wrap("set the role's limits", m.execute(ctx, set.String()))
	})
}

// alone runs what must not run twice at once in the cluster. The lock is the session's: it ends with it when this process is
// killed, and not before the statement that runs at that moment has ended, for a server goes on with that.
func (c *Cluster) alone(ctx context.Context, what string, do func(*pgxpool.Conn) error) error {
	session, err := c.pool.Acquire(ctx)
	if err != nil {
		return wrap("connect", err)
	}
	defer session.Release()
	if _, err := session.Exec(ctx, `SELECT pg_advisory_lock(hashtext('hafen'), hashtext($1))`, what); err != nil {
		return wrap("wait for the lock", err)
	}
	defer func() {
		if _, err := session.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock_all()`); err != nil {
			_ = session.Conn().Close(context.WithoutCancel(ctx)) // then it ends so; a dead connection does not go back to the pool
		}
	}()
	return do(session)
}

// making is one tenant's role and database while they are made.
type making struct {
	*Cluster
	session *pgxpool.Conn
	id      tenant.ID
	name    string // of both, quoted
}

func (m making) execute(ctx context.Context, statement string) error {
	_, err := m.session.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	return err
}

func (m making) role(ctx context.Context, verifier string, connections int) error {
	role := fmt.Sprintf("ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT %d PASSWORD '%s'",
		m.name, connections+Reserved, verifier)
	err := m.execute(ctx, "CREATE "+role)
	if is(err, "42710") { // duplicate_object
		err = m.execute(ctx, "ALTER "+role)
	}
	return err
}

// What a killed copying leaves: a database that is still the superuser's, and admits nobody else.
const unfinishedSQL = `
SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datconnlimit = 0 AND pg_get_userbyid(datdba) = current_user)`

func (m making) database(ctx context.Context, t Template) error {
	var unfinished bool
	if err := m.session.QueryRow(ctx, unfinishedSQL, m.id.Role()).Scan(&unfinished); err != nil {
		return wrap("look for an unfinished copy", err)
	}
	if unfinished {
		// To copy again costs less than to tell what is missing.
		if err := m.execute(ctx, "DROP DATABASE "+m.name+" WITH (FORCE)"); err != nil {
			return wrap("drop an unfinished copy", err)
		}
	}
	// By the session, as all here: many that hold one connection and wait for a second would wait for ever.
	var there bool
	if err := m.session.QueryRow(ctx, templateSQL, t.name()).Scan(&there); err != nil {
		return wrap("look for the template", err)
	}
	var err error
	if there {
		err = m.copyTemplate(ctx, t)
	} else {
		// C locale: the order of a B-tree then does not depend on the C library's version, which a system upgrade changes;
		// Synapse insists on it for that reason.
		err = m.execute(ctx, "CREATE DATABASE "+m.name+" OWNER "+m.name+
			" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'")
	}
	if is(err, "42P04") { // duplicate_database: a whole one, for it is not unfinished
		err = m.execute(ctx, "ALTER DATABASE "+m.name+" OWNER TO "+m.name)
	}
	return wrap("create the database", err)
}

// copyTemplate makes the database as a copy of the template, and hands it over.
//
// The copy belongs to the superuser until then. Its limit of no connections does not hold for superusers, and does for all
// others, so the tenant's role cannot log in before all in it is the tenant's.
func (m making) copyTemplate(ctx context.Context, t Template) error {
	source := pgx.Identifier{t.name()}.Sanitize()
	if err := m.execute(ctx, "CREATE DATABASE "+m.name+" TEMPLATE "+source+" CONNECTION LIMIT 0"); err != nil {
		return err
	}
	conn, err := m.enter(ctx, m.id)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// One transaction, as statements in one message are: nobody sees a database that is half the tenant's.
	_, err = conn.Exec(ctx, "REASSIGN OWNED BY "+source+" TO "+m.name+";"+
		"ALTER DATABASE "+m.name+" OWNER TO "+m.name+";"+
		"REVOKE CONNECT, TEMPORARY ON DATABASE "+m.name+" FROM PUBLIC;"+
		"ALTER DATABASE "+m.name+" CONNECTION LIMIT -1", pgx.QueryExecModeSimpleProtocol)
	return err
}

// enter connects the superuser to a database that no tenant could ever log in to.
func (c *Cluster) enter(ctx context.Context, id tenant.ID) (*pgx.Conn, error) {
	config := c.pool.Config().ConnConfig.Copy()
	config.Database = id.Role()
	config.RuntimeParams["search_path"] = "pg_catalog"
	return pgx.ConnectConfig(ctx, config)
}
