package matrix

import (
	"net/http"
	"testing"

	"maunium.net/go/mautrix"

	"hafen/internal/hafentest"
)

// What clients and peers ask first is answered right on the doors it belongs to.
func testPaths(t *testing.T, p port) {
	server := p.order(t, "advanced", "paths")[0]
	server.AddMember("gesa")
	gesa := logIn(t, p.Hafen, server.Name, "gesa", hafentest.Password)
	for _, row := range []struct {
		path    string
		clients bool // answered on the clients' port
		peers   bool // and on the peers'
	}{
		{"/.well-known/matrix/client", true, true},
		{"/.well-known/matrix/server", true, true},
		{"/.well-known/matrix/support", true, true},
		{"/_matrix/client/versions", true, false},
		{"/_matrix/client/v3/login", true, false},
		{"/_matrix/key/v2/server", true, true},
		{"/_matrix/federation/v1/version", true, true},
		{"/_synapse/admin/v1/server_version", false, false},
		{"/_dendrite/monitor/up", false, false},
		{"/_synapse/metrics", false, false},
		{"/_synapse/mas/query_user", false, false},
		{"/health", false, false},
		{"/metrics", false, false},
	} {
		for port, want := range map[int]bool{p.HTTPS: row.clients, p.Federation: row.peers} {
			answer, said := p.ask(t, http.MethodGet, server, port, row.path)
			if got := answer.StatusCode == http.StatusOK; got != want {
				t.Errorf("%s on %d: %s %v", row.path, port, answer.Status, said)
			}
		}
	}
	// Authenticated media, the only kind there is (spec v1.11).
	uploaded, err := gesa.UploadBytes(t.Context(), noise(1000), "application/octet-stream")
	must(t, err)
	address := gesa.BuildURL(mautrix.BaseURLPath{"_matrix", "client", "v1", "media", "download", uploaded.ContentURI.Homeserver, uploaded.ContentURI.FileID})
	if answer, said := send(t, browserOf(p.Hafen), http.MethodGet, address); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("media without a token: %s %v", answer.Status, said)
	}
	if content, err := gesa.DownloadBytes(t.Context(), uploaded.ContentURI); err != nil || len(content) != 1000 {
		t.Errorf("media with one: %d bytes, %v", len(content), err)
	}
}
