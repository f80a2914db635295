package matrix

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// belongings are what somebody has on a server, and must have again when it is back.
type belongings struct {
	*mautrix.Client
	since string
	room  id.RoomID
	said  id.EventID
	media id.ContentURI
	bytes []byte
}

func settle(t *testing.T, p port, s hafentest.Server, localpart string) belongings {
	t.Helper()
	s.AddMember(localpart)
	b := belongings{Client: logIn(t, p.Hafen, s.Name, localpart, hafentest.Password), bytes: noise(100 << 10)}
	room, err := b.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{Preset: "private_chat"})
	must(t, err)
	b.room = room.RoomID
	said, err := b.SendText(t.Context(), b.room, "Before the storm")
	must(t, err)
	b.said = said.EventID
	media, err := b.UploadBytes(t.Context(), b.bytes, "application/octet-stream")
	must(t, err)
	b.media = media.ContentURI
	news, err := b.SyncRequest(t.Context(), 0, "", "", false, "")
	must(t, err)
	b.since = news.NextBatch
	return b
}

// check uses the session as it was left.
func (b belongings) check(t *testing.T) {
	t.Helper()
	if e, err := b.GetEvent(t.Context(), b.room, b.said); err != nil || e.Content.Raw["body"] != "Before the storm" {
		t.Errorf("what was said: %v %v", e, err)
	}
	if got, err := b.DownloadBytes(t.Context(), b.media); err != nil || !bytes.Equal(got, b.bytes) {
		t.Errorf("what was uploaded: %d bytes, %v", len(got), err)
	}
	sent, err := b.SendText(t.Context(), b.room, "After the storm")
	must(t, err)
	since := b.since
	for range 10 {
		news, err := b.SyncRequest(t.Context(), 5000, since, "", false, "")
		if err != nil {
			t.Errorf("a sync that goes on from before: %v", err)
			return
		}
		if room := news.Rooms.Join[b.room]; room != nil {
			for _, e := range room.Timeline.Events {
				if e.ID == sent.EventID {
					return
				}
			}
		}
		since = news.NextBatch
	}
	t.Error("a sync that goes on from before does not bring what is new")
}

// wantSuspended sees a stopped server as its members and its peers do.
func wantSuspended(t *testing.T, p port, s hafentest.Server, b belongings) {
	t.Helper()
	for what, try := range map[string]func() error{
		"whoami": func() error { _, err := b.Whoami(t.Context()); return err },
		"sync":   func() error { _, err := b.SyncRequest(t.Context(), 0, b.since, "", false, ""); return err },
		"upload": func() error { _, err := b.UploadBytes(t.Context(), noise(10), "text/plain"); return err },
	} {
		refused, ok := errors.AsType[mautrix.HTTPError](try())
		if !ok || refused.RespError == nil || refused.RespError.ErrCode != "M_RESOURCE_LIMIT_EXCEEDED" || refused.RespError.StatusCode != http.StatusForbidden ||
			refused.RespError.ExtraData["limit_type"] != "hs_blocked" || refused.RespError.ExtraData["admin_contact"] == nil {
			t.Errorf("%s: %v", what, refused)
		}
	}
	if answer, said := p.ask(t, http.MethodGet, s, p.HTTPS, "/.well-known/matrix/client"); answer.StatusCode != http.StatusOK {
		t.Errorf("well-known: %s %v", answer.Status, said)
	}
	if state := inspect(t, s, "{{.State.Running}}"); state != "false" {
		t.Errorf("the container runs: %s", state)
	}
}

func testSuspension(t *testing.T, p port) {
	s := p.order(t, "advanced", "storm")[0]
	gustav := settle(t, p, s, "gustav")
	if status, _ := p.owner.Try(http.MethodPost, "/operator/servers/"+string(s.ID)+"/suspend", form("reason", "operator")); status != http.StatusForbidden {
		t.Errorf("a customer suspends a server: %d", status)
	}
	act(p.operator, s, console, "suspend", url.Values{"reason": {"abuse"}, "note": {"Ran a lighthouse without a licence"}})
	p.awaitStopped(t, s)
	wantSuspended(t, p, s, gustav)
	if answer, said := p.ask(t, http.MethodGet, s, p.Federation, "/_matrix/key/v2/server"); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("a peer must be told to come back: %s %v", answer.Status, said)
	}
	began := time.Now()
	act(p.operator, s, console, "resume", nil)
	p.AwaitStatus(s.ID, tenant.Active, 2*time.Minute)
	p.awaitServed(t, gustav)
	p.tellResumed(t, s, time.Since(began))
	gustav.check(t)
	const byOperator = `select count(*) from audit where tenant_id = $1 and actor = $2 and action in ('server.suspend', 'server.resume')`
	if n := hafentest.Query[int](p.Hafen, byOperator, s.ID, p.operator.Email); n != 2 {
		t.Errorf("the audit log has %d of the operator's two deeds", n)
	}
}

// awaitStopped waits until a server is suspended, in its container and at the edge.
func (p port) awaitStopped(t *testing.T, s hafentest.Server) {
	t.Helper()
	began := time.Now()
	p.Await(patience, "end of the container", func() error {
		if state := inspect(t, s, "{{.State.Running}}"); state != "false" {
			return errors.New("it runs")
		}
		return nil
	})
	p.Await(patience, "word at the edge", func() error {
		if answer, said := p.ask(t, http.MethodGet, s, p.HTTPS, "/_matrix/client/versions"); answer.StatusCode != http.StatusForbidden {
			return fmt.Errorf("%s %v", answer.Status, said)
		}
		return nil
	})
	t.Logf("stopped after %s", time.Since(began))
}

const lastSteps = `
select string_agg(line, chr(10) order by id) from (
	select id, format('%s %s +%s %s', to_char(started_at, 'MI:SS.MS'), step, finished_at - started_at, code) as line
	from steps where tenant_id = $1 order by id desc limit 8) last`

// tellResumed says how long a resume took; where the time went, when it was long for a start of a second.
func (p port) tellResumed(t *testing.T, s hafentest.Server, took time.Duration) {
	t.Helper()
	t.Logf("resumed after %s", took)
	if took > 10*time.Second {
		t.Logf("its steps:\n%s", hafentest.Query[string](p.Hafen, lastSteps, s.ID))
		t.Logf("its last words:\n%s", docker(t, "logs", "--timestamps", "--tail", "150", s.ID.Container()))
	}
}

// awaitServed waits until the edge has heard that a server is open again.
func (p port) awaitServed(t *testing.T, b belongings) {
	t.Helper()
	p.Await(patience, "server", func() error { _, err := b.Whoami(t.Context()); return err })
}

func testDeletion(t *testing.T, p port) {
	s := p.order(t, "basic", "wreck")[0]
	hanna := settle(t, p, s, "hanna")
	if status, _ := p.owner.Try(http.MethodPost, "/servers/"+string(s.ID)+"/delete", form("name", "wreck")); status == http.StatusOK {
		t.Error("a server is deleted without its whole name being typed")
	}
	act(p.owner, s, dashboard, "delete", form("name", s.Name))
	p.AwaitStatus(s.ID, tenant.Deleting, patience)
	if days := hafentest.Query[float64](p.Hafen, `select extract(epoch from delete_after - now())::float8 / 86400 from tenants where id = $1`, s.ID); days < 6 {
		t.Errorf("it is gone in %.1f days", days)
	}
	p.awaitStopped(t, s)
	wantSuspended(t, p, s, hanna)
	act(p.owner, s, dashboard, "restore", nil)
	p.AwaitStatus(s.ID, tenant.Active, 2*time.Minute)
	p.awaitServed(t, hanna)
	hanna.check(t)

	act(p.owner, s, dashboard, "delete", form("name", s.Name))
	p.awaitStopped(t, s)
	if left := p.leftovers(t, s); len(left) < 8 {
		t.Errorf("before the end there should be everything to find, but there is only %v", left)
	}
	began := time.Now()
	p.Exec(`update tenants set delete_after = now() where id = $1`, s.ID)
	p.AwaitStatus(s.ID, tenant.Deleted, 2*time.Minute)
	t.Logf("gone %s after the grace period", time.Since(began))
	if left := p.leftovers(t, s); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	p.Await(patience, "end at the edge", func() error {
		conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.HTTPS)), &tls.Config{ServerName: s.Name, RootCAs: p.Authority()})
		if err == nil {
			conn.Close()
			return errors.New("the edge still has a certificate for it")
		}
		return nil
	})
	if n := hafentest.Query[int](p.Hafen, `select count(*) from tombstones where server_name = $1`, s.Name); n != 1 {
		t.Errorf("%d tombstones", n)
	}
	status, page := p.owner.Try(http.MethodPost, "/order", url.Values{
		"plan": {"basic"}, "kind": {"subdomain"}, "name": {p.name("wreck")}, "localpart": {"admin"}, "terms": {"yes"},
	})
	if again := hafentest.Query[int](p.Hafen, `select count(*) from tenants where server_name = $1`, s.Name); status == http.StatusOK || again != 1 {
		t.Errorf("the name is given again: %d, %d servers\n%s", status, again, page)
	}
}

// leftovers lists what there is of a server outside the books.
func (p port) leftovers(t *testing.T, s hafentest.Server) (left []string) {
	t.Helper()
	for line := range strings.Lines(docker(t, "ps", "-a", "--filter", "label="+tenant.LabelTenant+"="+string(s.ID), "--format", "container {{.Names}}")) {
		left = append(left, strings.TrimSpace(line))
	}
	cluster, err := pgx.Connect(t.Context(), p.DSN("postgres"))
	must(t, err)
	defer cluster.Close(t.Context())
	for _, table := range []string{"pg_database where datname", "pg_roles where rolname"} {
		var n int
		must(t, cluster.QueryRow(t.Context(), "select count(*) from "+table+" = $1", s.ID.Role()).Scan(&n))
		if n > 0 {
			left = append(left, table)
		}
	}
	for _, table := range []string{"routes", "secrets", "members", "operations", "usage", "usage_days", "orphans", "quota_levels", "quota_warnings", "conditions", "reserved_names", "domains", "tokens"} {
		if n := hafentest.Query[int](p.Hafen, "select count(*) from "+table+" where tenant_id = $1", s.ID); n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, table))
		}
	}
	if n := hafentest.Query[int](p.Hafen, "select count(*) from certificates where host = $1", s.Name); n > 0 {
		left = append(left, "certificate")
	}
	must(t, filepath.WalkDir(p.Data, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the cluster's own files come and go
		}
		if err == nil && strings.Contains(entry.Name(), string(s.ID)) {
			left = append(left, path)
			if entry.IsDir() {
				return fs.SkipDir
			}
		}
		return err
	}))
	return left
}
