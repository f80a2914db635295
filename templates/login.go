package templates

// Login is the sign-in form for customers and operators. Fields: email,
// password, next. It is posted to /login.
type Login struct {
	Form Form
	Next string // local path to return to, "" for the default
}
