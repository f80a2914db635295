package edge_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"hafen/tenant"
)

// What clients read before an upload is what the upload then meets.
func TestMediaConfigTellsTheTrueLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quota(1<<20, 512*kib, 0))
	var stored atomic.Int64
	keep := store(&stored)
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.URL.Path, "/config"):
			keep(rw, r)
		case r.Header.Get("Authorization") == "":
			rw.WriteHeader(401)
			io.WriteString(rw, `{"errcode":"M_MISSING_TOKEN"}`)
		default:
			var out io.Writer = rw
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				rw.Header().Set("Content-Encoding", "gzip")
				packed := gzip.NewWriter(rw)
				defer packed.Close()
				out = packed
			}
			io.WriteString(out, `{"m.upload.size":104857600,"org.example.other":[1]}`)
		}
	})
	client := w.client(t, w.https, true)
	paths := []string{"/_matrix/client/v1/media/config", "/_matrix/media/v3/config", "/_matrix/media/r0/config"}
	told := func(path string) reply {
		ask := request(t, "GET", "https://alpha.example.org"+path, nil)
		ask.Header.Set("Authorization", "Bearer good")
		ask.Header.Set("Accept-Encoding", "gzip") // by hand, so that the client does not unpack it
		return do(t, client, ask)
	}
	want := func(limit float64) {
		t.Helper()
		for _, path := range paths {
			if got := told(path); got.status != 200 || got.json["m.upload.size"] != limit || got.json["org.example.other"] == nil {
				t.Errorf("%s: %d %q, want %v", path, got.status, got.body, limit)
			}
		}
	}
	upload := func(n int) int {
		return do(t, client, request(t, "POST", uploadURL, bytes.NewReader(make([]byte, n)))).status
	}
	want(512 * kib)
	if upload(512*kib) != 200 || upload(300*kib) != 200 {
		t.Fatal("uploads within the limit are refused")
	}
	want(212 * kib) // what is left
	if upload(212*kib+1) != 413 || upload(212*kib) != 200 {
		t.Fatal("the limit that is told is not the one that is kept")
	}
	want(0)
	if got := get(t, client, "https://alpha.example.org"+paths[0]); got.status != 401 || got.json["errcode"] != "M_MISSING_TOKEN" {
		t.Errorf("a stranger: %d %s", got.status, got.body)
	}
	w.setMode(tenant.RouteRestricted)
	eventually(t, "it is closed", func() bool { return upload(1) == 403 })
	want(0)
}
