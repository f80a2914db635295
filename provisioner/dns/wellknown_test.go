package dns_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"hafen/tenant"
)

func TestWellKnown(t *testing.T) {
	t.Parallel()
	say := func(server, client string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Access-Control-Allow-Origin", "*")
			if strings.HasSuffix(r.URL.Path, "/server") {
				_, _ = io.WriteString(rw, server)
			} else {
				_, _ = io.WriteString(rw, client)
			}
		}
	}
	const found = "found "
	for _, c := range []struct {
		name           string
		handle         http.HandlerFunc
		server, client string // state and code
	}{
		{"exact", rightAnswers, found, found},
		{"with more in it", say(`{"m.server":"Matrix.Example.org", "x":1}`, `{"m.homeserver":{"base_url":"https://matrix.example.org/"},"m.identity_server":{}}`), found, found},
		{"other server", say(`{"m.server":"matrix.org:443"}`, `{"m.homeserver":{"base_url":"https://matrix.org"}}`), "wrong wellknown.other_value", "wrong wellknown.other_value"},
		{"other port", say(`{"m.server":"matrix.example.org:8000"}`, `{"m.homeserver":{"base_url":"http://matrix.example.org"}}`), "wrong wellknown.other_value", "wrong wellknown.other_value"},
		{"empty object", say(`{}`, `{}`), "wrong wellknown.other_value", "wrong wellknown.other_value"},
		{"a page instead", say(`<html>`, ``), "wrong wellknown.not_json", "wrong wellknown.not_json"},
		{"another shape", say(`{"m.server":8448}`, `["m.homeserver"]`), "wrong wellknown.not_json", "wrong wellknown.not_json"},
		{"too large", say(`{"m.server":"`+strings.Repeat("a", 70<<10)+`"}`, strings.Repeat(" ", 70<<10)), "wrong wellknown.too_large", "wrong wellknown.too_large"},
		{"absent", http.NotFound, "missing wellknown.status", "missing wellknown.status"},
		{"behind a password", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) }, "wrong wellknown.status", "wrong wellknown.status"},
		{"no CORS", func(rw http.ResponseWriter, r *http.Request) { rightAnswers(withoutCORS{rw}, r) }, found, "wrong wellknown.no_cors"},
		{"CORS for who asks", func(rw http.ResponseWriter, r *http.Request) {
			say(`{"m.server":"matrix.example.org:8448"}`, `{"m.homeserver":{"base_url":"https://matrix.example.org"}}`)(reflecting{rw, r}, r)
		}, found, found},
		{"redirect to www", func(rw http.ResponseWriter, r *http.Request) {
			if r.Host == "example.org" {
				http.Redirect(rw, r, "https://www.example.org"+r.URL.Path, http.StatusFound)
				return
			}
			rightAnswers(rw, r)
		}, found, found},
		{"redirect in a circle", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.Path, http.StatusFound) }, "wrong wellknown.redirect", "wrong wellknown.redirect"},
		{"redirect to plain http", redirect("http://example.org/x"), "wrong wellknown.redirect", "wrong wellknown.redirect"},
		{"redirect to another port", redirect("https://example.org:8443/x"), "wrong wellknown.redirect", "wrong wellknown.redirect"},
		{"redirect to a name without address", redirect("https://nothing.example.org/x"), "missing wellknown.no_address", "missing wellknown.no_address"},
		{"redirect to another's certificate", redirect("https://wrong-certificate.example.org/x"), "wrong wellknown.certificate", "wrong wellknown.certificate"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unreachable wellknown.unreachable", "unreachable wellknown.unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.set()
			w.dns.Set("www.example.org", "A", "127.0.0.1")
			w.dns.Set("wrong-certificate.example.org", "A", "127.0.0.1")
			w.handle.Store(&c.handle)
			report := w.check(t, own)
			for purpose, verdict := range map[tenant.RecordPurpose]string{tenant.PurposeServer: c.server, tenant.PurposeClient: c.client} {
				state, code, _ := strings.Cut(verdict, " ")
				want(t, find(t, report, tenant.RecordWellKnown, purpose), tenant.RecordState(state), code)
			}
			if right := c.server == found && c.client == found; report.Delegated != right || report.Ready() != right {
				t.Errorf("delegated: %v", report.Delegated)
			}
		})
	}
}

// reflecting answers each origin with itself.
type reflecting struct {
	http.ResponseWriter
	r *http.Request
}

func (f reflecting) Write(b []byte) (int, error) {
	f.Header().Set("Access-Control-Allow-Origin", f.r.Header.Get("Origin"))
	return f.ResponseWriter.Write(b)
}

type withoutCORS struct{ http.ResponseWriter }

func (w withoutCORS) Write(b []byte) (int, error) {
	w.Header().Del("Access-Control-Allow-Origin")
	return w.ResponseWriter.Write(b)
}

func redirect(to string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, to, http.StatusFound) }
}

func TestNobodyAtTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	w.web.Close()
	want(t, find(t, w.check(t, own), tenant.RecordWellKnown, tenant.PurposeServer), tenant.RecordUnreachable, "wellknown.unreachable")
}

func TestAWebServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.handle.Store(&hang)
	cfg := w.config()
	cfg.Budget = 1e9
	report := newChecker(t, cfg).Check(t.Context(), own)
	want(t, find(t, report, tenant.RecordWellKnown, tenant.PurposeServer), tenant.RecordUnreachable, "wellknown.timeout")
	if !report.Verified || !report.HostReady {
		t.Errorf("one that hangs must not hide the others: %+v", report)
	}
}

// The check would otherwise be a way to have us ask services that only we can reach.
func TestNoWayIntoPrivateNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	cfg := w.config()
	cfg.AllowPrivate = false
	checker := newChecker(t, cfg)
	for _, address := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1"} {
		w.dns.Set("example.org", "A", address)
		report := checker.Check(t.Context(), own)
		for _, purpose := range []tenant.RecordPurpose{tenant.PurposeServer, tenant.PurposeClient} {
			want(t, find(t, report, tenant.RecordWellKnown, purpose), tenant.RecordWrong, "wellknown.private")
		}
	}
	if n := w.hits.Load(); n != 0 {
		t.Errorf("%d requests reached the private server", n)
	}
}
