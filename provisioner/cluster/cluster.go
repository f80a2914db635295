// Package cluster runs Hafen's own PostgreSQL cluster on machines where nobody gave us a database server.
//
// The postmaster is a daemon in its own session. It outlives the process that started it, because the tenants' homeservers
// keep running (and keep needing their databases) while `hafen up` is stopped or killed; [Stop] is for `hafen down`.
//
// States: no cluster → stopped → starting → ready. [Ensure] goes from any of them to ready and is safe to repeat, to run
// from two processes at once (a lock file beside the data directory orders them) and to be killed at any moment: the
// cluster is made in a neighbour directory and renamed when complete, a postmaster left by a killed process is adopted.
//
// Invariants: no TCP listener; the superuser role answers only to the operating-system user that runs Hafen (peer);
// every other role reaches only the database that has its own name.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
)

// Role is the superuser role, and Database the name of Hafen's own database.
const (
	Role     = "hafen"
	Database = "hafen"
)

// ErrNotInstalled says that the PostgreSQL server programs are not on this machine.
var ErrNotInstalled = errors.New("PostgreSQL server is not installed")

// Config says where the cluster lives.
type Config struct {
	// Dir is the data directory; its parent is created when missing. Absolute.
	Dir string
	// SocketDir holds the Unix socket. Tenant containers mount it. Absolute and short, see [CheckSocketDir].
	SocketDir string
	// Volatile trades durability for speed: a power cut loses the data. For tests only.
	Volatile bool
	// Log may be nil.
	Log *slog.Logger
}

// Cluster is a cluster that was ready when Ensure returned.
type Cluster struct {
	config   Config
	owner    owner
	programs programs
	log      *slog.Logger
}

// Ensure makes, starts or adopts the cluster and returns when it answers queries.
func Ensure(ctx context.Context, config Config) (*Cluster, error) {
	c, err := open(config)
	if err != nil {
		return nil, err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := c.create(ctx); err != nil {
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	if err := c.bootstrap(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Exists reports whether the cluster was ever made, and made completely.
func Exists(config Config) bool { return exists(filepath.Join(config.Dir, "PG_VERSION")) }

// Stop shuts the cluster down fast: open transactions are rolled back, the data is left clean. Stopping a cluster
// that does not run, or does not exist, is no error.
func Stop(ctx context.Context, config Config) error {
	if !Exists(config) {
		return nil
	}
	c, err := open(config)
	if err != nil {
		return err
	}
	return c.Stop(ctx)
}

// Stop is the package's Stop for this cluster.
func (c *Cluster) Stop(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return c.shutdown(ctx)
}

// DSN is the address of a database of this cluster for the superuser role. It holds no secret.
func (c *Cluster) DSN(database string) string {
	query := url.Values{"host": {c.config.SocketDir}, "sslmode": {"disable"}}
	dsn := url.URL{Scheme: "postgres", User: url.User(Role), Path: "/" + database, RawQuery: query.Encode()}
	return dsn.String()
}

// SocketDir is the directory of the Unix socket.
func (c *Cluster) SocketDir() string { return c.config.SocketDir }

// maxSocketPath is the longest path the kernel binds: sun_path has 108 bytes with the closing zero (unix(7)).
const maxSocketPath = 107

const socketName = ".s.PGSQL.5432"

// CheckSocketDir says whether PostgreSQL can make its socket in dir.
func CheckSocketDir(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("PostgreSQL socket directory %q: not an absolute path", dir)
	}
	// A comma separates several directories, in PostgreSQL's setting and in a client's host parameter alike.
	if strings.ContainsAny(dir, ",'\"\n") {
		return fmt.Errorf("PostgreSQL socket directory %q: comma, quotes and line breaks are not possible", dir)
	}
	if length := len(filepath.Join(dir, socketName)); length > maxSocketPath {
		return fmt.Errorf("PostgreSQL socket directory %q: the socket's path would have %d bytes and Linux allows %d; choose a data directory %d bytes shorter",
			dir, length, maxSocketPath, length-maxSocketPath)
	}
	return nil
}

func open(config Config) (*Cluster, error) {
	if !filepath.IsAbs(config.Dir) {
		return nil, fmt.Errorf("PostgreSQL data directory %q: not an absolute path", config.Dir)
	}
	if err := CheckSocketDir(config.SocketDir); err != nil {
		return nil, err
	}
	config.Dir, config.SocketDir = filepath.Clean(config.Dir), filepath.Clean(config.SocketDir)
	log := config.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	programs, err := findPrograms(installed, config.Dir)
	if err != nil {
		return nil, err
	}
	owner, err := findOwner()
	if err != nil {
		return nil, err
	}
	return &Cluster{config: config, owner: owner, programs: programs, log: log}, nil
}
