package templates

import (
	"net/url"
	"strings"
	"time"
)

// Second asks for the second step of a login. Posted to /login/second: code, or recovery, or credential with challenge; and next.
type Second struct {
	App      bool
	Recovery bool        // codes are left
	Passkey  *PasskeyAsk // nil: the account has none
	Next     string
	Form     Form
}

func codeField(l Locale) field {
	return field{
		Name: "code", Label: l.T("second.code"), Help: l.T("second.code.help"), Autocomplete: "one-time-code", InputMode: "numeric", MaxLength: "9", Autofocus: true,
	}
}

func recoveryField(l Locale) field {
	return field{Name: "recovery", Label: l.T("second.recovery"), Help: l.T("second.recovery.help"), Autocomplete: "off", MaxLength: "40"}
}

// secondFields are all that may be complained about.
func secondFields(l Locale) []field { return []field{codeField(l), recoveryField(l)} }

// TwoStep is the page of an account's second steps:
//
//	app      → /account/two-step/app; POST /account/two-step/app/remove
//	passkeys → /account/two-step/passkeys; POST /account/two-step/passkeys/{id}/rename (name), .../remove
//	codes    → POST /account/two-step/codes
type TwoStep struct {
	AppSince     time.Time // zero: none
	Passkeys     []Passkey
	RecoveryLeft int
	Required     bool // an operator who must have one before anything else
	Form         Form
}

// On says whether the password alone is not enough.
func (t TwoStep) On() bool { return !t.AppSince.IsZero() || len(t.Passkeys) > 0 }

// fewCodes is when it is time for new ones.
const fewCodes = 3

// AppSetup adds an authenticator app. Fields: code, setup; posted to /account/two-step/app.
type AppSetup struct {
	Secret string // in groups of four
	URI    string
	Sealed string // the field setup
	Form   Form
}

// RecoveryCodes shows fresh codes, once.
type RecoveryCodes struct {
	Codes   []string
	Email   string
	Started bool // two-step login is on since just now
}

// file is the codes as a file to keep.
func (vm RecoveryCodes) file(l Locale) string {
	return "data:text/plain;charset=utf-8," + url.PathEscape(l.T("recovery.file", "Email", vm.Email)+"\n\n"+strings.Join(vm.Codes, "\n")+"\n")
}

// SecurityCard is what the page of one's own account says about the way into it.
type SecurityCard struct {
	TwoStep  bool
	App      bool
	Passkeys int
	Recovery int
}

func securityLine(l Locale, vm SecurityCard) string {
	var parts []string
	if vm.App {
		parts = append(parts, l.T("twostep.app"))
	}
	if vm.Passkeys > 0 {
		parts = append(parts, l.T("passkey.count", "Count", vm.Passkeys))
	}
	return strings.Join(append(parts, l.T("recovery.left", "Count", vm.Recovery)), " · ")
}

func appCodeField(l Locale) field {
	f := codeField(l)
	f.Label, f.Help, f.Autofocus = l.T("app.code"), "", false
	return f
}

// removeText warns when the last second step goes.
func removeText(l Locale, last bool) string {
	if last {
		return l.T("twostep.remove.last")
	}
	return l.T("twostep.remove.text")
}
