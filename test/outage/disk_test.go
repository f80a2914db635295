package outage

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// The disk of the servers' files is full, while the database has room.
func TestDiskFullForServers(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	disk := filepath.Join(h.Data, "tenants")
	mount(t, disk, 0, "size=64m,mode=755")
	h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	first := anna.Server("advanced", "first")

	ballast := fill(t, disk)
	second := anna.Order("basic", "second")
	awaitFailure(t, h, second, "disk_full")
	reads(t, h, anna, "/servers/"+string(second.ID), "failure", "disk_full")
	if n := hafentest.Query[int](h, `select count(*) from routes where tenant_id = $1`, second.ID); n != 0 {
		t.Error("half a server has a route")
	}
	if err := served(h, first); err != nil {
		t.Errorf("another server suffers: %v", err)
	}
	drop(t, ballast)
	// It tries again after a minute; the minute is made to pass.
	h.Exec(`update tenants set retry_at = now() where id = $1`, second.ID)
	h.AwaitStatus(second.ID, tenant.Active, 60*time.Second)
}

// The database's disk is full: nothing can be recorded, and PostgreSQL may even end. Servers that run do not notice.
func TestDiskFullForTheDatabase(t *testing.T) {
	t.Parallel()
	var disk string
	h := hafentest.New(t, func(h *hafentest.Hafen) {
		disk = h.Data
		mount(t, disk, 0, "size=400m,mode=755")
		h.Data = filepath.Join(disk, "d")
	})
	up := h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	server := anna.Server("advanced", "anna")

	ballast := fill(t, disk)
	// Tables grow by pages, and a page may have room left: sign-ups take it up until there is none.
	for i := 0; ; i++ {
		status, page := signUp(t, h, i)
		if status == http.StatusServiceUnavailable {
			// To a browser that asks for no language pages speak German.
			if sentence := i18n.For("de").Coded("error", "unavailable", nil); !strings.Contains(words(page), sentence) {
				t.Errorf("the page does not say %q: %s", sentence, words(page))
			}
			break
		}
		if status != http.StatusOK || i == 200 {
			t.Fatalf("sign-up %d on a full disk: %d %s", i, status, words(page))
		}
	}
	if err := served(h, server); err != nil {
		t.Errorf("a running server suffers: %v", err)
	}
	stopPostgres(t, h) // as it does by itself when the log of changes finds no room
	h.Await(20*time.Second, "an error of the database keeper", func() error {
		if !strings.Contains(up.Output(), "the database is away") {
			return errors.New("nothing yet")
		}
		return nil
	})
	drop(t, ballast)
	h.AwaitFrontPage()
	anna.Server("basic", "second")
}

func signUp(t *testing.T, h *hafentest.Hafen, i int) (status int, page string) {
	t.Helper()
	return h.Visitor().Try(http.MethodPost, "/signup", map[string][]string{
		"email": {fmt.Sprintf("ben%d@example.org", i)}, "password": {hafentest.Password},
	})
}

// fill takes all that is left of a disk.
func fill(t *testing.T, disk string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(disk, "ballast")
	file, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	return ballast
}

func drop(t *testing.T, ballast string) {
	t.Helper()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
