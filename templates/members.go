package templates

import (
	"strings"

	"github.com/a-h/templ"
)

// memberWords are one action on a member: the last part of its address and its words.
type memberWords struct {
	Action, Label, Text, Submit string
	Danger                      bool
}

func memberURL(vm Members, m Member, w memberWords) templ.SafeURL {
	return link("/servers/", vm.ServerID, "/members/", m.Localpart, "/", w.Action)
}

func memberNameField(l Locale, server string) field {
	return field{Name: "localpart", Label: l.T("field.localpart"), Help: l.T("field.localpart.help", "Server", server), MaxLength: "64"}
}

func displayNameField(l Locale) field {
	return field{Name: "display_name", Label: l.T("field.display_name"), Help: l.T("field.display_name.help"), Optional: true, MaxLength: "100"}
}

func memberFields(l Locale, server string) []field {
	return []field{memberNameField(l, server), displayNameField(l), memberPasswordField(l)}
}

func memberResultWords(l Locale, r MemberResult) string {
	return l.Coded("member.result", r.Code, map[string]string{"ID": r.MatrixID})
}

func memberOperation(l Locale, operation string) string {
	switch operation {
	case "create":
		return l.T("members.pending.create")
	case "deactivate":
		return l.T("members.pending.deactivate")
	case "reactivate":
		return l.T("members.pending.reactivate")
	default:
		return l.T("members.pending.set_password")
	}
}

// initial is the letter in a member's circle.
func initial(m Member) string {
	for _, r := range orElse(m.DisplayName, m.Localpart) {
		return strings.ToUpper(string(r))
	}
	return "?"
}
