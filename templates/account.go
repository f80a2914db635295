package templates

import "time"

// Account is the page of one's own account. Each form is its own, so that a
// mistake in one does not empty another:
//
//	Email:    email, current    → POST /account/email
//	Password: current, password → POST /account/password
//	Language: language          → POST /account/language
//	sessions                    → POST /account/sessions/{id}/end, /account/sessions/end-others
type Account struct {
	Email        string
	PendingEmail string // a new address that is not yet verified, "" for none
	Language     string // "de" or "en"
	EmailForm    Form
	PasswordForm Form
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
