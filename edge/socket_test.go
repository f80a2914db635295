package edge

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestSocketIsNotReachedThroughALink(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "edge") // short: a socket's path is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	theirs, mine := filepath.Join(dir, "theirs.sock"), filepath.Join(dir, "mine.sock")
	listener, err := net.Listen("unix", theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dialBackend(context.Background(), "unix:"+theirs)
	if err != nil {
		t.Fatalf("the socket itself: %v", err)
	}
	conn.Close()
	if err := os.Symlink(theirs, mine); err != nil {
		t.Fatal(err)
	}
	if conn, err := dialBackend(context.Background(), "unix:"+mine); err == nil {
		conn.Close()
		t.Error("a link leads to another's socket")
	} else if away(err) {
		t.Errorf("a link is waited for: %v", err)
	}
	if _, err := dialBackend(context.Background(), "unix:"+dir); !errors.Is(err, syscall.ENOTSOCK) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := dialBackend(context.Background(), "unix:"+filepath.Join(dir, "none")); !away(err) {
		t.Errorf("a socket that does not exist yet: %v", err)
	}
}
