package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// socket is a Unix socket, and a client of it.
func (w *world) socket() (net.Listener, *http.Client) {
	w.Helper()
	path := filepath.Join(w.TempDir(), "web.sock")
	listener, err := net.Listen("unix", path)
	w.must(err)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	w.Cleanup(transport.CloseIdleConnections)
	return listener, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// served is the dashboard on a Unix socket, as in life.
func (w *world) served() *http.Client {
	w.Helper()
	listener, client := w.socket()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, listener) }()
	w.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.Errorf("the server did not stop cleanly: %v", err)
		}
	})
	return client
}

// outgoing makes a browser's request one for a real connection.
func (b *browser) outgoing(r *http.Request) *http.Request {
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", testHost, ""
	return r
}

// endless is a body of as many bytes as wanted, which counts those that were taken.
type endless struct {
	left  int64
	taken atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.taken.Load() >= e.left {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left-e.taken.Load())
	for i := range p[:n] {
		p[i] = 'a'
	}
	e.taken.Add(n)
	return int(n), nil
}

// TestHugeForm sends 100 MB, with its size said beforehand and without: the answer comes before more than what the socket's
// buffers hold was read.
func TestHugeForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.served()
	const huge = 100_000_000
	for name, length := range map[string]int64{"announced": huge, "chunked": -1} {
		body := &endless{left: huge}
		b := w.visitor()
		r := b.outgoing(b.request(t.Context(), http.MethodPost, "/login", "application/x-www-form-urlencoded", body))
		r.ContentLength = length
		answer, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := io.ReadAll(answer.Body)
		w.must(err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %s", name, answer.Status)
		}
		if !strings.Contains(string(text), "</html>") {
			t.Errorf("%s: no page says why: %s", name, text)
		}
		// The form's limit, what net/http reads on at most to keep a connection (256 KiB), and both ends' socket buffers.
		if taken := body.taken.Load(); taken > 2<<20 {
			t.Errorf("%s: %d bytes were taken", name, taken)
		}
	}
}

// TestHugeBodyOfAnything: the size is refused before anything else about the request is looked at.
func TestHugeBodyOfAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		for _, path := range []string{"/login", "/servers", "/nowhere"} {
			body := &endless{left: 100_000_000}
			b := w.visitor()
			r := b.request(t.Context(), method, path, "application/octet-stream", body)
			r.ContentLength = body.left
			got := b.send(r).want(http.StatusRequestEntityTooLarge)
			if body.taken.Load() != 0 || got.header.Get("Connection") != "close" {
				t.Errorf("%s %s: %d bytes were read, Connection: %q", method, path, body.taken.Load(), got.header.Get("Connection"))
			}
		}
	}
}

func TestHugeHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.served()
	b := w.visitor().with("X-Large", strings.Repeat("x", 100_000))
	answer, err := client.Do(b.outgoing(b.request(t.Context(), http.MethodGet, "/login", "", nil)))
	w.must(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 100 kB: %s", answer.Status)
	}
}

func TestCoarseLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	w.server.writes = newLimiter(pace{perSecond: 1, burst: 3}, func() time.Time { return now })
	b := w.visitor()
	for range 3 {
		b.post("/language", fields("to", "de", "back", "/")).want(http.StatusSeeOther)
	}
	refused := b.post("/language", fields("to", "de", "back", "/")).want(http.StatusTooManyRequests)
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.visitor().post("/language", fields("to", "de", "back", "/")).want(http.StatusSeeOther)
	now = now.Add(time.Second)
	b.post("/language", fields("to", "de", "back", "/")).want(http.StatusSeeOther)
}

// TestLimiterForgets: a flood of addresses costs no more memory than two generations, and does not free who is limited now.
func TestLimiterForgets(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimiter(pace{perSecond: 0.001, burst: 1}, func() time.Time { return now })
	if !l.allow("192.0.2.1") || l.allow("192.0.2.1") {
		t.Fatal("the limit does not hold")
	}
	for i := range 3 * maxAddresses {
		l.allow(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		if i%1000 == 0 && l.allow("192.0.2.1") {
			t.Fatalf("forgotten after %d other addresses, though seen all the time", i)
		}
	}
	if n := len(l.current) + len(l.previous); n > 2*maxAddresses {
		t.Errorf("%d addresses are kept", n)
	}
	if l.allow("2001:db8::1"); l.allow("2001:db8::2") {
		t.Error("two addresses of one IPv6 network count as two clients")
	}
}
