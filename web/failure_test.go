package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/tenant"

	"github.com/jackc/pgx/v5/pgxpool"
)

// broken is an order store whose price list fails as told.
type broken struct {
	controlplane.OrderStore
	fail func() error
}

func (b broken) ListPlans(context.Context, string) ([]tenant.Plan, error) { return nil, b.fail() }

func failing(fail func() error) change {
	return func(c *Config) {
		config := c.Orders.OrdersConfig
		config.Store = broken{config.Store, fail}
		c.Orders = controlplane.NewOrders(config)
	}
}

// TestOurFault: a panic and an unknown error look the same from outside, and only the log says more.
func TestOurFault(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"panic": func() error { panic("the secret of the cellar") },
		"error": func() error { return errors.New("the secret of the cellar") },
	} {
		w := newWorld(t, failing(fail))
		for _, language := range []string{"de", "en"} {
			b := w.visitor()
			b.language = language
			got := b.get("/").want(http.StatusInternalServerError)
			id := got.header.Get("X-Request-Id")
			if id == "" || !strings.Contains(got.body, id) {
				t.Errorf("%s: the page does not name the request %q", name, id)
			}
			if strings.Contains(got.body, "cellar") || strings.Contains(got.body, "goroutine") {
				t.Errorf("%s: the page tells what happened inside", name)
			}
			if lang, _ := got.doc().Find("html").Attr("lang"); lang != language {
				t.Errorf("%s: the page speaks %q, want %q", name, lang, language)
			}
			if !strings.Contains(w.log.String(), "the secret of the cellar") || !strings.Contains(w.log.String(), id) {
				t.Errorf("%s: the log does not say what happened to %s", name, id)
			}
		}
		w.visitor().get("/login").want(http.StatusOK) // the server lives on
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.visitor()
	b.get("/nowhere").want(http.StatusNotFound)
	b.get("/servers/").want(http.StatusNotFound)
	b.get("//login").want(http.StatusNotFound)
	b.get("/assets/app.css").want(http.StatusNotFound) // without its hash
	wrong := b.do(http.MethodPut, "/login", "", nil).want(http.StatusMethodNotAllowed)
	if allow := wrong.header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") {
		t.Errorf("Allow: %q", allow)
	}
	b.do(http.MethodTrace, "/login", "", nil).want(http.StatusMethodNotAllowed)
	head := b.do(http.MethodHead, "/login", "", nil).want(http.StatusOK)
	if head.header.Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Errorf("HEAD: %v", head.header)
	}
	page := b.get("/nowhere").doc()
	if page.Find("main").Length() == 0 {
		t.Error("an unknown path has no page")
	}
	part := b.htmx().get("/nowhere").want(http.StatusNotFound)
	if strings.Contains(part.body, "<html") || part.body == "" {
		t.Errorf("a failed fragment is not one: %s", part.body)
	}
}

// TestLoggedOutFragments: a page whose session ended leads to the login instead of showing it inside itself.
func TestLoggedOutFragments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/order/check?kind=subdomain&name=werft", "/servers/" + string(tenant.NewID()) + "/payment/state"} {
		got := w.visitor().htmx().get(path).want(http.StatusUnauthorized)
		if got.header.Get("HX-Redirect") != "/login" {
			t.Errorf("%s: HX-Redirect %q", path, got.header.Get("HX-Redirect"))
		}
	}
}

func TestHealthIsHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.visitor()
	r := b.request(t.Context(), http.MethodGet, "/healthz", "", nil)
	r.Host = "localhost" // whoever asks on the socket has no name for it
	got := b.send(r).want(http.StatusOK)
	if strings.TrimSpace(got.body) != `{"status":"ok"}` {
		t.Errorf("health says %s", got.body)
	}
}

func TestAssetsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.visitor().get(assetURLs.CSS).want(http.StatusOK)
	if !strings.Contains(got.header.Get("Cache-Control"), "immutable") || got.header.Get("Vary") != "" {
		t.Errorf("headers of the style sheet: %v", got.header)
	}
	if cookies := got.header.Values("Set-Cookie"); len(cookies) > 0 {
		t.Errorf("the style sheet sets cookies: %v", cookies)
	}
}

// TestDatabaseAway: the dashboard says that it is unavailable for a while, and does not call it a fault of its own.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	away, err := pgxpool.New(t.Context(), "postgres:///hafen?host="+url.QueryEscape(t.TempDir())) // no socket there
	if err != nil {
		t.Fatal(err)
	}
	store, err := postgres.New(away, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	w := newWorld(t, func(c *Config) {
		orders, servers, accounts := c.Orders.OrdersConfig, c.Servers.ServersConfig, c.Accounts.AccountsConfig
		orders.Store, servers.Store, accounts.Store, c.Mails = store, store, store, store
		c.Orders, c.Servers, c.Accounts = controlplane.NewOrders(orders), controlplane.NewServers(servers), controlplane.NewAccounts(accounts)
	})
	loggedIn := w.visitor()
	loggedIn.cookies[sessionCookie] = strings.Repeat("A", 43)
	for _, language := range []string{"de", "en"} {
		b := w.visitor()
		b.language, loggedIn.language = language, language
		for name, got := range map[string]*answer{
			"front page": b.get("/"), "login": b.post("/login", fields("email", "anna@example.org", "password", password)),
			"sign-up": b.post("/signup", fields("email", "anna@example.org", "password", password)), "session": loggedIn.get("/servers"),
			"reset": b.get("/password/reset?token=x"), "mails": b.get("/trial/mails"),
		} {
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("%s: %d", name, got.status)
			}
			if strings.Contains(got.body, "postgres") || strings.Contains(got.body, "dial") {
				t.Errorf("%s: the page tells of the machine", name)
			}
		}
		b.get("/login").want(http.StatusOK) // what needs no database is there
	}
	if loggedIn.cookies[sessionCookie] == "" {
		t.Error("a session is thrown away because the database is")
	}
}
