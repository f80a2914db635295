// Package assets serves the built style sheet, the scripts and the icon under
// addresses that carry a hash of their content, so that browsers may keep them
// for ever. It imports nothing of ours.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"
)

// Prefix is the path under which Handler expects its requests.
const Prefix = "/assets/"

//go:embed dist
var files embed.FS

// types are the media types by extension, fixed here because the machine's own
// list (/etc/mime.types) differs from one to the next.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

type asset struct {
	url, contentType string
	data             []byte
}

var byName, byURL = index()

func index() (names, urls map[string]asset) {
	names, urls = map[string]asset{}, map[string]asset{}
	entries, err := files.ReadDir("dist")
	if err != nil {
		panic("assets: list embedded files: " + err.Error())
	}
	for _, e := range entries {
		data, err := files.ReadFile("dist/" + e.Name())
		if err != nil {
			panic("assets: read embedded file: " + err.Error())
		}
		sum := sha256.Sum256(data)
		dot := strings.LastIndexByte(e.Name(), '.')
		stem, extension := e.Name()[:dot], e.Name()[dot:]
		a := asset{
			// 10 hex digits of the hash tell versions apart; they are no protection.
			url:         Prefix + stem + "." + hex.EncodeToString(sum[:5]) + extension,
			contentType: types[extension],
			data:        data,
		}
		if a.contentType == "" {
			panic("assets: no media type for " + e.Name())
		}
		names[e.Name()], urls[a.url] = a, a
	}
	return names, urls
}

// URL is the address of a file: URL("app.css") is "/assets/app.<hash>.css". It
// panics for a name that is not embedded: names are written in the code.
func URL(name string) string {
	a, ok := byName[name]
	if !ok {
		panic("assets: no file " + name)
	}
	return a.url
}

// Handler answers GET and HEAD below Prefix. An address with an outdated hash is
// not found, never another version's content.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := byURL[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", a.contentType)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodGet {
			_, _ = w.Write(a.data) // the reader is gone: nothing to do
		}
	})
}
