package templates

import "strings"

// deviceWords is the line below a session's name: when and from where it was last used.
func deviceWords(l Locale, d Device) string {
	var parts []string
	if d.SeenAt.IsZero() {
		parts = append(parts, l.T("members.seen.never"))
	} else {
		parts = append(parts, l.DateTime(d.SeenAt))
	}
	for _, part := range []string{d.Address, d.Agent} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " · ")
}
