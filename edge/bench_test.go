package edge_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"hafen/edge"
	"hafen/tenant"
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

// BenchmarkUpload sends 8 MiB through the quota gate, with and without a declared length.
func BenchmarkUpload(b *testing.B) {
	const size = 8 << 20
	w := newWorld(b, quota(1<<50, size, 0))
	var stored atomic.Int64
	w.alpha.handle(store(&stored))
	for name, http2 := range map[string]bool{"http1": false, "http2": true} {
		client := w.client(b, w.https, http2)
		for kind, body := range map[string]func() io.Reader{
			"declared": func() io.Reader { return bytes.NewReader(make([]byte, size)) },
			"unsized":  func() io.Reader { return unsized(size) },
		} {
			b.Run(name+"-"+kind, func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					if got := do(b, client, request(b, "POST", uploadURL, body())); got.status != 200 {
						b.Fatal(got.status, got.body)
					}
				}
			})
		}
	}
}

// BenchmarkIndex builds the index of five thousand tenants with a certificate each: what a start with a full copy costs
// before the first request, and what a change costs afterwards.
func BenchmarkIndex(b *testing.B) {
	w := newWorld(b)
	w.source.change(func(s *edge.Snapshot) {
		one := s.Routes[0]
		for i := range 5000 {
			host := tenant.Domain("n" + strconv.Itoa(i) + ".example.org")
			one.Tenant, one.Host, one.ServerName = tenant.NewID(), host, host
			s.Routes = append(s.Routes, one)
			s.Certificates = append(s.Certificates, w.ca.issue(b, host, string(host)))
		}
	})
	eventually(b, "all are kept", func() bool {
		info, err := os.Stat(w.copy)
		return err == nil && info.Size() > 5_000_000
	})
	for b.Loop() {
		config := w.config
		config.Metrics = nil
		if _, err := edge.New(config); err != nil {
			b.Fatal(err)
		}
	}
}
