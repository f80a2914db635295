package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hafen/edge"
)

// A homeserver that is away for a moment refuses nobody: requests wait and then pass, bodies whole.
func TestRequestsWaitForARestart(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	w := newWorld(t, func(c *edge.Config, _ *source) { c.Metrics = registry })
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(rw, "%s %d", r.Method, len(body))
	})
	client := w.client(t, w.https, true)
	peer := w.client(t, w.peers, true)
	if get(t, client, "https://alpha.example.org/_matrix/client/versions").status != 200 {
		t.Fatal("not up") // and a connection to the old socket lies in the pool now
	}
	w.alpha.stop()

	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			path, use, body := "/_matrix/client/v3/sync", client, ""
			method, want := "GET", "GET 0"
			switch i % 5 {
			case 1:
				method, path, body, want = "PUT", "/_matrix/client/v3/rooms/!a:b/send/m.room.message/1", strings.Repeat("x", 5000), "PUT 5000"
			case 2:
				method, path, use, body, want = "PUT", "/_matrix/federation/v1/send/1", peer, "{}", "PUT 2"
			case 3:
				method, path, body, want = "POST", "/_matrix/client/v3/login", "{}", "POST 2"
			case 4:
				method, path, body, want = "POST", "/_matrix/media/v3/upload", strings.Repeat("x", 100_000), "POST 100000"
			}
			if got := do(t, use, request(t, method, "https://alpha.example.org"+path, strings.NewReader(body))); got.status != 200 || got.body != want {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		})
	}
	eventually(t, "all wait", func() bool { return gauge(t, registry, "hafen_edge_held_requests") == 20 })
	if got := get(t, client, "https://beta.example.org/_matrix/client/versions"); got.status != 200 {
		t.Errorf("the neighbour waits too: %d", got.status)
	}
	w.alpha.start(t)
	all.Wait()
	eventually(t, "none waits", func() bool { return gauge(t, registry, "hafen_edge_held_requests") == 0 })
}

func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// A sync that hangs when the homeserver restarts is asked again instead of failing, in every form it has.
func TestSyncSurvivesARestart(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ method, path string }{
		{"GET", "v3/sync?timeout=30000"},
		{"POST", "unstable/org.matrix.simplified_msc3575/sync?pos=5"},
		{"POST", "v4/sync?pos=5"},
	} {
		w := newWorld(t)
		hang := make(chan struct{})
		w.alpha.handle(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		})
		answer := make(chan reply, 1)
		client := w.client(t, w.https, true)
		go func() {
			answer <- do(t, client, request(t, row.method, "https://alpha.example.org/_matrix/client/"+row.path, strings.NewReader("{}")))
		}()
		eventually(t, "the sync hangs", func() bool { return len(w.alpha.seen()) == 1 })
		w.alpha.stop() // closes its connections, as a dying process does
		close(hang)
		w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(rw, `{"next_batch":"x","asked":%q}`, body)
		})
		w.alpha.start(t)
		if got := <-answer; got.status != 200 || got.json["asked"] != "{}" {
			t.Errorf("%s ended with %d %s", row.path, got.status, got.body)
		}
	}
}

func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *edge.Config, _ *source) { c.Hold = 300 * time.Millisecond })
	w.alpha.stop()
	begin := time.Now()
	got := get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/v3/sync")
	got.isRefusal(t, 503, "M_UNKNOWN")
	if got.header.Get("Retry-After") == "" {
		t.Error("not told when to come back")
	}
	if waited := time.Since(begin); waited < 300*time.Millisecond || waited > 30*time.Second {
		t.Errorf("waited %v", waited)
	}
	os.Remove(w.alpha.socket) // not "refused" but "no such file"
	get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/v3/sync").isRefusal(t, 503, "M_UNKNOWN")
}

// A homeserver that takes connections and drops them must not be asked in a spin, nor for ever.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *edge.Config, _ *source) { c.Hold = 500 * time.Millisecond })
	w.alpha.stop()
	os.Remove(w.alpha.socket)
	listener, err := net.Listen("unix", w.alpha.socket)
	must(t, err)
	defer listener.Close()
	accepted := make(chan int)
	go func() {
		n := 0
		for {
			conn, err := listener.Accept()
			if err != nil {
				accepted <- n
				return
			}
			conn.Close()
			n++
		}
	}()
	if got := get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/v3/sync"); got.status < 500 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	do(t, w.client(t, w.https, true), request(t, "POST", "https://alpha.example.org/_matrix/client/v3/login", strings.NewReader("{}"))).isRefusal(t, 502, "M_UNKNOWN")
	listener.Close()
	if n := <-accepted; n > 100 {
		t.Errorf("%d connections in half a second", n)
	}
}

// Longer than every time-out of the servers' own: headers, handshake, body, and a client that stops reading. A full storage
// is no matter for a sync, nor is what comes before the end of the answer kept back.
func TestLongPollSurvives(t *testing.T) {
	t.Parallel()
	const poll = 31 * time.Second
	w := newWorld(t, quota(1<<20, 1<<20, 2<<20), func(c *edge.Config, _ *source) { c.Stall = time.Second })
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(rw, "early,")
		http.NewResponseController(rw).Flush()
		timer := time.NewTimer(poll) // the homeserver's own waiting for events
		defer timer.Stop()
		select {
		case <-timer.C:
			io.WriteString(rw, "late")
		case <-r.Context().Done():
		}
	})
	var all sync.WaitGroup
	for _, http2 := range []bool{false, true} {
		client := w.client(t, w.https, http2)
		for _, row := range []struct{ method, path string }{
			{"GET", "v3/sync?timeout=30000"},
			{"POST", "unstable/org.matrix.simplified_msc3575/sync?timeout=30000"},
			{"POST", "v4/sync?timeout=30000"},
		} {
			all.Go(func() {
				body := io.Reader(nil)
				if row.method == "POST" {
					body = strings.NewReader(`{"lists":{}}`)
				}
				begin := time.Now()
				response, err := client.Do(request(t, row.method, "https://alpha.example.org/_matrix/client/"+row.path, body))
				if err != nil {
					t.Errorf("%s: %v", row.path, err)
					return
				}
				if _, err := io.ReadFull(response.Body, make([]byte, 6)); err != nil || time.Since(begin) > poll/2 {
					t.Errorf("%s: the first piece arrived after %v: %v", row.path, time.Since(begin), err)
				}
				if got := read(t, response); got.body != "late" {
					t.Errorf("%s over HTTP/%d: %d %q", row.path, got.proto, got.status, got.body)
				}
			})
		}
	}
	all.Wait()
}

// Leaving clients free what they held, at the homeserver too.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left := make(chan struct{}, 2)
	w.alpha.handle(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		left <- struct{}{}
	})
	for i, http2 := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", "https://alpha.example.org/_matrix/client/v3/sync", nil)
		must(t, err)
		go w.client(t, w.https, http2).Do(r)
		eventually(t, "the sync arrives", func() bool { return len(w.alpha.seen()) == i+1 })
		cancel()
		select {
		case <-left:
		case <-time.After(time.Minute):
			t.Fatal("the homeserver still waits")
		}
	}
}

// Stopping lets what is under way finish, sends hanging syncs away to ask again, and takes nothing new.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *edge.Config, _ *source) { c.Drain = 2 * time.Second })
	finish := make(chan struct{})
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "sync") {
			<-r.Context().Done()
			return
		}
		<-finish
		io.WriteString(rw, "sent")
	})
	answers := map[string]chan reply{"sync": make(chan reply, 1), "send": make(chan reply, 1)}
	for what, answer := range answers {
		client := w.client(t, w.https, what == "sync")
		go func() { answer <- get(t, client, "https://alpha.example.org/_matrix/client/v3/"+what) }()
	}
	eventually(t, "both are under way", func() bool { return len(w.alpha.seen()) == 2 })
	begin := time.Now()
	w.cancel()
	eventually(t, "nothing new is taken", func() bool {
		conn, err := net.Dial("tcp", w.https)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(finish)
	if got := <-answers["send"]; got.status != 200 || got.body != "sent" {
		t.Errorf("the request under way: %d %s", got.status, got.body)
	}
	got := <-answers["sync"]
	got.isRefusal(t, 503, "M_UNKNOWN")
	if got.header.Get("Retry-After") == "" {
		t.Error("the sync is not told to come back")
	}
	must(t, <-w.done)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestInFlightIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := make(chan struct{})
	w.alpha.handle(func(http.ResponseWriter, *http.Request) { <-release })
	var all sync.WaitGroup
	// 250 streams a connection, so five connections for 1024 requests.
	for range 5 {
		client := w.client(t, w.https, true)
		for range 205 {
			all.Go(func() {
				response, err := client.Do(request(t, "GET", "https://alpha.example.org/_matrix/client/v3/sync", nil))
				if err == nil {
					response.Body.Close()
				}
			})
		}
	}
	eventually(t, "the homeserver is full", func() bool { return len(w.alpha.seen()) == 1024 })
	client := w.client(t, w.https, true)
	get(t, client, "https://alpha.example.org/_matrix/client/v3/sync").isRefusal(t, 429, "M_LIMIT_EXCEEDED")
	if got := get(t, client, "https://beta.example.org/_matrix/client/versions"); got.status != 200 {
		t.Errorf("the neighbour: %d", got.status)
	}
	close(release)
	all.Wait()
}

// A homeserver may answer before it has read the body. The copying of the body then outlives the request, and must not
// touch what net/http has taken back by then.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alpha.stop()
	os.Remove(w.alpha.socket)
	listener, err := net.Listen("unix", w.alpha.socket)
	must(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				switch r, err := http.ReadRequest(bufio.NewReader(conn)); {
				case err != nil:
				case r.Method == "GET": // who sends so large a body
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
				default: // leaves the body unread
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	for _, http2 := range []bool{false, true} {
		for range 20 {
			body, more := io.Pipe()
			go more.Write(make([]byte, 1000))
			response, err := w.client(t, w.https, http2).Do(request(t, "PUT", "https://alpha.example.org/_matrix/client/v3/x", body))
			must(t, err)
			// On HTTP/2 the end of the answer is the end of the edge's handler, with the copying still waiting for more.
			if got := read(t, response); got.status != 200 || got.body != "ok" {
				t.Errorf("HTTP/%d: %d %s", got.proto, got.status, got.body)
			}
			more.Close()
		}
	}
}

// A homeserver that was taken over must not fill the edge's memory with headers, which are read whole.
func TestHeadersOfAnswersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alpha.handle(func(rw http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			rw.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 10<<10))
		}
	})
	get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/versions").isRefusal(t, 502, "M_UNKNOWN")
}

// A server that is down for long is asked by strangers all the while; they must not fill the operator's disk with lines.
func TestComplaintsAreFew(t *testing.T) {
	t.Parallel()
	var lines lineCounter
	w := newWorld(t, func(c *edge.Config, _ *source) {
		c.Hold, c.Log = time.Millisecond, slog.New(slog.NewTextHandler(&lines, nil))
	})
	w.alpha.stop()
	client := w.client(t, w.https, true)
	for range 50 {
		get(t, client, "https://alpha.example.org/_matrix/client/versions").isRefusal(t, 503, "M_UNKNOWN")
	}
	w.beta.stop()
	get(t, client, "https://beta.example.org/_matrix/client/versions").isRefusal(t, 503, "M_UNKNOWN")
	if alpha, beta := lines.count("host=alpha"), lines.count("host=beta"); alpha != 1 || beta != 1 {
		t.Errorf("%d lines about alpha, %d about beta", alpha, beta)
	}
}

// lineCounter keeps what is logged.
type lineCounter struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lineCounter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lineCounter) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}
