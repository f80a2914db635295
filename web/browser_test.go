package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

var addresses struct {
	sync.Mutex
	next int
}

// newAddress keeps browsers of one test out of each other's limits.
func newAddress() string {
	addresses.Lock()
	defer addresses.Unlock()
	addresses.next++
	return "10." + itoa(addresses.next>>16&255) + "." + itoa(addresses.next>>8&255) + "." + itoa(addresses.next&255)
}

// browser behaves as one: it keeps cookies and says where its requests come from. It talks to the router as the edge does.
type browser struct {
	w        *world
	cookies  map[string]string
	session  string // id of the session, for addresses
	language string
	address  string
	plain    bool              // over http
	headers  map[string]string // set last; an empty value takes a header away
}

type answer struct {
	*testing.T
	status int
	header http.Header
	body   string
}

func (b *browser) get(path string) *answer {
	b.w.Helper()
	return b.do(http.MethodGet, path, "", nil)
}

func (b *browser) post(path string, form url.Values) *answer {
	b.w.Helper()
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// htmx is the same browser asking for fragments.
func (b *browser) htmx() *browser { return b.with("HX-Request", "true") }

func (b *browser) with(name, value string) *browser {
	other := *b
	other.headers = map[string]string{name: value}
	for k, v := range b.headers {
		other.headers[k] = v
	}
	return &other
}

func (b *browser) do(method, path, contentType string, body io.Reader) *answer {
	b.w.Helper()
	return b.send(b.request(b.w.Context(), method, path, contentType, body))
}

func (b *browser) request(ctx context.Context, method, path, contentType string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, path, body).WithContext(ctx)
	r.Host, r.RemoteAddr = testHost, "@" // an unnamed Unix socket
	scheme := "https"
	if b.plain {
		scheme = "http"
	}
	r.Header.Set("X-Forwarded-For", b.address)
	r.Header.Set("X-Forwarded-Proto", scheme)
	r.Header.Set("Accept-Language", b.language)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if method != http.MethodGet && method != http.MethodHead {
		r.Header.Set("Origin", scheme+"://"+testHost)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	return r
}

func (b *browser) send(r *http.Request) *answer {
	b.w.Helper()
	recorder := httptest.NewRecorder()
	b.w.server.ServeHTTP(recorder, r)
	result := recorder.Result()
	for _, c := range result.Cookies() {
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") {
			b.w.Errorf("%s %s: careless cookie %s", r.Method, r.URL.Path, c)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	return &answer{T: b.w.T, status: result.StatusCode, header: result.Header, body: recorder.Body.String()}
}

func (a *answer) doc() *goquery.Document {
	a.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(a.body))
	if err != nil {
		a.Fatal(err)
	}
	return doc
}

// withoutChallenge is the page less the one thing that is new in each: what a passkey would have to sign.
func (a *answer) withoutChallenge() string {
	a.Helper()
	if !challenges.MatchString(a.body) {
		a.Fatal("the page asks for no passkey")
	}
	return challenges.ReplaceAllString(a.body, "")
}

var challenges = regexp.MustCompile(`data-options="[^"]*"|name="challenge" value="[^"]*"`)

func (a *answer) want(status int) *answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("status %d, want %d; Location %q; body:\n%.2000s", a.status, status, a.header.Get("Location"), a.body)
	}
	return a
}

func (a *answer) wantRedirect(to string) *answer {
	a.Helper()
	a.want(http.StatusSeeOther)
	if got := a.header.Get("Location"); got != to {
		a.Fatalf("redirect to %q, want %q", got, to)
	}
	return a
}

// wantForm expects a form that posts to an address.
func (a *answer) wantForm(action string) *goquery.Selection {
	a.Helper()
	form := a.doc().Find(`form[method="post"][action="` + action + `"]`)
	if form.Length() == 0 {
		a.Fatalf("no form that posts to %s in:\n%.3000s", action, a.body)
	}
	return form
}

func fields(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}
