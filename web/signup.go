package web

import (
	"net/http"
	"net/url"
	"time"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showSignUp(r *request) error {
	return r.ok(templates.SignupPage(s.page(r), templates.Signup{Plan: r.QueryParam("plan")}))
}

func (s *Server) signUp(r *request) error {
	in, err := r.form("email", "plan")
	if err != nil {
		return err
	}
	err = s.Accounts.SignUp(r.ctx(), controlplane.SignUp{
		Email: in.get("email"), Password: in.get("password"), Language: r.locale.Code(), Address: r.address,
	})
	if form, wrong := in.wrong(err); wrong {
		return r.mistake(templates.SignupPage(s.page(r), templates.Signup{Form: form, Plan: in.get("plan")}))
	}
	if err != nil {
		return err
	}
	if in.get("plan") != "" {
		// For the way on behind the link in the mail, if it is opened in this browser.
		r.setCookie(planCookie, url.QueryEscape(clip(in.get("plan"))), 24*time.Hour)
	}
	r.remember(sentCookie, in.get("email"))
	return r.redirect("/signup/sent")
}

// clip keeps what goes into a cookie short.
func clip(s string) string { return s[:min(len(s), 100)] }

func (s *Server) showSignUpSent(r *request) error {
	email := r.remembered(sentCookie)
	return r.ok(templates.SignupSentPage(s.page(r), templates.SignupSent{
		Email: email, Form: templates.Form{Values: map[string]string{"email": email}},
	}))
}

func (s *Server) resendVerification(r *request) error {
	in, err := r.form("email")
	if err != nil {
		return err
	}
	err = s.Accounts.ResendVerification(r.ctx(), in.get("email"), r.locale.Code(), r.address)
	if form, wrong := in.wrong(err); wrong {
		return r.mistake(templates.SignupSentPage(at(s.page(r), "/signup/sent"), templates.SignupSent{Email: in.get("email"), Form: form}))
	}
	if err != nil {
		return err
	}
	r.remember(sentCookie, in.get("email"))
	return r.done("/signup/sent", flashMailSent)
}

// showVerify asks for a click: programs that fetch the links in mails must not use them up.
func (s *Server) showVerify(r *request) error {
	state := templates.LinkOpen
	if r.QueryParam("token") == "" {
		state = templates.LinkInvalid
	}
	return r.ok(templates.VerifyPage(s.page(r), templates.Verify{State: state, Token: r.QueryParam("token")}))
}

func (s *Server) verify(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	_, err = s.Accounts.VerifyEmail(r.ctx(), in.get("token"))
	state, err := linkState(err)
	if err != nil {
		return err
	}
	vm := templates.Verify{State: state, Token: in.get("token")}
	if state == templates.LinkDone {
		vm.Next = r.afterVerify()
	}
	return r.render(linkStatus(state), templates.VerifyPage(at(s.page(r), "/login"), vm))
}

// afterVerify leads to the login, and from there to the plan that was chosen before signing up.
func (r *request) afterVerify() string {
	cookie, err := r.Cookie(planCookie)
	if err != nil {
		return "/login"
	}
	r.dropCookie(planCookie)
	plan, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return "/login"
	}
	next := "/order?" + url.Values{"plan": {plan}}.Encode()
	return "/login?" + url.Values{"next": {next}}.Encode()
}

// linkState reads what became of a link from the error of using or looking at it; other errors stay errors.
func linkState(err error) (templates.LinkState, error) {
	if err == nil {
		return templates.LinkDone, nil
	}
	switch tenant.FaultOf(err).Code {
	case "token.unknown":
		return templates.LinkInvalid, nil
	case "token.expired":
		return templates.LinkExpired, nil
	case "token.used":
		return templates.LinkUsed, nil
	default:
		return "", err
	}
}

// linkStatus is that of a page that says what became of a link.
func linkStatus(state templates.LinkState) int {
	switch state {
	case templates.LinkOpen, templates.LinkDone, templates.LinkPending:
		return http.StatusOK
	default:
		return http.StatusUnprocessableEntity
	}
}
