package templates

// Login is the sign-in form for customers and operators. Fields: email,
// password, next. It is posted to /login.
type Login struct {
	Form Form
	Next string // local path to return to, "" for the default
}

func loginFields(l Locale) []field {
	email := emailField(l)
	email.Autocomplete, email.Autofocus = "username", true
	return []field{email, {Name: "password", Type: "password", Label: l.T("field.password"), Autocomplete: "current-password"}}
}
