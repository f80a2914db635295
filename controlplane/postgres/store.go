// Package postgres keeps Hafen's rows. It is the only package with pgx beside the migrations and the provisioner of tenant
// databases.
//
// One exported method of [Store] is one atomic change: the rows, the jobs and mails that follow from them, and the audit
// entry commit together or not at all. A killed process leaves nothing half made. Moments are the database's clock.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"hafen/controlplane"
	"hafen/tenant"
)

// Store is the database. It implements the stores that the use cases of controlplane ask for.
type Store struct {
	pool   *pgxpool.Pool
	jobs   *river.Client[pgx.Tx] // inserts only; the process that works jobs has a client of its own
	config Config
	hints  *Hints
}

// Config is what a Store needs beside its database.
type Config struct {
	// MaxConns bounds the pool; 10 when zero.
	MaxConns int32
	// Secrets seals the secrets of tenants, Edge the keys of certificates. Nil in roles that have no such key: their
	// methods that would need it fail.
	Secrets, Edge Sealer
	// Now is the clock of money, which tests move; time.Now when nil. All else goes by the database's.
	Now func() time.Time
	// Tracer sees every statement; nil but in crash tests.
	Tracer pgx.QueryTracer
}

// Sealer encrypts what a stolen database must not show. Context binds a ciphertext to its row.
type Sealer interface {
	Seal(plaintext, context []byte) ([]byte, error)
	Open(sealed, context []byte) ([]byte, error)
}

// Open connects to the database. The schema must be there, see package migrations.
func Open(ctx context.Context, dsn string, config Config) (*Store, error) {
	s, err := OpenLazily(ctx, dsn, config)
	if err != nil {
		return nil, err
	}
	if err := s.pool.Ping(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("connect to the database: %w", translate(err))
	}
	return s, nil
}

// OpenLazily is Open for a role that has work without the database: it connects when it is first asked for something.
func OpenLazily(ctx context.Context, dsn string, config Config) (*Store, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("read the database's address: not a PostgreSQL address") // err quotes it, password and all
	}
	c.MaxConns, c.ConnConfig.Tracer = 10, config.Tracer
	if config.MaxConns > 0 {
		c.MaxConns = config.MaxConns
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s, err := New(pool, config)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// New makes a Store on a pool. Close closes the pool.
func New(pool *pgxpool.Pool, config Config) (*Store, error) {
	// Of a client that only inserts, the cooldown is something else than its name says: within it, River sends no second
	// notification for a queue. Of two orders in a tenth of a second, its default, the second would lie until the queue's next
	// poll, up to a second later.
	jobs, err := river.NewClient(riverpgxv5.New(pool), &river.Config{FetchCooldown: river.FetchCooldownMin})
	if err != nil {
		return nil, fmt.Errorf("prepare the job queue: %w", err)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Store{pool: pool, jobs: jobs, config: config, hints: newHints()}, nil
}

// Close waits for connections in use and closes all.
func (s *Store) Close() { s.pool.Close() }

// Pool is for what must share the connections: the job queue's working client, and tests.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// maxTries bounds how often a transaction is tried that lost against another.
const maxTries = 6

// inTx runs change in a transaction and commits it if change returns nil. A transaction that PostgreSQL aborted because of
// another (serialisation failure, deadlock) is run again, so change must not touch anything but the transaction and its own
// results. What is said to be done goes into the error.
func (s *Store) inTx(ctx context.Context, doing string, change func(pgx.Tx) error) error {
	var err error
	for try := range maxTries {
		err = pgx.BeginFunc(ctx, s.pool, change)
		if !lostAgainstAnother(err) {
			break
		}
		// Jitter lets the two that met pass each other.
		pause := time.Duration(rand.Int64N(int64(5*time.Millisecond) << try))
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, translate(err))
	}
	return nil
}

// enqueue inserts a job that exists if and only if tx commits. opts may be nil: then the job's own stand.
func (s *Store) enqueue(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) error {
	if _, err := s.jobs.InsertTx(ctx, tx, args, opts); err != nil {
		return fmt.Errorf("insert job %s: %w", args.Kind(), err)
	}
	return nil
}

// SQLSTATE codes, PostgreSQL manual, appendix A.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	classConnection      = "08"
	classResources       = "53"
	classShutdown        = "57"
)

func lostAgainstAnother(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == serializationFailure || pg.Code == deadlockDetected)
}

// translate turns the driver's errors into ours, in this one place: a unique violation is a [Duplicate] (and so
// controlplane.ErrTaken), a database that is away an Unavailable fault. All else stays as it is.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*tenant.Fault](err); ok {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pg.Code == uniqueViolation:
			return &Duplicate{Constraint: pg.ConstraintName, err: err}
		case pg.Code[:2] == classConnection, pg.Code[:2] == classResources, pg.Code[:2] == classShutdown:
			return &tenant.Fault{Kind: tenant.Unavailable, Code: "unavailable", Err: err}
		}
		return err
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	if (connecting || network) && !errors.Is(err, context.DeadlineExceeded) {
		return &tenant.Fault{Kind: tenant.Unavailable, Code: "unavailable", Err: err}
	}
	return err
}

// Duplicate says that a row would have broken a unique constraint.
type Duplicate struct {
	Constraint string
	err        error
}

func (d *Duplicate) Error() string { return "duplicate of " + d.Constraint }

// Is makes a Duplicate controlplane.ErrTaken.
func (d *Duplicate) Is(target error) bool { return target == controlplane.ErrTaken }

func (d *Duplicate) Unwrap() error { return d.err }

// duplicateOf tells whether err is a violation of this constraint.
func duplicateOf(err error, constraint string) bool {
	d, ok := errors.AsType[*Duplicate](translate(err))
	return ok && d.Constraint == constraint
}
