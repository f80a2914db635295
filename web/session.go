package web

import (
	"net/http"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

// sessionCookie holds the session's secret. The prefix makes browsers refuse it from any other host, such as a tenant's name
// below ours (RFC 6265bis section 4.1.3.2).
const sessionCookie = "__Host-hafen"

// identify finds out whose request this is. A cookie that opens nothing is taken away; the request goes on as a visitor's.
func (s *Server) identify(r *request) error {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || cookie.Value == "" {
		return nil
	}
	session, err := s.Accounts.Authenticate(r.ctx(), cookie.Value)
	if err != nil {
		if tenant.FaultOf(err).Kind != tenant.Unauthenticated {
			return err
		}
		r.dropCookie(sessionCookie)
		return nil
	}
	r.session = &session
	r.chooseLocale()
	return nil
}

func (s *Server) showLogin(r *request) error {
	return s.loginPage(r, http.StatusOK, localPath(r.QueryParam("next"), ""), templates.Form{})
}

func (s *Server) loginPage(r *request, status int, next string, form templates.Form) error {
	asked, err := s.Accounts.BeginPasskeyLogIn()
	if err != nil {
		return err
	}
	vm := templates.Login{Form: form, Next: next, Passkey: askView(asked)}
	return r.render(status, templates.LoginPage(at(s.page(r), "/login"+nextQuery(next)), vm))
}

// logIn opens a session, or leads to the second step.
func (s *Server) logIn(r *request) error {
	in, err := r.form("email")
	if err != nil {
		return err
	}
	next := localPath(in.get("next"), "")
	opened, err := s.Accounts.LogIn(r.ctx(), controlplane.LogIn{
		Email: in.get("email"), Password: in.get("password"),
		UserAgent: r.Request().UserAgent(), Address: r.address,
	})
	if form, wrong := in.wrongLogIn(err); wrong {
		return s.loginPage(r, http.StatusUnprocessableEntity, next, form)
	}
	if err != nil {
		return err
	}
	if opened.Half != "" {
		r.setCookie(halfCookie, opened.Half, controlplane.HalfLogInLifetime)
		return r.redirect(secondPath + nextQuery(next))
	}
	return r.enter(opened, next)
}

// enter goes on with a session under a fresh secret; whatever cookies the browser had before are replaced.
func (r *request) enter(opened controlplane.LoggedIn, next string) error {
	r.setCookie(sessionCookie, opened.Cookie, controlplane.SessionMost)
	if opened.Account.MustChange || next == "" {
		next = home(opened.Account)
	}
	return r.redirect(next)
}

// wrongLogIn is wrong, for the one form where faults about the session are mistakes.
func (in input) wrongLogIn(err error) (templates.Form, bool) {
	if err == nil {
		return in.form, false
	}
	fault := tenant.FaultOf(err)
	switch fault.Kind {
	case tenant.Unauthenticated, tenant.Forbidden:
		return in.wrong(&tenant.Fault{Kind: tenant.Invalid, Code: fault.Code, Params: fault.Params})
	default:
		return in.wrong(err)
	}
}

func (s *Server) logOut(r *request) error {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return r.redirect("/")
	}
	if err := s.Accounts.LogOut(r.ctx(), cookie.Value); err != nil {
		return err
	}
	r.dropCookie(sessionCookie)
	return r.done("/", flashLoggedOut)
}

// endSession ends one of the account's own sessions; ending this one is logging out.
func (s *Server) endSession(r *request) error {
	if err := s.Accounts.EndSession(r.ctx(), r.session.Account.ID, r.Param("session")); err != nil {
		return err
	}
	if r.Param("session") == r.session.ID {
		r.dropCookie(sessionCookie)
		return r.done("/", flashLoggedOut)
	}
	return r.done(accountPath(r.session.Account), flashSessionEnded)
}

func (s *Server) endOtherSessions(r *request) error {
	if err := s.Accounts.EndOtherSessions(r.ctx(), *r.session); err != nil {
		return err
	}
	return r.done(accountPath(r.session.Account), flashSessionsEnded)
}

// ownSessions lists where the account is logged in.
func (s *Server) ownSessions(r *request) ([]templates.Session, error) {
	sessions, err := s.Accounts.Sessions(r.ctx(), r.session.Account.ID)
	if err != nil {
		return nil, err
	}
	list := make([]templates.Session, 0, len(sessions))
	for _, one := range sessions {
		list = append(list, templates.Session{
			ID: one.ID, Device: device(one.UserAgent), Address: one.Address,
			LastSeen: one.SeenAt, CreatedAt: one.CreatedAt, Current: one.ID == r.session.ID,
		})
	}
	return list, nil
}

// device is a browser and a system in words a person knows, as far as a user agent tells; "" when it does not.
// The order matters: most browsers claim to be several others too.
func device(agent string) string {
	first := func(pairs [][2]string) string {
		for _, pair := range pairs {
			if strings.Contains(agent, pair[0]) {
				return pair[1]
			}
		}
		return ""
	}
	browser := first([][2]string{
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
	})
	system := first([][2]string{
		{"Android", "Android"},
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	})
	switch {
	case browser == "" || system == "":
		return browser + system
	default:
		return browser + ", " + system
	}
}
