// Package database makes, measures and drops tenants' databases in a PostgreSQL cluster: one role and one database for
// each tenant, both named [tenant.ID.Role].
//
// The package works as the cluster's superuser, but only ever in the maintenance database. Into a tenant's own database
// it goes as the tenant's role ([Cluster.Connect]): whoever took over a homeserver can plant triggers, functions and
// operators there, which run with the rights of the one who touches them.
//
// There is one exception. A tenant's database can be a copy of a template that has the engine's tables already ([Template]).
// The tables in a copy must become its own: for that the superuser enters the copy while it is a spare, which belongs to no
// tenant and admits nobody else, and never again once a tenant's role has got it. Nothing of a tenant's reaches a template,
// either: it takes no connection at all, and the server that made it ([Build]) was one that nobody could reach.
//
// A crash leaves a role without a database, a database whose rights are not yet taken from the public, which State calls
// absent, so that Create is repeated and completes them; or a spare or a builder's database that is not whole, which nobody
// uses and which EnsureSpares and BeginBuild drop.
package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"hafen/tenant"
)

// Config says where the cluster is.
type Config struct {
	DSN       string // a superuser's address of the maintenance database
	SocketDir string // directory of the cluster's Unix socket
}

// Cluster is the PostgreSQL cluster that holds the tenants' databases. Safe for concurrent use.
type Cluster struct {
	pool      *pgxpool.Pool
	socketDir string
}

// Connections for a few tenants being observed at once; each query takes a millisecond.
const poolSize = 8

// Reserved is how many connections a tenant's role has beyond those of its plan: one for the control plane's work on
// members, one for its measuring, and one so that both find room while the homeserver uses all of its own.
const Reserved = 3

// Open makes a Cluster. It does not connect yet: a cluster that is away is found out, and named, when it is needed.
func Open(ctx context.Context, c Config) (*Cluster, error) {
	config, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, errors.New("database: the address of the cluster cannot be read") // err would show the password
	}
	config.MaxConns = poolSize
	config.ConnConfig.RuntimeParams["application_name"] = "hafen provisioner"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("database: make the pool: %w", err)
	}
	return &Cluster{pool: pool, socketDir: c.SocketDir}, nil
}

// Close ends all connections.
func (c *Cluster) Close() { c.pool.Close() }

// SocketDir is the directory of the cluster's Unix socket.
func (c *Cluster) SocketDir() string { return c.socketDir }

// State is what exists for a tenant.
type State struct {
	Role        bool
	Database    bool
	Connections int // what the role may open, less Reserved; 0 without a role
}

const stateSQL = `
SELECT r.rolcanlogin AND r.rolpassword IS NOT NULL
           AND EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = 0),
       r.rolconnlimit,
       d.oid IS NOT NULL AND d.datdba = r.oid
           AND NOT has_database_privilege('public', d.oid, 'CONNECT') AND NOT has_database_privilege('public', d.oid, 'TEMP')
  FROM pg_authid r LEFT JOIN pg_database d ON d.datname = r.rolname
 WHERE r.rolname = $1`

const databaseExistsSQL = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`

// State tells what exists for a tenant, complete and with its rights as they should be.
func (c *Cluster) State(ctx context.Context, id tenant.ID) (State, error) {
	var s State
	err := c.pool.QueryRow(ctx, stateSQL, id.Role()).Scan(&s.Role, &s.Connections, &s.Database)
	if errors.Is(err, pgx.ErrNoRows) {
		// A database without its role is nothing usable, yet it must be seen, or removing would leave it behind.
		err := c.pool.QueryRow(ctx, databaseExistsSQL, id.Role()).Scan(&s.Database)
		return s, wrap("look for the database", err)
	}
	s.Connections -= Reserved
	return s, wrap("look for role and database", err)
}

const existsSQL = `
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) OR EXISTS (SELECT FROM pg_database WHERE datname = $1)`

// Exists reports whether a role or a database of the tenant exists, in whatever state.
func (c *Cluster) Exists(ctx context.Context, id tenant.ID) (bool, error) {
	var exists bool
	err := c.pool.QueryRow(ctx, existsSQL, id.Role()).Scan(&exists)
	return exists, wrap("look for role or database", err)
}

// Limit sets how many connections the tenant's role may open.
func (c *Cluster) Limit(ctx context.Context, id tenant.ID, connections int) error {
	name := pgx.Identifier{id.Role()}.Sanitize()
	return wrap("limit the role's connections", c.execute(ctx, fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", name, connections+Reserved)))
}

const sizeSQL = `SELECT coalesce((SELECT pg_database_size(oid) FROM pg_database WHERE datname = $1), 0)`

// Size is the size of the tenant's database in bytes, 0 when there is none.
func (c *Cluster) Size(ctx context.Context, id tenant.ID) (int64, error) {
	var bytes int64
	err := c.pool.QueryRow(ctx, sizeSQL, id.Role()).Scan(&bytes)
	return bytes, wrap("measure the database", err)
}

const listSQL = `
SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'hs_')
 UNION SELECT datname FROM pg_database WHERE starts_with(datname, 'hs_')`

// List gives the tenants that have a role or a database in the cluster. In a cluster that several installations share
// it gives those of all of them.
func (c *Cluster) List(ctx context.Context) ([]tenant.ID, error) {
	ids, err := c.list(ctx)
	return slices.DeleteFunc(ids, Builder), err
}

// list gives the builders of templates as well.
func (c *Cluster) list(ctx context.Context) ([]tenant.ID, error) {
	rows, err := c.pool.Query(ctx, listSQL)
	if err != nil {
		return nil, wrap("list the databases", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, wrap("list the databases", err)
	}
	var ids []tenant.ID
	for _, name := range names {
		if id, err := tenant.ParseID(strings.TrimPrefix(name, "hs_")); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Connect logs in to the tenant's database as the tenant's role. What comes from there is bounded, message by message.
func (c *Cluster) Connect(ctx context.Context, id tenant.ID, password []byte) (*pgx.Conn, error) {
	config := c.pool.Config().ConnConfig.Copy()
	config.User, config.Database, config.Password = id.Role(), id.Role(), string(password)
	config.Host, config.TLSConfig, config.Fallbacks = c.socketDir, nil, nil
	config.RuntimeParams = map[string]string{
		"application_name": "hafen",
		// Whatever the role has set for itself: a built-in name means the built-in thing.
		"search_path": "pg_catalog,public",
	}
	config.ConnectTimeout = 5 * time.Second
	config.BuildFrontend = boundedFrontend
	conn, err := pgx.ConnectConfig(ctx, config)
	return conn, wrap("connect as the tenant", err)
}

// maxMessage bounds a row: the longest we ask for, of a file, has some 10 KB. What stands in the tables of
// a homeserver that was taken over may be a view with a gigabyte in each row, and pgx keeps a row in memory whole.
const maxMessage = 64 << 10

func boundedFrontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	f := pgproto3.NewFrontend(r, w)
	f.SetMaxBodyLen(maxMessage)
	return f
}

func (c *Cluster) execute(ctx context.Context, statement string) error {
	// The simple protocol, for statements that cannot be prepared, and several in one.
	_, err := c.pool.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	return err
}

// Error is every error of this package: what was being done, and what the cluster said.
type Error struct {
	Doing string
	Err   error
}

func (e *Error) Error() string { return "database: " + e.Doing + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{doing, err}
}

func is(err error, sqlState string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == sqlState
}

// Absent reports whether err means that the cluster cannot be reached, rather than that it refused.
func Absent(err error) bool {
	ours, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	if refused, ok := errors.AsType[*pgconn.PgError](ours.Err); ok {
		// 57P01 to 57P03: shutting down or starting up; class 08: connection exceptions.
		return strings.HasPrefix(refused.Code, "57P") || strings.HasPrefix(refused.Code, "08")
	}
	_, connect := errors.AsType[*pgconn.ConnectError](ours.Err)
	_, network := errors.AsType[net.Error](ours.Err)
	return connect || network || errors.Is(ours.Err, io.EOF) || errors.Is(ours.Err, io.ErrUnexpectedEOF)
}

// DiskFull reports whether err means that the cluster has no room left.
func DiskFull(err error) bool { return is(err, "53100") }
