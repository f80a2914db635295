package templates

// Login is the sign-in form for customers and operators. Fields: email, password, next; posted to /login. A passkey logs in without
// a password: credential, challenge, next; posted to /login/passkey.
type Login struct {
	Form    Form
	Next    string // local path to return to, "" for the default
	Passkey PasskeyAsk
}

func loginFields(l Locale) []field {
	email := emailField(l)
	email.Autocomplete, email.Autofocus = "username webauthn", true
	return []field{email, {Name: "password", Type: "password", Label: l.T("field.password"), Autocomplete: "current-password"}}
}
