package web

import (
	"net/http"
	"net/url"

	"hafen/controlplane"
	"hafen/templates"
)

const reauthPath = "/account/reauthenticate"

// askToReauthenticate leads to the proof and from there to the page with the form. The page asks for it before anything is
// typed; only a page that was left open for ten minutes comes here with a form that was sent.
func (s *Server) askToReauthenticate(r *request) error {
	return r.redirect(reauthURL(s.pageOf(r)))
}

// reauthURL is the address of the proof; next is where it leads.
func reauthURL(next string) string {
	return reauthPath + "?" + url.Values{"next": {next}}.Encode()
}

// proveFirst is where a page leads instead of showing a form that asks for a fresh proof; "" when there is one.
func (s *Server) proveFirst(r *request, page string) string {
	if r.session.Fresh() {
		return ""
	}
	return reauthURL(page)
}

// pageOf is the page of a request: itself, the page with the form that was sent, or home.
func (s *Server) pageOf(r *request) string {
	path := r.Request().URL.RequestURI()
	if r.safe() {
		return localPath(path, home(r.session.Account))
	}
	if _, ok := s.byPath[http.MethodGet+" "+r.route.path]; ok {
		return localPath(path, home(r.session.Account))
	}
	// Nothing hangs on it: whoever can forge it could have shown the person that page anyway.
	from, err := url.Parse(r.Request().Referer())
	if err != nil || hostname(from.Host) != s.host {
		return home(r.session.Account)
	}
	return localPath(from.RequestURI(), home(r.session.Account))
}

func (s *Server) showReauthenticate(r *request) error {
	next := localPath(r.QueryParam("next"), home(r.session.Account))
	if r.session.Fresh() {
		return r.redirect(next)
	}
	return s.reauthPage(r, http.StatusOK, next, templates.Form{})
}

func (s *Server) reauthenticate(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	next := localPath(in.get("next"), home(r.session.Account))
	if in.get("credential") != "" {
		err = s.Accounts.ReauthenticateByPasskey(r.ctx(), *r.session, in.passkey())
	} else {
		err = s.Accounts.Reauthenticate(r.ctx(), *r.session, controlplane.Proof{
			Password: in.get("password"), Code: in.get("code"), Recovery: in.get("recovery"),
		})
	}
	if form, wrong := in.wrong(err); wrong {
		return s.reauthPage(r, http.StatusUnprocessableEntity, next, form)
	}
	if err != nil {
		return err
	}
	return r.redirect(next)
}

func (s *Server) reauthPage(r *request, status int, next string, form templates.Form) error {
	asked, err := s.Accounts.AskProof(r.ctx(), *r.session)
	if err != nil {
		return err
	}
	vm := templates.Reauth{TwoStep: r.session.Account.TwoStep, App: asked.App, Recovery: asked.Recovery, Next: next, Form: form}
	if asked.Passkey != nil {
		view := askView(*asked.Passkey)
		vm.Passkey = &view
	}
	return r.render(status, templates.ReauthPage(at(s.page(r), reauthURL(next)), vm))
}
