package templates

// Signup is the form for a new account. Fields: email, password, plan.
// It is posted to /signup.
type Signup struct {
	Form Form
	// Plan is carried along when the visitor came from a plan card, "" else.
	Plan string
}

// SignupSent is the page "check your mail". It says the same whether the
// address was new or known. The resend form posts email to /signup/resend.
type SignupSent struct {
	Email string
	Form  Form
}
