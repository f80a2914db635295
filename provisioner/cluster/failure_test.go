package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hafen/provisioner/cluster"
)

func expectRefusal(t *testing.T, config cluster.Config, words ...string) {
	t.Helper()
	_, err := cluster.Ensure(t.Context(), config)
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error does not say %q: %v", word, err)
		}
	}
}

func TestSocketPathTooLong(t *testing.T) {
	t.Parallel()
	config := at("/tmp")
	config.SocketDir = "/tmp/" + strings.Repeat("x", 107-len("/tmp/")-len("/.s.PGSQL.5432")+1)
	expectRefusal(t, config, "108 bytes", "Linux allows 107", "1 bytes shorter")
}

// TestLongestSocketPathWorks pins the limit: one byte less than the refused path is accepted by the kernel.
func TestLongestSocketPathWorks(t *testing.T) {
	t.Parallel()
	dir := place(t)
	config := at(dir)
	config.SocketDir = dir + "/" + strings.Repeat("x", 107-len(dir+"/")-len("/.s.PGSQL.5432"))
	start(t, config)
}

func TestRelativeAndAmbiguousPathsAreRefused(t *testing.T) {
	t.Parallel()
	config := at("/tmp/a")
	config.Dir = "data/postgres"
	expectRefusal(t, config, "not an absolute path")
	config = at("/tmp/a,b")
	expectRefusal(t, config, "comma")
}

func TestDirectoryWithOtherFilesIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := place(t)
	foreign := filepath.Join(dir, "postgres", "letter.txt")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	expectRefusal(t, at(dir), "no PostgreSQL cluster")
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}

// The tests of this repository run as root, as Hafen does: it makes containers' directories and firewall rules.
func TestDirectoryTheServerCannotPass(t *testing.T) {
	t.Parallel()
	dir := place(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	expectRefusal(t, at(closed), "user postgres cannot pass the directory "+closed, "chmod o+x")
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := place(t)
	small := filepath.Join(dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=12m,mode=0755"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	defer unix.Unmount(small, unix.MNT_DETACH)
	expectRefusal(t, at(small), "the disk is full")
}

func TestImpatientCallerGetsTheReason(t *testing.T) {
	t.Parallel()
	dir := place(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := cluster.Ensure(ctx, at(dir)); err == nil {
		t.Fatal("no error")
	}
	start(t, at(dir)) // and the next, patient caller gets a cluster
}
