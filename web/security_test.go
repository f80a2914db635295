package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hafen/controlplane"
)

// proper is who may use a route.
func (s *scene) proper(route route) *browser {
	s.Helper()
	switch route.access {
	case public, trial, visitor:
		return s.visitor()
	case operator:
		return s.as(s.olga)
	default:
		return s.as(s.anna)
	}
}

// TestForeignRequests: what another site makes a browser send changes nothing, on any route.
func TestForeignRequests(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	type headers map[string]string
	foreign := map[string]headers{
		"another site":              {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
		"another site, old browser": {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},
		"a tenant's name":           {"Origin": "https://evil." + testHost, "Sec-Fetch-Site": "same-site"},
		"a tenant, old browser":     {"Origin": "https://evil." + testHost, "Sec-Fetch-Site": ""},
		"a tenant hiding its name":  {"Origin": "null", "Sec-Fetch-Site": "same-site"},
		"a sandbox":                 {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
		"a sandbox, old browser":    {"Origin": "null", "Sec-Fetch-Site": ""},
		"plain http":                {"Origin": "http://" + testHost, "Sec-Fetch-Site": ""},
		"another port":              {"Origin": "https://" + testHost + ":8443", "Sec-Fetch-Site": ""},
		"no browser":                {"Origin": "", "Sec-Fetch-Site": ""},
		"a longer name":             {"Origin": "https://" + testHost + ".evil.example", "Sec-Fetch-Site": ""},
		"lies that contradict":      {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
	}
	before := s.snapshot()
	for _, route := range s.routes() {
		if route.method != http.MethodPost || route.nature.has(machine) {
			continue
		}
		for name, h := range foreign {
			b := s.proper(route)
			for key, value := range h {
				b = b.with(key, value)
			}
			if got := s.ask(b, route); got.status != http.StatusForbidden {
				t.Errorf("%s from %s: %d, want 403", route.path, name, got.status)
			}
		}
	}
	if after := s.snapshot(); after != before {
		t.Errorf("refused requests changed rows: %s, before %s", after, before)
	}
}

// TestOwnRequests: what our own pages send arrives, with old and new browsers and over plain http in a trial.
func TestOwnRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := map[string]map[string]string{
		"new browser":      {},
		"old browser":      {"Sec-Fetch-Site": ""},
		"no origin":        {"Origin": ""},
		"no referrer":      {"Origin": "null"},
		"typed by a human": {"Sec-Fetch-Site": "none"},
	}
	for name, h := range own {
		for _, plain := range []bool{false, true} {
			b := w.visitor()
			b.plain = plain
			for key, value := range h {
				b = b.with(key, value)
			}
			if got := b.post("/language", fields("to", "de", "back", "/")); got.status != http.StatusSeeOther {
				t.Errorf("%s (over http: %v): %d", name, plain, got.status)
			}
		}
	}
}

// TestHeaders asks every route as whoever may use it, and some that nobody may.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	check := func(name string, a *answer, nature nature) {
		t.Helper()
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		csp := a.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action "} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the content security policy lacks %s: %s", name, want, csp)
			}
		}
		// A kept mail brings its style along; it stands alone, in a sandbox.
		if strings.Contains(csp, "unsafe") && !strings.HasPrefix(csp, "sandbox ") {
			t.Errorf("%s: unsafe content security policy %s", name, csp)
		}
		if a.header.Get("Permissions-Policy") == "" || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers are missing: %v", name, a.header)
		}
		if !nature.has(plain) && a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %q", name, a.header.Get("Cache-Control"))
		}
		want := "same-origin"
		if nature.has(token) {
			want = "strict-origin" // no path, so no token, in any referrer
		}
		if got := a.header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: Referrer-Policy %q, want %q", name, got, want)
		}
		if strings.Contains(a.body, " style=") || strings.Contains(a.body, "<style") || strings.Contains(a.body, " onclick=") {
			t.Errorf("%s: inline style or script that our own policy forbids", name)
		}
	}
	for _, route := range s.routes() {
		check(route.method+" "+route.path, s.ask(s.proper(route), route), route.nature)
	}
	check("an unknown path", s.visitor().get("/nowhere"), page)
	check("a wrong method", s.visitor().do(http.MethodDelete, "/login", "", nil), page)
	check("a foreign server", s.as(s.ben).get("/servers/"+string(s.server)), page)
}

func TestStrictTransportSecurity(t *testing.T) {
	t.Parallel()
	serious, playing := newWorld(t, withoutTrial), newWorld(t)
	const name = "Strict-Transport-Security"
	if got := serious.visitor().get("/login").header.Get(name); !strings.HasPrefix(got, "max-age=") {
		t.Errorf("over https: %q", got)
	}
	over := serious.visitor()
	over.plain = true
	if got := over.get("/login").header.Get(name); got != "" {
		t.Errorf("over http: %q", got)
	}
	if got := playing.visitor().get("/login").header.Get(name); got != "" {
		t.Errorf("in a trial: %q", got)
	}
}

// TestForwardedHeaders: only the edge, on the Unix socket, is believed.
func TestForwardedHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withoutTrial)
	b := w.visitor()
	r := b.request(t.Context(), http.MethodGet, "/login", "", nil)
	r.RemoteAddr = "192.0.2.9:4711"
	if got := b.send(r); got.header.Get("Strict-Transport-Security") != "" {
		t.Error("a TCP client is believed to come over https")
	}
	if !strings.Contains(w.log.String(), `"address":"192.0.2.9"`) {
		t.Errorf("a TCP client's own address is not in the log: %s", w.log)
	}
	chained := w.visitor().with("X-Forwarded-For", "203.0.113.1, 198.51.100.7")
	chained.get("/login")
	if !strings.Contains(w.log.String(), `"address":"198.51.100.7"`) || strings.Contains(w.log.String(), "203.0.113.1") {
		t.Error("an address that a client claimed is taken for its own")
	}
}

func TestForeignHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for host, want := range map[string]int{
		testHost: 200, "HAFEN.test": 200, testHost + ":8443": 200, testHost + ".": 200,
		"evil.example": 421, "x." + testHost: 421, "": 421, "127.0.0.1": 421,
	} {
		b := w.visitor()
		r := b.request(t.Context(), http.MethodGet, "/login", "", nil)
		r.Host = host
		if got := b.send(r); got.status != want {
			t.Errorf("host %q: %d, want %d", host, got.status, want)
		}
	}
}

// TestContentTypes: a form is a form, on every route.
func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	before := s.snapshot()
	for _, route := range s.routes() {
		if route.method != http.MethodPost || route.nature.has(machine) { // a machine sends no forms: see TestWebhook
			continue
		}
		for _, kind := range []string{"application/json", "text/plain", "application/xml", "", "application/x-www-form-urlencoded-not", ";;"} {
			b := s.proper(route)
			got := b.do(route.method, s.path(route, b), kind, strings.NewReader(`{"email":"x"}`))
			if got.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s with %q: %d, want 415", route.path, kind, got.status)
			}
		}
		b := s.proper(route)
		broken := b.do(route.method, s.path(route, b), "multipart/form-data; boundary=x", strings.NewReader("--y\r\n"))
		unreadable := b.do(route.method, s.path(route, b), "application/x-www-form-urlencoded", strings.NewReader("a=%zz"))
		for _, got := range []*answer{broken, unreadable} {
			if got.status != http.StatusBadRequest {
				t.Errorf("%s with a broken form: %d, want 400", route.path, got.status)
			}
		}
	}
	if after := s.snapshot(); after != before {
		t.Errorf("refused requests changed rows: %s, before %s", after, before)
	}
}

func TestTextThatIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	operator := w.as(w.account("olga@example.org", anAdmin))
	operator.get("/operator?q=%00").want(http.StatusBadRequest)
	operator.get("/operator?q=%ff").want(http.StatusBadRequest)
	operator.get("/operator/servers/%00").want(http.StatusBadRequest)
	w.visitor().post("/login", fields("email", "a\x00@example.org", "password", "x")).want(http.StatusBadRequest)
	w.visitor().post("/login", url.Values{"email": {"a@example.org"}, "password": {"\xff"}}).want(http.StatusBadRequest)
}

// TestRedirectsStayHere: neither the login nor the language switch leads to a stranger's site.
func TestRedirectsStayHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("anna@example.org", aCustomer)
	for to, want := range map[string]string{
		"/order?plan=basic": "/order?plan=basic", "/servers": "/servers",
		"//evil.example": "", "/\\evil.example": "", "https://evil.example": "", "javascript:alert(1)": "", "evil": "",
		"/\t/evil.example": "", "/%2f/evil.example": "", "": "", "///evil.example": "", "/ok\r\nSet-Cookie: x=y": "",
	} {
		expected := orElse(want, "/servers")
		w.visitor().post("/login", fields("email", "anna@example.org", "password", password, "next", to)).wantRedirect(expected)
		w.visitor().post("/language", fields("to", "de", "back", to)).wantRedirect(orElse(want, "/"))
	}
}

// TestLoginChangesTheCookie: a cookie that somebody planted before the login opens nothing after it.
func TestLoginChangesTheCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("anna@example.org", aCustomer)
	b := w.visitor()
	b.cookies[sessionCookie] = strings.Repeat("A", 43)
	b.post("/login", fields("email", "anna@example.org", "password", password)).wantRedirect("/servers")
	if b.cookies[sessionCookie] == strings.Repeat("A", 43) || b.cookies[sessionCookie] == "" {
		t.Fatal("the cookie from before the login is still there")
	}
	b.get("/servers").want(http.StatusOK)
	planted := w.visitor()
	planted.cookies[sessionCookie] = strings.Repeat("A", 43)
	planted.get("/servers").wantRedirect("/login?next=%2Fservers")
}

// TestNoSecretsInTheLog walks through everything that has a secret.
func TestNoSecretsInTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.visitor()
	b.post("/signup", fields("email", "anna@example.org", "password", password)).wantRedirect("/signup/sent")
	verify := last[controlplane.VerifyMail](w).Token
	b.get("/verify?token=" + verify).want(http.StatusOK)
	b.post("/verify", fields("token", verify)).want(http.StatusOK)
	b.post("/login", fields("email", "anna@example.org", "password", "wrong "+password)).want(http.StatusUnprocessableEntity)
	b.post("/login", fields("email", "anna@example.org", "password", password)).wantRedirect("/servers")
	cookie := b.cookies[sessionCookie]
	b.get("/servers").want(http.StatusOK)
	b.get("/password/reset?token=" + verify)
	b.get("/set-password?token=" + verify)
	text := w.log.String()
	for name, secret := range map[string]string{"password": password, "link": verify, "session": cookie} {
		if strings.Contains(text, secret) {
			t.Errorf("the %s is in the log", name)
		}
	}
	for _, want := range []string{`"path":"/verify"`, `"path":"/servers"`, `"status":422`, `"request":"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}
