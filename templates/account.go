package templates

import "time"

// Account is the page of one's own account. Each form is its own, so that a
// mistake in one does not empty another:
//
//	Password: current, password → POST /account/password
//	Language: language          → POST /account/language
//	address, second steps       → /account/email, /account/two-step
//	sessions                    → POST /account/sessions/{id}/end, /account/sessions/end-others
type Account struct {
	Email        string
	Language     string // "de" or "en"
	PasswordForm Form
	Security     SecurityCard
	Sessions     []Session
}

// Session is one place where the account is signed in.
type Session struct {
	ID        string
	Device    string // "Firefox, Linux"; "" when unknown
	Address   string // IP address last seen
	LastSeen  time.Time
	CreatedAt time.Time
	Current   bool
}

func passwordFields(l Locale) []field {
	fresh := newPasswordField(l)
	fresh.Label = l.T("field.new_password")
	return []field{
		{Name: "current", Type: "password", Label: l.T("field.current_password"), Autocomplete: "current-password"},
		fresh,
	}
}
