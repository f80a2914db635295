// Package pgtest gives each test a real PostgreSQL database of its own, with Hafen's schema in it.
//
// The server is the one HAFEN_TEST_DATABASE_URL names (a superuser's address), or else one that this package starts
// with the programs of the distribution, once per machine and user, and leaves running for the next test run. There is
// no way to skip: a machine without PostgreSQL fails the test.
//
// The schema is applied once, to a template that carries a hash of the migrations in its name; a test's database is a
// copy of it, made in some 50 ms and dropped when the test ends. What a killed test leaves is dropped by the next run.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Server is the cluster the tests share.
type Server struct {
	// DSN is a superuser's address of the maintenance database.
	DSN string
	// SocketDir is the directory of the Unix socket, to be mounted into a container at /run/postgresql.
	SocketDir string
}

// Database is the superuser's address of another database of the server.
func (s Server) Database(name string) string {
	address, err := url.Parse(s.DSN)
	if err != nil {
		panic("pgtest: " + err.Error()) // DSN was parsed before
	}
	address.Path = "/" + name
	return address.String()
}

// Cluster returns the server itself, for tests that make roles and databases as Hafen does for tenants. They drop what
// they make.
func Cluster(t testing.TB) Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := shared(ctx)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return server
}

// New returns a pool on a fresh database with Hafen's schema. pool.Config().ConnString() is its address.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(DSN(t))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	config.MaxConns = 16 // pgx gives four on a small machine, too few for a test of a race
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("pgtest: connect: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// DSN returns the address of a fresh database with Hafen's schema.
func DSN(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := shared(ctx)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	source, err := template(ctx, server)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := databaseName()
	if err := execute(ctx, server.DSN, `CREATE DATABASE `+name+` TEMPLATE `+source); err != nil {
		t.Fatalf("pgtest: copy the template: %v", err)
	}
	t.Cleanup(func() {
		// t's context is cancelled before its cleanups run.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := execute(ctx, server.DSN, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("pgtest: drop the database: %v", err)
		}
	})
	return server.Database(name)
}

// patience bounds the wait for another test process that makes the cluster or the template on a busy machine.
const patience = 3 * time.Minute

// prefix begins the name of every test database; the process id follows, so that leftovers are told from live ones.
const prefix = "hafen_test_"

func databaseName() string {
	return fmt.Sprintf("%s%d_%s", prefix, os.Getpid(), strings.ToLower(rand.Text()[:10]))
}

func execute(ctx context.Context, dsn, statement string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement)
	return err
}
