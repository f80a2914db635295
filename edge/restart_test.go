package edge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A homeserver is restarted for a change of its settings: it finishes what it has begun, is away for seconds, and comes
// back. Clients and peers that go on all the while see slow answers and no error, and a download under way is whole.
func TestPlannedRestart(t *testing.T) {
	t.Parallel()
	const away = 4 * time.Second
	w := newWorld(t)
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(r.URL.Path, "/media/") {
			fmt.Fprintf(rw, "%s %d", r.Method, len(body))
			return
		}
		for range 10 {
			io.WriteString(rw, "piece ")
			http.NewResponseController(rw).Flush()
			time.Sleep(100 * time.Millisecond) // a slow line
		}
	})
	ask := func(method, path, body string) {
		address := w.https
		if strings.HasPrefix(path, "federation") {
			address = w.peers
		}
		got := do(t, w.client(t, address, true), request(t, method, "https://alpha.example.org/_matrix/"+path, strings.NewReader(body)))
		if want := fmt.Sprintf("%s %d", method, len(body)); got.status != 200 || got.body != want {
			t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
		}
	}
	var asking sync.WaitGroup
	var back atomic.Bool
	var answered [4]atomic.Int64
	for i, row := range []struct{ method, path, body string }{
		{"GET", "client/v3/sync", ""},
		{"PUT", "client/v3/rooms/!a:b/send/m.room.message/1", "{}"},
		{"POST", "client/unstable/org.matrix.simplified_msc3575/sync", "{}"},
		{"PUT", "federation/v1/send/1", "{}"},
	} {
		asking.Go(func() {
			for !back.Load() {
				ask(row.method, row.path, row.body)
				answered[i].Add(1)
			}
		})
	}
	for i := range answered {
		eventually(t, "all are being answered", func() bool { return answered[i].Load() > 0 })
	}
	response, err := w.client(t, w.https, true).Do(request(t, "GET", "https://alpha.example.org/_matrix/client/v1/media/download/a.test/b", nil))
	must(t, err)
	must(t, w.alpha.server.Shutdown(context.Background())) // as an engine does that is asked to end
	for _, row := range []struct{ method, path, body string }{
		{"POST", "client/v3/createRoom", "{}"},
		{"POST", "client/v3/keys/query", strings.Repeat("x", 20_000)},
		{"POST", "client/v3/keys/upload", strings.Repeat("x", 200_000)},
	} {
		asking.Go(func() { ask(row.method, row.path, row.body) })
	}
	time.Sleep(away) // is the absence itself, no waiting for anything
	w.alpha.start(t)
	back.Store(true)
	asking.Wait()
	if got := read(t, response); got.body != strings.Repeat("piece ", 10) {
		t.Errorf("the download is %q", got.body)
	}
}
