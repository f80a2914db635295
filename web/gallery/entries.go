package gallery

import (
	"net/http"

	"github.com/a-h/templ"

	"hafen/templates"
)

// page is an entry that is answered with 200.
func page(access templates.Access, name string, render func(p templates.Page) templ.Component) Entry {
	return Entry{Name: name, Access: access, Status: http.StatusOK, Render: render}
}

// mistaken is an entry that shows a form with what is wrong in it.
func mistaken(access templates.Access, name string, render func(p templates.Page) templ.Component) Entry {
	return Entry{Name: name, Access: access, Status: http.StatusUnprocessableEntity, Render: render}
}

// of makes the render function of a page and its view model.
func of[V any](component func(templates.Page, V) templ.Component, vm V) func(templates.Page) templ.Component {
	return func(p templates.Page) templ.Component { return component(p, vm) }
}

func visitorEntries() []Entry {
	v := templates.Visitor
	typed := map[string]string{"email": "anna@werft"}
	list := []Entry{
		page(v, "landing", of(templates.LandingPage, templates.Landing{Plans: plans, BaseDomain: baseName})),
		page(v, "signup", of(templates.SignupPage, templates.Signup{Plan: "basic"})),
		mistaken(v, "signup-errors", of(templates.SignupPage, templates.Signup{
			Form: wrong(typed, map[string]string{"email": "email.invalid", "password": "password.short"}),
		})),
		mistaken(v, "signup-limited", of(templates.SignupPage, templates.Signup{
			Form: wrong(typed, map[string]string{"": "signup.too_many"}),
		})),
		page(v, "signup-sent", of(templates.SignupSentPage, templates.SignupSent{Email: "anna@werft.example"})),
		page(v, "login", of(templates.LoginPage, templates.Login{Next: "/servers"})),
		mistaken(v, "login-wrong", of(templates.LoginPage, templates.Login{
			Form: wrong(map[string]string{"email": "anna@werft.example"}, map[string]string{"": "login.wrong"}),
		})),
		page(v, "forgot", of(templates.ForgotPage, templates.Forgot{})),
		page(v, "forgot-sent", of(templates.ForgotPage, templates.Forgot{Sent: true, Email: "anna@werft.example"})),
		mistaken(v, "reset-errors", of(templates.ResetPage, templates.Reset{
			State: templates.LinkOpen, Token: "t", Form: wrong(nil, map[string]string{"password": "password.common"}),
		})),
	}
	for _, state := range linkStates {
		list = append(list,
			page(v, "verify-"+string(state), of(templates.VerifyPage, templates.Verify{State: state, Token: "t", Next: "/login"})),
			page(v, "reset-"+string(state), of(templates.ResetPage, templates.Reset{State: state, Token: "t"})),
			page(v, "setpassword-"+string(state), of(templates.SetPasswordPage, setPassword(state))),
		)
	}
	return append(list, page(v, "setpassword-pending", of(templates.SetPasswordPage, setPassword(templates.LinkPending))))
}

var linkStates = []templates.LinkState{
	templates.LinkOpen, templates.LinkDone, templates.LinkExpired, templates.LinkUsed, templates.LinkInvalid,
}

func setPassword(state templates.LinkState) templates.SetPassword {
	return templates.SetPassword{
		State: state, Token: "t", MatrixID: "@anna:werft.example", ServerName: "werft.example",
		HomeserverURL: "https://matrix.werft.example", Engine: templates.EngineDendrite,
	}
}

func accountEntries() []Entry {
	c := templates.Customer
	account := templates.Account{
		Email: "anna@werft.example", Language: "de", Sessions: sessions, Security: templates.SecurityCard{TwoStep: true, App: true, Passkeys: 2, Recovery: 8},
	}
	failed := account
	failed.PasswordForm = wrong(nil, map[string]string{"current": "password.wrong", "password": "password.contains_email"})
	alone := account
	alone.Sessions, alone.Security = sessions[:1], templates.SecurityCard{}
	return []Entry{
		page(c, "account", of(templates.AccountPage, account)),
		page(c, "account-alone", of(templates.AccountPage, alone)),
		mistaken(c, "account-errors", of(templates.AccountPage, failed)),
		page(c, "account-flash", func(p templates.Page) templ.Component {
			p.Flash = &templates.Flash{Tone: templates.ToneGood, Code: "password_changed"}
			return templates.AccountPage(p, account)
		}),
	}
}

func otherEntries() []Entry {
	v := templates.Visitor
	list := []Entry{
		page(v, "trial-mails", of(templates.TrialMailsPage, templates.TrialMails{Mails: trialMails()})),
		page(v, "trial-mails-empty", of(templates.TrialMailsPage, templates.TrialMails{})),
		page(v, "trial-certificate", of(templates.TrialCertificatePage, certificate)),
		page(v, "legal-imprint", of(templates.LegalPage, templates.Legal{Kind: templates.LegalImprint, Text: []string{"Werft Hosting GmbH", "Am Kai 1, 20457 Hamburg"}})),
		page(v, "legal-terms-missing", of(templates.LegalPage, templates.Legal{Kind: templates.LegalTerms})),
	}
	for _, status := range []int{400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 429, 500, 503} {
		vm := templates.Failure{Status: status, RequestID: "7f3a9c2e51"}
		if status == http.StatusTooManyRequests {
			vm.RetryAfter = retryAfter
		}
		e := page(v, "failure-"+http.StatusText(status), of(templates.FailurePage, vm))
		e.Name, e.Status = failureName(status), status
		list = append(list, e)
	}
	return append(list, mailEntries()...)
}
