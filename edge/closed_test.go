package edge_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"hafen/edge"
	"hafen/tenant"
)

func (w *world) setMode(mode tenant.RouteMode) {
	w.source.change(func(s *edge.Snapshot) {
		routes := slices.Clone(s.Routes)
		routes[0].Mode = mode
		s.Routes = routes
	})
}

// Unpaid, paid, unpaid: on one connection, with the same edge and the same homeserver.
func TestRestrictedAndOpenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const base = "https://alpha.example.org/_matrix/client/v3/"
	for _, http2 := range []bool{false, true} {
		client := w.client(t, w.https, http2)
		send := func() reply {
			return do(t, client, request(t, "PUT", base+"rooms/!a:b/send/m.room.message/1", strings.NewReader("{}")))
		}
		for range 2 {
			w.setMode(tenant.RouteRestricted)
			eventually(t, "it is closed", func() bool { return send().status == 403 })
			refused := send()
			refused.isRefusal(t, 403, "M_RESOURCE_LIMIT_EXCEEDED")
			plan := "https://example.org/servers/" + string(w.source.snapshot.Routes[0].Tenant) + "/plan"
			if refused.json["admin_contact"] != "mailto:help@example.org" || refused.json["info_uri"] != plan || refused.json["can_upgrade"] != true ||
				refused.json["limit_type"] != "hs_disabled" { // of those that Element knows for a message
				t.Errorf("no way on: %s", refused.body)
			}
			do(t, client, request(t, "POST", uploadURL, bytes.NewReader(make([]byte, kib)))).isRefusal(t, 403, "M_RESOURCE_LIMIT_EXCEEDED")
			for _, read := range []string{"sync", "rooms/!a:b/messages?dir=b", "capabilities"} {
				if got := get(t, client, base+read); got.status != 200 {
					t.Errorf("%s: %d", read, got.status)
				}
			}
			for _, write := range []string{"logout", "login", "keys/upload", "keys/query"} {
				if got := do(t, client, request(t, "POST", base+write, strings.NewReader("{}"))); got.status != 200 {
					t.Errorf("%s: %d", write, got.status)
				}
			}
			if got := do(t, client, request(t, "OPTIONS", base+"createRoom", nil)); got.status != 200 {
				t.Errorf("a preflight: %d", got.status)
			}
			peers := w.client(t, w.peers, true)
			for method, path := range map[string]string{"PUT": "federation/v1/send/1", "GET": "federation/v1/event/$x", "POST": "key/v2/query"} {
				if got := do(t, peers, request(t, method, "https://alpha.example.org/_matrix/"+path, strings.NewReader("{}"))); got.status != 200 {
					t.Errorf("a peer's %s: %d", path, got.status)
				}
			}
			w.setMode(tenant.RouteOpen)
			eventually(t, "it is open", func() bool { return send().status == 200 })
			if got := do(t, client, request(t, "POST", uploadURL, bytes.NewReader(make([]byte, kib)))); got.status != 200 {
				t.Errorf("an upload afterwards: %d", got.status)
			}
		}
	}
}
