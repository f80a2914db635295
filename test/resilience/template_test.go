package resilience

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// A process is killed at points of making a template; the next finds what it has left, removes it and makes the template
// anew. Orders are taken all the while, and servers made before and after it is there are whole.
func TestTemplateSurvivesKill(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t, hafentest.Env("HAFEN_TEMPLATES=true"))
	for _, point := range []string{
		"template_create_database+", "template_start_container+", "template_await_healthy+", "template_remove+", "template_seal",
	} {
		crashed(t, h.Start("up", "HAFEN_CRASH_AT="+point), point)
	}
	up := h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	before := anna.Server("basic", "before")
	h.Await(3*time.Minute, "template", func() error { return templatesMade(t, h) })
	after := anna.Server("basic", "after")
	for _, server := range []hafentest.Server{before, after} {
		whole(t, h, server)
		logsIn(t, h, server)
	}
	if err := up.Interrupt(); err != nil {
		t.Fatal(err)
	}
	nothingOfBuilders(t, h)
	orphans(t, h)
}

// templatesMade says, as an error, of which engine there is no template, or no spare copy of it.
func templatesMade(t *testing.T, h *hafentest.Hafen) error {
	t.Helper()
	for _, engine := range []tenant.EngineName{tenant.Synapse, tenant.Dendrite} {
		for _, sql := range []string{
			`select count(*) from pg_database where datistemplate and datname like 'hafen\_template%' || $1 || '%'`,
			`select count(*) from pg_database where datconnlimit = -1 and datname like 'hafen\_spare%' || $1 || '%'`,
		} {
			if hafentest.Query[int](h, sql, engine) == 0 {
				return fmt.Errorf("none of %s", engine)
			}
		}
	}
	return nil
}

// nothingOfBuilders fails when anything is left of the servers that were run to make a template, but the template.
func nothingOfBuilders(t *testing.T, h *hafentest.Hafen) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.DSN("hafen"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var left int
	if err := conn.QueryRow(t.Context(), `select (select count(*) from pg_database where datname like 'hs\_templatebuild%')
		+ (select count(*) from pg_roles where rolname like 'hs\_templatebuild%')`).Scan(&left); err != nil || left > 0 {
		t.Errorf("%d databases and roles left: %v", left, err)
	}
	out, err := exec.CommandContext(t.Context(), "docker", "ps", "-aq", "--no-trunc", "--filter", "name=hafen-templatebuild",
		"--filter", "volume="+filepath.Join(h.Data, "run", "pg")).Output()
	if err != nil || len(out) > 0 {
		t.Errorf("containers left: %s %v", out, err)
	}
	for _, place := range []string{"tenants", "run/t"} {
		entries, err := os.ReadDir(filepath.Join(h.Data, place))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "templatebuild") {
				t.Errorf("%s/%s left", place, e.Name())
			}
		}
	}
}
