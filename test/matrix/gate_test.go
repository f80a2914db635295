package matrix

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"maunium.net/go/mautrix"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// call sends one request with somebody's token, and again while the engine's rate limit asks for that.
func (p port) call(t *testing.T, client *mautrix.Client, method, path string, body func() io.Reader) (int, map[string]any) {
	t.Helper()
	for {
		var content io.Reader
		if body != nil {
			content = body()
		}
		request, err := http.NewRequestWithContext(t.Context(), method, client.HomeserverURL.String()+path, content)
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		request.Header.Set("Authorization", "Bearer "+client.AccessToken)
		request.Header.Set("Content-Type", "application/octet-stream")
		answer, err := client.Client.Do(request)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return 0, nil
		}
		var said map[string]any
		err = json.NewDecoder(answer.Body).Decode(&said)
		answer.Body.Close()
		if err != nil {
			t.Errorf("%s %s: %s is no JSON: %v", method, path, answer.Status, err)
		}
		if answer.StatusCode != http.StatusTooManyRequests {
			return answer.StatusCode, said
		}
		select {
		case <-t.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Fifty at once, of which some seven fit, half of them without a declared length: nothing passes the quota, and what the ledger
// says afterwards is what lies on the disk.
func testParallelUploads(t *testing.T, p port) {
	const each, room = 100 << 10, 7*100<<10 + 60<<10
	server := p.narrow(t, "strait")
	server.AddMember("otto")
	otto := logIn(t, p.Hafen, server.Name, "otto", hafentest.Password)
	p.awaitMeasured(t, server, 0)
	before := p.onDisk(t, server)
	p.setStorage(t, server, p.stored(server)+room)
	status, config := p.call(t, otto, http.MethodGet, "/_matrix/client/v1/media/config", nil)
	if size, _ := config["m.upload.size"].(float64); status != http.StatusOK || size <= 0 || size > room {
		t.Errorf("what is left is said to be %v (%d)", config, status)
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			content := noise(each)
			status, said := p.call(t, otto, http.MethodPost, "/_matrix/media/v3/upload", func() io.Reader {
				if i%2 == 0 {
					return bytes.NewReader(content)
				}
				return struct{ io.Reader }{bytes.NewReader(content)}
			})
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
			if status == http.StatusRequestEntityTooLarge && (said["errcode"] != "M_RESOURCE_LIMIT_EXCEEDED" || said["info_uri"] == nil || said["can_upgrade"] != true) {
				t.Errorf("the refusal: %v", said)
			}
		})
	}
	all.Wait()
	kept, refused := statuses[http.StatusOK], statuses[http.StatusRequestEntityTooLarge]
	if p.engine == tenant.Synapse {
		refused += statuses[http.StatusBadRequest] // it wants every upload's length declared
	}
	// The database grows beside the files, and takes from what is left.
	if kept+refused != 50 || kept < 4 || kept > 7 {
		t.Errorf("the answers: %v", statuses)
	}
	p.Await(patience, "ledger that equals the disk", func() error {
		p.awaitMeasured(t, server, 0)
		const last = `select media_bytes + remote_bytes from usage where tenant_id = $1 order by measured_at desc limit 1`
		ledger, disk := hafentest.Query[int64](p.Hafen, last, server.ID), p.onDisk(t, server)
		if grown := disk - before; ledger != disk || grown < int64(kept*each) || grown > int64(kept*(each+4<<10)) {
			return fmt.Errorf("the ledger has %d bytes, the disk %d, %d more than before %d uploads", ledger, disk, grown, kept)
		}
		return nil
	})
	if used, limit := p.stored(server), hafentest.Query[int64](p.Hafen, `select storage_bytes from routes where tenant_id = $1`, server.ID); used > limit+1<<20 {
		t.Errorf("%d of %d bytes are used", used, limit)
	}
	t.Logf("%d of 50 kept", kept)
	p.testAsynchronous(t, server, otto)
}

// testAsynchronous makes a place first and fills it later; Dendrite knows no places.
func (p port) testAsynchronous(t *testing.T, server hafentest.Server, otto *mautrix.Client) {
	t.Helper()
	fill := func(size int) (int, map[string]any) {
		status, place := p.call(t, otto, http.MethodPost, "/_matrix/media/v1/create", nil)
		if status != http.StatusOK {
			return status, place
		}
		uri, _ := place["content_uri"].(string)
		content := noise(size)
		return p.call(t, otto, http.MethodPut, "/_matrix/media/v3/upload/"+uri[len("mxc://"):], func() io.Reader { return bytes.NewReader(content) })
	}
	p.setStorage(t, server, p.stored(server)+300<<10)
	switch status, said := fill(100 << 10); {
	case p.engine == tenant.Dendrite && status == http.StatusNotFound:
		return
	case status != http.StatusOK:
		t.Fatalf("a place that fits: %d %v", status, said)
	}
	if status, said := fill(290 << 10); status != http.StatusRequestEntityTooLarge || said["errcode"] != "M_RESOURCE_LIMIT_EXCEEDED" {
		t.Errorf("a place that does not fit: %d %v", status, said)
	}
}

// onDisk is what a server's media takes, by this test's own count.
func (p port) onDisk(t *testing.T, s hafentest.Server) (total int64) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(p.Data, "tenants", string(s.ID), "data", "media"), func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			total += stat.Blocks * 512
		}
		return nil
	}))
	return total
}

// A server that is not paid for: its people read, get everything out and log in anew, and write nothing; paid, it is as it was,
// and was never restarted.
func testRestricted(t *testing.T, p port) {
	server := p.order(t, "basic", "lay-up")[0]
	paula := settle(t, p, server, "paula")
	before := p.startedAt(t, server)
	p.restrict(t, server, true)
	refused := func(what string, err error) {
		t.Helper()
		said, ok := errors.AsType[mautrix.HTTPError](err)
		if !ok || said.RespError == nil || said.RespError.ErrCode != "M_RESOURCE_LIMIT_EXCEEDED" || said.RespError.StatusCode != http.StatusForbidden || said.RespError.ExtraData["info_uri"] == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := paula.SendText(t.Context(), paula.room, "Anybody there?")
	refused("a message", err)
	_, err = paula.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{Preset: "private_chat"})
	refused("a room", err)
	_, err = paula.UploadBytes(t.Context(), noise(10), "text/plain")
	refused("an upload", err)
	refused("a name", paula.SetDisplayName(t.Context(), "Paula"))
	_, err = paula.UserTyping(t.Context(), paula.room, true, time.Second)
	refused("typing", err)

	anew := logIn(t, p.Hafen, server.Name, "paula", hafentest.Password)
	if news, err := anew.SyncRequest(t.Context(), 0, "", "", false, ""); err != nil || news.Rooms.Join[paula.room] == nil {
		t.Errorf("a first sync of a new session: %v", err)
	}
	if history, err := anew.Messages(t.Context(), paula.room, "", "", mautrix.DirectionBackward, nil, 50); err != nil || len(history.Chunk) == 0 {
		t.Errorf("what was said: %v", err)
	}
	if got, err := anew.DownloadBytes(t.Context(), paula.media); err != nil || !bytes.Equal(got, paula.bytes) {
		t.Errorf("what was uploaded: %d bytes, %v", len(got), err)
	}
	query := func() io.Reader { return bytes.NewReader([]byte(`{"device_keys":{}}`)) }
	if status, said := p.call(t, anew, http.MethodPost, "/_matrix/client/v3/keys/query", query); status != http.StatusOK {
		t.Errorf("keys: %d %v", status, said)
	}
	if status, said := p.call(t, anew, http.MethodGet, "/_matrix/client/v1/media/config", nil); status != http.StatusOK || said["m.upload.size"] != float64(0) {
		t.Errorf("the largest upload: %d %v", status, said)
	}
	if _, err := anew.Logout(t.Context()); err != nil {
		t.Errorf("log out: %v", err)
	}

	p.restrict(t, server, false)
	paula.check(t)
	if after := p.startedAt(t, server); after != before {
		t.Errorf("the server was restarted: %s, then %s", before, after)
	}
}

// restrict has a server restricted, or no longer, and waits until the edge knows.
func (p port) restrict(t *testing.T, s hafentest.Server, on bool) {
	t.Helper()
	p.Exec(`update tenants set restricted = $1 where id = $2`, on, s.ID)
	act(p.operator, s, console, "retry", nil)
	want := http.StatusOK
	if on {
		want = http.StatusForbidden
	}
	p.Await(patience, "word at the edge", func() error {
		// A write nobody is known for: refused by the edge, or by the homeserver.
		answer, said := p.ask(t, http.MethodPost, s, p.HTTPS, "/_matrix/client/v3/createRoom")
		if closed := answer.StatusCode == http.StatusForbidden; closed != (want == http.StatusForbidden) {
			return fmt.Errorf("%s %v", answer.Status, said)
		}
		return nil
	})
}
