package web

import (
	"time"

	"hafen/templates/i18n"
	"hafen/tenant"
)

// chooseLocale takes the language an account has chosen, else the one this browser has, else the best it asks for.
func (r *request) chooseLocale() {
	chosen := ""
	if r.session != nil {
		chosen = r.session.Account.Language
	} else if cookie, err := r.Cookie(languageCookie); err == nil {
		chosen = cookie.Value
	}
	r.locale = i18n.Match(r.Request().Header.Get("Accept-Language"), chosen)
}

// switchLanguage is the switch in every page's header.
func (s *Server) switchLanguage(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	if err := s.setLanguage(r, in.get("to")); err != nil {
		return err
	}
	return r.redirect(localPath(in.get("back"), "/"))
}

// changeLanguage is the choice on the account page.
func (s *Server) changeLanguage(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	if err := s.setLanguage(r, in.get("language")); err != nil {
		return err
	}
	return r.done(accountPath(r.session.Account), flashLanguageChanged)
}

func (s *Server) setLanguage(r *request, language string) error {
	if language != "de" && language != "en" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "language.unknown", Field: "language"}
	}
	r.setCookie(languageCookie, language, 365*24*time.Hour)
	if r.session == nil {
		return nil
	}
	return s.Accounts.SetLanguage(r.ctx(), r.session.Account.ID, language)
}
