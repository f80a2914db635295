package templates

// Forgot asks for a reset link. Field: email; posted to /password/forgot. Once
// Sent, it says the same whether the account exists or not.
type Forgot struct {
	Form  Form
	Sent  bool
	Email string // where the mail went, when Sent
}

// Reset sets a new password by a link. Fields: token, password; posted to
// /password/reset. States: LinkOpen shows the form.
type Reset struct {
	State LinkState
	Token string
	Form  Form
}
