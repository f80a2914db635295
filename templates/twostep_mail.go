package templates

import (
	"strconv"
	"time"
)

// MailSecurity tells that the way into an account has changed.
type MailSecurity struct {
	Code      string // what happened: security.subject.<Code>, security.text.<Code>
	Email     string // of the account
	At        time.Time
	Address   string // IP address, "" when it says nothing
	Name      string // of a passkey, or the address that counts from now on
	Left      int    // recovery codes
	ForgotURL string // "" where a new password would not help
	UndoURL   string // takes the change back, "" where nothing does
}

// SecurityMail warns that the way into an account has changed.
func SecurityMail(l Locale, vm MailSecurity) (Mail, error) {
	params := map[string]string{"Email": vm.Email, "Name": vm.Name, "Left": strconv.Itoa(vm.Left)}
	facts := []mailFact{{l.T("mail.when"), l.DateTime(vm.At)}}
	if vm.Address != "" {
		facts = append(facts, mailFact{l.T("account.sessions.address"), vm.Address})
	}
	m := letter{
		Subject: l.Coded("security.subject", vm.Code, params),
		Lines:   []string{l.Coded("security.text", vm.Code, params)},
		Facts:   facts,
		Lead:    l.Coded("security.not_you", vm.Code, params),
	}
	if vm.ForgotURL != "" {
		m.Button, m.URL = l.T("mail.password_changed.button"), vm.ForgotURL
	}
	if vm.UndoURL != "" {
		m.Lead, m.Button, m.URL = l.T("security.undo"), l.T("security.undo.button"), vm.UndoURL
	}
	return m.mail(l)
}

// EmailChangeMail carries the link that proves a new address.
func EmailChangeMail(l Locale, vm MailLink) (Mail, error) {
	return letter{
		Subject: l.T("mail.email_change.subject"),
		Lines:   []string{l.T("mail.email_change.text", "Email", vm.Email)},
		Button:  l.T("mail.email_change.button"), URL: vm.URL,
		After: []string{l.T("mail.link.expires", "When", l.DateTime(vm.Expires)), l.T("mail.verify.not_you")},
	}.mail(l)
}

// EmailTakenMail tells an address that it has an account of its own.
func EmailTakenMail(l Locale, vm MailKnownAddress) (Mail, error) {
	return letter{
		Subject: l.T("mail.known_address.subject"),
		Lines:   []string{l.T("mail.email_taken.text", "Email", vm.Email)},
		Button:  l.T("nav.login"), URL: vm.LoginURL,
		After: []string{l.T("mail.known_address.forgot", "URL", vm.ForgotURL), l.T("mail.known_address.not_you")},
	}.mail(l)
}
