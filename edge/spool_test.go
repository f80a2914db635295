package edge_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Synapse keeps a body on its disk before it looks who sends it. So who is no member may send small bodies only.
func TestLargeBodiesAreOfMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var kept atomic.Int64
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if r.Header.Get("Authorization") != "Bearer good" && !strings.HasSuffix(r.URL.Path, "/login") {
			rw.WriteHeader(401)
			io.WriteString(rw, `{"errcode":"M_UNKNOWN_TOKEN"}`)
			return
		}
		kept.Add(n)
	})
	for _, http2 := range []bool{false, true} {
		client := w.client(t, w.https, http2)
		for _, size := range []int{40 * kib, 1 << 20} {
			for _, body := range []io.Reader{bytes.NewReader(make([]byte, size)), unsized(size)} {
				before := len(w.alpha.seen())
				r := request(t, "PUT", "https://alpha.example.org/_matrix/client/v3/room_keys/keys?version=1", body)
				r.Header.Set("Authorization", "Bearer bad")
				if got := do(t, client, r); got.status != 401 || got.json["errcode"] != "M_UNKNOWN_TOKEN" {
					t.Errorf("a stranger's %d bytes: %d %s", size, got.status, got.body)
				}
				if seen := w.alpha.seen()[before:]; len(seen) != 1 || seen[0] != "GET /_matrix/client/v3/account/whoami" {
					t.Errorf("the homeserver was asked %q", seen)
				}
			}
			r := request(t, "PUT", "https://alpha.example.org/_matrix/client/v3/room_keys/keys?version=1", bytes.NewReader(make([]byte, size)))
			r.Header.Set("Authorization", "Bearer good")
			if got := do(t, client, r); got.status != 200 || kept.Swap(0) != int64(size) {
				t.Errorf("a member's %d bytes: %d %s", size, got.status, got.body)
			}
		}
		// Logging in is what strangers do.
		if got := do(t, client, request(t, "POST", "https://alpha.example.org/_matrix/client/v3/login", strings.NewReader("{}"))); got.status != 200 {
			t.Errorf("a login: %d %s", got.status, got.body)
		}
		kept.Store(0)
	}
}

// Other servers prove who they are by a signature over the body, so it has to be read first. How much of that is under way
// for one tenant is bounded, for its disk is everybody's.
func TestBodiesOfPeersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const size, at = 12 << 20, "https://alpha.example.org/_matrix/federation/v1/send/1"
	client := w.client(t, w.peers, false)
	release := make(chan struct{})
	var refused, passed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r := request(t, "PUT", at, io.MultiReader(bytes.NewReader(make([]byte, size-kib)), waitFor(release), bytes.NewReader(make([]byte, kib))))
			r.ContentLength = size
			response, err := client.Do(r)
			if err != nil {
				t.Errorf("%v", err)
				return
			}
			switch got := read(t, response); got.status {
			case 429:
				refused.Add(1)
				got.isRefusal(t, 429, "M_LIMIT_EXCEEDED")
			case 200:
				passed.Add(1)
			default:
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	eventually(t, "what is too much is refused", func() bool { return refused.Load() == 3 })
	do(t, client, request(t, "PUT", at, unsized(5<<20))).isRefusal(t, 429, "M_LIMIT_EXCEEDED")
	if got := do(t, client, request(t, "PUT", at, strings.NewReader(strings.Repeat("x", 30*kib)))); got.status != 200 {
		t.Errorf("a small transaction meanwhile: %d %s", got.status, got.body)
	}
	close(release)
	all.Wait()
	if passed.Load() != 5 {
		t.Errorf("%d passed", passed.Load())
	}
	eventually(t, "there is room again", func() bool { // the place is given back a moment after the answer
		return do(t, client, request(t, "PUT", at, bytes.NewReader(make([]byte, size)))).status == 200
	})
	eventually(t, "also without a length", func() bool {
		return do(t, client, request(t, "PUT", at, unsized(size))).status == 200
	})
}

// waitFor is a reader that ends when the channel is closed.
func waitFor(done <-chan struct{}) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		select {
		case <-done:
			return 0, io.EOF
		case <-time.After(time.Minute):
			return 0, fmt.Errorf("not released within a minute")
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
