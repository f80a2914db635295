// Package cgroup bounds the processor time of processes that no container holds: groups in a tree of our own under the kernel's
// processor controller, of which each shares evenly with the others and may have a bound.
//
// Both generations are served. Version 1 has a hierarchy for each controller, version 2 one for all; there our tree turns on the
// processor controller and no other. Memory above all is not ours to limit here: the kernel answers with SIGKILL, and a
// PostgreSQL server that loses a backend so restarts all of them.
//
// All state is the kernel's. A crash leaves groups as they are, with the processes in them; [Open] finds them again, and a reboot
// forgets them all.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAbsent says that this machine has no processor controller that can be used.
var ErrAbsent = errors.New("no control groups for processor time")

// Tree is a directory of groups. Safe for concurrent use.
type Tree struct {
	dir    string
	mount  string
	newest bool // version 2
}

// Available says where groups would be made, and changes nothing. The error is an ErrAbsent with the reason.
func Available() (version string, err error) {
	mount, newest, err := find("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	if unix.Access(mount, unix.W_OK) != nil {
		return "", fmt.Errorf("%w: %s cannot be written to", ErrAbsent, mount)
	}
	if newest {
		return "version 2", nil
	}
	return "version 1", nil
}

// Open makes the tree of that name, or finds the one that is there. The error is an ErrAbsent where the machine cannot.
func Open(name string) (*Tree, error) {
	mount, newest, err := find("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return openAt(mount, newest, name)
}

func openAt(mount string, newest bool, name string) (*Tree, error) {
	t := &Tree{dir: filepath.Join(mount, name), mount: mount, newest: newest}
	err := makeGroup(t.dir)
	if err == nil && newest {
		err = t.write(t.dir, "cpu.weight", strconv.Itoa(100*weight))
	} else if err == nil {
		err = t.write(t.dir, "cpu.shares", strconv.Itoa(1024*weight))
	}
	if err == nil && newest {
		// From the top down: a group's controllers are those that its parent hands on.
		err = errors.Join(t.write(mount, "cgroup.subtree_control", "+cpu"), t.write(t.dir, "cgroup.subtree_control", "+cpu"))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	return t, nil
}

// What is in the tree serves many at once, and stands beside groups and programs that each count as one: it has the weight of ten.
// Within the tree all count the same.
const weight = 10

// find looks for the processor controller in a mountinfo file (proc_pid_mountinfo(5)): a hierarchy of version 1 that has it, or
// else that of version 2, when it has it.
func find(mountinfo string) (mount string, newest bool, err error) {
	file, err := os.Open(mountinfo)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	defer file.Close()
	var second string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(kind) < 3 {
			continue
		}
		switch {
		case kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), "cpu"):
			return place[4], false, nil
		case kind[0] == "cgroup2":
			second = place[4]
		}
	}
	if err := lines.Err(); err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if second == "" {
		return "", false, fmt.Errorf("%w: none are mounted", ErrAbsent)
	}
	controllers, err := os.ReadFile(filepath.Join(second, "cgroup.controllers"))
	if err != nil || !slices.Contains(strings.Fields(string(controllers)), "cpu") {
		return "", false, fmt.Errorf("%w: %s has no processor controller", ErrAbsent, second)
	}
	return second, true, nil
}

// A bound is counted anew after each period, and used up at its beginning. The kernel's hundred milliseconds, which Docker takes
// over, let a group that computes on all processors occupy all of them for half of that, and halt what may hold a lock inside of
// PostgreSQL for the rest. The kernel hands out a quota in slices of as much as this to one processor after the other
// (sched_cfs_bandwidth_slice_us), so that a group with one processor's time hardly ever takes two at once. It takes none under a
// millisecond (min_cfs_quota_period): a very small bound has a longer period.
const (
	usualPeriod = 5 * time.Millisecond
	leastQuota  = time.Millisecond
)

// Bound is so many thousandths of a processor, at least one, as time in each period.
func Bound(millis int) (quota, period time.Duration) {
	millis = max(millis, 1)
	quota, period = usualPeriod*time.Duration(millis)/1000, usualPeriod
	if quota < leastQuota {
		quota, period = leastQuota, leastQuota*1000/time.Duration(millis)
	}
	return quota, period
}

// Ensure makes a group, or leaves the one that is there, and bounds it to thousandths of a processor; 0 is no bound.
func (t *Tree) Ensure(group string, millis int) error {
	dir := filepath.Join(t.dir, group)
	if err := makeGroup(dir); err != nil {
		return fmt.Errorf("make the control group %s: %w", group, err)
	}
	if err := t.limit(dir, millis); err != nil {
		return fmt.Errorf("bound the control group %s: %w", group, err)
	}
	return nil
}

func (t *Tree) limit(dir string, millis int) error {
	quota, period := "max", usualPeriod
	if millis > 0 {
		var most time.Duration
		most, period = Bound(millis)
		quota = strconv.FormatInt(most.Microseconds(), 10)
	}
	each := strconv.FormatInt(period.Microseconds(), 10)
	if t.newest {
		return t.write(dir, "cpu.max", quota+" "+each)
	}
	if millis <= 0 {
		quota = "-1"
	}
	// Two files that are checked together: without a bound for a moment, any period will do.
	return errors.Join(t.write(dir, "cpu.cfs_quota_us", "-1"), t.write(dir, "cpu.cfs_period_us", each), t.write(dir, "cpu.cfs_quota_us", quota))
}

// Move puts a process into a group. One that has ended is no error.
func (t *Tree) Move(group string, pid int) error {
	err := t.write(filepath.Join(t.dir, group), "cgroup.procs", strconv.Itoa(pid))
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("move process %d into the control group %s: %w", pid, group, err)
	}
	return nil
}

// Processes are those in a group; none when there is no such group.
func (t *Tree) Processes(group string) ([]int, error) {
	content, err := os.ReadFile(filepath.Join(t.dir, group, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) { // the latter while it is being removed
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the processes of the control group %s: %w", group, err)
	}
	var pids []int
	for word := range strings.FieldsSeq(string(content)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("list the processes of the control group %s: %w", group, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// Groups are the tree's.
func (t *Tree) Groups() ([]string, error) {
	entries, err := os.ReadDir(t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the control groups: %w", err)
	}
	var groups []string
	for _, entry := range entries {
		if entry.IsDir() {
			groups = append(groups, entry.Name())
		}
	}
	return groups, nil
}

// Drop removes a group in which no process is left, and leaves one that has some.
func (t *Tree) Drop(group string) error {
	err := unix.Rmdir(filepath.Join(t.dir, group))
	if err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove the control group %s: %w", group, err)
	}
	return nil
}

// Remove removes the tree; what processes are left in it go to the root of the hierarchy. One that is ending can not go, and holds
// its group until it is gone, for which Remove waits.
func (t *Tree) Remove() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		err := t.remove()
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// A process that was killed is gone in milliseconds, when nobody keeps it from ending.
const (
	patience = 5 * time.Second
	pause    = 10 * time.Millisecond
)

func (t *Tree) remove() error {
	groups, err := t.Groups()
	if err != nil {
		return err
	}
	for _, group := range groups {
		pids, err := t.Processes(group)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := t.write(t.mount, "cgroup.procs", strconv.Itoa(pid)); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("empty the control group %s: %w", group, err)
			}
		}
		if err := t.Drop(group); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(t.dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove the control groups: %w", err)
	}
	return nil
}

func makeGroup(dir string) error {
	if err := unix.Mkdir(dir, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return nil
}

// write hands the kernel one value: these files take a whole one in a single write.
func (t *Tree) write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
