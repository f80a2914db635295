package edge_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hafen/edge"
	"hafen/tenant"
)

// Thousands of spellings of administration and metrics paths, on raw HTTP/1.1 and raw HTTP/2, on both TLS ports: none may
// reach the homeserver, in any form.
func TestNoSpellingReachesAdministration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	spellings := edge.AdminSpellings()
	if len(spellings) < 1000 {
		t.Fatalf("only %d spellings", len(spellings))
	}
	for _, address := range []string{w.https, w.peers} {
		w.sendRaw(t, address, spellings)
		w.sendFrames(t, address, spellings)
		control := w.frames(t, address)
		control.send(t, "GET", "/_matrix/key/v2/server")
		if status, _ := control.answer(); status != 200 {
			t.Fatalf("frames that are right are answered with %d", status)
		}
	}
	for _, method := range []string{"CONNECT", "TRACE", "PRI", "PROPFIND", "get"} {
		conn := w.dial(t, w.https, string(alpha))
		fmt.Fprintf(conn, "%s /_matrix/client/versions HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, alpha)
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && response.StatusCode < 400 {
			t.Errorf("%s is answered with %s", method, response.Status)
		}
	}
	if seen := w.alpha.seen(); !slices.Equal(seen, []string{"GET /_matrix/key/v2/server", "GET /_matrix/key/v2/server"}) {
		t.Errorf("%d requests reached the homeserver: %q", len(seen), seen[:min(len(seen), 5)])
	}
}

// sendRaw writes request lines byte for byte and checks that each is refused.
func (w *world) sendRaw(t *testing.T, address string, targets []string) {
	t.Helper()
	conn := w.dial(t, address, string(alpha))
	reader := bufio.NewReader(conn)
	for _, raw := range targets {
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", raw, alpha)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		io.Copy(io.Discard, response.Body)
		if response.StatusCode < 400 || response.StatusCode > 499 {
			t.Errorf("%q: %s", raw, response.Status)
		}
		if response.Close { // net/http's own refusal of a malformed line
			conn = w.dial(t, address, string(alpha))
			reader.Reset(conn)
		}
	}
}

// sendFrames is sendRaw over HTTP/2. A stream that is reset, or a connection that ends, is a refusal too.
func (w *world) sendFrames(t *testing.T, address string, targets []string) {
	t.Helper()
	frames := w.frames(t, address)
	for _, raw := range targets {
		frames.send(t, "POST", raw)
		status, open := frames.answer()
		if status != 0 && (status < 400 || status > 499) {
			t.Errorf("%q over HTTP/2: %d", raw, status)
		}
		if !open {
			frames = w.frames(t, address)
		}
	}
}

// Federation signatures cover the request target: what the homeserver reads must be what the peer wrote.
func TestTargetsPassByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	targets := []string{
		"/_matrix/federation/v1/make_join/%21abc%3Aexample.org/%40a%2Fb%3Aexample.org?ver=10&ver=11",
		"/_matrix/federation/v2/send_join/!abc:example.org/$ev%2Fent",
		"/_matrix/federation/v1/event/%24acR1l0%2F%2FoZ+m",
		"/_matrix/federation/v1/state_ids/%21abc:example.org?event_id=%24x%2Fy&a;b&%zz&=",
		"/_matrix/federation/v1/query/directory?room_alias=%23caf%C3%A9%3Aexample.org",
		"/_matrix/key/v2/server/",
		"/_matrix/federation/v1/version?",
		"/_matrix/federation/v1/query/profile?user_id=@a:example.org&field=%20x+y",
		"/_matrix/federation/v1/user/devices/@~a!$&'()*+,=:b:example.org",
	}
	for _, http2 := range []bool{false, true} {
		for _, address := range []string{w.https, w.peers} {
			client := w.client(t, address, http2)
			for _, raw := range targets {
				r := request(t, "GET", "https://"+string(alpha)+"/", nil)
				path, query, ask := strings.Cut(raw, "?")
				r.URL = &url.URL{Scheme: "https", Host: string(alpha), Opaque: path, RawQuery: query, ForceQuery: ask}
				if got := do(t, client, r); got.status != 200 {
					t.Errorf("%s: %d %s", raw, got.status, got.body)
				}
			}
		}
	}
	var want []string
	for range 4 {
		for _, raw := range targets {
			want = append(want, "GET "+raw)
		}
	}
	if seen := w.alpha.seen(); !slices.Equal(seen, want) {
		t.Errorf("the homeserver read\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

func TestUnknownNamesGetNoHandshake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The wildcard certificate would cover some of these; having a certificate is not being served.
	for _, name := range []string{"nobody.example.org", "nobody.test", "example.com", "localhost", ""} {
		conn, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
			t.Errorf("handshake for %q succeeded", name)
		} else if !strings.Contains(err.Error(), "unrecognized name") { // the alert's type is crypto/tls's own
			t.Errorf("handshake for %q ended with %v", name, err)
		}
	}
	if n := w.source.count(&w.source.lookups); n != 0 {
		t.Errorf("unknown names caused %d queries", n)
	}
	if _, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: string(alpha), InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	w.dial(t, w.https, "ALPHA.example.org") // names have no case
}

// anySession offers the last session for every name, which no honest client does.
type anySession struct{ last *tls.ClientSessionState }

func (c *anySession) Get(string) (*tls.ClientSessionState, bool)    { return c.last, c.last != nil }
func (c *anySession) Put(_ string, session *tls.ClientSessionState) { c.last = session }

// A session begun for one name opens no connection for a name that is not served.
func TestResumptionIsForServedNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sessions := &anySession{}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		connect := func(name string) (bool, error) {
			conn, err := tls.Dial("tcp", w.https, &tls.Config{
				ServerName: name, InsecureSkipVerify: true, ClientSessionCache: sessions, MaxVersion: version, NextProtos: []string{"http/1.1"},
			})
			if err != nil {
				return false, err
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET /.well-known/matrix/client HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name)
			_, err = io.ReadAll(conn) // in TLS 1.3 sessions and alerts come after the handshake
			return conn.ConnectionState().DidResume, err
		}
		if _, err := connect(string(alpha)); err != nil {
			t.Fatal(err)
		}
		if resumed, err := connect(string(alpha)); err != nil || !resumed {
			t.Errorf("the same name: resumed %v, %v", resumed, err)
		}
		if _, err := connect("nobody.example.org"); err == nil {
			t.Error("a name that is not served was")
		}
		sessions.last = nil
	}
}

// One certificate covers both names, so a browser may send requests for one over the other's connection.
func TestHostMustBeTheHandshakesName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, http2 := range []bool{false, true} {
		client := w.client(t, w.https, http2)
		for _, host := range []string{string(beta), "nobody.test", "alpha.example.org.", "alpha.example.org:x", " ", "[::1]", "127.0.0.1", "example.org"} {
			r := request(t, "GET", "https://"+string(alpha)+"/_matrix/client/versions", nil)
			r.Host = host
			response, err := client.Do(r)
			if err != nil {
				continue // Go's own server or client refused the host
			}
			got := read(t, response)
			if got.status != http.StatusMisdirectedRequest && got.status != http.StatusBadRequest {
				t.Errorf("host %q, HTTP/%d: %d %s", host, got.proto, got.status, got.body)
			}
		}
		for _, host := range []string{string(alpha), "ALPHA.example.org", "alpha.example.org:443", "alpha.example.org:8448"} {
			r := request(t, "GET", "https://"+string(alpha)+"/_matrix/client/versions", nil)
			r.Host = host
			if got := do(t, client, r); got.status != 200 {
				t.Errorf("host %q, HTTP/%d: %d %s", host, got.proto, got.status, got.body)
			}
		}
	}
	if len(w.beta.seen()) > 0 {
		t.Error("a request for beta passed over a connection to alpha")
	}
}

func TestRegistrationIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.client(t, w.https, true)
	for _, path := range []string{"v3/register", "r0/register?kind=guest", "v1/register/", "unstable/register", "v3/register/available?username=a"} {
		for _, method := range []string{"POST", "GET"} {
			r := request(t, method, "https://alpha.example.org/_matrix/client/"+path, nil)
			if method == "POST" {
				r = request(t, method, r.URL.String(), strings.NewReader(`{"username":"a","password":"b"}`))
			}
			do(t, client, r).isRefusal(t, 403, "M_FORBIDDEN")
		}
		r := request(t, "OPTIONS", "https://alpha.example.org/_matrix/client/"+path, nil)
		if got := do(t, client, r); got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("Access-Control-Allow-Methods") == "" {
			t.Errorf("preflight: %d %v", got.status, got.header)
		}
	}
	if seen := w.alpha.seen(); len(seen) > 0 {
		t.Errorf("reached the homeserver: %q", seen)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range []struct {
		address string
		host    tenant.Domain
		path    string
		status  int
		code    string
	}{
		{w.https, alpha, "/_matrix/client/versions", 200, ""},
		{w.https, alpha, "/_matrix/media/v3/config", 200, ""},
		{w.https, alpha, "/_matrix/federation/v1/version", 200, ""},
		{w.https, alpha, "/_matrix/key/v2/server", 200, ""},
		{w.https, alpha, "/_synapse/client/pick_idp", 200, ""},
		{w.peers, alpha, "/_matrix/federation/v1/version", 200, ""},
		{w.peers, alpha, "/_matrix/key/v2/server", 200, ""},
		{w.peers, alpha, "/.well-known/matrix/server", 200, ""},
		{w.peers, alpha, "/_matrix/client/versions", 404, "M_UNRECOGNIZED"},
		{w.peers, alpha, "/_matrix/media/v3/config", 404, "M_UNRECOGNIZED"},
		{w.peers, alpha, "/_synapse/client/pick_idp", 404, "M_UNRECOGNIZED"},
		// What apps need besides, and other servers do not: files have a place of their own among the latter's.
		{w.https, alpha, "/_matrix/client/v1/media/download/friend.test/b", 200, ""},
		{w.https, alpha, "/_matrix/client/v1/media/thumbnail/friend.test/b?width=1&height=1", 200, ""},
		{w.https, alpha, "/_matrix/client/v1/media/config", 200, ""},
		{w.https, alpha, "/_matrix/client/v1/auth_metadata", 200, ""},
		{w.https, alpha, "/_matrix/client/v3/login/sso/redirect/oidc-school?redirectUrl=https%3A%2F%2Fapp.test%2F", 200, ""},
		{w.https, alpha, "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports", 200, ""},
		{w.https, alpha, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", 200, ""},
		{w.https, alpha, "/_matrix/client/v4/sync", 200, ""},
		{w.https, alpha, "/_matrix/federation/v1/media/download/b", 200, ""},
		{w.peers, alpha, "/_matrix/federation/v1/media/download/b", 200, ""},
		{w.peers, alpha, "/_matrix/client/v1/media/download/friend.test/b", 404, "M_UNRECOGNIZED"},
		{w.peers, alpha, "/_matrix/client/v1/auth_metadata", 404, "M_UNRECOGNIZED"},
		{w.peers, alpha, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", 404, "M_UNRECOGNIZED"},
		{w.peers, home, "/", 404, "M_UNRECOGNIZED"}, // the dashboard is not for peers
		{w.https, beta, "/_matrix/client/versions", 200, ""},
		{w.https, beta, "/_matrix/federation/v1/version", 403, "M_FORBIDDEN"},
		{w.https, beta, "/_matrix/key/v2/server", 403, "M_FORBIDDEN"},
		{w.peers, beta, "/_matrix/federation/v1/version", 403, "M_FORBIDDEN"},
		{w.peers, beta, "/_matrix/key/v2/server", 403, "M_FORBIDDEN"},
		{w.peers, beta, "/.well-known/matrix/server", 404, "M_UNRECOGNIZED"},
		{w.https, beta, "/.well-known/matrix/server", 404, "M_UNRECOGNIZED"},
		{w.https, alpha, "/", 404, "M_UNRECOGNIZED"},
	} {
		for _, http2 := range []bool{false, true} {
			got := get(t, w.client(t, row.address, http2), "https://"+string(row.host)+row.path)
			if got.status != row.status {
				t.Errorf("%s%s: %d %s, want %d", row.host, row.path, got.status, got.body, row.status)
			}
			if row.code != "" {
				got.isRefusal(t, row.status, row.code)
			}
		}
	}
}

func TestSuspendedTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.source.change(func(s *edge.Snapshot) {
		routes := slices.Clone(s.Routes)
		routes[0].Mode = tenant.RouteSuspended
		s.Routes = routes
	})
	client := w.client(t, w.https, true)
	eventually(t, "suspension arrives", func() bool { return get(t, client, "https://alpha.example.org/_matrix/client/versions").status == 403 })

	got := get(t, client, "https://alpha.example.org/_matrix/client/v3/sync")
	got.isRefusal(t, 403, "M_RESOURCE_LIMIT_EXCEEDED")
	if got.json["admin_contact"] != "mailto:help@example.org" || got.json["limit_type"] != "hs_blocked" {
		t.Errorf("a member learns too little: %s", got.body)
	}
	peer := get(t, w.client(t, w.peers, true), "https://alpha.example.org/_matrix/federation/v1/version")
	if peer.status != 503 || peer.header.Get("Retry-After") == "" {
		t.Errorf("a peer gets %d, Retry-After %q", peer.status, peer.header.Get("Retry-After"))
	}
	if got := get(t, client, "https://alpha.example.org/.well-known/matrix/client"); got.status != 200 {
		t.Errorf("discovery of a suspended server: %d", got.status)
	}
	if got := get(t, client, "https://beta.example.org/_matrix/client/versions"); got.status != 200 {
		t.Errorf("its neighbour: %d", got.status)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *edge.Config, s *source) {
		c.PublicHTTPSPort, c.PublicFederationPort = 8443, 9448
		s.change(func(s *edge.Snapshot) {
			// A customer whose apex stays elsewhere, but who lets us answer there too.
			s.Routes[0].ServerName = "delegated.example.org"
		})
	})
	client := w.client(t, w.https, true)
	for _, row := range []struct{ host, document, want string }{
		{"alpha.example.org", "client", `{"m.homeserver":{"base_url":"https://alpha.example.org:8443"}}`},
		{"alpha.example.org", "server", `{"m.server":"alpha.example.org:9448"}`},
		{"alpha.example.org", "support", `{"contacts":[{"role":"m.role.admin","email_address":"help@example.org"},{"role":"m.role.security","email_address":"help@example.org"}]}`},
		{"beta.example.org", "support", `{"support_page":"https://example.org/help"}`},
		{"delegated.example.org", "client", `{"m.homeserver":{"base_url":"https://alpha.example.org:8443"}}`},
		{"delegated.example.org", "server", `{"m.server":"alpha.example.org:9448"}`},
	} {
		got := get(t, client, "https://"+row.host+"/.well-known/matrix/"+row.document)
		if got.status != 200 || got.body != row.want || got.header.Get("Content-Type") != "application/json" || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %d %s %v", row.host, row.document, got.status, got.body, got.header)
		}
		head := do(t, client, request(t, "HEAD", "https://"+row.host+"/.well-known/matrix/"+row.document, nil))
		if head.status != 200 || head.body != "" {
			t.Errorf("HEAD: %d %q", head.status, head.body)
		}
		do(t, client, request(t, "DELETE", "https://"+row.host+"/.well-known/matrix/"+row.document, nil)).isRefusal(t, 405, "M_UNRECOGNIZED")
	}
	get(t, client, "https://delegated.example.org/_matrix/client/versions").isRefusal(t, 404, "M_UNRECOGNIZED")
	if seen := append(w.alpha.seen(), w.beta.seen()...); len(seen) > 0 {
		t.Errorf("the homeserver was asked: %q", seen)
	}
}

// The customer's own people come before the hoster, whom one can ask about security in any case.
func TestSupport(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		support tenant.Support
		contact string
		want    string // "" for none
	}{
		{tenant.Support{}, "", ""},
		{
			tenant.Support{Email: "chat@school.test"},
			"",
			`{"contacts":[{"role":"m.role.admin","email_address":"chat@school.test"}]}`,
		},
		{
			tenant.Support{Email: "chat@school.test", MatrixID: "@anna:school.test", Page: "https://school.test/chat"},
			"mailto:help@hoster.test",
			`{"contacts":[{"role":"m.role.admin","matrix_id":"@anna:school.test","email_address":"chat@school.test"},` +
				`{"role":"m.role.security","email_address":"help@hoster.test"}],"support_page":"https://school.test/chat"}`,
		},
		{
			tenant.Support{Page: "https://school.test/chat"},
			"mailto:help@hoster.test",
			`{"contacts":[{"role":"m.role.security","email_address":"help@hoster.test"}],"support_page":"https://school.test/chat"}`,
		},
		{
			tenant.Support{MatrixID: "@anna:school.test"},
			"https://hoster.test/help",
			`{"contacts":[{"role":"m.role.admin","matrix_id":"@anna:school.test"}],"support_page":"https://hoster.test/help"}`,
		},
		{tenant.Support{Page: "https://school.test/chat"}, "https://hoster.test/help", `{"support_page":"https://school.test/chat"}`},
	} {
		w := newWorld(t, func(_ *edge.Config, s *source) {
			s.change(func(s *edge.Snapshot) { s.Routes[0].Support, s.Routes[0].Contact = row.support, row.contact })
		})
		got := get(t, w.client(t, w.https, true), "https://alpha.example.org/.well-known/matrix/support")
		if row.want == "" {
			got.isRefusal(t, 404, "M_UNRECOGNIZED")
		} else if got.status != 200 || got.body != row.want {
			t.Errorf("%+v, %q: %d %s", row.support, row.contact, got.status, got.body)
		}
	}
}
