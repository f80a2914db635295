package templates

import "time"

// Dashboard is /servers/{id} of a server that has been made. The live parts are
// replaced by the SSE events "state" (DashboardState), "usage" (DashboardUsage)
// and "members" (MemberRows) of EventsURL.
type Dashboard struct {
	Server        Server
	HomeserverURL string
	Conditions    []Condition
	Seats         Seats
	Storage       Storage
	Members       Members
	EventsURL     string
}

// States of a member.
const (
	MemberActive      = "active"
	MemberDeactivated = "deactivated"
	MemberPending     = "pending" // an operation runs
	MemberFailed      = "failed"  // an operation failed; Failure says why
)

// Member is one Matrix account.
type Member struct {
	Localpart   string
	MatrixID    string
	DisplayName string
	Admin       bool
	State       string
	Operation   string // while MemberPending or MemberFailed: create, set_password, deactivate, reactivate
	Failure     string // of the operation: `error.<Failure>`
	CreatedAt   time.Time
}

// Members is the member table with its form. Everything posts and gets
// MembersPanel back (or a redirect to the dashboard without htmx):
//
//	localpart, display_name, password_mode (generated, own), password → POST /servers/{id}/members
//	→ POST /servers/{id}/members/{localpart}/reset | deactivate | reactivate
type Members struct {
	ServerID   string
	ServerName string
	List       []Member
	Seats      Seats
	Form       Form
	// CanReactivate is false where the engine cannot bring an account back.
	CanReactivate bool
	// Writable is false while the server cannot take changes (asleep is fine, suspended is not).
	Writable bool
	Result   *MemberResult
}

// MemberResult is shown once after an account was made or its password reset.
type MemberResult struct {
	MatrixID string
	// Password is the generated password; "" when the person chose one or it is still being made.
	Password string
	Code     string // `member.result.<code>`: create, set_password, deactivate, reactivate, pending
}

// Refusal is one thing that must shrink before a downgrade.
type Refusal struct {
	Code        string // `refusal.<code>`: seats, storage
	Have, Limit int64  // seats, or bytes
}

// PlanOption is one plan as seen from the present one.
type PlanOption struct {
	Plan     Plan
	Kind     string // "current", "upgrade", "downgrade"
	Refusals []Refusal
}

// PlanChange is /servers/{id}/plan. Field: plan; posted to the same address.
type PlanChange struct {
	Server  Server
	Seats   Seats
	Storage Storage
	Options []PlanOption
	Form    Form
}

// ServerDelete is /servers/{id}/delete. Field: name (the server name, typed);
// posted to the same address. POST /servers/{id}/restore undoes it during the grace period.
type ServerDelete struct {
	Server    Server
	GraceDays int
	Members   int
	Form      Form
}

func conditionSentence(l Locale, c Condition) string {
	if c.OK {
		return l.Coded("condition", c.Kind+".ok", nil)
	}
	return l.Coded("condition", c.Kind+"."+c.Code, nil)
}

func conditionWord(l Locale, ok bool) string {
	if ok {
		return l.T("dashboard.condition.ok")
	}
	return l.T("dashboard.condition.bad")
}

func seatsSentence(l Locale, s Seats) string {
	if s.full() {
		return l.T("usage.seats.full")
	}
	return l.T("usage.seats.free", "Count", s.Limit-s.Used)
}

// stopped reports whether the server stands still because somebody wants it to: then nothing is wrong that has to be looked at.
func stopped(s Server) bool {
	switch s.Status {
	case StatusSuspended, StatusDeleting, StatusDeleted, StatusAsleep:
		return true
	default:
		return false
	}
}

func conditionsMet(conditions []Condition) int {
	met := 0
	for _, c := range conditions {
		if c.OK {
			met++
		}
	}
	return met
}
