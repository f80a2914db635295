package edge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"hafen/edge"
)

// One client that opens connections and says nothing gets its share, and others are served all the while.
func TestOneClientDoesNotTakeAllConnections(t *testing.T) {
	t.Parallel()
	const share = 50
	w := newWorld(t, func(c *edge.Config, _ *source) { c.ClientConnections = share })
	dial := func(from byte, to string) net.Conn {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 88, 0, from)}}
		conn, err := dialer.DialContext(t.Context(), "tcp", to)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	// closed tells a connection that was refused from one that waits for us to speak.
	closed := func(conn net.Conn) bool {
		conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, err := conn.Read(make([]byte, 1))
		return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	var open []net.Conn
	for i := range share {
		open = append(open, dial(1, []string{w.https, w.peers, w.plain}[i%3])) // the ports count together
	}
	eventually(t, "the share is used up", func() bool { return closed(dial(1, w.https)) })
	elsewhere := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(2, w.plain), nil }}
	defer elsewhere.CloseIdleConnections()
	if got := get(t, &http.Client{Transport: elsewhere, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}, "http://alpha.example.org/"); got.status != 308 {
		t.Errorf("another client: %d", got.status)
	}
	for _, conn := range open {
		conn.Close()
	}
	eventually(t, "the share is free again", func() bool {
		conn := dial(1, w.plain)
		io.WriteString(conn, "GET / HTTP/1.0\r\nHost: alpha.example.org\r\n\r\n")
		content, _ := io.ReadAll(conn)
		return len(content) > 0
	})
}

// Over HTTP/2 a connection has 250 requests at once, so connections alone bound nothing.
func TestOneClientDoesNotTakeAllRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *edge.Config, _ *source) { c.ClientRequests = 20 })
	release := make(chan struct{})
	for _, h := range []*homeserver{w.alpha, w.beta, w.web} {
		h.handle(func(http.ResponseWriter, *http.Request) { <-release })
	}
	client := w.client(t, w.https, true)
	var all sync.WaitGroup
	for i := range 20 {
		host := []string{"alpha.example.org", "beta.example.org", "example.org"}[i%3]
		all.Go(func() { get(t, client, "https://"+host+"/_matrix/client/versions") })
	}
	eventually(t, "all are under way", func() bool { return len(w.alpha.seen())+len(w.beta.seen())+len(w.web.seen()) == 20 })
	get(t, client, "https://alpha.example.org/_matrix/client/versions").isRefusal(t, 429, "M_LIMIT_EXCEEDED")
	close(release)
	all.Wait()
	if got := get(t, client, "https://alpha.example.org/_matrix/client/versions"); got.status != 200 {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}
