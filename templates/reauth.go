package templates

// Reauth asks somebody who is logged in to prove that it is still them. Fields: password, or credential with challenge; and next.
// Posted to /account/reauthenticate.
type Reauth struct {
	Next    string      // local path it leads to
	Passkey *PasskeyAsk // nil: the account has none
	Form    Form
}

func reauthFields(l Locale) []field {
	return []field{{Name: "password", Type: "password", Label: l.T("field.password"), Autocomplete: "current-password", Autofocus: true}}
}
