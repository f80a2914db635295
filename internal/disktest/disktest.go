// Package disktest mounts file systems that tests may fill.
package disktest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Btrfs makes a file system of so many bytes in a file and mounts it until the test ends. It needs root and mkfs.btrfs.
func Btrfs(t testing.TB, bytes int64) string {
	t.Helper()
	return mount(t, bytes, "mkfs.btrfs")
}

// Ext4 is the same for ext4, without project quotas.
func Ext4(t testing.TB, bytes int64) string {
	t.Helper()
	return mount(t, bytes, "mkfs.ext4")
}

func mount(t testing.TB, bytes int64, mkfs string) string {
	t.Helper()
	dir := t.TempDir()
	image, point := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	file, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(bytes), file.Close(), os.Mkdir(point, 0o755)); err != nil {
		t.Fatal(err)
	}
	run(t, mkfs, "-q", image)
	run(t, "mount", "-o", "loop", image, point)
	t.Cleanup(func() {
		// Detached, because a program that another test is just starting has what is open here for a moment, and it would be busy.
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return point
}

// Subvolume makes a subvolume, as any process may.
func Subvolume(t testing.TB, path string) {
	t.Helper()
	run(t, "btrfs", "subvolume", "create", path)
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
