package web

import (
	"net/http"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showForgot(r *request) error {
	vm := templates.Forgot{}
	if r.QueryParam("sent") != "" {
		vm.Sent, vm.Email = true, r.remembered(sentCookie)
	}
	return r.ok(templates.ForgotPage(s.page(r), vm))
}

func (s *Server) forgot(r *request) error {
	in, err := r.form("email")
	if err != nil {
		return err
	}
	err = s.Accounts.ForgotPassword(r.ctx(), in.get("email"), r.locale.Code(), r.address)
	if form, wrong := in.wrong(err); wrong {
		return r.mistake(templates.ForgotPage(s.page(r), templates.Forgot{Form: form}))
	}
	if err != nil {
		return err
	}
	r.remember(sentCookie, in.get("email"))
	return r.redirect("/password/forgot?sent=1")
}

// showReset looks at the link without using it; the form does that.
func (s *Server) showReset(r *request) error {
	token := r.QueryParam("token")
	state, err := linkState(s.Accounts.CheckReset(r.ctx(), token))
	if err != nil {
		return err
	}
	if state == templates.LinkDone {
		state = templates.LinkOpen // nothing speaks against it
	}
	return r.render(linkStatus(state), templates.ResetPage(s.page(r), templates.Reset{State: state, Token: token}))
}

func (s *Server) reset(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	token := in.get("token")
	err = s.Accounts.ResetPassword(r.ctx(), controlplane.PasswordReset{Token: token, Password: in.get("password"), Address: r.address})
	if err == nil {
		// Its sessions are over, this one too if it was one.
		r.dropCookie(sessionCookie)
		return r.done("/login", flashPasswordReset)
	}
	p := at(s.page(r), "/password/forgot")
	if form, wrong := in.wrong(err); wrong && tenant.FaultOf(err).Field != "" {
		return r.mistake(templates.ResetPage(p, templates.Reset{State: templates.LinkOpen, Token: token, Form: form}))
	}
	state, err := linkState(err)
	if err != nil {
		return err
	}
	return r.render(http.StatusUnprocessableEntity, templates.ResetPage(p, templates.Reset{State: state}))
}

// showAccount is the account of whoever is logged in, on the page of their role.
func (s *Server) showAccount(r *request) error {
	if r.route.path != accountPath(r.session.Account) {
		return r.redirect(accountPath(r.session.Account))
	}
	return s.accountPage(r, http.StatusOK, templates.Form{})
}

// changePassword also turns a one-time password into a lasting one.
func (s *Server) changePassword(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	err = s.Accounts.ChangePassword(r.ctx(), *r.session, controlplane.PasswordChange{Old: in.get("current"), New: in.get("password")})
	if form, wrong := in.wrong(err); wrong {
		return s.accountPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	to := accountPath(r.session.Account)
	if r.session.Account.MustChange {
		r.session.Account.MustChange = false
		to = home(r.session.Account)
	}
	return r.done(to, flashPasswordChanged)
}

func (s *Server) accountPage(r *request, status int, password templates.Form) error {
	account := r.session.Account
	sessions, err := s.ownSessions(r)
	if err != nil {
		return err
	}
	security, err := s.securityView(r.ctx(), account)
	if err != nil {
		return err
	}
	p := at(s.page(r), accountPath(account))
	if account.Operator {
		return r.render(status, templates.OperatorPasswordPage(p, templates.OperatorPassword{
			Email: account.Email, Required: account.MustChange, Form: password, Security: security, Sessions: sessions,
		}))
	}
	return r.render(status, templates.AccountPage(p, templates.Account{
		Email: account.Email, Language: r.locale.Code(), PasswordForm: password, Security: security, Sessions: sessions,
	}))
}
