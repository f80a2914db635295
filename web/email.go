package web

import (
	"net/http"
	"net/url"

	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showEmail(r *request) error {
	vm := templates.EmailChange{Current: r.session.Account.Email}
	if r.QueryParam("sent") != "" {
		vm.Sent = r.remembered(sentCookie)
	}
	return r.ok(templates.EmailChangePage(s.page(r), vm))
}

func (s *Server) requestEmail(r *request) error {
	in, err := r.form("email")
	if err != nil {
		return err
	}
	err = s.Accounts.RequestEmail(r.ctx(), *r.session, in.get("email"))
	if form, wrong := in.wrong(err); wrong {
		return r.mistake(templates.EmailChangePage(s.page(r), templates.EmailChange{Current: r.session.Account.Email, Form: form}))
	}
	if err != nil {
		return err
	}
	r.remember(sentCookie, in.get("email"))
	return r.redirect("/account/email?sent=1")
}

// showConfirmEmail asks for a click: programs that fetch the links in mails must not use them up.
func (s *Server) showConfirmEmail(r *request) error {
	token := r.QueryParam("token")
	email, err := s.Accounts.CheckEmail(r.ctx(), token)
	state, err := linkState(err)
	if err != nil {
		return err
	}
	if state == templates.LinkDone {
		state = templates.LinkOpen // nothing speaks against it
	}
	return r.render(linkStatus(state), templates.EmailConfirmPage(s.page(r), templates.EmailConfirm{State: state, Token: token, Email: email}))
}

func (s *Server) confirmEmail(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	email, err := s.Accounts.ChangeEmail(r.ctx(), in.get("token"))
	p := at(s.page(r), "/account/email")
	if tenant.FaultOf(err).Code == "email.taken" {
		return r.render(http.StatusConflict, templates.EmailConfirmPage(p, templates.EmailConfirm{Taken: true}))
	}
	state, err := linkState(err)
	if err != nil {
		return err
	}
	return r.render(linkStatus(state), templates.EmailConfirmPage(p, templates.EmailConfirm{State: state, Email: email}))
}

// showUndoEmail asks for a click, as showConfirmEmail does.
func (s *Server) showUndoEmail(r *request) error {
	token := r.QueryParam("token")
	email, err := s.Accounts.CheckEmailUndo(r.ctx(), token)
	state, err := linkState(err)
	if err != nil {
		return err
	}
	if state == templates.LinkDone {
		state = templates.LinkOpen // nothing speaks against it
	}
	return r.render(linkStatus(state), templates.EmailUndoPage(s.page(r), templates.EmailConfirm{State: state, Token: token, Email: email}))
}

// undoEmail leads on to a new password: until then none opens the account.
func (s *Server) undoEmail(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	reset, err := s.Accounts.UndoEmail(r.ctx(), in.get("token"), r.address)
	if err == nil {
		// Its sessions are over, this one too if it was one.
		r.dropCookie(sessionCookie)
		return r.done("/password/reset?"+url.Values{"token": {reset}}.Encode(), flashEmailRestored)
	}
	p := at(s.page(r), "/login")
	if tenant.FaultOf(err).Code == "email.taken" {
		return r.render(http.StatusConflict, templates.EmailUndoPage(p, templates.EmailConfirm{Taken: true}))
	}
	state, err := linkState(err)
	if err != nil {
		return err
	}
	return r.render(linkStatus(state), templates.EmailUndoPage(p, templates.EmailConfirm{State: state}))
}
