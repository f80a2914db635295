package outage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

func TestDockerAway(t *testing.T) {
	t.Parallel()
	docker := newEngine(t)
	h := hafentest.New(t, docker.env())
	docker.cut()
	refused(t, h.Start("up"), "docker", "hafen doctor")

	docker.connect()
	h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	first := anna.Server("advanced", "first")

	docker.cut()
	second := anna.Order("basic", "second")
	awaitFailure(t, h, second, "docker_absent")
	reads(t, h, anna, "/servers/"+string(second.ID), "failure", "docker_absent")
	nothingMade(t, h, second)
	if err := served(h, first); err != nil {
		t.Errorf("a running server suffers: %v", err)
	}
	docker.connect()
	h.AwaitStatus(second.ID, tenant.Active, 60*time.Second)

	docker.noImage.Store(true)
	third := anna.Order("basic", "third")
	awaitFailure(t, h, third, "image_absent")
	reads(t, h, anna, "/servers/"+string(third.ID), "failure", "image_absent")
	nothingMade(t, h, third)
	docker.noImage.Store(false)
	h.AwaitStatus(third.ID, tenant.Active, 60*time.Second)
}

// refused waits for a start to fail, and fails unless the terminal said these things last.
func refused(t *testing.T, p *hafentest.Process, said ...string) {
	t.Helper()
	if err := p.Wait(60 * time.Second); err == nil || p.Killed() {
		t.Fatalf("it did not refuse to start: %v", err)
	}
	complains(t, p.Output(), said...)
}

// complains fails unless a program's output ends in one message that says these things.
func complains(t *testing.T, output string, said ...string) {
	t.Helper()
	_, message, found := strings.Cut("\n"+output, "\nhafen: ")
	if !found {
		t.Fatalf("no message:\n%s", output)
	}
	for _, part := range said {
		if !strings.Contains(message, part) {
			t.Errorf("the message does not say %q: %s", part, message)
		}
	}
	if strings.Contains(output, "goroutine") || strings.Contains(output, "Hafen is up") {
		t.Errorf("it said more:\n%s", output)
	}
}

func awaitFailure(t *testing.T, h *hafentest.Hafen, s hafentest.Server, code string) {
	t.Helper()
	h.Await(30*time.Second, code, func() error {
		if found := hafentest.Query[string](h, `select failure_code from tenants where id = $1`, s.ID); found != code {
			return fmt.Errorf("the code is %q", found)
		}
		return nil
	})
}

// nothingMade fails when anything outside exists of a server.
func nothingMade(t *testing.T, h *hafentest.Hafen, s hafentest.Server) {
	t.Helper()
	for what, sql := range map[string]string{
		"databases": `select count(*) from pg_database where datname = 'hs_' || $1`,
		"roles":     `select count(*) from pg_roles where rolname = 'hs_' || $1`,
		"routes":    `select count(*) from routes where tenant_id = $1`,
	} {
		if n := hafentest.Query[int](h, sql, s.ID); n != 0 {
			t.Errorf("%d %s are made already", n, what)
		}
	}
}
