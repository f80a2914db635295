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

func emailField(l Locale) field {
	return field{Name: "email", Type: "email", Label: l.T("field.email"), Autocomplete: "email", MaxLength: "254"}
}

// newPasswordField asks for a password nobody has yet. 12 is the least that
// controlplane accepts.
func newPasswordField(l Locale) field {
	return field{
		Name: "password", Type: "password", Label: l.T("field.password"), Autocomplete: "new-password",
		MinLength: "12", Help: l.T("field.password.help"),
	}
}

func signupFields(l Locale) []field {
	email := emailField(l)
	email.Autofocus = true
	return []field{email, newPasswordField(l)}
}

// filled is a form that shows value where nothing was typed yet.
func filled(form Form, name, value string) Form {
	if form.Value(name) != "" || value == "" {
		return form
	}
	values := map[string]string{name: value}
	for k, v := range form.Values {
		if v != "" {
			values[k] = v
		}
	}
	return Form{Values: values, Errors: form.Errors}
}
