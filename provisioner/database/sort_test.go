package database_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/provisioner/cgroup"
	"hafen/provisioner/cluster"
	"hafen/provisioner/database"
	"hafen/tenant"
)

// sorted is a cluster of its own, whose processes a sorter sorts.
type sorted struct {
	*database.Cluster
	running *cluster.Cluster
	dir     string
	groups  *cgroup.Tree
	longest time.Duration
	stop    func()

	mu     sync.Mutex
	millis map[tenant.ID]int
}

func newSorted(t *testing.T) *sorted {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hafen-sort-")
	must(t, err)
	must(t, os.Chmod(dir, 0o711))
	groups, err := cgroup.Open("hafen-test-" + string(tenant.NewID()))
	must(t, err)
	t.Cleanup(func() { must(t, groups.Remove()) })
	config := cluster.Config{Dir: filepath.Join(dir, "postgres"), SocketDir: filepath.Join(dir, "run"), Volatile: true}
	t.Cleanup(func() {
		must(t, cluster.Stop(context.Background(), config))
		must(t, os.RemoveAll(dir))
	})
	s := &sorted{dir: dir, groups: groups, millis: map[tenant.ID]int{}}
	s.running, err = cluster.Ensure(t.Context(), config)
	must(t, err)
	s.Cluster, err = database.Open(t.Context(), database.Config{DSN: s.running.DSN("postgres"), SocketDir: s.running.SocketDir()})
	must(t, err)
	t.Cleanup(s.Close)
	s.sort(t)
	return s
}

func (s *sorted) sort(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sorter := database.Sorter{Cluster: s.Cluster, Groups: s.groups, Log: slog.New(slog.DiscardHandler), Millis: s.millisOf, Longest: s.longest}
	ended := make(chan error, 1)
	go func() { ended <- sorter.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-ended)
	})
	t.Cleanup(s.stop)
}

func (s *sorted) millisOf(_ context.Context, id tenant.ID) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if millis, known := s.millis[id]; known {
		return millis, nil
	}
	return 0, errors.New("nobody knows")
}

// tenant makes a database, and gives a way to log in to it.
func (s *sorted) tenant(t *testing.T, millis int) (tenant.ID, func() *pgx.Conn) {
	t.Helper()
	id, password := newTenant(t, s.Cluster), []byte("a long password")
	s.mu.Lock()
	s.millis[id] = millis
	s.mu.Unlock()
	must(t, s.Create(t.Context(), id, database.New{Password: password, Connections: 4}))
	return id, func() *pgx.Conn {
		conn, err := s.Connect(t.Context(), id, password)
		must(t, err)
		t.Cleanup(func() { conn.Close(context.Background()) })
		return conn
	}
}

// groupOf is the last part of the control group that the kernel says a process is in.
func groupOf(pid uint32) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, "/hafen-test-") {
			return filepath.Base(strings.TrimSpace(line))
		}
	}
	return ""
}

// eventually waits for what a sorter does in its own time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not after a minute: " + what)
		}
	}
}

func TestEachTenantsBackendsAreInAGroupOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSorted(t)
	calm, enter := s.tenant(t, 500)
	greedy, push := s.tenant(t, 2000)
	backends := map[uint32]string{}
	for range 3 {
		backends[push().PgConn().PID()] = greedy.Role()
	}
	backends[enter().PgConn().PID()] = calm.Role()
	admin, err := pgx.Connect(t.Context(), s.running.DSN("postgres"))
	must(t, err)
	defer admin.Close(context.Background())
	backends[admin.PgConn().PID()] = "service" // Hafen's own
	var checkpointer uint32
	must(t, admin.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`).Scan(&checkpointer))
	backends[checkpointer] = "service"
	for pid, want := range backends {
		eventually(t, fmt.Sprintf("process %d is in %s", pid, want), func() bool { return groupOf(pid) == want })
	}
	postmaster := s.postmaster(t)
	if got := groupOf(postmaster); got != "arrivals" {
		t.Errorf("the postmaster, beside which backends are born, is in %q", got)
	}
	for id, want := range map[tenant.ID]string{calm: "2500 5000", greedy: "10000 5000"} {
		if got := s.boundOf(t, id.Role(), backends); got != want {
			t.Errorf("%s has %q, want %q", id, got, want)
		}
	}
	t.Run("whoever goes leaves nothing", func(t *testing.T) {
		must(t, s.Drop(t.Context(), greedy)) // ends its backends
		s.stop()
		s.sort(t) // a new one begins with a sweep
		eventually(t, "the group is gone", func() bool {
			groups, err := s.groups.Groups()
			must(t, err)
			return !slices.Contains(groups, greedy.Role())
		})
		if got := groupOf(enter().PgConn().PID()); got == "" {
			t.Error("the other's backend is in no group")
		}
	})
}

// boundOf reads a group's files, by the path of one of its processes.
func (s *sorted) boundOf(t *testing.T, group string, backends map[uint32]string) string {
	t.Helper()
	for pid, of := range backends {
		if of != group {
			continue
		}
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		must(t, err)
		for line := range strings.Lines(string(content)) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if !strings.Contains(parts[2], "/hafen-test-") {
				continue
			}
			if parts[1] == "" { // version 2
				bound, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", parts[2], "cpu.max"))
				must(t, err)
				return strings.TrimSpace(string(bound))
			}
			dir := filepath.Join("/sys/fs/cgroup", parts[1], parts[2])
			quota, err := os.ReadFile(filepath.Join(dir, "cpu.cfs_quota_us"))
			must(t, err)
			each, err := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us"))
			must(t, err)
			return strings.TrimSpace(string(quota)) + " " + strings.TrimSpace(string(each))
		}
	}
	return ""
}

func (s *sorted) postmaster(t *testing.T) uint32 {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, "postgres", "postmaster.pid"))
	must(t, err)
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.ParseUint(first, 10, 32)
	must(t, err)
	return uint32(pid)
}

// A tenant whose bound cannot be found out, and everybody who is not logged in yet, stay among the arrivals: bounded all the same.
func TestWhoIsNotSortedIsAmongTheArrivals(t *testing.T) {
	t.Parallel()
	s := newSorted(t)
	id, enter := s.tenant(t, 500)
	eventually(t, "the postmaster is sorted", func() bool { return groupOf(s.postmaster(t)) == "arrivals" })
	s.mu.Lock()
	delete(s.millis, id)
	s.mu.Unlock()
	backend := enter().PgConn().PID()
	if got := groupOf(backend); got != "arrivals" {
		t.Errorf("a new backend is in %q", got)
	}
	s.mu.Lock()
	s.millis[id] = 500
	s.mu.Unlock()
	eventually(t, "it is sorted once that is known", func() bool { return groupOf(backend) == id.Role() })
}

func TestSortingGoesOnAfterTheClusterHasRestarted(t *testing.T) {
	t.Parallel()
	s := newSorted(t)
	id, enter := s.tenant(t, 500)
	first := enter().PgConn().PID()
	eventually(t, "the first backend is sorted", func() bool { return groupOf(first) == id.Role() })
	must(t, syscall.Kill(int(s.postmaster(t)), syscall.SIGKILL))
	var err error
	s.running, err = cluster.Ensure(t.Context(), cluster.Config{Dir: filepath.Join(s.dir, "postgres"), SocketDir: filepath.Join(s.dir, "run"), Volatile: true})
	must(t, err)
	second := enter().PgConn().PID()
	eventually(t, "the second backend is sorted", func() bool { return groupOf(second) == id.Role() })
}

// A role sets its own timeouts.
func TestATransactionWithoutEndIsEnded(t *testing.T) {
	t.Parallel()
	s := newSorted(t)
	_, enter := s.tenant(t, 500)
	endless, idle := enter(), enter()
	if _, err := endless.Exec(t.Context(), "SET temp_file_limit = -1"); err == nil {
		t.Error("a tenant has raised its bound of temporary files")
	}
	for _, statement := range []string{"SET statement_timeout = 0", "SET idle_in_transaction_session_timeout = 0", "BEGIN", "SELECT 1"} {
		_, err := endless.Exec(t.Context(), statement)
		must(t, err)
	}
	s.stop()
	s.longest = time.Millisecond
	s.sort(t)
	eventually(t, "its session is ended", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", endless.PgConn().PID()))
		return errors.Is(err, os.ErrNotExist)
	})
	must(t, idle.Ping(t.Context()))
}
