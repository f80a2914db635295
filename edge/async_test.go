package edge_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"hafen/tenant"
)

// The asynchronous way (spec, "POST /_matrix/media/v1/create"): a place is made first, and filled later.
func TestAsynchronousUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 1<<20, 0))
	var stored atomic.Int64
	w.alpha.handle(store(&stored))
	const create, fill = "https://alpha.example.org/_matrix/media/v1/create", "https://alpha.example.org/_matrix/media/v3/upload/alpha.example.org/x"
	for _, http2 := range []bool{false, true} {
		client := w.client(t, w.https, http2)
		if got := do(t, client, request(t, "POST", create, nil)); got.status != 200 {
			t.Fatalf("a place: %d %s", got.status, got.body)
		}
		for _, body := range []io.Reader{bytes.NewReader(make([]byte, 200*kib)), unsized(200 * kib)} {
			if got := do(t, client, request(t, "PUT", fill, body)); got.status != 200 {
				t.Fatalf("HTTP/%d: %d %s", got.proto, got.status, got.body)
			}
		}
	}
	client := w.client(t, w.https, true)
	for _, body := range []io.Reader{bytes.NewReader(make([]byte, 225*kib)), unsized(225 * kib)} {
		do(t, client, request(t, "PUT", fill, body)).isRefusal(t, 413, "M_RESOURCE_LIMIT_EXCEEDED")
	}
	if got := do(t, client, request(t, "PUT", fill, unsized(224*kib))); got.status != 200 {
		t.Fatalf("what fits exactly: %d %s", got.status, got.body)
	}
	// A place that nothing fits into is not made.
	do(t, client, request(t, "POST", create, nil)).isRefusal(t, 413, "M_RESOURCE_LIMIT_EXCEEDED")
	if stored.Load() != 1<<20 {
		t.Errorf("%d bytes stored", stored.Load())
	}
}

// Over HTTP/2 a stream is reset, and the connection goes on.
func TestAbortedStreamsGiveTheirSpaceBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 1<<20, 0))
	var stored atomic.Int64
	keep := store(&stored)
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			io.WriteString(rw, "{}")
			return
		}
		keep(rw, r)
	})
	client := w.client(t, w.https, true)
	for _, length := range []int64{1 << 20, -1} {
		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan struct{})
		body := &halfBody{rest: make([]byte, 300*kib), begun: begun, until: ctx.Done()}
		r, err := http.NewRequestWithContext(ctx, "POST", uploadURL, body)
		must(t, err)
		r.ContentLength = length
		done := make(chan error)
		go func() { _, err := client.Do(r); done <- err }()
		<-begun
		eventually(t, "its space is taken", func() bool { return w.left(t, client) <= 1<<20-300*kib })
		cancel()
		if err := <-done; err == nil {
			t.Fatal("an upload that was broken off is answered")
		}
		eventually(t, "its space is given back", func() bool { return w.left(t, client) == 1<<20 })
	}
	if stored.Load() != 0 {
		t.Errorf("%d bytes stored", stored.Load())
	}
}

// halfBody gives what it has, says so, and then nothing more until it is broken off.
type halfBody struct {
	rest  []byte
	begun chan struct{}
	until <-chan struct{}
}

func (b *halfBody) Read(p []byte) (int, error) {
	if len(b.rest) > 0 {
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	}
	if b.begun != nil {
		close(b.begun)
		b.begun = nil
	}
	<-b.until
	return 0, io.ErrUnexpectedEOF
}

func (b *halfBody) Close() error { return nil }

// left is how much the edge says an upload may have.
func (w *world) left(t *testing.T, client *http.Client) int64 {
	t.Helper()
	got := get(t, client, "https://alpha.example.org/_matrix/media/v3/config")
	size, _ := got.json["m.upload.size"].(float64)
	return int64(size)
}

// Synapse keeps what it has whole, whether or not somebody waits for the answer. Who hangs up each time after the last byte
// must not get past the quota.
func TestUploadsWithoutAnAnswerCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 1<<20, 0))
	var stored atomic.Int64
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			io.WriteString(rw, "{}")
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		stored.Add(n)
		<-r.Context().Done()
	})
	for _, http2 := range []bool{false, true} {
		before := stored.Load()
		ctx, cancel := context.WithCancel(t.Context())
		client := w.client(t, w.https, http2)
		r, err := http.NewRequestWithContext(ctx, "POST", uploadURL, unsized(300*kib))
		must(t, err)
		done := make(chan error)
		go func() { _, err := client.Do(r); done <- err }()
		eventually(t, "all of it is kept", func() bool { return stored.Load() == before+300*kib })
		cancel()
		<-done
		// Still under way or ended: never free again before a measurement.
		for range 20 {
			if left := w.left(t, w.client(t, w.https, true)); left > 1<<20-stored.Load() {
				t.Fatalf("%d bytes are stored and %d left", stored.Load(), left)
			}
		}
	}
	w.source.measure(tenant.StorageUse{Tenant: w.source.snapshot.Routes[0].Tenant, Bytes: 0, MeasuredAt: time.Now()})
	eventually(t, "the measurement corrects it", func() bool { return w.left(t, w.client(t, w.https, true)) == 1<<20 })
}
