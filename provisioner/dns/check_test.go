package dns_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hafen/internal/dnstest"
	"hafen/provisioner/dns"
	"hafen/provisioner/localca"
	"hafen/tenant"
)

// world is a customer's domain: its DNS and its web server.
type world struct {
	dns    *dnstest.Server
	web    *httptest.Server
	handle atomic.Pointer[http.HandlerFunc]
	hits   atomic.Int32
	roots  *x509.CertPool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dns: dnstest.Start(t), roots: x509.NewCertPool()}
	ca, err := localca.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w.roots.AppendCertsFromPEM(ca.RootPEM())
	w.web = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.hits.Add(1)
		if h := w.handle.Load(); h != nil {
			(*h)(rw, r)
			return
		}
		rightAnswers(rw, r)
	}))
	w.web.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := ca.Issue(hello.Context(), tenant.Domain(strings.TrimPrefix(hello.ServerName, "wrong-certificate.")))
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(c.ChainPEM, c.KeyPEM)
		return &pair, err
	}}
	w.web.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	w.web.StartTLS()
	t.Cleanup(w.web.Close)
	return w
}

func rightAnswers(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/.well-known/matrix/server":
		_, _ = io.WriteString(rw, `{"m.server":"matrix.example.org:8448"}`)
	case "/.well-known/matrix/client":
		rw.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = io.WriteString(rw, `{"m.homeserver":{"base_url":"https://matrix.example.org"}}`)
	default:
		http.NotFound(rw, r)
	}
}

func (w *world) config() dns.Config {
	return dns.Config{
		Resolvers: []string{w.dns.Addr()}, AllowPrivate: true, Roots: w.roots, Issuers: []string{"letsencrypt.org"},
		HTTPSPort: w.web.Listener.Addr().(*net.TCPAddr).Port,
	}
}

func (w *world) check(t *testing.T, wanted dns.Wanted) tenant.DomainReport {
	t.Helper()
	return newChecker(t, w.config()).Check(t.Context(), wanted)
}

func newChecker(t *testing.T, c dns.Config) *dns.Checker {
	t.Helper()
	checker, err := dns.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

// own has a host of its own below the server name; whole is the server name itself.
var (
	own = dns.Wanted{
		ServerName: "example.org", Host: "matrix.example.org", Token: "t0ken", EdgeHost: "edge.hoster.example",
		Edge: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
	}
	whole = func() dns.Wanted { w := own; w.Host = w.ServerName; return w }()
)

// set makes everything right.
func (w *world) set() {
	w.dns.Set("_hafen.example.org", "TXT", "hafen-verify=t0ken")
	w.dns.Set("matrix.example.org", "A", "192.0.2.1")
	w.dns.Set("matrix.example.org", "AAAA", "2001:db8::1")
	w.dns.Set("example.org", "A", "127.0.0.1")
}

func find(t *testing.T, report tenant.DomainReport, kind tenant.RecordKind, purpose tenant.RecordPurpose) tenant.Record {
	t.Helper()
	for _, r := range report.Records {
		if r.Kind == kind && r.Purpose == purpose {
			return r
		}
	}
	t.Fatalf("no %s for %s in %+v", kind, purpose, report.Records)
	return tenant.Record{}
}

func want(t *testing.T, r tenant.Record, state tenant.RecordState, code string, seen ...string) {
	t.Helper()
	if r.State != state || r.Code != code || (seen != nil && !slices.Equal(r.Seen, seen)) {
		t.Errorf("%s %s: %s %q, saw %q; want %s %q %q", r.Kind, r.Name, r.State, r.Code, r.Seen, state, code, seen)
	}
	if code != "" && !slices.Contains(tenant.DomainCodes, code) {
		t.Errorf("%s has no sentence", code)
	}
}

// TestOtherPorts: where the edge does not listen on the usual ones, the customer's website has to name ours.
func TestOtherPorts(t *testing.T) {
	t.Parallel()
	other := own
	other.FederationPort, other.ClientPort = 48448, 40443
	for _, r := range dns.Records(other) {
		want := map[tenant.RecordPurpose]string{
			tenant.PurposeServer: `{"m.server":"matrix.example.org:48448"}`,
			tenant.PurposeClient: `{"m.homeserver":{"base_url":"https://matrix.example.org:40443"}}`,
		}[r.Purpose]
		if want != "" && r.Want[0] != want {
			t.Errorf("%s: %s", r.Purpose, r.Want[0])
		}
	}
}

func TestWantedRecords(t *testing.T) {
	t.Parallel()
	var got []string
	for _, r := range append(dns.Records(own), dns.Records(whole)...) {
		if r.State != tenant.RecordPending {
			t.Errorf("%s is %s before anybody looked", r.Name, r.State)
		}
		got = append(got, fmt.Sprintf("%s %s %s optional=%v", r.Kind, r.Name, strings.Join(r.Want, ","), r.Optional))
	}
	wanted := []string{
		"TXT _hafen.example.org hafen-verify=t0ken optional=false",
		"CNAME matrix.example.org edge.hoster.example optional=true",
		"A matrix.example.org 192.0.2.1 optional=false",
		"AAAA matrix.example.org 2001:db8::1 optional=true",
		`well-known https://example.org/.well-known/matrix/server {"m.server":"matrix.example.org:8448"} optional=false`,
		`well-known https://example.org/.well-known/matrix/client {"m.homeserver":{"base_url":"https://matrix.example.org"}} optional=false`,
		"TXT _hafen.example.org hafen-verify=t0ken optional=false",
		"A example.org 192.0.2.1 optional=false", // and no alias: it is a zone's apex
		"AAAA example.org 2001:db8::1 optional=true",
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

func TestEverythingRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	report := w.check(t, own)
	if !report.Ready() || len(report.Records) != 6 || time.Since(report.CheckedAt) > time.Minute {
		t.Errorf("not ready: %+v", report)
	}
	for _, r := range report.Records {
		if r.Kind != tenant.RecordCNAME { // addresses are set instead
			want(t, r, tenant.RecordFound, "")
		}
	}
	w.dns.Set("example.org", "A", "192.0.2.1")
	if report := w.check(t, whole); !report.Ready() || len(report.Records) != 3 {
		t.Errorf("the whole domain: %+v", report)
	}
}

func TestNothingSet(t *testing.T) {
	t.Parallel()
	report := newWorld(t).check(t, own)
	if report.Ready() || report.Verified || report.HostReady || report.Delegated || !report.Issuable {
		t.Errorf("%+v", report)
	}
	want(t, find(t, report, tenant.RecordTXT, tenant.PurposeProof), tenant.RecordMissing, "txt.missing", []string{}...)
	for _, kind := range []tenant.RecordKind{tenant.RecordCNAME, tenant.RecordA, tenant.RecordAAAA} {
		want(t, find(t, report, kind, tenant.PurposeHost), tenant.RecordMissing, "host.missing")
	}
	want(t, find(t, report, tenant.RecordWellKnown, tenant.PurposeServer), tenant.RecordMissing, "wellknown.no_address")
}

func TestProof(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		texts []string
		state tenant.RecordState
		code  string
		seen  []string
	}{
		{"right", []string{"hafen-verify=t0ken"}, tenant.RecordFound, "", nil},
		{"quoted by a form", []string{`"hafen-verify=t0ken" `}, tenant.RecordFound, "", nil},
		{"backslashes and letters beyond ASCII", []string{`a\"b\065 zürich`}, tenant.RecordWrong, "txt.other_text", []string{`a\"b\065 zürich`}},
		{"right among others", []string{"v=spf1 -all", "hafen-verify=old", "hafen-verify=t0ken"}, tenant.RecordFound, "", nil},
		{"another order's", []string{"hafen-verify=other"}, tenant.RecordWrong, "txt.other_token", []string{"hafen-verify=other"}},
		{"another case", []string{"hafen-verify=T0KEN"}, tenant.RecordWrong, "txt.other_token", []string{"hafen-verify=T0KEN"}},
		{"the token alone", []string{"t0ken"}, tenant.RecordWrong, "txt.other_text", []string{"t0ken"}},
		{"the right one within a longer", []string{"x hafen-verify=t0ken"}, tenant.RecordWrong, "txt.other_text", nil},
		{"hostile", []string{"<b>\x1b[31m\u202e" + strings.Repeat("long", 200)}, tenant.RecordWrong, "txt.other_text", nil},
		{"very many", manyTexts(), tenant.RecordWrong, "txt.other_text", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.dns.Set("_hafen.example.org", "TXT", c.texts...)
			report := w.check(t, own)
			r := find(t, report, tenant.RecordTXT, tenant.PurposeProof)
			want(t, r, c.state, c.code, c.seen...)
			if report.Verified != (c.state == tenant.RecordFound) {
				t.Errorf("verified: %v", report.Verified)
			}
			for _, s := range r.Seen {
				if len([]rune(s)) > 121 || strings.ContainsAny(s, "\x1b\u202e") || len(r.Seen) > 6 {
					t.Errorf("unfit for a page: %q", r.Seen)
				}
			}
		})
	}
}

func manyTexts() []string {
	var texts []string
	for i := range 100 {
		texts = append(texts, fmt.Sprintf("text %d", i))
	}
	return texts
}

func TestProofAtADoubledName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dns.Set("_hafen.example.org.example.org", "TXT", "hafen-verify=t0ken")
	r := find(t, w.check(t, own), tenant.RecordTXT, tenant.PurposeProof)
	want(t, r, tenant.RecordWrong, "txt.doubled_name", "_hafen.example.org.example.org")
}

func TestMissingThenForeignThenCorrected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	checker := newChecker(t, w.config())
	if report := checker.Check(t.Context(), own); report.Ready() {
		t.Fatalf("%+v", report)
	}
	w.set()
	w.dns.Set("matrix.example.org", "A", "198.51.100.9")
	report := checker.Check(t.Context(), own)
	want(t, find(t, report, tenant.RecordA, tenant.PurposeHost), tenant.RecordWrong, "host.points_elsewhere", "198.51.100.9")
	if report.HostReady || !report.Verified || !report.Delegated {
		t.Errorf("%+v", report)
	}
	w.dns.Set("matrix.example.org", "A", "192.0.2.1")
	if report := checker.Check(t.Context(), own); !report.Ready() {
		t.Errorf("corrected, yet %+v", report)
	}
}
