package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"hafen/migrations"
	"hafen/provisioner/cluster"
)

// once remembers a result for the whole test process, also a failed one: what is missing now is missing for every test.
type once[T any] struct {
	sync.Once
	value T
	err   error
}

func (o *once[T]) get(make func() (T, error)) (T, error) {
	o.Do(func() { o.value, o.err = make() })
	return o.value, o.err
}

var (
	server       once[Server]
	templateName once[string]
)

func shared(ctx context.Context) (Server, error) {
	return server.get(func() (Server, error) {
		if dsn := os.Getenv("HAFEN_TEST_DATABASE_URL"); dsn != "" {
			return given(ctx, dsn)
		}
		return own(ctx)
	})
}

// given uses the server somebody else has started.
func given(ctx context.Context, dsn string) (Server, error) {
	if _, err := url.Parse(dsn); err != nil || !strings.Contains(dsn, "://") {
		return Server{}, errors.New("HAFEN_TEST_DATABASE_URL is not a postgres:// address") // not shown: it may hold a password
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return Server{}, fmt.Errorf("connect to HAFEN_TEST_DATABASE_URL: %w", err)
	}
	defer conn.Close(ctx)
	var directories string
	if err := conn.QueryRow(ctx, `SHOW unix_socket_directories`).Scan(&directories); err != nil {
		return Server{}, fmt.Errorf("ask for the socket directory: %w", err)
	}
	first, _, _ := strings.Cut(directories, ",")
	return Server{DSN: dsn, SocketDir: strings.Trim(strings.TrimSpace(first), `"`)}, nil
}

// own starts or adopts the machine's test cluster, in a short path because a socket's path is limited.
func own(ctx context.Context) (Server, error) {
	home := fmt.Sprintf("/tmp/hafen-test-pg-%d", os.Getuid())
	if err := os.Mkdir(home, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return Server{}, fmt.Errorf("create the test cluster's directory: %w", err)
	}
	// Anyone may make a directory in /tmp: what we run code in must be ours.
	info, err := os.Lstat(home)
	if err != nil {
		return Server{}, fmt.Errorf("look at the test cluster's directory: %w", err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() {
		return Server{}, fmt.Errorf("test cluster's directory %s belongs to somebody else", home)
	}
	started, err := cluster.Ensure(ctx, cluster.Config{
		Dir: filepath.Join(home, "data"), SocketDir: filepath.Join(home, "run"), Volatile: true,
	})
	if err != nil {
		return Server{}, err
	}
	s := Server{DSN: started.DSN("postgres"), SocketDir: started.SocketDir()}
	return s, sweep(ctx, s)
}

// sweep drops the databases of test processes that were killed.
func sweep(ctx context.Context, s Server) error {
	conn, err := pgx.Connect(ctx, s.DSN)
	if err != nil {
		return fmt.Errorf("connect to the test cluster: %w", err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, prefix)
	if err != nil {
		return fmt.Errorf("list the test databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the test databases: %w", err)
	}
	for _, name := range names {
		maker, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "_")
		if pid, err := strconv.Atoi(maker); err != nil || syscall.Kill(pid, 0) != syscall.ESRCH {
			continue
		}
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`); err != nil {
			return fmt.Errorf("drop the leftover database %s: %w", name, err)
		}
	}
	return nil
}

// template returns the database every test's database is a copy of, and makes it when the migrations are new.
func template(ctx context.Context, s Server) (string, error) {
	return templateName.get(func() (string, error) {
		version, err := version()
		if err != nil {
			return "", err
		}
		name := "hafen_template_" + version
		return name, build(ctx, s, name)
	})
}

// build makes the template under a name of its own and renames it when it is complete, so that a killed test process
// leaves none half made. Another process may be faster: then its template serves.
func build(ctx context.Context, s Server, name string) error {
	conn, err := pgx.Connect(ctx, s.DSN)
	if err != nil {
		return fmt.Errorf("connect to the test cluster: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// A lock of the session: it ends with the connection, also when this process is killed.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtext('hafen test template'))`); err != nil {
		return fmt.Errorf("lock the test template: %w", err)
	}
	var present bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&present); err != nil {
		return fmt.Errorf("look for the test template: %w", err)
	}
	if present {
		return nil
	}
	unfinished := databaseName()
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+unfinished+` TEMPLATE template0`); err != nil {
		return fmt.Errorf("create the test template: %w", err)
	}
	if err := migrations.Up(ctx, s.Database(unfinished)); err != nil {
		_, _ = conn.Exec(ctx, `DROP DATABASE `+unfinished) // the failed migration is what the reader must see
		return err
	}
	if _, err := conn.Exec(ctx, `ALTER DATABASE `+unfinished+` RENAME TO `+name); err != nil {
		return fmt.Errorf("finish the test template: %w", err)
	}
	return nil
}

// version is a hash of everything the schema is made from.
func version() (string, error) {
	hash := sha256.New()
	files := migrations.Files()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return "", fmt.Errorf("list the migrations: %w", err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return "", fmt.Errorf("read migration %s: %w", name, err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	river, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return "", fmt.Errorf("list the job queue's migrations: %w", err)
	}
	for _, migration := range river.AllVersions() {
		fmt.Fprintf(hash, "river %d\n%s", migration.Version, migration.SQLUp)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}
