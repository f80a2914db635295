package edge_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkForward compares a request through the edge (TLS, HTTP/1.1 or HTTP/2, kept-alive) with the same request straight
// to the homeserver's socket; the difference is what the edge adds.
func BenchmarkForward(b *testing.B) {
	w := newWorld(b)
	w.alpha.handle(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		io.WriteString(rw, `{"versions":["v1.11"]}`)
	})
	direct := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", w.alpha.socket)
	}}}
	b.Run("direct", func(b *testing.B) { repeat(b, direct, "http://alpha.example.org/_matrix/client/versions") })
	b.Run("edge-http1", func(b *testing.B) {
		repeat(b, w.client(b, w.https, false), "https://alpha.example.org/_matrix/client/versions")
	})
	b.Run("edge-http2", func(b *testing.B) {
		repeat(b, w.client(b, w.https, true), "https://alpha.example.org/_matrix/client/versions")
	})
	b.Run("edge-well-known", func(b *testing.B) {
		repeat(b, w.client(b, w.https, true), "https://alpha.example.org/.well-known/matrix/client")
	})
}

func repeat(b *testing.B, client *http.Client, url string) {
	b.ReportAllocs()
	for b.Loop() {
		response, err := client.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != 200 {
			b.Fatal(response.Status)
		}
	}
}
