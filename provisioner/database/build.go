package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// The beginning of the ids of servers that are run to make a template. That a drawn id begins so has a chance of 1 in 2^60.
const builder = "templatebuild"

// Builder reports whether the id is that of a server that is run to make a template.
func Builder(id tenant.ID) bool { return strings.HasPrefix(string(id), builder) }

func newBuilder() tenant.ID {
	letters := strings.ToLower(rand.Text()) // of the same alphabet as ids
	return tenant.ID(builder + letters[:len(tenant.NewID())-len(builder)])
}

// Build is a template while it is made: by a homeserver, which is run on role and database of the tenant ID, made by
// [Cluster.Create]. What has the template's name is whole: it gets the name last, in [Build.Seal].
type Build struct {
	ID       tenant.ID
	cluster  *Cluster
	template string // its name
	session  *pgx.Conn
}

// ErrBuilding says that a template is being made by somebody else.
var ErrBuilding = errors.New("a template is being made already")

// BeginBuild drops what a killed building has left, and the half of the template that a killed dropping has. One building
// at a time in a cluster: ErrBuilding while there is another. Close it.
func (c *Cluster) BeginBuild(ctx context.Context, t Template) (*Build, error) {
	session, err := pgx.ConnectConfig(ctx, c.pool.Config().ConnConfig.Copy())
	if err != nil {
		return nil, wrap("connect", err)
	}
	b := &Build{ID: newBuilder(), cluster: c, template: t.name(), session: session}
	if err := b.begin(ctx, t); err != nil {
		b.Close(ctx)
		return nil, err
	}
	return b, nil
}

func (b *Build) begin(ctx context.Context, t Template) error {
	var free bool
	// The session's, so that it ends with this process.
	if err := b.session.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtext('hafen'), hashtext('template'))`).Scan(&free); err != nil {
		return wrap("lock the templates", err)
	}
	if !free {
		return wrap("lock the templates", ErrBuilding)
	}
	ids, err := b.cluster.list(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if Builder(id) {
			if err := b.cluster.Drop(ctx, id); err != nil {
				return err
			}
		}
	}
	there, err := b.cluster.HasTemplate(ctx, t)
	if err != nil || there {
		return err
	}
	return wrap("drop half a template", b.cluster.alone(ctx, "making spares", func(s session) error {
		return s.dropTemplate(ctx, b.template)
	}))
}

// Close lets the next one build.
func (b *Build) Close(ctx context.Context) {
	_ = b.session.Close(context.WithoutCancel(ctx)) // the lock ends with the connection, however that ends
}

// How often the migrations in the background are looked at; nobody waits for them.
const settledInterval = 250 * time.Millisecond

// AwaitSettled waits until the server's migrations are done. It goes in as the server's role, whose password it is given.
func (b *Build) AwaitSettled(ctx context.Context, password []byte, schema homeserver.Schema) error {
	if schema.Settled == "" {
		return nil
	}
	conn, err := b.cluster.Connect(ctx, b.ID, password)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(settledInterval)
	defer tick.Stop()
	for {
		var settled bool
		if err := conn.QueryRow(ctx, schema.Settled).Scan(&settled); err != nil || settled {
			return wrap("look at the migrations", err)
		}
		select {
		case <-ctx.Done():
			return wrap("wait for the migrations", ctx.Err())
		case <-tick.C:
		}
	}
}

// Seal empties the database of what was the server's, and makes it the template. The server must be gone.
func (b *Build) Seal(ctx context.Context, password []byte, schema homeserver.Schema, installation string) error {
	if err := b.cleanse(ctx, password, schema); err != nil {
		return wrap("cleanse the template", err)
	}
	server, name := pgx.Identifier{b.ID.Role()}.Sanitize(), pgx.Identifier{b.template}.Sanitize()
	marked, err := b.session.PgConn().EscapeString(mark(installation))
	if err != nil {
		return wrap("mark the template", err)
	}
	// One transaction, as statements in one message are. The role stays as the owner of all in there, and can no longer log in;
	// into the database goes nobody at all.
	_, err = b.session.Exec(ctx, "ALTER ROLE "+server+" RESET ALL;"+
		"ALTER ROLE "+server+" NOLOGIN PASSWORD NULL;"+
		"ALTER ROLE "+server+" RENAME TO "+name+";"+
		"ALTER DATABASE "+server+" OWNER TO CURRENT_USER;"+
		"ALTER DATABASE "+server+" RENAME TO "+name+";"+
		"ALTER DATABASE "+name+" IS_TEMPLATE true ALLOW_CONNECTIONS false;"+
		"COMMENT ON DATABASE "+name+" IS '"+marked+"'", pgx.QueryExecModeSimpleProtocol)
	return wrap("seal the template", err)
}

// cleanse goes in as the server's role.
func (b *Build) cleanse(ctx context.Context, password []byte, schema homeserver.Schema) error {
	conn, err := b.cluster.Connect(ctx, b.ID, password)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for range 2 { // the second time only to see that nothing is left
		filled, err := filledTables(ctx, conn, schema.Tables)
		if err != nil {
			return err
		}
		if len(filled) == 0 {
			// Each tenant's copy is as large: the migrations have left dead rows in the catalogs. No row is so new that it
			// would have to be frozen in each copy again.
			_, err := conn.Exec(ctx, "VACUUM (FULL, FREEZE, ANALYZE)")
			return err
		}
		// Cascading to what refers to them, though that be empty: PostgreSQL asks for it.
		if _, err := conn.Exec(ctx, "TRUNCATE "+strings.Join(filled, ", ")+" CASCADE"); err != nil {
			return err
		}
	}
	return errors.New("tables fill again when they are emptied")
}

const tablesSQL = `
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY 1, 2`

// filledTables lists the tables with rows, quoted, but those that may have some.
func filledTables(ctx context.Context, conn *pgx.Conn, but []string) ([]string, error) {
	rows, err := conn.Query(ctx, tablesSQL)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Schema, Name string }])
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	var filled []string
	for _, t := range tables {
		if t.Schema == "public" && slices.Contains(but, t.Name) {
			continue
		}
		name := pgx.Identifier{t.Schema, t.Name}.Sanitize()
		var has bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+name+")").Scan(&has); err != nil {
			return nil, fmt.Errorf("look into table %s: %w", name, err)
		}
		if has {
			filled = append(filled, name)
		}
	}
	return filled, nil
}
