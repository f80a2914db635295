package templates

import "hafen/templates/i18n"

// VerifyMail asks to confirm an e-mail address.
func VerifyMail(l *i18n.Locale, vm MailLink) (Mail, error) { return compose(l, "verify", letter{}) }

// KnownAddressMail answers a sign-up with an address that already has an account.
func KnownAddressMail(l *i18n.Locale, vm MailKnownAddress) (Mail, error) {
	return compose(l, "known_address", letter{})
}

// PasswordResetMail carries the link to set a new password.
func PasswordResetMail(l *i18n.Locale, vm MailLink) (Mail, error) {
	return compose(l, "password_reset", letter{})
}

// PasswordChangedMail warns that the password was changed.
func PasswordChangedMail(l *i18n.Locale, vm MailPasswordChanged) (Mail, error) {
	return compose(l, "password_changed", letter{})
}

// OrderReceivedMail confirms an order and carries the invoice.
func OrderReceivedMail(l *i18n.Locale, vm MailOrder) (Mail, error) {
	return compose(l, "order_received", letter{})
}

// PaymentReceivedMail confirms a payment.
func PaymentReceivedMail(l *i18n.Locale, vm MailOrder) (Mail, error) {
	return compose(l, "payment_received", letter{})
}

// ServerReadyMail tells that a server works.
func ServerReadyMail(l *i18n.Locale, vm MailServer) (Mail, error) {
	return compose(l, "server_ready", letter{})
}

// DomainProblemMail tells that the records of a domain are not (or no longer) right.
func DomainProblemMail(l *i18n.Locale, vm MailServer) (Mail, error) {
	return compose(l, "domain_problem", letter{})
}

// ServerSuspendedMail tells that a server was suspended, and why.
func ServerSuspendedMail(l *i18n.Locale, vm MailServer) (Mail, error) {
	return compose(l, "server_suspended", letter{})
}

// ServerResumedMail tells that a server works again.
func ServerResumedMail(l *i18n.Locale, vm MailServer) (Mail, error) {
	return compose(l, "server_resumed", letter{})
}

// DeletionAnnouncedMail tells that a server was stopped and when its data goes.
func DeletionAnnouncedMail(l *i18n.Locale, vm MailServer) (Mail, error) {
	return compose(l, "deletion_announced", letter{})
}

// ServerDeletedMail tells that a server and its data are gone.
func ServerDeletedMail(l *i18n.Locale, vm MailServer) (Mail, error) {
	return compose(l, "server_deleted", letter{})
}

type letter struct{}

func compose(l *i18n.Locale, name string, body letter) (Mail, error) {
	return Mail{Subject: l.T("mail." + name + ".subject")}, nil
}
