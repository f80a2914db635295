package templates

import (
	"strconv"
	"time"

	"github.com/a-h/templ"
)

// Invites is /servers/{id}/members/invites.
//
//	email, display_name, localpart, days → POST /servers/{id}/members/invites
//	→ POST /servers/{id}/members/invites/{invite}/renew | withdraw
type Invites struct {
	Server Server
	Seats  Seats
	List   []Invite // of one page
	Pager  Pager
	Days   []int // lifetimes to choose from
	Form   Form
	Manage bool
	// LinkURL is a new invite's link, shown once; SentTo where it went by mail besides.
	LinkURL string
	SentTo  string
}

// rowURL is where a row's form leads, and from there back to its page.
func (vm Invites) rowURL(i Invite, end string) templ.SafeURL {
	if vm.Pager.Page > 1 {
		end += "?page=" + strconv.Itoa(vm.Pager.Page)
	}
	return membersURL(vm.Server.ID, "/invites/"+i.ID+end)
}

// Invite is one that is open, or has expired.
type Invite struct {
	ID          string
	Email       string
	DisplayName string
	Localpart   string
	InvitedBy   string
	ExpiresAt   time.Time
	Expired     bool
}

func (i Invite) title(l Locale) string {
	for _, known := range []string{i.DisplayName, i.Email, i.Localpart} {
		if known != "" {
			return known
		}
	}
	return l.T("invites.anybody")
}

// InvitationState is where an invitation stands.
type InvitationState string

// The states of an invitation.
const (
	InvitationOpen      InvitationState = "open"
	InvitationWaiting   InvitationState = "waiting" // the account is being made
	InvitationDone      InvitationState = "done"
	InvitationUsed      InvitationState = "used"
	InvitationExpired   InvitationState = "expired"
	InvitationWithdrawn InvitationState = "withdrawn"
	InvitationInvalid   InvitationState = "unknown"
	InvitationClosed    InvitationState = "closed" // the server is not running
	InvitationFull      InvitationState = "full"   // the seat is gone
)

// Invitation is /invite?token=...: what the invited person sees.
//
//	token, localpart, display_name, password → POST /invite
//	token, localpart (query) → GET /invite/check: NameCheckResult
//	token (query) → GET /invite/state: InvitationWait
type Invitation struct {
	State         InvitationState
	Token         string
	ServerName    string
	Title         string // what people call the server
	Welcome       string
	LogoURL       string // "" without a logo
	MatrixID      string // once chosen
	HomeserverURL string
	Form          Form
}

func (vm Invitation) name() string { return orElse(vm.Title, vm.ServerName) }

func inviteFields(l Locale, server string) []field {
	return []field{
		{Name: "email", Label: l.T("invites.email"), Help: l.T("invites.email.help"), Type: "email", Optional: true, Autocomplete: "off", MaxLength: "254"},
		displayNameField(l),
		{Name: "localpart", Label: l.T("field.localpart"), Help: l.T("invites.localpart.help", "Server", server), Optional: true, MaxLength: "64", Autocomplete: "off"},
	}
}

func invitedNameField(l Locale) field {
	return field{Name: "localpart", Label: l.T("field.localpart"), Help: l.T("invitation.localpart.help"), MaxLength: "64", Autocomplete: "username"}
}

func invitedFields(l Locale) []field {
	password := memberPasswordField(l)
	return []field{invitedNameField(l), displayNameField(l), password}
}

// daysWords is a lifetime in words.
func daysWords(l Locale, days int) string { return l.T("invites.days", "Count", days) }

func chosenDays(form Form, days int) bool {
	if form.Value("days") == "" {
		return days == 7
	}
	return form.Value("days") == strconv.Itoa(days)
}

func invitationTitle(l Locale, vm Invitation) string {
	switch vm.State {
	case InvitationOpen:
		return l.T("invitation.title", "Name", vm.name())
	case InvitationWaiting:
		return l.T("invitation.wait.title")
	case InvitationDone:
		return l.T("invitation.done.title", "Name", vm.name())
	default:
		return l.Coded("invitation.title", string(vm.State), nil)
	}
}
