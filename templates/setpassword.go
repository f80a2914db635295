package templates

// memberPasswordField asks for the password of a Matrix account.
func memberPasswordField(l Locale) field {
	f := newPasswordField(l)
	f.Help = l.T("setpassword.help")
	f.MinLength = "10" // what controlplane asks of members
	return f
}
