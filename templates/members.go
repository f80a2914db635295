package templates

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// States of a member.
const (
	MemberActive      = "active"
	MemberDeactivated = "deactivated"
	MemberErased      = "erased"
	MemberLocked      = "locked"
	MemberMissing     = "missing" // the homeserver does not know the account
	MemberPending     = "pending" // an operation runs
	MemberFailed      = "failed"  // active, but the last operation failed; Failure says why
)

// Member is one Matrix account.
type Member struct {
	Localpart   string
	MatrixID    string
	DisplayName string
	First       bool // came with the order
	Admin       bool // of the homeserver
	State       string
	Locked      bool
	Operation   string // while MemberPending, or that of the Failure: create, set_password, deactivate, ...
	Failure     string // of the last operation, in any state: `error.<Failure>`
	CreatedAt   time.Time
	SeenAt      time.Time // zero when never, or not known
	MediaBytes  int64
}

func (m Member) name() string { return orElse(m.DisplayName, m.Localpart) }

// Abilities is what the server's engine can do with members.
type Abilities struct {
	Deactivate, Reactivate, Erase, Admin, Lock, Devices, SignOut, List bool
}

// MemberQuery is what the list shows; the names are those in the address.
type MemberQuery struct {
	Search string // q
	State  string // state
	Sort   string // sort: one of MemberSorts
	Page   int    // page
}

// Members is /servers/{id}/members. Its live part is MembersList, which the same address answers to htmx.
//
//	q, state, sort, page (query)
//	localpart, display_name, password_mode (generated, own), password → POST /servers/{id}/members
//	action (deactivate, sign_out, links), who… → POST /servers/{id}/members/bulk
//	→ POST /servers/{id}/members/refresh
type Members struct {
	Server   Server
	Seats    Seats
	Query    MemberQuery
	List     []Member
	Total    int            // that match
	Counts   map[string]int // by MemberFilters
	Pager    Pager
	SyncedAt time.Time
	Able     Abilities
	Form     Form
	// Manage is false for whoever may only look, and while the server cannot take changes.
	Manage bool
	Result *MemberResult
}

// MemberResult is shown once after an account was made or its password reset.
type MemberResult struct {
	MatrixID string
	// Password is the generated password; "" when the person chose one or it is still being made.
	Password string
	// LinkURL is a set-password link to hand over.
	LinkURL string
	Code    string // `member.result.<code>`: create, set_password, link, ..., pending
}

// MemberFilters and MemberSorts are the values of state and sort.
var (
	MemberFilters = []string{"", "active", "deactivated", "locked", "admin", "pending", "attention"}
	MemberSorts   = []string{"name", "seen", "unseen", "storage", "newest", "oldest"}
)

// URL is the address of the list as another query shows it.
func (vm Members) URL(q MemberQuery) string {
	values := url.Values{}
	for name, value := range map[string]string{"q": q.Search, "state": q.State, "sort": q.Sort} {
		if value != "" && value != "name" {
			values.Set(name, value)
		}
	}
	if q.Page > 1 {
		values.Set("page", strconv.Itoa(q.Page))
	}
	address := string(membersURL(vm.Server.ID, ""))
	if len(values) == 0 {
		return address
	}
	return address + "?" + values.Encode()
}

func (vm Members) filtered(state string) string {
	q := vm.Query
	q.State, q.Page = state, 1
	return vm.URL(q)
}

// shown reports whether a filter is worth its place: what nobody is in only when it is the one in use.
func (vm Members) shown(state string) bool {
	return state == "" || vm.Counts[state] > 0 || vm.Query.State == state
}

// waiting reports whether something on this page is under way, so that it looks again by itself.
func (vm Members) waiting() bool {
	return slices.ContainsFunc(vm.List, func(m Member) bool { return m.State == MemberPending })
}

// selectable reports whether anything can be done to several members.
func (vm Members) selectable() bool { return vm.Manage && len(vm.List) > 0 }

func membersURL(server, end string) templ.SafeURL { return link("/servers/", server, "/members", end) }

// pathsOfMembers are pages that a member of this name would stand behind; "@" keeps them apart, and is in no name.
var pathsOfMembers = []string{"bulk", "import", "imports", "invites", "refresh"}

func memberURL(server, localpart, end string) templ.SafeURL {
	if slices.Contains(pathsOfMembers, localpart) {
		localpart = "@" + localpart
	}
	return membersURL(server, "/"+url.PathEscape(localpart)+end)
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
	return l.Coded("members.pending", operation, nil)
}

// initial is the letter in a member's circle.
func initial(m Member) string {
	for _, r := range m.name() {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// BulkConfirm asks whether something is really to be done to several members.
//
//	action, who…, confirmed=yes → POST /servers/{id}/members/bulk
type BulkConfirm struct {
	Server  Server
	Action  string
	Members []Member
}

// MemberTokens shows the links made for several members, once.
type MemberTokens struct {
	Server Server
	Back   string
	Links  []MemberToken
}

// MemberToken is one of them.
type MemberToken struct{ MatrixID, URL string }
