package web

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"hafen/templates"
	"hafen/web/assets"
)

var assetURLs = templates.Assets{
	CSS:  assets.URL("app.css"),
	JS:   assets.URL("app.js"),
	HTMX: assets.URL("htmx.js"),
	SSE:  assets.URL("htmx-ext-sse.js"),
	Icon: assets.URL("icon.svg"),
}

// page is what surrounds the content of this request's page. It takes the flash message, which is then gone.
func (s *Server) page(r *request) templates.Page {
	p := templates.Page{
		Locale: r.locale,
		Assets: assetURLs,
		Path:   r.Request().URL.RequestURI(),
		Access: templates.Visitor,
		Trial:  s.Trial,
		Flash:  r.takeFlash(),
	}
	if r.session != nil {
		p.Account = r.session.Account.Email
		p.Access = templates.Customer
		if r.session.Account.Operator {
			p.Access = templates.Operator
		}
	}
	return p
}

// at is the page as seen from another address: a POST that shows a page says where reloading leads.
func at(p templates.Page, path string) templates.Page {
	p.Path = path
	return p
}

// render answers with a whole component or not at all.
func (r *request) render(status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(r.ctx(), &b); err != nil {
		return fmt.Errorf("render %s: %w", r.route.path, err)
	}
	return r.Blob(status, echo.MIMETextHTMLCharsetUTF8, b.Bytes())
}

func (r *request) ok(c templ.Component) error { return r.render(http.StatusOK, c) }

// mistake shows a form again with what is wrong in it.
func (r *request) mistake(c templ.Component) error {
	return r.render(http.StatusUnprocessableEntity, c)
}
