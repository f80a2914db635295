package web

import (
	"context"
	"net/http"
	"net/url"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

const (
	secondPath  = "/login/second"
	twoStepPath = "/account/two-step"
)

// nextQuery carries the wished page along.
func nextQuery(next string) string {
	if next == "" {
		return ""
	}
	return "?" + url.Values{"next": {next}}.Encode()
}

// half is the login whose second step is still to come, "" for none.
func (r *request) half() string {
	cookie, err := r.Cookie(halfCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (s *Server) showSecond(r *request) error {
	return s.secondPage(r, http.StatusOK, localPath(r.QueryParam("next"), ""), templates.Form{})
}

// logInSecond completes a login with a code, a recovery code or a passkey.
func (s *Server) logInSecond(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	next := localPath(in.get("next"), "")
	opened, err := s.Accounts.LogInSecond(r.ctx(), controlplane.SecondLogIn{
		Half: r.half(), Code: in.get("code"), Recovery: in.get("recovery"), Passkey: in.passkey(), Visitor: r.visitor(),
	})
	if tenant.FaultOf(err).Code == "login.expired" {
		return s.startAgain(r, next, err)
	}
	if form, wrong := in.wrong(err); wrong {
		return s.secondPage(r, http.StatusUnprocessableEntity, next, form)
	}
	if err != nil {
		return err
	}
	r.dropCookie(halfCookie)
	return r.enter(opened, next)
}

func (s *Server) secondPage(r *request, status int, next string, form templates.Form) error {
	asked, err := s.Accounts.AskSecondStep(r.ctx(), r.half())
	if tenant.FaultOf(err).Code == "login.expired" {
		return s.startAgain(r, next, err)
	}
	if err != nil {
		return err
	}
	vm := templates.Second{App: asked.App, Recovery: asked.Recovery, Next: next, Form: form}
	if asked.Passkey != nil {
		view := askView(*asked.Passkey)
		vm.Passkey = &view
	}
	return r.render(status, templates.SecondPage(at(s.page(r), secondPath+nextQuery(next)), vm))
}

// startAgain shows the login with the reason why.
func (s *Server) startAgain(r *request, next string, err error) error {
	r.dropCookie(halfCookie)
	form, _ := input{}.wrongLogIn(err)
	return s.loginPage(r, http.StatusUnprocessableEntity, next, form)
}

func (s *Server) showTwoStep(r *request) error {
	return s.twoStepPage(r, http.StatusOK, templates.Form{})
}

func (s *Server) twoStepPage(r *request, status int, form templates.Form) error {
	account := r.session.Account
	found, err := s.Accounts.TwoStep(r.ctx(), account.ID)
	if err != nil {
		return err
	}
	vm := templates.TwoStep{
		AppSince: found.AppSince, RecoveryLeft: found.RecoveryLeft, Form: form,
		Required: s.OperatorsNeedTwoStep && account.Operator && !found.On(),
	}
	for _, k := range found.Passkeys {
		vm.Passkeys = append(vm.Passkeys, templates.Passkey{ID: k.ID, Name: k.Name, CreatedAt: k.CreatedAt, UsedAt: k.UsedAt})
	}
	return r.render(status, templates.TwoStepPage(at(s.page(r), twoStepPath), vm))
}

func (s *Server) showAppSetup(r *request) error {
	setup, err := s.Accounts.BeginApp(r.session.Account)
	if err != nil {
		return err
	}
	return s.appSetupPage(r, http.StatusOK, setup, templates.Form{})
}

func (s *Server) appSetupPage(r *request, status int, setup controlplane.AppSetup, form templates.Form) error {
	return r.render(status, templates.AppSetupPage(s.page(r), templates.AppSetup{
		Secret: setup.Secret, URI: setup.URI, Sealed: setup.Sealed, Form: form,
	}))
}

func (s *Server) addApp(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	codes, err := s.Accounts.AddApp(r.ctx(), *r.session, in.get("setup"), in.get("code"))
	if form, wrong := in.wrong(err); wrong {
		// The same secret again: the app has it already.
		setup, err := s.Accounts.ResumeApp(r.session.Account, in.get("setup"))
		if err != nil {
			return err
		}
		return s.appSetupPage(r, http.StatusUnprocessableEntity, setup, form)
	}
	if err != nil {
		return err
	}
	return s.added(r, codes, flashAppAdded)
}

// added goes on after a new second step: to the recovery codes, if it was the first.
func (s *Server) added(r *request, codes []string, message flash) error {
	if len(codes) == 0 {
		return r.done(twoStepPath, message)
	}
	return s.codesPage(r, codes, true)
}

// codesPage shows codes in the answer itself: an address that shows them again is what they must not have.
func (s *Server) codesPage(r *request, codes []string, started bool) error {
	return r.ok(templates.RecoveryCodesPage(at(s.page(r), twoStepPath), templates.RecoveryCodes{
		Codes: codes, Email: r.session.Account.Email, Started: started,
	}))
}

func (s *Server) removeApp(r *request) error {
	if err := s.Accounts.RemoveApp(r.ctx(), *r.session); err != nil {
		return err
	}
	return r.done(twoStepPath, flashTwoStepRemoved)
}

func (s *Server) renewCodes(r *request) error {
	codes, err := s.Accounts.RenewRecoveryCodes(r.ctx(), *r.session)
	if err != nil {
		return err
	}
	return s.codesPage(r, codes, false)
}

// securityView is what a page says about the way into an account.
func (s *Server) securityView(ctx context.Context, account controlplane.Account) (templates.SecurityCard, error) {
	found, err := s.Accounts.TwoStep(ctx, account.ID)
	if err != nil {
		return templates.SecurityCard{}, err
	}
	return securityCard(found), nil
}

func securityCard(found controlplane.TwoStep) templates.SecurityCard {
	return templates.SecurityCard{
		TwoStep: found.On(), App: !found.AppSince.IsZero(), Passkeys: len(found.Passkeys), Recovery: found.RecoveryLeft,
	}
}
