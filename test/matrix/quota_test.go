package matrix

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"maunium.net/go/mautrix"

	"hafen/internal/hafentest"
)

const mebibyte = 1 << 20

// A plan of its own, because its limits are changed on the way.
const insertPlan = `
insert into plans (id, slug, name, price_cents, currency, vat_rate, seats, storage_bytes, upload_bytes, federation, memory_bytes, cpu_millis,
	pids, database_connections, position)
select $2, $2, 'Narrow', price_cents, currency, vat_rate, seats, storage_bytes, $1, federation, memory_bytes, cpu_millis,
	pids, database_connections, 9 from plans where id = 'basic'`

// narrow orders a server of a plan of its own, with uploads of 1 MiB.
func (p port) narrow(t *testing.T, name string) hafentest.Server {
	t.Helper()
	p.Exec(insertPlan, mebibyte, p.name(name))
	return p.order(t, p.name(name), name)[0]
}

func testQuota(t *testing.T, p port) {
	server := p.narrow(t, "narrow")
	server.AddMember("emil")
	emil := enter(t, p.Hafen, server, "emil")
	room := emil.open(false, "")

	if _, err := emil.UploadBytes(t.Context(), noise(mebibyte+1), "application/octet-stream"); !errors.Is(err, mautrix.MTooLarge) {
		t.Errorf("a byte more than an upload may have: %v", err)
	}
	if answer, said := uploadUnsent(t, p, server, emil.AccessToken, mebibyte+1, ""); answer.StatusCode != http.StatusRequestEntityTooLarge || said["errcode"] != "M_TOO_LARGE" {
		t.Errorf("announced, not sent: %s %v", answer.Status, said)
	}
	whole := noise(mebibyte)
	kept, err := emil.UploadBytes(t.Context(), whole, "application/octet-stream")
	if err != nil {
		t.Fatalf("as large as an upload may be: %v", err)
	}
	p.awaitMeasured(t, server, mebibyte)

	// 300 KiB are left.
	p.setStorage(t, server, p.stored(server)+300<<10)
	over := func(what string, err error) {
		t.Helper()
		refused, ok := errors.AsType[mautrix.HTTPError](err)
		if !ok || refused.RespError == nil || refused.RespError.ErrCode != "M_RESOURCE_LIMIT_EXCEEDED" {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = emil.UploadBytes(t.Context(), noise(400<<10), "application/octet-stream")
	over("more than is left", err)
	if _, err := emil.UploadBytes(t.Context(), noise(100<<10), "application/octet-stream"); err != nil {
		t.Errorf("what fits is refused: %v", err)
	}
	p.setStorage(t, server, 1)
	p.awaitCondition(t, server, "storage")
	_, err = emil.UploadBytes(t.Context(), noise(1), "application/octet-stream")
	over("one byte, with the storage full", err)
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		answer, said := uploadUnsent(t, p, server, emil.AccessToken, 100<<10, expect)
		if answer.StatusCode != http.StatusRequestEntityTooLarge || said["errcode"] != "M_RESOURCE_LIMIT_EXCEEDED" || said["admin_contact"] == nil {
			t.Errorf("refused before its bytes are read (%q): %s %v", expect, answer.Status, said)
		}
	}

	// People can talk, and get their data out.
	if got, err := emil.DownloadBytes(t.Context(), kept.ContentURI); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("download: %d bytes, %v", len(got), err)
	}
	emil.say(room, "The hold is full")
	emil.awaitText(room, "The hold is full")

	before := p.startedAt(t, server)
	p.setStorage(t, server, 1<<30)
	p.Await(patience, "uploads after the quota grew", func() error {
		_, err := emil.UploadBytes(t.Context(), noise(mebibyte), "application/octet-stream")
		return err
	})
	if after := p.startedAt(t, server); after != before {
		t.Errorf("the server was restarted for a quota: %s, then %s", before, after)
	}
}

// uploadUnsent announces an upload, sends none of it, and gives what the edge answers all the same.
func uploadUnsent(t *testing.T, p port, s hafentest.Server, token string, length int, headers string) (*http.Response, map[string]any) {
	t.Helper()
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.HTTPS)), &tls.Config{
		ServerName: s.Name, RootCAs: p.Authority(), NextProtos: []string{"http/1.1"},
	})
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n",
		s.Name, token, length, headers)
	must(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("an announced upload got no answer: %v", err)
	}
	defer answer.Body.Close()
	var said map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		t.Fatalf("an announced upload: %s is no JSON: %v", answer.Status, err)
	}
	return answer, said
}

const latestUsage = `select database_bytes + media_bytes from usage where tenant_id = $1 order by measured_at desc limit 1`

func (p port) stored(s hafentest.Server) int64 {
	p.Await(patience, "first measurement", func() error {
		if hafentest.Query[int](p.Hafen, `select count(*)::int from usage where tenant_id = $1`, s.ID) == 0 {
			return fmt.Errorf("%s was not measured yet", s.Name)
		}
		return nil
	})
	return hafentest.Query[int64](p.Hafen, latestUsage, s.ID)
}

// awaitMeasured waits for a measurement that began after this call and has at least so many bytes of media.
func (p port) awaitMeasured(t *testing.T, s hafentest.Server, media int64) {
	t.Helper()
	now := time.Now()
	p.Await(patience, "measurement", func() error {
		if got := hafentest.Query[int64](p.Hafen, `select coalesce(max(media_bytes), -1) from usage where tenant_id = $1 and measured_at > $2`, s.ID, now); got < media {
			return fmt.Errorf("%d bytes of media measured", got)
		}
		return nil
	})
}

func (p port) awaitCondition(t *testing.T, s hafentest.Server, code string) {
	t.Helper()
	p.Await(patience, "condition", func() error {
		if got := hafentest.Query[string](p.Hafen, `select code from conditions where tenant_id = $1 and kind = 'within_quota'`, s.ID); got != code {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// setStorage changes what the plan holds and has the operator apply it, then waits until the edge must know.
func (p port) setStorage(t *testing.T, s hafentest.Server, bytes int64) {
	t.Helper()
	p.Exec(`update plans set storage_bytes = $1 where id = (select plan_id from tenants where id = $2)`, bytes, s.ID)
	act(p.operator, s, console, "retry", nil)
	p.Await(patience, "route", func() error {
		if got := hafentest.Query[int64](p.Hafen, `select storage_bytes from routes where tenant_id = $1`, s.ID); got != bytes {
			return fmt.Errorf("it still has %d", got)
		}
		return nil
	})
	// The edge hears of it within milliseconds, and looks by itself every 5 s; a new measurement reaches it on the same way, later.
	p.awaitMeasured(t, s, 0)
}
