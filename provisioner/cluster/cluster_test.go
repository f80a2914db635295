package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"hafen/provisioner/cluster"
)

// child makes the test binary act as a Hafen that starts the cluster and is then killed.
const child = "HAFEN_TEST_CLUSTER_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(child); dir != "" {
		if _, err := cluster.Ensure(context.Background(), at(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("ready")
		stopped := make(chan os.Signal, 1)
		signal.Notify(stopped, syscall.SIGTERM)
		<-stopped
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func at(dir string) cluster.Config {
	return cluster.Config{Dir: filepath.Join(dir, "postgres"), SocketDir: filepath.Join(dir, "run"), Volatile: true}
}

// place is a directory with a short path that the server's user can pass; t.TempDir's may be neither.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hafen-pg-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := cluster.Stop(ctx, at(dir)); err != nil {
			t.Errorf("stop: %v", err)
		}
		os.RemoveAll(dir)
	})
	return dir
}

func start(t *testing.T, config cluster.Config) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Ensure(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t *testing.T, dsn string) (*pgx.Conn, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err == nil {
		t.Cleanup(func() { conn.Close(context.Background()) })
	}
	return conn, err
}

func execute(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func ask(t *testing.T, c *cluster.Cluster, query string) string {
	t.Helper()
	conn, err := connect(t, c.DSN(cluster.Database))
	if err != nil {
		t.Fatal(err)
	}
	var answer string
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

func postmaster(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	return pid
}

func TestDataIsThereAfterStopAndStart(t *testing.T) {
	t.Parallel()
	dir := place(t)
	config := at(dir)
	config.Volatile = false // the durable path, as in production
	c := start(t, config)
	conn, err := connect(t, c.DSN(cluster.Database))
	if err != nil {
		t.Fatal(err)
	}
	execute(t, conn, `CREATE TABLE kept (word text)`, `INSERT INTO kept VALUES ('yes')`)
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("stop a second time: %v", err)
	}
	c = start(t, config)
	if word := ask(t, c, `SELECT word FROM kept`); word != "yes" {
		t.Errorf("read %q", word)
	}
	for setting, want := range map[string]string{
		"data_checksums": "on", "server_encoding": "UTF8", "jit": "off", "fsync": "on", "listen_addresses": "",
	} {
		if got := ask(t, c, `SELECT current_setting('`+setting+`')`); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := ask(t, c, `SELECT datcollate FROM pg_database WHERE datname = 'hafen'`); got != "C" {
		t.Errorf("collation is %q", got)
	}
}

func TestServerOutlivesAKilledHafenAndIsAdopted(t *testing.T) {
	t.Parallel()
	dir := place(t)
	first := exec.Command(os.Args[0])
	first.Env = append(os.Environ(), child+"="+dir)
	// A process group like a terminal's: the signal below is what Ctrl-C and kill -9 on the whole job do.
	first.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	first.Stderr = os.Stderr
	output, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, len("ready"))
	if _, err := output.Read(ready); err != nil {
		t.Fatalf("the child did not start the cluster: %v", err)
	}
	before := postmaster(t, dir)
	for _, blow := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		if err := syscall.Kill(-first.Process.Pid, blow); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	first.Wait()
	c := start(t, at(dir))
	if after := postmaster(t, dir); after != before {
		t.Errorf("server process was %s and is %s: it was not adopted", before, after)
	}
	if got := ask(t, c, `SELECT 'alive'`); got != "alive" {
		t.Error(got)
	}
}

func TestKilledServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := place(t)
	start(t, at(dir))
	var pid int
	fmt.Sscan(postmaster(t, dir), &pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start(t, at(dir))
}

func TestPidFileOfAnotherProgramIsIgnored(t *testing.T) {
	t.Parallel()
	dir := place(t)
	c := start(t, at(dir))
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// As after a power cut, when the number has gone to another process: ours, which is certainly alive.
	stale := fmt.Sprintf("%d\n%s\n0\n5432\n%s\n\n\n", os.Getpid(), filepath.Join(dir, "postgres"), filepath.Join(dir, "run"))
	if err := os.WriteFile(filepath.Join(dir, "postgres", "postmaster.pid"), []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, at(dir))
}

func TestStartsAtTheSameTimeMeetInOneServer(t *testing.T) {
	t.Parallel()
	dir := place(t)
	const starters = 4
	failures := make(chan error, starters)
	for range starters {
		go func() {
			_, err := cluster.Ensure(t.Context(), at(dir))
			failures <- err
		}()
	}
	for range starters {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

func TestUnfinishedClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := place(t)
	if err := os.MkdirAll(filepath.Join(dir, "postgres.init", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, at(dir))
	if _, err := os.Stat(filepath.Join(dir, "postgres.init")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished directory is still there: %v", err)
	}
}

func TestTenantReachesOnlyItsOwnDatabase(t *testing.T) {
	t.Parallel()
	c := start(t, at(place(t)))
	admin, err := connect(t, c.DSN(cluster.Database))
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{"one", "two"} {
		// PUBLIC keeps CONNECT here on purpose: this test is about the first wall, pg_hba.conf.
		execute(t, admin, `CREATE ROLE `+tenant+` LOGIN PASSWORD 'correct'`, `CREATE DATABASE `+tenant+` OWNER `+tenant)
	}
	address := func(role, password, database string) string {
		return fmt.Sprintf("host=%s user=%s password=%s dbname=%s sslmode=disable", c.SocketDir(), role, password, database)
	}
	if _, err := connect(t, address("one", "correct", "one")); err != nil {
		t.Fatalf("own database: %v", err)
	}
	for _, refused := range []struct{ role, password, database, code string }{
		{"one", "wrong", "one", "28P01"},
		{"one", "correct", "two", "28000"},
		{"one", "correct", "postgres", "28000"},
		{"one", "correct", "template1", "28000"},
		{"one", "correct", cluster.Database, "28000"},
		{"nobody", "correct", "postgres", "28000"},
	} {
		t.Run(refused.role+" to "+refused.database, func(t *testing.T) {
			_, err := connect(t, address(refused.role, refused.password, refused.database))
			expectCode(t, err, refused.code)
		})
	}
	t.Run("replication", func(t *testing.T) {
		_, err := connect(t, address("one", "correct", "one")+" replication=true")
		expectCode(t, err, "53300") // there are no replication slots to connect to, for anybody
	})
}

func expectCode(t *testing.T, err error, code string) {
	t.Helper()
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("got %v, want a refusal with code %s", err, code)
	}
}

// TestSuperuserIsRefusedToOtherUsers is why a tenant's container must not run as root or as Hafen's user.
func TestSuperuserIsRefusedToOtherUsers(t *testing.T) {
	t.Parallel()
	c := start(t, at(place(t)))
	stranger := exec.Command("psql", "--no-psqlrc", "--command=SELECT 1",
		fmt.Sprintf("host=%s user=%s dbname=%s", c.SocketDir(), cluster.Role, cluster.Database))
	stranger.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	stranger.Dir = "/"
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := stranger.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "Peer authentication failed") {
		t.Errorf("user nobody as %s: %v\n%s", cluster.Role, err, output)
	}
}

func TestSharedDatabasesAreClosedToPublic(t *testing.T) {
	t.Parallel()
	c := start(t, at(place(t)))
	admin, err := connect(t, c.DSN(cluster.Database))
	if err != nil {
		t.Fatal(err)
	}
	execute(t, admin, `CREATE ROLE stranger LOGIN`)
	for _, database := range []string{"postgres", "template1", cluster.Database} {
		for _, privilege := range []string{"CONNECT", "TEMPORARY"} {
			query := fmt.Sprintf(`SELECT has_database_privilege('stranger', '%s', '%s')::text`, database, privilege)
			if ask(t, c, query) != "false" {
				t.Errorf("anybody has %s on %s", privilege, database)
			}
		}
	}
}

func TestNoTCP(t *testing.T) {
	t.Parallel()
	dir := place(t)
	start(t, at(dir))
	process := filepath.Join("/proc", postmaster(t, dir))
	handles, err := filepath.Glob(filepath.Join(process, "fd", "*"))
	if err != nil || len(handles) == 0 {
		t.Fatalf("open files of the server: %v, %v", handles, err)
	}
	for _, protocol := range []string{"tcp", "tcp6"} {
		table, err := os.ReadFile(filepath.Join(process, "net", protocol))
		if err != nil {
			t.Fatal(err)
		}
		for _, handle := range handles {
			target, _ := os.Readlink(handle)
			inode, found := strings.CutPrefix(target, "socket:[")
			if found && strings.Contains(string(table), " "+strings.TrimSuffix(inode, "]")+" ") {
				t.Errorf("the server has a %s socket", protocol)
			}
		}
	}
}

func TestMovedSocketDirectoryRestartsTheServer(t *testing.T) {
	t.Parallel()
	dir := place(t)
	start(t, at(dir))
	moved := at(dir)
	moved.SocketDir = filepath.Join(dir, "elsewhere")
	c := start(t, moved)
	if got := ask(t, c, `SELECT 'here'`); got != "here" {
		t.Error(got)
	}
}

// work_mem and its like are for everybody to set. Memory that one session takes must not end in the kernel killing another: the
// server would restart them all.
func TestASessionsMemoryEndsBeforeTheMachines(t *testing.T) {
	t.Parallel()
	dir := place(t)
	c := start(t, at(dir))
	const greedy = `SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 400000)`
	before := postmaster(t, dir)
	take := func() error {
		conn, err := connect(t, c.DSN(cluster.Database))
		if err != nil {
			t.Fatal(err)
		}
		execute(t, conn, `SET work_mem = '2GB'`)
		var length int
		return conn.QueryRow(t.Context(), greedy).Scan(&length)
	}
	expectCode(t, take(), "53200")
	start(t, at(dir)) // adopted
	expectCode(t, take(), "53200")
	if after := postmaster(t, dir); after != before {
		t.Errorf("the server process was %s and is %s", before, after)
	}
}
