package templates

import (
	"strings"
	"time"
)

// Colleagues is /servers/{id}/colleagues: who beside the owner manages a server. Roles have the words `role.<name>` and
// `role.text.<name>`.
type Colleagues struct {
	Server  Server
	Owner   string
	People  []Colleague
	Invites []ColleagueInvite
	Roles   []string // that a colleague may have
	Form    Form     // email, role
}

// Colleague is one person with a role.
type Colleague struct {
	ID    string
	Email string
	Role  string
	Since time.Time
	// What they made that still lets people in, and ends when they may no longer manage members.
	Passwords []string // Matrix ids whose password a link sets
	Invites   []string // who is invited; "" when that was not said
}

func (c Colleague) holds() int { return len(c.Passwords) + len(c.Invites) }

// mostHeld is how many names are told of each kind: more are counted.
const mostHeld = 5

// held adds to a number of links whom they are for.
func held(l Locale, count string, names []string) string {
	var known []string
	for _, name := range names {
		if name != "" && len(known) < mostHeld {
			known = append(known, name)
		}
	}
	if len(known) == 0 {
		return count
	}
	list := strings.Join(known, ", ")
	if rest := len(names) - len(known); rest > 0 {
		list += " " + l.T("colleagues.held.more", "Count", rest)
	}
	return count + ": " + list
}

// ColleagueInvite is an invitation that waits.
type ColleagueInvite struct {
	Email     string
	Role      string
	ExpiresAt time.Time
}

// Join is /colleague?token=…: the invitation as the invited person sees it.
type Join struct {
	State                              LinkState
	ServerName, Role, InvitedBy, Email string
	Token                              string
	Mine                               bool // the address is that of the account logged in
}

// MailColleague invites somebody to manage a server.
type MailColleague struct {
	MailLink
	ServerName, Role, InvitedBy string
}

func colleagueEmailField(l Locale) field {
	return field{Name: "email", Label: l.T("field.email"), Type: "email", InputMode: "email", MaxLength: "254", Placeholder: "kollegin@example.org"}
}

// chosenRole is the role marked in the form; the one that can do least unless another was chosen.
func chosenRole(vm Colleagues, role string) bool {
	if chosen := vm.Form.Value("role"); chosen != "" {
		return chosen == role
	}
	return len(vm.Roles) > 0 && role == vm.Roles[len(vm.Roles)-1]
}

// ColleagueMail invites to manage a server.
func ColleagueMail(l Locale, vm MailColleague) (Mail, error) {
	return letter{
		Subject: l.T("mail.colleague.subject", "Name", vm.ServerName),
		Lines: []string{
			l.T("mail.colleague.text", "By", vm.InvitedBy, "Name", vm.ServerName, "Role", l.Coded("role", vm.Role, nil)),
			l.Coded("role.text", vm.Role, nil),
		},
		Button: l.T("mail.colleague.button"), URL: vm.URL,
		After: []string{l.T("mail.colleague.account", "Email", vm.Email), l.T("mail.link.expires", "When", l.DateTime(vm.Expires))},
	}.mail(l)
}
