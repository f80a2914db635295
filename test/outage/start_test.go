package outage

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hafen/internal/hafentest"
)

func TestPortTakenAndSecondUp(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	for name, port := range map[string]int{"http": h.HTTP, "https": h.HTTPS, "federation": h.Federation} {
		taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, h.Start("up"), "port "+strconv.Itoa(port), "for "+name, "--http-port")
		if err := taken.Close(); err != nil {
			t.Fatal(err)
		}
	}
	first := h.Start("up")
	h.AwaitFrontPage()
	h.Operator(first) // the starts that failed have not used the one-time password up
	refused(t, h.Start("up"), "another Hafen works with "+h.Data)
	if out, err := h.Run("down"); err == nil || !strings.Contains(out, "stop Hafen itself first") {
		t.Errorf("down beside a running Hafen: %v\n%s", err, out)
	}
	h.AwaitFrontPage()
	if err := first.Interrupt(); err != nil {
		t.Errorf("the first one was disturbed: %v", err)
	}
}

// What a start lacks is said in one message, and nothing is left behind that would hinder the next start, which works.
func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	t.Run("DATABASE_URL leads nowhere", func(t *testing.T) {
		h := h.For(t)
		nowhere := filepath.Join(h.Data, "nowhere")
		refused(t, h.Start("up", "DATABASE_URL=postgres://hafen:hidden-word@/hafen?host="+nowhere), "connect", nowhere)
		p := h.Start("up", "DATABASE_URL=postgres://hafen:hidden-word@localhost/hafen")
		refused(t, p, "Unix socket")
		if strings.Contains(p.Output(), "hidden-word") {
			t.Error("the terminal shows the password")
		}
	})
	t.Run("path too long", func(t *testing.T) {
		h := h.For(t)
		long := filepath.Join(h.Data, strings.Repeat("x", 100))
		refused(t, h.Start("up", "HAFEN_DATA="+long), "choose a data directory", "bytes shorter")
		if _, err := os.Stat(filepath.Join(long, "postgres")); err == nil {
			t.Error("a database was begun")
		}
	})
	t.Run("read-only disk", func(t *testing.T) {
		h := h.For(t)
		disk := filepath.Join(h.Data, "readonly")
		mount(t, disk, unix.MS_RDONLY, "")
		refused(t, h.Start("up", "HAFEN_DATA="+filepath.Join(disk, "data")), "data directory", "read-only file system")
	})
	t.Run("no PostgreSQL", func(t *testing.T) {
		h := h.For(t)
		// In a namespace of mounts of its own, where an empty disk hides the programs from this process alone.
		up := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c",
			`mount -t tmpfs none /usr/lib/postgresql && exec "$0" up`, hafentest.Program(t))
		up.Env = append(os.Environ(), "DATABASE_URL=", "HAFEN_DATA="+h.Data)
		out, err := up.CombinedOutput()
		if err == nil {
			t.Error("it started")
		}
		complains(t, string(out), "PostgreSQL server is not installed", "apt-get install postgresql")
	})
	h.Start("up")
	h.AwaitFrontPage()
}

func TestDiskFullAtTheStart(t *testing.T) {
	t.Parallel()
	var disk string
	h := hafentest.New(t, func(h *hafentest.Hafen) {
		disk = h.Data
		mount(t, disk, 0, "size=4m,mode=755")
		h.Data = filepath.Join(disk, "d") // a mount point cannot be removed with the data
	})
	refused(t, h.Start("up"), "disk is full", h.Data)
	if _, err := os.Stat(filepath.Join(h.Data, "postgres", "PG_VERSION")); err == nil {
		t.Error("half a database passes for a whole one")
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=1g,mode=755"); err != nil {
		t.Fatalf("make the disk larger: %v", err)
	}
	h.Start("up")
	h.AwaitFrontPage()
}

// mount puts a small disk at dir until the test ends.
func mount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatalf("mount %s: %v", dir, err)
	}
	t.Cleanup(func() {
		// Lazily: a container that still runs may hold it.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
}
