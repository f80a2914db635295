package resilience

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// What provisioning does, in order, and what removal does.
var (
	building = []tenant.Step{
		tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles, tenant.CreateContainer, tenant.StartContainer,
		tenant.IssueCertificate, tenant.AwaitHealthy, tenant.CreateAdministrator, tenant.PublishRoute,
	}
	removing = []tenant.Step{
		tenant.WithdrawRoute, tenant.RemoveContainer, tenant.DropDatabase, tenant.RemoveFiles, tenant.RemoveCertificate, tenant.RemoveSecrets,
	}
)

// The first sign of work on a tenant after a moment: a step, or, when none was left to do, that it was found complete.
const resumedAt = `
select coalesce((select min(started_at) from steps where tenant_id = $1 and started_at > $2), (select active_at from tenants where id = $1))`

// crashed waits until a process has killed itself at a point.
func crashed(t *testing.T, p *hafentest.Process, point string) {
	t.Helper()
	if err := p.Wait(time.Minute); err == nil || !p.Killed() {
		t.Fatalf("not killed at %s: %v", point, err)
	}
	if !strings.Contains(p.Output(), "crashing at "+point) {
		t.Fatalf("killed elsewhere than at %s", point)
	}
}

func points(steps []tenant.Step) []string {
	var all []string
	for _, step := range steps {
		all = append(all, string(step), string(step)+"+")
	}
	return all
}

// One server is killed at every point of its making, one after the other: each restart takes the work up where the last process
// died, and dies one point further on.
func TestProvisioningSurvivesKillAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{"basic", "advanced"} { // without and with a network
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			h := hafentest.New(t)
			up := h.Start("up")
			h.AwaitFrontPage()
			anna := h.NewCustomer("anna@example.org")
			if err := up.Interrupt(); err != nil {
				t.Fatal(err)
			}
			all := points(building)
			dying := h.Start("up", "HAFEN_CRASH_AT="+all[0])
			h.AwaitFrontPage()
			server := anna.Order(plan, "anna")
			crashed(t, dying, all[0])
			for _, point := range all[1:] {
				if strings.HasPrefix(point, string(tenant.AwaitHealthy)) {
					stop(t, server) // or it would have come up by itself meanwhile, and there would be nothing to wait for
				}
				restarted := time.Now()
				crashed(t, h.Start("up", "HAFEN_CRASH_AT="+point), point)
				if wait := time.Since(restarted); wait > 30*time.Second {
					t.Errorf("work went on to %s only after %s", point, wait)
				}
			}
			h.Start("up")
			h.AwaitStatus(server.ID, tenant.Active, time.Minute)
			whole(t, h, server)
			orphans(t, h)
			logsIn(t, h, server)
		})
	}
}

// Another process takes over what a killed one had claimed, without anybody restarting anything.
func TestALivingControlPlaneTakesOver(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	first := h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	if err := first.Interrupt(); err != nil {
		t.Fatal(err)
	}
	dying := h.Start("up", "HAFEN_CRASH_AT=await_healthy")
	h.AwaitFrontPage()
	server := anna.Order("basic", "anna")
	crashed(t, dying, "await_healthy")
	killed := time.Now()
	// Its lease is the dead one's still: as if that had run on another machine.
	h.Exec(`update tenants set lease_owner = 'a machine that burnt' where id = $1`, server.ID)
	h.Start("controlplane")
	h.AwaitStatus(server.ID, tenant.Active, time.Minute)
	resumed := hafentest.Query[time.Time](h, resumedAt, server.ID, killed)
	if wait := resumed.Sub(killed); wait > 30*time.Second {
		t.Errorf("taken over only after %s", wait)
	}
}

func TestRemovalSurvivesKillAtEveryStep(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	up := h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	server := anna.Server("advanced", "anna")
	anna.Post("/servers/"+string(server.ID)+"/delete", map[string][]string{"name": {server.Name}})
	h.Await(time.Minute, "stop", func() error {
		if hafentest.Query[bool](h, `select reconciled < wanted from tenants where id = $1`, server.ID) {
			return errors.New("still stopping")
		}
		return nil
	})
	if err := up.Interrupt(); err != nil {
		t.Fatal(err)
	}
	// The grace period is over.
	h.Exec(`update tenants set delete_after = now() - interval '1 second' where id = $1`, server.ID)
	for _, point := range points(removing) {
		crashed(t, h.Start("up", "HAFEN_CRASH_AT="+point), point)
	}
	h.Start("up")
	h.AwaitStatus(server.ID, tenant.Deleted, time.Minute)
	nothing(t, h, server)
	orphans(t, h)
}

func stop(t *testing.T, s hafentest.Server) {
	t.Helper()
	for _, id := range containers(t, s) {
		if out, err := exec.CommandContext(t.Context(), "docker", "stop", "--time", "0", id).CombinedOutput(); err != nil {
			t.Fatalf("stop: %v: %s", err, out)
		}
	}
}

// whole fails unless exactly one of everything exists for a server.
func whole(t *testing.T, h *hafentest.Hafen, s hafentest.Server) {
	t.Helper()
	if n := len(containers(t, s)); n != 1 {
		t.Errorf("%d containers", n)
	}
	for what, sql := range map[string]string{
		"databases":    `select count(*) from pg_database where datname = 'hs_' || $1`,
		"roles":        `select count(*) from pg_roles where rolname = 'hs_' || $1`,
		"routes":       `select count(*) from routes where tenant_id = $1`,
		"certificates": `select count(*) from certificates c join tenants t on t.host = c.host where t.id = $1`,
		"members":      `select count(*) from members where tenant_id = $1 and state = 'active'`,
	} {
		if n := hafentest.Query[int](h, sql, s.ID); n != 1 {
			t.Errorf("%d %s", n, what)
		}
	}
	for _, dir := range directories(h, s) {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

// nothing fails when anything of a server is left but what books must keep.
func nothing(t *testing.T, h *hafentest.Hafen, s hafentest.Server) {
	t.Helper()
	if left := containers(t, s); len(left) != 0 {
		t.Errorf("containers left: %v", left)
	}
	for what, sql := range map[string]string{
		"databases":    `select count(*) from pg_database where datname = 'hs_' || $1`,
		"roles":        `select count(*) from pg_roles where rolname = 'hs_' || $1`,
		"routes":       `select count(*) from routes where tenant_id = $1`,
		"certificates": `select count(*) from certificates c join tenants t on t.host = c.host where t.id = $1`,
		"members":      `select count(*) from members where tenant_id = $1`,
		"secrets":      `select count(*) from secrets where tenant_id = $1`,
		"usage":        `select count(*) from usage where tenant_id = $1`,
	} {
		if n := hafentest.Query[int](h, sql, s.ID); n != 0 {
			t.Errorf("%d %s left", n, what)
		}
	}
	if hafentest.Query[int](h, `select count(*) from tombstones where server_name = $1`, s.Name) != 1 {
		t.Error("the name has no tombstone")
	}
	for _, dir := range directories(h, s) {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}

// orphans fails when anything exists that no living tenant explains.
func orphans(t *testing.T, h *hafentest.Hafen) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.DSN("hafen"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{
		`select datname from pg_database where datname like 'hs\_%' and substr(datname, 4) not in (select id from tenants where status <> 'deleted')`,
		`select rolname from pg_roles where rolname like 'hs\_%' and substr(rolname, 4) not in (select id from tenants where status <> 'deleted')`,
		`select tenant_id from routes where tenant_id not in (select id from tenants where status <> 'deleted')`,
		`select host from certificates where host <> '` + h.Base + `' and host not in (select host from tenants where status <> 'deleted')`,
	} {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		left, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(left) > 0 {
			t.Errorf("orphans %v %v of %s", left, err, sql)
		}
	}
	for _, place := range []string{"tenants", "run/t"} {
		entries, err := os.ReadDir(filepath.Join(h.Data, place))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if hafentest.Query[int](h, `select count(*) from tenants where id = $1 and status <> 'deleted'`, e.Name()) == 0 {
				t.Errorf("orphan %s/%s", place, e.Name())
			}
		}
	}
}

func containers(t *testing.T, s hafentest.Server) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "ps", "-aq", "--filter", "label="+tenant.LabelTenant+"="+string(s.ID)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func directories(h *hafentest.Hafen, s hafentest.Server) []string {
	return []string{filepath.Join(h.Data, "tenants", string(s.ID)), filepath.Join(h.Data, "run", "t", string(s.ID))}
}

// logsIn gives the server's first member a password and logs in with it.
func logsIn(t *testing.T, h *hafentest.Hafen, s hafentest.Server) {
	t.Helper()
	h.AwaitFrontPage()
	s.AddMember("bert")
	body := fmt.Sprintf(`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"bert"},"password":%q}`, hafentest.Password)
	answer, err := h.HTTPClient().Post(s.BaseURL()+"/_matrix/client/v3/login", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, err := io.ReadAll(answer.Body)
		t.Fatalf("log in: %s %s %v", answer.Status, said, err)
	}
}
