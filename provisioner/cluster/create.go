package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// create makes the data directory unless it is there. It is made under another name and renamed when complete, so a
// crash leaves nothing that looks like a cluster.
func (c *Cluster) create(ctx context.Context) error {
	if exists(filepath.Join(c.config.Dir, "PG_VERSION")) {
		return nil
	}
	if err := refuseForeign(c.config.Dir); err != nil {
		return err
	}
	c.log.Info("creating the PostgreSQL cluster", "dir", c.config.Dir, "version", c.programs.major)
	unfinished := c.config.Dir + ".init"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("remove an unfinished PostgreSQL cluster: %w", err)
	}
	if err := c.owner.makeDir(unfinished, 0o700); err != nil {
		return fmt.Errorf("create the PostgreSQL data directory: %w", err)
	}
	// C and UTF-8 because Synapse refuses any other collation, and because a distribution upgrade cannot change the
	// order of the indexes.
	arguments := []string{
		"--pgdata=" + unfinished, "--username=" + Role, "--auth-local=peer", "--auth-host=reject",
		"--encoding=UTF8", "--locale=C", "--data-checksums",
	}
	if c.config.Volatile {
		arguments = append(arguments, "--no-sync")
	}
	output, err := c.command(ctx, "initdb", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("create the PostgreSQL cluster: %w", c.explain(err, string(output)))
	}
	if _, err := c.configure(unfinished); err != nil {
		return err
	}
	// The rename needs the name to be free; refuseForeign has seen that at most an empty directory is there.
	if err := os.Remove(c.config.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("put the PostgreSQL cluster in place: %w", err)
	}
	if err := os.Rename(unfinished, c.config.Dir); err != nil {
		return fmt.Errorf("put the PostgreSQL cluster in place: %w", err)
	}
	return nil
}

// refuseForeign keeps us from replacing a directory with something else in it.
func refuseForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look into the PostgreSQL data directory: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("PostgreSQL data directory %s: has files in it but is no PostgreSQL cluster; move it away", dir)
	}
	return nil
}

// command is one of the server's programs, run as the owner. The environment is ours alone: PGDATA, PGPORT and their
// like would change what the programs do.
func (c *Cluster) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, c.programs.path(program), arguments...)
	command.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	command.Dir = "/"
	command.SysProcAttr = c.owner.process()
	return command
}

// explain adds to a program's failure what it printed, and the way out where we know it.
func (c *Cluster) explain(err error, output string) error {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	const shown = 6 // the reason and its context; before it initdb prints progress
	if len(lines) > shown {
		lines = lines[len(lines)-shown:]
	}
	message := strings.Join(lines, "; ")
	switch {
	case strings.Contains(output, "No space left on device"):
		return fmt.Errorf("%w: the disk is full, free some space below %s: %s", err, filepath.Dir(c.config.Dir), message)
	case strings.Contains(output, "Permission denied"):
		for _, path := range []string{c.config.Dir, filepath.Join(c.config.SocketDir, socketName)} {
			if dir := c.owner.obstacle(path); dir != "" {
				return fmt.Errorf("%w: user %s cannot pass the directory %s; choose another data directory or run: chmod o+x %s: %s",
					err, c.owner.name, dir, dir, message)
			}
		}
	}
	return fmt.Errorf("%w: %s", err, message)
}

// lock keeps two processes from making or starting the same cluster; the kernel frees it when a holder dies.
func (c *Cluster) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(c.config.Dir), 0o711); err != nil {
		return nil, fmt.Errorf("create the directory of the PostgreSQL cluster: %w", err)
	}
	file, err := os.OpenFile(c.config.Dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the PostgreSQL cluster: %w", err)
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			file.Close()
			return nil, fmt.Errorf("lock the PostgreSQL cluster: %w", err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			file.Close()
			return nil, fmt.Errorf("wait for another process that starts the PostgreSQL cluster: %w", err)
		}
	}
}

// pause is the step of a poll.
func pause(ctx context.Context, step time.Duration) error {
	timer := time.NewTimer(step)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
