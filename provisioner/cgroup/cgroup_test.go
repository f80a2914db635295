package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hafen/tenant"
)

// newTree is one of the machine's own, whichever generation it has.
func newTree(t *testing.T) *Tree {
	t.Helper()
	tree, err := Open("hafen-test-" + string(tenant.NewID()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Remove(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

// sleeper is a process to be moved about.
func sleeper(t *testing.T) int {
	t.Helper()
	command := exec.Command("sleep", "600")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // some have ended
		_ = command.Wait()
	})
	return command.Process.Pid
}

// groupOf is where the kernel says that a process is.
func groupOf(t *testing.T, pid int) string {
	t.Helper()
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		if slices.Contains(strings.Split(controllers, ","), "cpu") || number == "0" && strings.Contains(path, "hafen") {
			return path
		}
	}
	return ""
}

func TestAProcessIsInItsGroupAndTheGroupHasItsBound(t *testing.T) {
	t.Parallel()
	tree := newTree(t)
	pid := sleeper(t)
	for _, millis := range []int{500, 2000, 50, 0} { // each over the other
		if err := tree.Ensure("one", millis); err != nil {
			t.Fatalf("%d: %v", millis, err)
		}
		quota, each := readBound(t, tree, "one")
		if millis == 0 && quota > 0 || millis > 0 && quota*1000 != each*millis {
			t.Errorf("%d thousandths are %d in each %d µs", millis, quota, each)
		}
	}
	if err := tree.Move("one", pid); err != nil {
		t.Fatal(err)
	}
	if got := groupOf(t, pid); got != "/"+filepath.Base(tree.dir)+"/one" {
		t.Errorf("the process is in %q", got)
	}
	if pids, err := tree.Processes("one"); err != nil || !slices.Equal(pids, []int{pid}) {
		t.Errorf("processes are %v, %v", pids, err)
	}
	t.Run("a group in use stays", func(t *testing.T) {
		if err := tree.Drop("one"); err != nil {
			t.Fatal(err)
		}
		if groups, err := tree.Groups(); err != nil || !slices.Equal(groups, []string{"one"}) {
			t.Errorf("groups are %v, %v", groups, err)
		}
	})
	t.Run("an empty one goes", func(t *testing.T) {
		if err := errors.Join(tree.Ensure("two", 100), tree.Move("two", pid), tree.Drop("one")); err != nil {
			t.Fatal(err)
		}
		if groups, err := tree.Groups(); err != nil || !slices.Equal(groups, []string{"two"}) {
			t.Errorf("groups are %v, %v", groups, err)
		}
	})
	t.Run("removed, the process lives on elsewhere", func(t *testing.T) {
		for range 2 {
			if err := tree.Remove(); err != nil {
				t.Fatal(err)
			}
		}
		if got := groupOf(t, pid); strings.Contains(got, "hafen") {
			t.Errorf("the process is in %q", got)
		}
	})
}

func TestAProcessThatHasEndedIsNoError(t *testing.T) {
	t.Parallel()
	tree := newTree(t)
	command := exec.Command("true")
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tree.Ensure("one", 0), tree.Move("one", command.Process.Pid)); err != nil {
		t.Error(err)
	}
	if pids, err := tree.Processes("absent"); err != nil || len(pids) > 0 {
		t.Errorf("processes of a group that is not there: %v, %v", pids, err)
	}
}

func readBound(t *testing.T, tree *Tree, group string) (quota, each int) {
	t.Helper()
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(tree.dir, group, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	files := []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
	if tree.newest {
		files = []string{"cpu.max"}
	}
	var fields []string
	for _, file := range files {
		fields = append(fields, strings.Fields(read(file))...)
	}
	quota, _ = strconv.Atoi(fields[0]) // "max" is none
	each, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return quota, each
}

// A machine has one generation or the other. What is written to the one that this machine lacks is compared with the kernel's
// documentation (Documentation/admin-guide/cgroup-v2.rst), on files that take anything.
func TestWhatVersion2IsTold(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	for _, file := range []string{"cgroup.subtree_control", "tree/cgroup.subtree_control", "tree/cpu.weight", "tree/one/cpu.max", "tree/one/cgroup.procs"} {
		path := filepath.Join(mount, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := openAt(mount, true, "tree")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tree.Ensure("one", 500), tree.Move("one", 42)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"cgroup.subtree_control": "+cpu", "tree/cgroup.subtree_control": "+cpu", "tree/cpu.weight": "1000",
		"tree/one/cpu.max": "2500 5000", "tree/one/cgroup.procs": "42",
	} {
		if got, err := os.ReadFile(filepath.Join(mount, file)); err != nil || string(got) != want {
			t.Errorf("%s was told %q, want %q (%v)", file, got, want, err)
		}
	}
}

func TestTheControllerIsFoundWhereverItIs(t *testing.T) {
	t.Parallel()
	second := t.TempDir()
	for name, row := range map[string]struct {
		mounts, controllers string
		mount               string
		newest              bool
	}{
		"version 1, alone":              {mounts: "1 2 0:3 / /c/cpu rw - cgroup cgroup rw,cpu", mount: "/c/cpu"},
		"version 1, with its neighbour": {mounts: "1 2 0:3 / /c/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct", mount: "/c/cpu,cpuacct"},
		"both, the first has it":        {mounts: "1 2 0:3 / " + second + " rw - cgroup2 cgroup2 rw\n1 2 0:3 / /c/cpu rw - cgroup cgroup rw,cpu", mount: "/c/cpu"},
		"version 2":                     {mounts: "1 2 0:3 / " + second + " rw - cgroup2 cgroup2 rw", controllers: "cpuset cpu io memory", mount: second, newest: true},
		"version 2 without it":          {mounts: "1 2 0:3 / " + second + " rw - cgroup2 cgroup2 rw", controllers: "cpuset memory"},
		"only another of version 1":     {mounts: "1 2 0:3 / /c/cpuset rw - cgroup cgroup rw,cpuset"},
		"none":                          {mounts: "1 2 0:3 / / rw - ext4 /dev/vda rw"},
	} {
		list := filepath.Join(t.TempDir(), "mountinfo")
		err := errors.Join(os.WriteFile(list, []byte(row.mounts+"\n"), 0o600),
			os.WriteFile(filepath.Join(second, "cgroup.controllers"), []byte(row.controllers+"\n"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		mount, newest, err := find(list)
		if mount != row.mount || newest != row.newest || errors.Is(err, ErrAbsent) != (row.mount == "") {
			t.Errorf("%s: %q, %v, %v", name, mount, newest, err)
		}
	}
}
