package templates

// LinkState says what became of a single-use link.
type LinkState string

// States of a single-use link. LinkOpen is shown on GET and asks for a click, so
// that mail scanners which fetch links do not use them up; the click posts.
const (
	LinkOpen    LinkState = "open"
	LinkDone    LinkState = "done"
	LinkPending LinkState = "pending" // used, and what it asked for is under way
	LinkExpired LinkState = "expired"
	LinkUsed    LinkState = "used"
	LinkInvalid LinkState = "invalid"
)

// Verify is the page behind the link of the verification mail. LinkOpen posts
// token to /verify; the other states except LinkDone offer a new mail
// (email to /signup/resend).
type Verify struct {
	State LinkState
	Token string
	// Next is where "go on" leads after LinkDone: /login, or /order when a plan was chosen.
	Next string
}

// linkTitle and linkText say what is wrong with a single-use link that does not open.
func linkTitle(l Locale, state LinkState) string {
	switch state {
	case LinkExpired:
		return l.T("link.expired.title")
	case LinkUsed:
		return l.T("link.used.title")
	default:
		return l.T("link.invalid.title")
	}
}

func linkText(l Locale, state LinkState) string {
	switch state {
	case LinkExpired:
		return l.T("link.expired.text")
	case LinkUsed:
		return l.T("link.used.text")
	default:
		return l.T("link.invalid.text")
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
