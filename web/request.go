package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"hafen/controlplane"
	"hafen/templates"
)

// request is one request with what the middleware found out about it.
type request struct {
	echo.Context
	id      string // shown to people on failures and written to the log
	address string // of the client, without port
	secure  bool   // it came over https
	route   route
	session *controlplane.Session // nil for visitors
	server  controlplane.Server   // set for routes about one server
	owed    controlplane.Owed     // of that server
	locale  templates.Locale
}

type handler func(*request) error

const requestKey = "hafen.request"

// requestOf gives the request of an echo context; the outermost middleware puts it there.
func requestOf(c echo.Context) *request { return c.Get(requestKey).(*request) }

func (r *request) ctx() context.Context { return r.Request().Context() }

func (r *request) actor() controlplane.Actor { return r.session.Account.Actor() }

// htmx reports whether the answer is swapped into a page. A boosted or restored page is a page.
func (r *request) htmx() bool { return r.Request().Header.Get("HX-Request") == "true" }

// safe reports whether the method promises to change nothing.
func (r *request) safe() bool {
	return r.Request().Method == http.MethodGet || r.Request().Method == http.MethodHead
}

// redirect leads on after a POST, so that reloading the next page repeats nothing. For htmx, which would follow a redirect
// and swap the page it finds into a fragment's place, it is a header.
func (r *request) redirect(to string) error {
	if r.htmx() {
		r.Response().Header().Set("HX-Redirect", to)
		return r.NoContent(http.StatusNoContent)
	}
	return r.Redirect(http.StatusSeeOther, to)
}

// localPath is to when it is a path of ours, else instead: a redirect never leads to a stranger's site. Browsers read a
// backslash as a slash, and strip tabs and newlines from addresses (WHATWG URL, "basic URL parser").
func localPath(to, instead string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\t\r\n") || len(to) > 2000 {
		return instead
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return instead
	}
	return u.RequestURI()
}
