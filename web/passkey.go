package web

import (
	"net/http"

	"hafen/controlplane"
	"hafen/templates"
)

// askView is what a page asks the browser for.
func askView(asked controlplane.PasskeyRequest) templates.PasskeyAsk {
	return templates.PasskeyAsk{Options: string(asked.Options), Challenge: asked.Challenge}
}

// passkey is what the browser gave.
func (in input) passkey() controlplane.PasskeyAnswer {
	return controlplane.PasskeyAnswer{Credential: in.get("credential"), Challenge: in.get("challenge")}
}

// visitor is who sent a request.
func (r *request) visitor() controlplane.Visitor {
	return controlplane.Visitor{UserAgent: r.Request().UserAgent(), Address: r.address}
}

// logInByPasskey opens a session without a password.
func (s *Server) logInByPasskey(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	next := localPath(in.get("next"), "")
	opened, err := s.Accounts.LogInByPasskey(r.ctx(), in.passkey(), r.visitor())
	if form, wrong := in.wrong(err); wrong {
		return s.loginPage(r, http.StatusUnprocessableEntity, next, form)
	}
	if err != nil {
		return err
	}
	return r.enter(opened, next)
}

func (s *Server) showNewPasskey(r *request) error {
	proposal := map[string]string{"name": device(r.Request().UserAgent())}
	return s.newPasskeyPage(r, http.StatusOK, templates.Form{Values: proposal})
}

func (s *Server) newPasskeyPage(r *request, status int, form templates.Form) error {
	asked, err := s.Accounts.BeginPasskey(r.ctx(), *r.session)
	if err != nil {
		return err
	}
	return r.render(status, templates.PasskeyPage(s.page(r), templates.NewPasskey{Ask: askView(asked), Form: form}))
}

func (s *Server) addPasskey(r *request) error {
	in, err := r.form("name")
	if err != nil {
		return err
	}
	codes, err := s.Accounts.AddPasskey(r.ctx(), *r.session, in.get("name"), in.passkey())
	if form, wrong := in.wrong(err); wrong {
		return s.newPasskeyPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return s.added(r, codes, flashPasskeyAdded)
}

func (s *Server) renamePasskey(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	err = s.Accounts.RenamePasskey(r.ctx(), *r.session, r.Param("passkey"), in.get("name"))
	if form, wrong := in.wrong(err); wrong {
		return s.twoStepPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return r.done(twoStepPath, flashPasskeyRenamed)
}

func (s *Server) removePasskey(r *request) error {
	if err := s.Accounts.RemovePasskey(r.ctx(), *r.session, r.Param("passkey")); err != nil {
		return err
	}
	return r.done(twoStepPath, flashTwoStepRemoved)
}
