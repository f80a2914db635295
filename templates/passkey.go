package templates

import "time"

// PasskeyAsk is what a form asks the browser for. Options are those of navigator.credentials, as JSON; the script puts the answer
// into the field credential and sends the form. Challenge goes back with it, unseen.
type PasskeyAsk struct {
	Options   string
	Challenge string
}

// Passkey is one of an account's.
type Passkey struct {
	ID        string
	Name      string
	CreatedAt time.Time
	UsedAt    time.Time // zero: never
}

// passkeyForm is a form whose button asks the browser for a passkey.
type passkeyForm struct {
	Action   string
	Create   bool // a new one, instead of one that is there
	Autofill bool // offers passkeys in the field for the address too
	Ask      PasskeyAsk
	Next     string
	Label    string
	Quiet    bool // beside a more usual way
}

func (f passkeyForm) kind() string {
	if f.Create {
		return "create"
	}
	return "get"
}

// NewPasskey adds a passkey. Fields: name, credential, challenge; posted to /account/two-step/passkeys.
type NewPasskey struct {
	Ask  PasskeyAsk
	Form Form // name is filled with a proposal
}

func passkeyFields(l Locale) []field {
	return []field{{Name: "name", Label: l.T("passkey.name"), Help: l.T("passkey.name.help"), Autocomplete: "off", MaxLength: "60"}}
}
