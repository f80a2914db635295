package templates

// Reauth asks somebody who is logged in to prove that it is still them. Fields: password, next; posted to
// /account/reauthenticate.
type Reauth struct {
	Next string // local path it leads to
	Form Form
}

func reauthFields(l Locale) []field {
	return []field{{Name: "password", Type: "password", Label: l.T("field.password"), Autocomplete: "current-password", Autofocus: true}}
}
