// Package btrfstest mounts file systems that tests may fill.
package btrfstest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Mount makes a btrfs of so many bytes in a file and mounts it until the test ends. It needs root and mkfs.btrfs.
func Mount(t testing.TB, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	file, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(bytes), file.Close(), os.Mkdir(mount, 0o755)); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.btrfs", "-q", image)
	run(t, "mount", "-o", "loop", image, mount)
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return mount
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
