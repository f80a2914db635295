package templates

// Reauth asks somebody who is logged in to prove that it is still them, by as much as a login asks for. Fields: password, with code
// or recovery where the account has a second step; or credential with challenge; and next. Posted to /account/reauthenticate.
type Reauth struct {
	TwoStep  bool // the password alone is not enough
	App      bool
	Recovery bool        // codes are left
	Passkey  *PasskeyAsk // nil: the account has none
	Next     string      // local path it leads to
	Form     Form
}

// typed says whether the password leads on, alone or with what can be typed beside it.
func (vm Reauth) typed() bool { return !vm.TwoStep || vm.App || vm.Recovery }

// folded says whether recovery codes are the way for who has lost the other one.
func (vm Reauth) folded() bool { return vm.App && vm.Recovery }

func (vm Reauth) fields(l Locale) []field {
	list := []field{{Name: "password", Type: "password", Label: l.T("field.password"), Autocomplete: "current-password", Autofocus: true}}
	switch {
	case vm.App:
		code := codeField(l)
		code.Autofocus = false
		list = append(list, code)
	case vm.Recovery:
		list = append(list, recoveryField(l))
	}
	return list
}

// allFields are all that may be complained about.
func (vm Reauth) allFields(l Locale) []field {
	if vm.folded() {
		return append(vm.fields(l), recoveryField(l))
	}
	return vm.fields(l)
}
