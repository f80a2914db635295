package disk_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"hafen/internal/disktest"
	"hafen/internal/vmtest"
	"hafen/provisioner/disk"
)

const (
	number = 7
	owner  = 200_007
	mega   = 1 << 20
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(leaveProject); dir != "" {
		fmt.Print(attribute(dir, setAttributes, &attributes{}))
		os.Exit(0)
	}
	vmtest.Main(m)
}

// everywhere runs a test on each file system that keeps limits: here on btrfs, in the virtual machine on the others.
func everywhere(t *testing.T, test func(t *testing.T, root string)) {
	if vmtest.Inside() {
		everyProject(t, test)
		t.Run("btrfs", func(t *testing.T) { mounted(t, "btrfs", "", test) }) // with the quotas of before Linux 6.7
		return
	}
	t.Parallel()
	root := disktest.Btrfs(t, 512*mega)
	open(t, root)
	test(t, root)
}

// open lets everybody through to a directory of a test's.
func open(t *testing.T, dir string) {
	t.Helper()
	for ; dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// detect gives the volumes of a file system that can keep limits.
func detect(t *testing.T, root string) *disk.Volumes {
	t.Helper()
	volumes, err := disk.Detect(root)
	if err != nil {
		t.Fatal(err)
	}
	if why, ok := volumes.Limits(); !ok {
		t.Fatal(why)
	}
	return volumes
}

// one is a volume of one directory.
func one(path string, number int) disk.Volume {
	return disk.Volume{Number: number, Dirs: []string{path}}
}

// volume makes one of a tenant's, with a limit.
func volume(t *testing.T, volumes *disk.Volumes, path string, number int, bytes int64) {
	t.Helper()
	if err := volumes.Make(one(path, number)); err != nil {
		t.Fatal(err)
	}
	if err := volumes.Limit(one(path, number), bytes); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, owner, owner); err != nil {
		t.Fatal(err)
	}
}

func expectLimit(t *testing.T, volumes *disk.Volumes, path string, number int, want int64) {
	t.Helper()
	if limit, ok, err := volumes.Limited(one(path, number)); err != nil || limit != want || ok != (want > 0) {
		t.Errorf("limit is %d, %v, %v, not %d", limit, ok, err, want)
	}
}

func TestAVolumeEndsAtItsLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, root string) {
		volumes := detect(t, root)
		mine, other := filepath.Join(root, "mine"), filepath.Join(root, "other")
		for path, n := range map[string]int{mine: number, other: number + 1} {
			expectLimit(t, volumes, path, n, 0)
			for range 2 { // as after a kill
				volume(t, volumes, path, n, 4*mega)
			}
			expectLimit(t, volumes, path, n, 4*mega)
		}
		if err := fill(filepath.Join(mine, "a"), 8); !full(err) {
			t.Errorf("8 MB into 4: %v", err)
		}
		if err := fill(filepath.Join(other, "a"), 2); err != nil {
			t.Errorf("the neighbour's 2 MB: %v", err)
		}
		if err := volumes.Limit(one(mine, number), 16*mega); err != nil {
			t.Fatal(err)
		}
		expectLimit(t, volumes, mine, number, 16*mega)
		expectLimit(t, volumes, other, number+1, 4*mega)
		if err := fill(filepath.Join(mine, "b"), 4); err != nil {
			t.Errorf("raised, 4 MB more into 16: %v", err)
		}
		for range 2 {
			if err := volumes.Remove(one(mine, number)); err != nil {
				t.Errorf("remove: %v", err)
			}
			if _, err := os.Lstat(mine); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the volume is still there: %v", err)
			}
		}
	})
}

// Where a tenant writes in its volume makes no difference, nor that it does so in many files.
func TestDirectoriesInsideCount(t *testing.T) {
	everywhere(t, func(t *testing.T, root string) {
		volumes := detect(t, root)
		mine := filepath.Join(root, "mine")
		volume(t, volumes, mine, number, 4*mega)
		inside := filepath.Join(mine, "one", "in", "another")
		var err error
		as(owner, func() {
			for i := range 8 {
				dir := filepath.Join(inside, strconv.Itoa(i))
				if err = os.MkdirAll(dir, 0o700); err == nil {
					err = write(filepath.Join(dir, "a"), 1)
				}
				if err != nil {
					return
				}
			}
		})
		if !full(err) {
			t.Errorf("8 MB in files of one into 4: %v", err)
		}
	})
}

// One limit is for all directories of a tenant's that are on the file system.
func TestDirectoriesCountTogether(t *testing.T) {
	everywhere(t, func(t *testing.T, root string) {
		volumes := detect(t, root)
		elsewhere := t.TempDir()
		open(t, elsewhere)
		both := disk.Volume{Number: number, Dirs: []string{filepath.Join(root, "mine"), filepath.Join(root, "beside"), filepath.Join(elsewhere, "third")}}
		for range 2 {
			if err := errors.Join(volumes.Make(both), volumes.Limit(both, 4*mega)); err != nil {
				t.Fatal(err)
			}
		}
		if limit, ok, err := volumes.Limited(both); err != nil || !ok || limit != 4*mega {
			t.Errorf("limit is %d, %v, %v", limit, ok, err)
		}
		for _, dir := range both.Dirs {
			if err := os.Chown(dir, owner, owner); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range []error{nil, unix.EDQUOT, nil} {
			if err := fill(filepath.Join(both.Dirs[i], "a"), 3); full(err) != full(want) || (err == nil) != (want == nil) {
				t.Errorf("3 MB into 4, the %d. time: %v", i+1, err)
			}
		}
		if err := volumes.Remove(both); err != nil {
			t.Fatal(err)
		}
		for _, dir := range both.Dirs {
			if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there: %v", dir, err)
			}
		}
	})
}

func TestLimitsAreWholeUnits(t *testing.T) {
	everywhere(t, func(t *testing.T, root string) {
		volumes := detect(t, root)
		mine := filepath.Join(root, "mine")
		volume(t, volumes, mine, number, 16*mega)
		for _, bytes := range []int64{0, -mega, mega + 1, mega + 4096} {
			if err := volumes.Limit(one(mine, number), bytes); err == nil {
				t.Errorf("a limit of %d bytes was set", bytes)
			}
		}
		expectLimit(t, volumes, mine, number, 16*mega)
		const odd = 65 * disk.Unit
		if err := volumes.Limit(one(mine, number), odd); err != nil {
			t.Fatal(err)
		}
		expectLimit(t, volumes, mine, number, odd)
	})
}

func TestElsewhereNothingIsLimited(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	volumes, err := disk.Detect(root)
	if err != nil {
		t.Fatal(err)
	}
	if why, ok := volumes.Limits(); ok || why == "" {
		t.Errorf("limits: %v, %q", ok, why)
	}
	path := filepath.Join(root, "mine")
	for _, err := range []error{volumes.Make(one(path, number)), volumes.Limit(one(path, number), mega), volumes.Remove(one(path, number))} {
		if err != nil {
			t.Error(err)
		}
	}
	expectLimit(t, volumes, path, number, 0)
	if _, err := disk.Detect(filepath.Join(root, "absent")); err == nil {
		t.Error("an absent directory was accepted")
	}
}

// full is what a tenant is told at its limit: XFS says of a project that the disk is full.
func full(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }

// fill writes so many megabytes to a new file, for good, as the tenant would: root may exceed limits on ext4.
func fill(path string, megabytes int) (err error) {
	as(owner, func() { err = write(path, megabytes) })
	return err
}

func write(path string, megabytes int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, mega)
	for i := range block {
		block[i] = byte(i * i >> 3)
	}
	for range megabytes {
		if _, err := file.Write(block); err != nil {
			return err
		}
	}
	return file.Sync()
}

// as does something as a user without rights. The system calls are those of one thread, and that ends with it.
func as(user int, do func()) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks it
		_, _, group := syscall.RawSyscall(syscall.SYS_SETRESGID, uintptr(user), uintptr(user), uintptr(user))
		_, _, id := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(user), uintptr(user), uintptr(user))
		if group != 0 || id != 0 {
			done <- errors.Join(group, id)
			return
		}
		do()
		done <- nil
	}()
	if err := <-done; err != nil {
		panic("become another user: " + err.Error())
	}
}
