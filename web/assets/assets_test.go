package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func answer(method, path string) *http.Response {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Result()
}

func TestEveryFileUnderItsHash(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app.css", "app.js", "htmx.js", "htmx-ext-sse.js", "icon.svg", "licences.txt"} {
		r := answer(http.MethodGet, URL(name))
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(body)
		if !strings.Contains(URL(name), hex.EncodeToString(sum[:5])) || len(body) == 0 {
			t.Errorf("%s is not under the hash of its content", URL(name))
		}
		if r.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || r.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %v", name, r.Header)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	r := answer(http.MethodHead, URL("app.css"))
	if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK || len(body) != 0 {
		t.Errorf("status %d, %d bytes", r.StatusCode, len(body))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/assets/app.css", http.StatusNotFound},
		{http.MethodGet, "/assets/app.0000000000.css", http.StatusNotFound},
		{http.MethodGet, "/assets/../assets.go", http.StatusNotFound},
		{http.MethodGet, "/assets/", http.StatusNotFound},
		{http.MethodPost, URL("app.css"), http.StatusMethodNotAllowed},
	} {
		if r := answer(c.method, c.path); r.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, r.StatusCode, c.want)
		}
	}
}

// The style sheet keeps what the pages' policy and the theme rely on.
func TestStyleSheetStandsAlone(t *testing.T) {
	t.Parallel()
	body, err := io.ReadAll(answer(http.MethodGet, URL("app.css")).Body)
	if err != nil {
		t.Fatal(err)
	}
	css := string(body)
	for _, foreign := range []string{"@import", "url(http", "url(//"} {
		if strings.Contains(css, foreign) {
			t.Errorf("the style sheet loads something: %s", foreign)
		}
	}
	for _, needed := range []string{"color-scheme:light dark", "prefers-reduced-motion", "html.dark"} {
		if !strings.Contains(css, needed) {
			t.Errorf("the style sheet lacks %s", needed)
		}
	}
}
