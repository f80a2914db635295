package edge_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hafen/edge"
	"hafen/tenant"
)

// partners lets alpha federate with these servers only.
func partners(names ...tenant.Domain) func(*edge.Config, *source) {
	return func(_ *edge.Config, s *source) {
		s.change(func(s *edge.Snapshot) {
			routes := slices.Clone(s.Routes)
			routes[0].Federation, routes[0].Partners = tenant.FederationList, tenant.JoinDomains(names)
			s.Routes = routes
		})
	}
}

const signed = `X-Matrix origin="friend.test",destination="alpha.example.org",key="ed25519:a_b",sig="q+/Z0"`

func TestOnlyPartnersAreHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, partners("friend.test", "second.test"))
	for _, row := range []struct {
		name          string
		authorization []string
		passes        bool
	}{
		{"a partner", []string{signed}, true},
		{"another partner", []string{strings.Replace(signed, "friend", "second", 1)}, true},
		{"without quotes", []string{`X-Matrix origin=friend.test,key=ed25519:a_b,sig=q+/Z0`}, true},
		{"with blanks and capitals", []string{"X-Matrix  Origin=\"friend.test\" ,\tKEY=\"ed25519:a_b\", sig=\"q\""}, true},
		{"signed by two keys", []string{signed, strings.Replace(signed, "a_b", "c_d", 1)}, true},
		{"a stranger", []string{strings.Replace(signed, "friend", "stranger", 1)}, false},
		{"nobody", nil, false},
		{"an empty header", []string{""}, false},
		{"a name that ends like a partner's", []string{strings.Replace(signed, "friend", "x.friend", 1)}, false},
		{"a name that begins like a partner's", []string{strings.Replace(signed, "friend.test", "friend.tes", 1)}, false},
		{"two partners at once", []string{strings.Replace(signed, "friend.test", "friend.test,second.test", 1)}, false},
		{"a port", []string{strings.Replace(signed, "friend.test", "friend.test:8448", 1)}, false},
		{"capitals", []string{strings.Replace(signed, "friend", "Friend", 1)}, false},
		{"a partner, then a stranger", []string{signed, strings.Replace(signed, "friend", "stranger", 1)}, false},
		{"a stranger, then a partner", []string{strings.Replace(signed, "friend", "stranger", 1), signed}, false},
		{"a partner, then nonsense", []string{signed, "nonsense"}, false},
		{"a partner, then a member's token", []string{signed, "Bearer x"}, false},
		{"two origins in one header", []string{signed + `,origin="stranger.test"`}, false},
		{"two origins, one in capitals", []string{signed + `,ORIGIN="stranger.test"`}, false},
		{"an origin within a signature", []string{`X-Matrix origin="friend.test",key="ed25519:a",sig="x,origin=stranger.test"`}, false},
		{"an origin behind a backslash", []string{`X-Matrix origin="friend.test\",key="ed25519:a",sig="x"`}, false},
		{"a quote that does not end", []string{`X-Matrix origin="friend.test,key=ed25519:a`}, false},
		{"a blank before the sign", []string{`X-Matrix origin ="friend.test",origin="stranger.test"`}, false},
		{"an empty parameter", []string{signed + ","}, false},
		{"no origin", []string{`X-Matrix key="ed25519:a_b",sig="q"`}, false},
		{"an empty origin", []string{`X-Matrix origin="",key="ed25519:a_b",sig="q"`}, false},
		{"another scheme", []string{strings.Replace(signed, "X-Matrix", "Bearer", 1)}, false},
		{"the scheme alone", []string{"X-Matrix"}, false},
	} {
		for _, address := range []string{w.https, w.peers} {
			for _, http2 := range []bool{false, true} {
				before := len(w.alpha.seen())
				r := request(t, "PUT", "https://alpha.example.org/_matrix/federation/v1/send/1", strings.NewReader("{}"))
				r.Header["Authorization"] = row.authorization
				got := do(t, w.client(t, address, http2), r)
				if reached := len(w.alpha.seen()) > before; reached != row.passes {
					t.Errorf("%s: reached the homeserver: %v, %d %s", row.name, reached, got.status, got.body)
				}
				if !row.passes {
					got.isRefusal(t, 403, "M_FORBIDDEN")
				}
			}
		}
	}
}

// Everybody may learn keys and version; nothing else, and nothing from a list that is empty.
func TestStrangersLearnKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, partners())
	client := w.client(t, w.peers, true)
	for path, status := range map[string]int{
		"/_matrix/key/v2/server":                                         200,
		"/_matrix/key/v2/server/ed25519:a":                               200,
		"/_matrix/key/v2/query/alpha.example.org":                        200,
		"/_matrix/federation/v1/version":                                 200,
		"/.well-known/matrix/server":                                     200,
		"/_matrix/federation/v1/version/":                                403,
		"/_matrix/federation/v2/version":                                 403,
		"/_matrix/federation/v1/query/profile":                           403,
		"/_matrix/federation/v1/publicRooms":                             403,
		"/_matrix/federation/v1/openid/userinfo?access_token=x":          403,
		"/_matrix/federation/v1/media/download/abc":                      403,
		"/_matrix/federation/unstable/org.matrix.msc3266/hierarchy/x":    403,
		"/_matrix/federation/v1/make_join/%21a:alpha.example.org/%40b:c": 403,
	} {
		if got := get(t, client, "https://alpha.example.org"+path); got.status != status {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	// Members are not other servers.
	if got := get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/versions"); got.status != 200 {
		t.Errorf("a member: %d", got.status)
	}
}

// What is not known to be federation is none.
func TestUnknownModesDoNotFederate(t *testing.T) {
	t.Parallel()
	for _, mode := range []tenant.FederationMode{tenant.FederationOff, "", "everybody"} {
		w := newWorld(t, func(_ *edge.Config, s *source) {
			s.change(func(s *edge.Snapshot) { s.Routes[0].Federation = mode })
		})
		client := w.client(t, w.peers, true)
		for _, path := range []string{"/_matrix/federation/v1/version", "/_matrix/key/v2/server"} {
			r := request(t, "GET", "https://alpha.example.org"+path, nil)
			r.Header.Set("Authorization", signed)
			do(t, client, r).isRefusal(t, http.StatusForbidden, "M_FORBIDDEN")
		}
		get(t, client, "https://alpha.example.org/.well-known/matrix/server").isRefusal(t, 404, "M_UNRECOGNIZED")
		if seen := w.alpha.seen(); len(seen) > 0 {
			t.Errorf("mode %q: the homeserver was asked: %q", mode, seen)
		}
	}
}

// The last name of the longest list there may be.
func TestLongListOfPartners(t *testing.T) {
	t.Parallel()
	names := []tenant.Domain{"friend.test"}
	for i := range tenant.MostPartners - 1 {
		names = append(names, tenant.Domain(fmt.Sprintf("%s.%03d.test", strings.Repeat("a", 60), i)))
	}
	w := newWorld(t, partners(names...))
	r := request(t, "GET", "https://alpha.example.org/_matrix/federation/v1/publicRooms", nil)
	r.Header.Set("Authorization", signed)
	if got := do(t, w.client(t, w.peers, true), r); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
