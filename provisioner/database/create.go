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
// vacuum from the whole cluster's old rows. A role may set those otherwise for its session (Synapse does: ten minutes); what holds
// then are its connections, its group's share of the processors and the end of [Sorter.Longest], and the cluster's limit on memory.
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
	name := pgx.Identifier{id.Role()}.Sanitize()
	attributes := fmt.Sprintf("ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT %d PASSWORD '%s'",
		name, n.Connections+Reserved, verifier)
	return c.alone(ctx, id.Role(), func(s session) error {
		if made, err := s.fromTemplate(ctx, id.Role(), attributes, n.Template); made || err != nil {
			return wrap("create the database from a template", err)
		}
		return s.fromNothing(ctx, name, attributes)
	})
}

// fromNothing makes an empty database, or completes one that is there.
func (s session) fromNothing(ctx context.Context, name, attributes string) error {
	err := s.execute(ctx, "CREATE "+attributes)
	if is(err, "42710") { // duplicate_object
		err = s.execute(ctx, "ALTER "+attributes)
	}
	if err != nil {
		return wrap("create the role", err)
	}
	// C locale: the order of a B-tree then does not depend on the C library's version, which a system upgrade changes;
	// Synapse insists on it for that reason.
	err = s.execute(ctx, "CREATE DATABASE "+name+" OWNER "+name+
		" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'")
	if is(err, "42P04") { // duplicate_database
		err = s.execute(ctx, "ALTER DATABASE "+name+" OWNER TO "+name)
	}
	if err != nil {
		return wrap("create the database", err)
	}
	if err := s.execute(ctx, closeToPublic(name)); err != nil {
		return wrap("take the database from the public", err)
	}
	// Last, and all in one transaction: State takes their presence as a sign that all is done.
	return wrap("set the role's limits", s.execute(ctx, limitRole(name)))
}

// closeToPublic: a new database lets everybody connect and make temporary tables.
func closeToPublic(name string) string {
	return "REVOKE CONNECT, TEMPORARY ON DATABASE " + name + " FROM PUBLIC;"
}

func limitRole(name string) string {
	var set strings.Builder
	for _, s := range roleSettings {
		set.WriteString("ALTER ROLE " + name + " SET " + s + ";")
	}
	return set.String()
}

// session is a connection to the maintenance database that holds a lock.
type session struct{ *pgxpool.Conn }

// alone runs what must not run twice at once in the cluster. The lock is the connection's: it ends with it when this process
// is killed, and not before the statement that runs at that moment has ended, for a server goes on with that.
func (c *Cluster) alone(ctx context.Context, what string, do func(session) error) error {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return wrap("connect", err)
	}
	defer conn.Release()
	defer func() {
		if _, err := conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock_all()`); err != nil {
			_ = conn.Conn().Close(context.WithoutCancel(ctx)) // then it ends so; the pool takes no dead connection back
		}
	}()
	s := session{conn}
	if err := s.lock(ctx, what); err != nil {
		return wrap("wait for the lock", err)
	}
	return do(s)
}

func (s session) lock(ctx context.Context, what string) error {
	_, err := s.Exec(ctx, `SELECT pg_advisory_lock(hashtext('hafen'), hashtext($1))`, what)
	return err
}

// execute runs statements; several in one message are one transaction.
func (s session) execute(ctx context.Context, statements string) error {
	_, err := s.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol)
	return err
}
