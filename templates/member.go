package templates

import "time"

// OneMember is /servers/{id}/members/{localpart}.
//
//	→ POST .../link, email → POST .../link/mail, → POST .../reset, .../deactivate, .../reactivate, .../forget
//	admin (yes, no) → POST .../admin, locked (yes, no) → POST .../lock, device → POST .../sign-out, name → POST .../erase
type OneMember struct {
	Server Server
	Member Member
	Able   Abilities
	Manage bool
	// Protected says that whoever looks may change members, but not this one, who has power over the server.
	Protected bool
	Result    *MemberResult
	Mail      Form // field: email
	Erase     Form // field: name
	// Devices is nil until somebody asks for them.
	Devices *Devices
}

// Devices is the sessions of a member, as the homeserver tells them now.
type Devices struct {
	Server    Server
	Localpart string
	Manage    bool // may sign out
	List      []Device
	Failure   string // why they are not known: `error.<Failure>`
}

// Device is one session.
type Device struct {
	ID      string
	Name    string
	Agent   string
	Address string
	SeenAt  time.Time
}

// seenWords says when somebody was last there.
func seenWords(l Locale, at time.Time) string {
	if at.IsZero() {
		return l.T("members.seen.never")
	}
	return l.Date(at)
}

func (m Member) live() bool {
	switch m.State {
	case MemberDeactivated, MemberErased, MemberMissing, MemberPending:
		return false
	default:
		return true
	}
}

// gone reports whether the account is closed.
func (m Member) gone() bool { return m.State == MemberDeactivated || m.State == MemberErased }

func eraseField(l Locale, m Member) field {
	return field{Name: "name", Label: l.T("member.erase.type", "Name", m.Localpart), Autocomplete: "off"}
}

func mailField(l Locale) field {
	return field{Name: "email", Label: l.T("member.link.email"), Type: "email", Autocomplete: "off"}
}

// memberSwitchWords are the words of something that is on or off.
type memberSwitchWords struct{ End, Field, Title, Text, On, Off string }

// label says what the button does.
func (w memberSwitchWords) label(on bool) string {
	if on {
		return w.Off
	}
	return w.On
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func seenAt(l Locale, m Member) string {
	if m.SeenAt.IsZero() {
		return l.T("members.seen.never")
	}
	return l.DateTime(m.SeenAt)
}
