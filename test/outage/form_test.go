package outage

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"hafen/internal/hafentest"
	"hafen/templates/i18n"
)

// What nobody's browser sends, sent through the edge to the website. Each rule for itself is tested in web; here it must get there
// and the answer back, also while bytes are still coming.
func TestFormsThatAreNone(t *testing.T) {
	t.Parallel()
	h := hafentest.Up(t)
	anna := h.NewCustomer("anna@example.org")
	anna.Post("/language", map[string][]string{"to": {"en"}, "back": {"/"}})
	accounts := func() int { return hafentest.Query[int](h, `select count(*) from accounts`) }
	before := accounts()
	const form, valid = "application/x-www-form-urlencoded", "email=ben%40example.org&password=" + hafentest.Password
	for name, c := range map[string]struct {
		kind, body string
		header     map[string]string
		status     string
	}{
		"JSON":             {kind: "application/json", body: `{"email":"ben@example.org"}`, status: "415"},
		"plain text":       {kind: "text/plain", body: valid, status: "415"},
		"no type":          {body: valid, status: "415"},
		"broken multipart": {kind: "multipart/form-data; boundary=x", body: "--y\r\n", status: "400"},
		"broken escapes":   {kind: form, body: "email=%zz", status: "400"},
		"another website":  {kind: form, body: valid, header: map[string]string{"Origin": "https://example.com", "Sec-Fetch-Site": "cross-site"}, status: "403"},
		"another port":     {kind: form, body: valid, header: map[string]string{"Origin": "http://" + h.Base + ":1", "Sec-Fetch-Site": "same-site"}, status: "403"},
	} {
		for _, language := range i18n.Languages {
			request := newForm(t, h, "/signup", c.kind, strings.NewReader(c.body), language)
			for key, value := range c.header {
				request.Header.Set(key, value)
			}
			expect(t, name, h, request, c.status)
		}
	}
	for _, language := range i18n.Languages {
		for name, length := range map[string]int64{"announced": 100_000_000, "chunked": -1} {
			body := &endless{left: 100_000_000}
			request := newForm(t, h, "/login", form, body, language)
			request.ContentLength = length
			expect(t, "100 MB "+name, h, request, "413")
			// Four socket buffers on the way, two readers that drain a little, and the pages of the edge between.
			if taken := body.taken.Load(); taken > 16<<20 {
				t.Errorf("100 MB %s: %d bytes were taken", name, taken)
			}
		}
		// What is forged, and what is foreign, is as good as nothing: the page asks to log in.
		forged := newForm(t, h, "/servers", "", http.NoBody, language)
		forged.Method = http.MethodGet
		forged.Header.Set("Cookie", "__Host-hafen="+strings.Repeat("A", 43))
		status, page := send(t, h, forged)
		if status != http.StatusOK || !strings.Contains(page, `action="/login"`) || strings.Contains(page, anna.Email) {
			t.Errorf("a forged session: %d %s", status, words(page))
		}
	}
	if after := accounts(); after != before {
		t.Errorf("refused forms made %d accounts", after-before)
	}
	if page := anna.Get("/servers"); !strings.Contains(page, anna.Email) {
		t.Error("a real session suffered")
	}
}

func newForm(t *testing.T, h *hafentest.Hafen, path, kind string, body io.Reader, language string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Language", language)
	request.Header.Set("Origin", h.URL())
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	return request
}

// expect fails unless a request is refused with a status, on a page that says why.
func expect(t *testing.T, name string, h *hafentest.Hafen, request *http.Request, status string) {
	t.Helper()
	language := request.Header.Get("Accept-Language")
	got, page := send(t, h, request)
	sentence := i18n.For(language).Coded("http", status, nil)
	if got == http.StatusForbidden {
		sentence = i18n.For(language).Coded("error", "request.foreign", nil)
	}
	if status != strconv.Itoa(got) || !strings.Contains(words(page), sentence) {
		t.Errorf("%s in %s: %d, want %s and %q: %s", name, language, got, status, sentence, words(page))
	}
}

func send(t *testing.T, h *hafentest.Hafen, request *http.Request) (status int, page string) {
	t.Helper()
	status, page, err := fetch(h.HTTPClient(), request)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	return status, page
}

// endless is a body of as many bytes as wanted, which counts those that were taken.
type endless struct {
	left  int64
	taken atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	taken := e.taken.Load()
	if taken >= e.left {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left-taken)
	for i := range p[:n] {
		p[i] = 'a'
	}
	e.taken.Add(n)
	return int(n), nil
}
