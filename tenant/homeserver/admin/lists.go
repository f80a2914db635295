package admin

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Bound gives a page its limits: 50 rows where none is asked for, never more than 1000.
func Bound(p homeserver.Page) homeserver.Page {
	const usual, most = 50, 1000
	if p.Limit <= 0 {
		p.Limit = usual
	}
	return homeserver.Page{Offset: max(p.Offset, 0), Limit: min(p.Limit, most)}
}

// Containing gives patterns for ILIKE that find a text within another; nil for the empty text. Databases of tenants have the
// C locale, which knows upper and lower case of ASCII alone, so letters beyond it are tried in the ways they are written.
func Containing(text string) []string {
	if text == "" {
		return nil
	}
	lower := strings.ToLower(text)
	first, size := utf8.DecodeRuneInString(lower)
	var patterns []string
	for _, spelling := range []string{text, lower, strings.ToUpper(text), string(unicode.ToUpper(first)) + lower[size:]} {
		patterns = append(patterns, "%"+literal.Replace(spelling)+"%")
	}
	return patterns
}

// literal takes the meaning from what LIKE would read as a pattern.
var literal = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// Moment reads a homeserver's milliseconds since 1970. The zero time is for none, and for what is beyond the year 9999, for
// which JSON has no form.
func Moment(milliseconds int64) time.Time {
	const year10000 = 253_402_300_800_000
	if milliseconds <= 0 || milliseconds >= year10000 {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds)
}

// CheckPassword keeps to the lengths that hold on every engine: at least what Dendrite takes, at most what bcrypt does.
func CheckPassword(password string) error {
	switch {
	case len(password) < 8:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.short", Field: "password"}
	case len(password) > 72:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.long", Field: "password"}
	}
	return nil
}
