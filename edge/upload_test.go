package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hafen/edge"
	"hafen/tenant"
)

const kib = 1 << 10

// store makes a homeserver keep what it gets and count it, as the media repository does.
func store(stored *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return // cut off: nothing is kept
		}
		stored.Add(n)
		io.WriteString(w, `{"content_uri":"mxc://alpha.example.org/x"}`)
	}
}

func quota(storage, upload, used int64) func(*edge.Config, *source) {
	return func(_ *edge.Config, s *source) {
		s.change(func(s *edge.Snapshot) {
			routes := slices.Clone(s.Routes)
			routes[0].StorageBytes, routes[0].UploadBytes = storage, upload
			s.Routes = routes
			s.Usage = []tenant.StorageUse{{Tenant: routes[0].Tenant, Bytes: used, MeasuredAt: time.Now().Add(-time.Minute)}}
		})
	}
}

const uploadURL = "https://alpha.example.org/_matrix/media/v3/upload"

// unsized hides a reader's length, so that the client sends it without one.
func unsized(n int) io.Reader {
	return struct{ io.Reader }{bytes.NewReader(make([]byte, n))}
}

func TestUploadWithinQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(10<<20, 1<<20, 0))
	var stored atomic.Int64
	w.alpha.handle(store(&stored))
	for _, http2 := range []bool{false, true} {
		client := w.client(t, w.https, http2)
		for _, body := range []io.Reader{bytes.NewReader(make([]byte, 300*kib)), unsized(300 * kib), bytes.NewReader(make([]byte, 1<<20))} {
			if got := do(t, client, request(t, "POST", uploadURL, body)); got.status != 200 {
				t.Errorf("HTTP/%d: %d %s", got.proto, got.status, got.body)
			}
		}
	}
	if want := int64(2 * (600*kib + 1<<20)); stored.Load() != want {
		t.Errorf("%d bytes arrived, want %d", stored.Load(), want)
	}
}

// The client only announces a body: an answer proves that none of it was waited for.
func TestRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 512*kib, 900*kib))
	for _, row := range []struct {
		method, path string
		length       int
		status       int
		code         string
	}{
		{"POST", "/_matrix/media/v3/upload", 600 * kib, 413, "M_TOO_LARGE"},
		{"POST", "/_matrix/media/r0/upload", 600 * kib, 413, "M_TOO_LARGE"},
		{"POST", "/_matrix/media/v1/upload?filename=x", 600 * kib, 413, "M_TOO_LARGE"},
		{"PUT", "/_matrix/media/v3/upload/alpha.example.org/x", 600 * kib, 413, "M_TOO_LARGE"},
		{"POST", "/_matrix/media/v3/upload", 200 * kib, 413, "M_RESOURCE_LIMIT_EXCEEDED"},
		{"PUT", "/_matrix/media/v3/upload/alpha.example.org/x", 200 * kib, 413, "M_RESOURCE_LIMIT_EXCEEDED"},
		{"POST", "/_matrix/client/v1/media/upload", 200 * kib, 413, "M_RESOURCE_LIMIT_EXCEEDED"},
		{"PUT", "/_matrix/client/v3/rooms/!a:b/send/m.room.message/1", 20 << 20, 413, "M_TOO_LARGE"},
		{"POST", "/_matrix/client/v3/register", 200 * kib, 403, "M_FORBIDDEN"},
	} {
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			conn := w.dial(t, w.https, string(alpha))
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n", row.method, row.path, alpha, row.length, expect)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			must(t, err)
			if response.StatusCode == http.StatusContinue {
				t.Fatalf("%s: the body was asked for", row.path)
			}
			if !response.Close {
				t.Errorf("%s: the connection stays open with a body unread", row.path)
			}
			got := read(t, response)
			got.isRefusal(t, row.status, row.code)
			if row.code == "M_RESOURCE_LIMIT_EXCEEDED" && (got.json["admin_contact"] != "mailto:help@example.org" || got.json["limit_type"] != "storage") {
				t.Errorf("nobody to turn to: %s", got.body)
			}
		}
	}
	if seen := w.alpha.seen(); len(seen) > 0 {
		t.Errorf("the homeserver was bothered: %q", seen)
	}
	// What is left can still be used, and reading is never gated.
	client := w.client(t, w.https, true)
	if got := do(t, client, request(t, "POST", uploadURL, bytes.NewReader(make([]byte, 100*kib)))); got.status != 200 {
		t.Errorf("an upload that fits: %d %s", got.status, got.body)
	}
	if got := get(t, client, "https://alpha.example.org/_matrix/client/v1/media/download/alpha.example.org/x"); got.status != 200 {
		t.Errorf("a download: %d", got.status)
	}
}

// A client on HTTP/1.1 that sends everything before it reads must still get the answer.
func TestRefusalReachesAClientThatSendsFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(10<<20, 1<<20, 0))
	conn := w.dial(t, w.https, string(alpha))
	body := make([]byte, 8<<20) // far more than the sockets' buffers
	fmt.Fprintf(conn, "POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", alpha, len(body))
	if _, err := conn.Write(body); err != nil {
		t.Fatalf("the connection broke while sending: %v", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	read(t, response).isRefusal(t, 413, "M_TOO_LARGE")
}

func TestUploadWithoutLengthIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(2<<20, 1<<20, 0))
	var stored atomic.Int64
	w.alpha.handle(store(&stored))
	for _, http2 := range []bool{false, true} {
		client := w.client(t, w.https, http2)
		do(t, client, request(t, "POST", uploadURL, unsized(1<<20+1))).isRefusal(t, 413, "M_TOO_LARGE")
	}
	if stored.Load() != 0 {
		t.Errorf("the homeserver kept %d bytes of uploads that were cut", stored.Load())
	}
	// Cut uploads leave nothing reserved: twice the limit still fits, and then not one byte more.
	client := w.client(t, w.https, true)
	for range 2 {
		if got := do(t, client, request(t, "POST", uploadURL, unsized(1<<20))); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	for _, body := range []io.Reader{unsized(1), bytes.NewReader(make([]byte, 1)), nil} {
		do(t, client, request(t, "POST", uploadURL, body)).isRefusal(t, 413, "M_RESOURCE_LIMIT_EXCEEDED")
	}
	if stored.Load() != 2<<20 {
		t.Errorf("%d bytes stored", stored.Load())
	}
}

// Fifty uploads at once, of which exactly seven fit, with and without a declared length.
func TestParallelUploadsStopAtTheQuota(t *testing.T) {
	t.Parallel()
	for _, declared := range []bool{true, false} {
		w := newWorld(t, quota(10<<20, 1<<20, 10<<20-7*100*kib-50*kib))
		var stored atomic.Int64
		w.alpha.handle(store(&stored))
		client := w.client(t, w.https, false)
		var accepted, refused atomic.Int64
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				body := unsized(100 * kib)
				if declared {
					body = bytes.NewReader(make([]byte, 100*kib))
				}
				r, _ := http.NewRequestWithContext(t.Context(), "POST", uploadURL, body)
				response, err := client.Do(r)
				if err != nil {
					t.Errorf("upload: %v", err)
					return
				}
				defer response.Body.Close()
				io.Copy(io.Discard, response.Body)
				switch response.StatusCode {
				case 200:
					accepted.Add(1)
				case 413:
					refused.Add(1)
				default:
					t.Errorf("status %d", response.StatusCode)
				}
			})
		}
		all.Wait()
		// Without lengths, uploads that are cut hold their part until they end, so fewer may get through; never more.
		if n := accepted.Load(); n > 7 || declared && n != 7 || n+refused.Load() != 50 {
			t.Errorf("declared %v: %d accepted, %d refused", declared, n, refused.Load())
		}
		if stored.Load() != accepted.Load()*100*kib {
			t.Errorf("declared %v: %d bytes stored", declared, stored.Load())
		}
	}
}

func TestFailedUploadsGiveTheirSpaceBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 1<<20, 0))
	client := w.client(t, w.https, false)

	// The homeserver refuses the token: it sees the headers before the body is taken, and nothing stays reserved.
	var bodies atomic.Int64
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			rw.WriteHeader(401)
			io.WriteString(rw, `{"errcode":"M_UNKNOWN_TOKEN"}`)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		bodies.Add(n)
	})
	for _, length := range []int{1 << 20, 50 * kib} { // net/http drains small bodies by itself unless told not to
		conn := w.dial(t, w.https, string(alpha))
		fmt.Fprintf(conn, "POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nAuthorization: Bearer bad\r\n\r\n", alpha, length)
		begin := time.Now()
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		if response.StatusCode != 401 || time.Since(begin) > 20*time.Second {
			t.Fatalf("a bad token: %s after %v", response.Status, time.Since(begin))
		}
	}

	// Nor is a careful client asked for a body that would be thrown away.
	conn := w.dial(t, w.https, string(alpha))
	fmt.Fprintf(conn, "POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nAuthorization: Bearer bad\r\nExpect: 100-continue\r\n\r\n", alpha, 1<<20)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	if response.StatusCode != 401 {
		t.Fatalf("a bad token, carefully: %s", response.Status)
	}

	// A client that leaves in the middle.
	conn = w.dial(t, w.https, string(alpha))
	fmt.Fprintf(conn, "POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nAuthorization: Bearer good\r\n\r\n%s", alpha, 1<<20, strings.Repeat("x", 64*kib))
	eventually(t, "the upload begins", func() bool { return len(w.alpha.seen()) == 5 }) // each asks who it is first
	full := request(t, "POST", uploadURL, bytes.NewReader(make([]byte, 512*kib)))
	full.Header.Set("Authorization", "Bearer good")
	do(t, client, full).isRefusal(t, 413, "M_RESOURCE_LIMIT_EXCEEDED") // all is reserved by the one under way
	conn.Close()

	eventually(t, "the space is given back", func() bool {
		r := request(t, "POST", uploadURL, bytes.NewReader(make([]byte, 1<<20)))
		r.Header.Set("Authorization", "Bearer good")
		return do(t, client, r).status == 200
	})
	if bodies.Load() < 1<<20 {
		t.Errorf("%d bytes arrived", bodies.Load())
	}
}

// Twisted, under Synapse, says "100 Continue" to everybody and looks at the token when the body is whole. A stranger who
// announces a large upload and then sends a byte now and then must not hold the space that members need meanwhile.
func TestStrangersReserveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1792*kib, 1<<20, 0))
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil && r.Header.Get("Authorization") != "Bearer good" && r.URL.Query().Get("access_token") != "good" {
			rw.Header().Set("Access-Control-Allow-Origin", "*")
			rw.WriteHeader(401)
			io.WriteString(rw, `{"errcode":"M_UNKNOWN_TOKEN"}`)
		}
	})
	for _, authorization := range []string{"", "Authorization: Bearer bad\r\n"} {
		conn := w.dial(t, w.https, string(alpha))
		fmt.Fprintf(conn, "POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n%s", alpha, 1<<20, authorization, strings.Repeat("x", 64*kib))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		if got := read(t, response); got.status != 401 || got.json["errcode"] != "M_UNKNOWN_TOKEN" || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("the stranger is told: %d %s %v", got.status, got.body, got.header)
		}
		// Its connection is still open.
		client := w.client(t, w.https, true)
		full := request(t, "POST", uploadURL, bytes.NewReader(make([]byte, 256*kib)))
		full.Header.Set("Authorization", "Bearer good")
		if got := do(t, client, full); got.status != 200 {
			t.Errorf("a member's upload: %d %s", got.status, got.body)
		}
		if got := do(t, client, request(t, "POST", uploadURL+"?access_token=good", bytes.NewReader(make([]byte, 128*kib)))); got.status != 200 {
			t.Errorf("a member's upload with a token in the address: %d %s", got.status, got.body)
		}
	}
	for _, seen := range w.alpha.seen() {
		if strings.HasPrefix(seen, "GET ") && !strings.HasPrefix(seen, "GET /_matrix/client/v3/account/whoami") {
			t.Errorf("the homeserver was asked %s", seen)
		}
	}
}

func TestMeasurementTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 1<<20, 0))
	client := w.client(t, w.https, true)
	upload := func(n int) int {
		return do(t, client, request(t, "POST", uploadURL, bytes.NewReader(make([]byte, n)))).status
	}
	if upload(600*kib) != 200 || upload(600*kib) != 413 {
		t.Fatal("the first upload is not counted")
	}
	measure := func(bytes int64, at time.Time) {
		w.source.measure(tenant.StorageUse{Tenant: w.source.snapshot.Routes[0].Tenant, Bytes: bytes, MeasuredAt: at})
	}
	// Measured before the upload ended: it does not contain it, whatever it says.
	measure(500*kib, time.Now().Add(-30*time.Second))
	eventually(t, "the old measurement arrives", func() bool { return upload(1) == 413 })
	// Measured after: it contains it.
	measure(600*kib, time.Now())
	eventually(t, "the new measurement arrives", func() bool { return upload(300*kib) == 200 })
	if upload(300*kib) != 413 {
		t.Error("the upload after the measurement is not counted")
	}
	// The customer bought more.
	w.source.change(func(s *edge.Snapshot) {
		routes := slices.Clone(s.Routes)
		routes[0].StorageBytes = 5 << 20
		s.Routes = routes
	})
	eventually(t, "the new quota arrives", func() bool { return upload(600*kib) == 200 })
}

// The edge asks the homeserver before it asks the client, and answers the client's own "Expect" by reading.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(10<<20, 1<<20, 0))
	conn := w.dial(t, w.https, string(alpha))
	reader := bufio.NewReader(conn)
	fmt.Fprintf(conn, "POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", alpha)
	line, err := reader.ReadString('\n')
	must(t, err)
	if !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("got %q", line)
	}
	_, err = reader.ReadString('\n')
	must(t, err)
	io.WriteString(conn, "hello")
	response, err := http.ReadResponse(reader, nil)
	must(t, err)
	if response.StatusCode != 200 {
		t.Errorf("got %s", response.Status)
	}
}

// An unbounded body of no declared length never reaches a homeserver whole.
func TestOtherBodiesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var read atomic.Int64
	w.alpha.handle(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		read.Add(n)
	})
	url := "https://alpha.example.org/_matrix/client/v3/rooms/!a:b/send/m.room.message/1"
	for _, http2 := range []bool{false, true} {
		do(t, w.client(t, w.https, http2), request(t, "PUT", url, unsized(20<<20))).isRefusal(t, 413, "M_TOO_LARGE")
	}
	if read.Load() > 2*200*64*kib {
		t.Errorf("%d bytes passed", read.Load())
	}
}

func TestBackendAddressesByTCP(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "tcp") })}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	w := newWorld(t, func(_ *edge.Config, s *source) {
		s.change(func(s *edge.Snapshot) { s.Routes[0].Backend = "tcp:" + listener.Addr().String() })
	})
	if got := get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/versions"); got.body != "tcp" {
		t.Errorf("%d %s", got.status, got.body)
	}
}
