package outage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/templates/i18n"
)

// The roles run each on their own here, as on machines of their own: only then can the edge start while the database is away.
func TestServersAnswerWithoutPostgres(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	if out, err := h.Run("migrate"); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	h.Start("controlplane")
	h.Await(30*time.Second, "keys and authority", func() error {
		_, keys := os.Stat(filepath.Join(h.Data, "keys"))
		_, authority := os.Stat(filepath.Join(h.Data, "ca", "root.crt"))
		return errors.Join(keys, authority)
	})
	h.Start("web")
	edge := h.Start("edge")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	server := anna.Server("advanced", "anna")
	server.AddMember("bert")
	bert := logIn(t, h.HTTPClient, server.BaseURL(), "bert")

	stopPostgres(t, h)
	if err := served(h, server); err != nil {
		t.Errorf("without the database: %v", err)
	}
	sorry(t, h)
	edge.Kill()
	h.Start("edge")
	h.Await(10*time.Second, "service by an edge that started without the database", func() error { return served(h, server) })
	sorry(t, h)

	if out, err := h.Run("migrate"); err != nil { // it starts the cluster, as `hafen up` would
		t.Fatalf("start the database: %v\n%s", err, out)
	}
	h.AwaitFrontPage()
	h.Await(30*time.Second, "the old session of a member", func() error { return bert.is("@bert:" + server.Name) })
	server.AddMember("carl")
	second := anna.Server("advanced", "second")
	h.Await(15*time.Second, "a new server's route", func() error { return served(h, second) })
	h.Await(15*time.Second, "notifications to website and edge", func() error {
		if n := hafentest.Query[int](h, `select count(*) from pg_stat_activity where query like 'listen hafen%'`); n != 2 {
			return fmt.Errorf("%d listen", n)
		}
		return nil
	})
}

// sorry fails unless the website says in both languages that it cannot just now.
func sorry(t *testing.T, h *hafentest.Hafen) {
	t.Helper()
	for _, language := range i18n.Languages {
		h.Await(20*time.Second, "the website's excuse in "+language, func() error {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL()+"/", http.NoBody)
			if err != nil {
				return err
			}
			request.Header.Set("Accept-Language", language)
			status, page, err := fetch(h.HTTPClient(), request)
			if err != nil {
				return err
			}
			sentence := i18n.For(language).Coded("error", "unavailable", nil)
			if status != http.StatusServiceUnavailable || !strings.Contains(words(page), sentence) {
				return fmt.Errorf("%d, without %q: %s", status, sentence, words(page))
			}
			return nil
		})
	}
}

// stopPostgres ends the installation's cluster as `pg_ctl stop -m fast` does, and waits until it is gone.
func stopPostgres(t *testing.T, h *hafentest.Hafen) {
	t.Helper()
	file := filepath.Join(h.Data, "postgres", "postmaster.pid")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("PostgreSQL does not stop")
}
