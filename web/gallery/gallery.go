// Package gallery shows every page in every state with made-up values, without
// a database: to look at, for screenshots, and for the accessibility test. The
// forms in it lead nowhere.
package gallery

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/a-h/templ"

	"hafen/templates"
	"hafen/templates/i18n"
	"hafen/web/assets"
)

// Entry is one page in one state. Its address in the gallery is /<language>/<Name>.
type Entry struct {
	Name   string // "signup-errors"
	Access templates.Access
	Status int // the HTTP status this state is answered with
	Render func(p templates.Page) templ.Component
	// Mail marks the HTML of a mail, which brings its own style and none of our pages' policy.
	Mail bool
}

// Languages the entries exist in.
var Languages = i18n.Languages

// Entries lists everything the gallery shows, by name.
func Entries() []Entry {
	list := slices.Concat(visitorEntries(), accountEntries(), orderEntries(), serverEntries(), contentEntries(), billEntries(), operatorEntries(), saleEntries(), twoStepEntries(), otherEntries())
	slices.SortStableFunc(list, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Page is the surrounding of an entry in a language.
func Page(e Entry, language string) templates.Page {
	p := templates.Page{
		Locale: i18n.For(language),
		Assets: templates.Assets{
			CSS:  assets.URL("app.css"),
			JS:   assets.URL("app.js"),
			HTMX: assets.URL("htmx.js"),
			SSE:  assets.URL("htmx-ext-sse.js"),
			Icon: assets.URL("icon.svg"),
		},
		Path:   "/" + language + "/" + e.Name,
		Access: e.Access,
		Trial:  true,
	}
	switch e.Access {
	case templates.Customer:
		p.Account = "anna@werft.example"
	case templates.Operator:
		p.Account = "betrieb@hafen.example"
	}
	return p
}

// Handler serves the list at /, the entries below it, and the assets.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(assets.Prefix, assets.Handler())
	mux.Handle("GET /{$}", http.HandlerFunc(index))
	for _, language := range Languages {
		for _, e := range Entries() {
			mux.Handle("GET /"+language+"/"+e.Name, show(e, language))
		}
	}
	return still(mux)
}

// still keeps a page as it is: those that ask every second what is new are told that nothing is. They wait for an answer to
// be shown, and a slow browser would otherwise find none, or the whole page once more inside of it.
func still(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Hx-Request") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func show(e Entry, language string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var page bytes.Buffer
		if err := e.Render(Page(e, language)).Render(r.Context(), &page); err != nil {
			http.Error(w, fmt.Sprintf("render %s: %v", e.Name, err), http.StatusInternalServerError)
			return
		}
		header(w)
		if e.Mail {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		}
		w.WriteHeader(e.Status)
		_, _ = w.Write(page.Bytes()) // the reader is gone: nothing to do
	})
}

// header sets the policy the real pages have, so that what it forbids shows here.
func header(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:")
}

func index(w http.ResponseWriter, _ *http.Request) {
	header(w)
	_, _ = fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Hafen gallery</title></head><body><main><h1>Hafen gallery</h1><ul>`)
	for _, e := range Entries() {
		_, _ = fmt.Fprintf(w, `<li>%s: <a href="/de/%s">de</a> <a href="/en/%s">en</a></li>`, e.Name, e.Name, e.Name)
	}
	_, _ = fmt.Fprint(w, `</ul></main></body></html>`)
}
