package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errGone says that the postmaster ended while we waited for it.
var errGone = errors.New("the PostgreSQL server ended")

// step is how often a state is polled: short beside the 200 ms a start takes.
const step = 20 * time.Millisecond

// run brings the postmaster from whatever state it is in to answering queries.
func (c *Cluster) run(ctx context.Context) error {
	if err := c.owner.makeDir(c.config.SocketDir, 0o711); err != nil {
		return fmt.Errorf("create the PostgreSQL socket directory: %w", err)
	}
	changed, err := c.configure(c.config.Dir)
	if err != nil {
		return err
	}
	adopted, err := c.adopt(ctx, changed)
	if err != nil || adopted {
		return err
	}
	return c.start(ctx)
}

// adopt takes over a postmaster an earlier process has left running; false when there is none.
func (c *Cluster) adopt(ctx context.Context, changed bool) (bool, error) {
	found, err := c.postmaster()
	if err != nil || found.pid == 0 {
		return false, err
	}
	if found.socketDir != "" && found.socketDir != c.config.SocketDir {
		c.log.Warn("PostgreSQL listens in another directory, restarting it", "was", found.socketDir, "now", c.config.SocketDir)
		return false, c.shutdown(ctx)
	}
	err = c.wait(ctx, func() bool { return !c.alive(found.pid) })
	if errors.Is(err, errGone) { // it was just shutting down
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.log.Info("adopted the running PostgreSQL server", "pid", found.pid)
	if changed {
		if err := syscall.Kill(found.pid, syscall.SIGHUP); err != nil {
			return false, fmt.Errorf("make PostgreSQL read its changed configuration: %w", err)
		}
		c.log.Info("PostgreSQL reads its changed configuration; some settings wait for its next start")
	}
	return true, nil
}

// start runs the postmaster as a daemon and waits until it answers.
func (c *Cluster) start(ctx context.Context) error {
	if err := c.waitForRemnants(ctx); err != nil {
		return err
	}
	path := filepath.Join(c.config.Dir, "start.log")
	output, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer output.Close()
	if err := c.owner.own(path); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	before := c.logs()
	// Not bound to ctx: the server shall outlive whoever started it.
	command := c.command(context.WithoutCancel(ctx), "postgres", "-D", c.config.Dir)
	command.Args = append([]string{"sh", "-c", within, "sh", strconv.Itoa(sessionMemory >> 10), command.Path}, command.Args[1:]...)
	command.Path = "/bin/sh"
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	err = c.wait(ctx, func() bool { return len(ended) > 0 })
	if errors.Is(err, errGone) {
		before[path] = 0
		return fmt.Errorf("start PostgreSQL: %w", c.explain(<-ended, c.saidSince(before)))
	}
	if err != nil {
		return err
	}
	c.log.Info("PostgreSQL is ready", "pid", command.Process.Pid, "version", c.programs.major)
	return nil
}

// sessionMemory is how much of its own a session may take, the shared buffers apart: many times what a homeserver's statements need
// with the settings given here. A role may raise those settings for itself, by work_mem without end; and when the machine's memory
// ends, the kernel kills some session, and PostgreSQL restarts all of them. At this limit the one statement fails.
const sessionMemory = 256 << 20

// within is a shell's, which becomes the server: a limit is for a process to set for itself and its children, and needs a right on
// anybody else's that Hafen may lack.
const within = `ulimit -d "$1" && shift && exec "$@"`

// waitForRemnants waits until the last session of a postmaster that was killed has noticed; until then its shared
// memory is in use and PostgreSQL refuses to start.
func (c *Cluster) waitForRemnants(ctx context.Context) error {
	for {
		var working int
		processes, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return fmt.Errorf("look for PostgreSQL's processes: %w", err)
		}
		for _, process := range processes {
			program, err := os.Readlink(filepath.Join(process, "exe")) // "... (deleted)" after a package upgrade
			if err == nil && strings.HasPrefix(filepath.Base(program), "postgres") && c.worksHere(process) {
				working++
			}
		}
		if working == 0 {
			return nil
		}
		if err := pause(ctx, step); err != nil {
			return fmt.Errorf("wait for %d processes of an earlier PostgreSQL server to end: %w", working, err)
		}
	}
}

// logs are the server's log files and how long each is.
func (c *Cluster) logs() map[string]int64 {
	sizes := map[string]int64{}
	paths, _ := filepath.Glob(filepath.Join(c.config.Dir, "log", "*.log"))
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			sizes[path] = info.Size()
		}
	}
	return sizes
}

// saidSince is what a postmaster that failed to start has written behind these sizes. It explains an error, so what
// cannot be read is left out.
func (c *Cluster) saidSince(before map[string]int64) string {
	var said strings.Builder
	for path := range c.logs() {
		if _, known := before[path]; !known {
			before[path] = 0
		}
	}
	for _, path := range slices.Sorted(maps.Keys(before)) {
		text, err := os.ReadFile(path)
		if err != nil || int64(len(text)) < before[path] {
			continue
		}
		for line := range strings.Lines(string(text[before[path]:])) {
			if !strings.Contains(line, "the database system is starting up") { // that was our own question
				said.WriteString(line)
			}
		}
	}
	return said.String()
}

// wait returns when a real connection has answered. A server that recovers from a crash may take its time: we wait as
// long as it lives and the caller is patient.
func (c *Cluster) wait(ctx context.Context, gone func() bool) error {
	for {
		err := c.ping(ctx)
		if err == nil {
			return nil
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code != "57P03" { // cannot_connect_now: starting, recovering, stopping
			return fmt.Errorf("connect to PostgreSQL as %s: %w", Role, err)
		}
		if gone() {
			return errGone
		}
		if pause(ctx, step) != nil {
			return fmt.Errorf("wait for PostgreSQL to answer: %w (%w)", context.Cause(ctx), err)
		}
	}
}

func (c *Cluster) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.DSN("template1"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

// running describes a live postmaster of our data directory; the zero value means there is none.
type running struct {
	pid       int
	socketDir string
}

// postmaster reads postmaster.pid, whose lines are pid, data directory, start time, port, socket directory, ...
func (c *Cluster) postmaster() (running, error) {
	path := filepath.Join(c.config.Dir, "postmaster.pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return running{}, nil
	}
	if err != nil {
		return running{}, fmt.Errorf("look for a running PostgreSQL server: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 0 {
		return running{}, fmt.Errorf("look for a running PostgreSQL server: %s begins with %q", path, lines[0])
	}
	if !c.alive(pid) {
		return running{}, removeStale(path, pid)
	}
	found := running{pid: pid}
	if len(lines) > 4 { // the first two lines are written before the socket exists
		found.socketDir = lines[4]
	}
	return found, nil
}

// removeStale clears a pid file whose number another process has taken since, after a power cut say. PostgreSQL itself
// would refuse to start when that process belongs to the same user.
func removeStale(path string, pid int) error {
	if !exists(filepath.Join("/proc", strconv.Itoa(pid))) {
		return nil // nobody has it: PostgreSQL clears the file itself, with its shared-memory check
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the stale pid file of PostgreSQL: %w", err)
	}
	return nil
}

// alive says whether pid is a server process of our data directory.
func (c *Cluster) alive(pid int) bool {
	return c.worksHere(filepath.Join("/proc", strconv.Itoa(pid)))
}

// worksHere says whether a process works in our data directory, as every server process does; a process number that
// went to another program is told apart by it.
func (c *Cluster) worksHere(process string) bool {
	cwd, err := os.Readlink(filepath.Join(process, "cwd"))
	if err != nil {
		return false
	}
	dir, err := filepath.EvalSymlinks(c.config.Dir)
	return err == nil && cwd == dir
}

// shutdown is PostgreSQL's fast shutdown (SIGINT): sessions are ended, then a clean checkpoint.
func (c *Cluster) shutdown(ctx context.Context) error {
	found, err := c.postmaster()
	if err != nil || found.pid == 0 {
		return err
	}
	if err := syscall.Kill(found.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	for c.alive(found.pid) {
		if err := pause(ctx, step); err != nil {
			return fmt.Errorf("wait for PostgreSQL to stop: %w", err)
		}
	}
	c.log.Info("PostgreSQL has stopped", "pid", found.pid)
	return nil
}
