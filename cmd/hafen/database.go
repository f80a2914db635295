package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane/postgres"
	"hafen/migrations"
	"hafen/provisioner/cgroup"
	"hafen/provisioner/cluster"
	"hafen/provisioner/database"
)

// databases is where the rows are, and the cluster of the tenants' databases, which is the same one.
type databases struct {
	dsn     string
	tenants database.Config
}

// openDatabases starts or adopts Hafen's own cluster, or takes the one that DatabaseURL names.
func (s settings) openDatabases(ctx context.Context, log *slog.Logger) (databases, error) {
	if s.DatabaseURL != "" {
		return s.foreignDatabases(ctx)
	}
	c, err := cluster.Ensure(ctx, s.cluster(log))
	if err != nil {
		return databases{}, fmt.Errorf("start Hafen's database: %w", err)
	}
	return databases{
		dsn:     c.DSN(cluster.Database),
		tenants: database.Config{DSN: c.DSN("postgres"), SocketDir: c.SocketDir()},
	}, nil
}

func (s settings) cluster(log *slog.Logger) cluster.Config {
	return cluster.Config{Dir: filepath.Join(s.Data, "postgres"), SocketDir: s.databaseSocket(), Log: log}
}

// processors are the control groups of the cluster that Hafen runs; nil for another's, whose processes belong to the service that
// runs it, and may be in a container.
func (s settings) processors(installation string) (*cgroup.Tree, error) {
	if s.DatabaseURL != "" {
		return nil, errors.New("DATABASE_URL names a server that Hafen does not run")
	}
	return cgroup.Open("hafen-" + installation)
}

// foreignDatabases takes a server that Hafen does not run. Its socket's directory is mounted into the tenants' containers,
// so it must be reached over one: there is no network path from a tenant to a database.
func (s settings) foreignDatabases(ctx context.Context) (databases, error) {
	config, err := pgx.ParseConfig(s.DatabaseURL)
	if err != nil {
		return databases{}, errors.New("DATABASE_URL is no PostgreSQL address") // err would quote it, password and all
	}
	if !strings.HasPrefix(config.Host, "/") {
		return databases{}, errors.New("DATABASE_URL must lead to a Unix socket (…?host=/run/postgresql): tenants reach the database over it")
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return databases{}, fmt.Errorf("connect to DATABASE_URL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, hbaRules)
	if err != nil {
		return databases{}, fmt.Errorf("read how DATABASE_URL lets roles in: %w", err)
	}
	rules, err := pgx.CollectRows(rows, pgx.RowToStructByPos[hbaRule])
	if err != nil {
		return databases{}, fmt.Errorf("read how DATABASE_URL lets roles in (a superuser may): %w", err)
	}
	if err := checkTenantLogin(rules); err != nil {
		return databases{}, err
	}
	return databases{dsn: s.DatabaseURL, tenants: database.Config{DSN: s.DatabaseURL, SocketDir: config.Host}}, nil
}

const hbaRules = `select database, user_name, auth_method from pg_hba_file_rules where type = 'local' and error is null order by line_number`

// hbaRule is a line of pg_hba.conf for the Unix socket.
type hbaRule struct {
	Databases, Roles []string
	Method           string
}

// checkTenantLogin fails unless a tenant's role needs its password to log in to its own database. PostgreSQL takes the first
// line that fits (its manual, "The pg_hba.conf File"): with "trust" there any tenant could be any other, and with "peer",
// Debian's usual line, none could log in at all.
func checkTenantLogin(rules []hbaRule) error {
	const mend = "put this line before the others for \"local\" in its pg_hba.conf, below those of your own roles, and reload it:\n  local sameuser all scram-sha-256"
	for _, rule := range rules {
		fits := slices.Contains(rule.Databases, "all") || slices.Contains(rule.Databases, "sameuser")
		if !fits || !slices.Contains(rule.Roles, "all") {
			continue
		}
		if rule.Method == "scram-sha-256" {
			return nil
		}
		return fmt.Errorf("the server of DATABASE_URL lets tenants' roles in by %q; %s", rule.Method, mend)
	}
	return fmt.Errorf("the server of DATABASE_URL lets no tenants' roles in; %s", mend)
}

// databaseKeeper starts Hafen's own cluster again when it has ended: after a full disk, or killed for want of memory.
type databaseKeeper struct {
	settings settings
	store    *postgres.Store
	log      *slog.Logger
}

func (k databaseKeeper) run(ctx context.Context) error {
	if k.settings.DatabaseURL != "" {
		return nil // not ours to start
	}
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if k.answers(ctx) {
			continue
		}
		if _, err := cluster.Ensure(ctx, k.settings.cluster(k.log)); err != nil && ctx.Err() == nil {
			k.log.ErrorContext(ctx, "the database is away, starting it will be tried again", "error", err)
		}
	}
}

func (k databaseKeeper) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return k.store.Pool().Ping(ctx) == nil
}

// migrateCommand is `hafen migrate`.
type migrateCommand struct{ settings }

// Run is fast when there is nothing to do.
func (c migrateCommand) Run(ctx context.Context) error {
	db, err := c.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	return migrations.Up(ctx, db.dsn)
}
