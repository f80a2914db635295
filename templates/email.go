package templates

// EmailChange asks for another address. Field: email; posted to /account/email. Once Sent, it says the same whether the address is
// free or not.
type EmailChange struct {
	Current string
	Sent    string // the new address, when the mail is on its way
	Form    Form
}

// EmailConfirm is the page behind the link to a new address, or back to the former one. LinkOpen posts token to /email/confirm, or to
// /email/undo.
type EmailConfirm struct {
	State LinkState
	Token string
	Email string // the address it leads to
	Taken bool   // somebody else has it by now
}

func newEmailField(l Locale) field {
	f := emailField(l)
	f.Label, f.Autofocus = l.T("email.new"), true
	return f
}
