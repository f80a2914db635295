package templates

import (
	"net/url"
	"time"
)

// Event is something that happened to a server: `action.<Code>`.
type Event struct {
	At     time.Time
	Code   string
	Actor  string // e-mail address, or "" for the system
	Detail string // for operators only, never a secret
}

// OperatorRow is one server in the table of all servers.
type OperatorRow struct {
	ID, Name, Customer string
	PlanName           string
	Status             string
	Seats              Seats
	Storage            Storage
	LastEvent          Event
}

// OperatorServers is /operator?state=&q=&page=: the fleet.
type OperatorServers struct {
	Rows   []OperatorRow
	State  string // filter, "" for all
	Query  string
	Counts map[string]int // servers by status, for the filter
	Pager  Pager
	// Failing is what runs by the clock and fails at present.
	Failing []FailingWork
}

// FailingWork is work in the background that fails: `work.<code>`, `work.text.<code>`.
type FailingWork struct {
	Code  string
	Since time.Time
	Error string // for those who look after the machine, in English
}

// StepRun is one run of a step in the history.
type StepRun struct {
	Name    string
	State   StepState
	Started time.Time
	Elapsed time.Duration
	Attempt int
	Error   string
}

// OperatorServer is /operator/servers/{id}. Actions post to
// /operator/servers/{id}/suspend (reason, note) | resume | retry | delete (name).
type OperatorServer struct {
	Server        Server
	Customer      string
	HomeserverURL string
	Seats         Seats
	Storage       Storage
	// FailureDetail is what went wrong, in the words of what refused: for operators only.
	FailureDetail string
	Conditions    []Condition
	Steps         []StepRun
	Events        []Event
	// What the status allows now.
	CanSuspend, CanResume, CanRetry, CanDelete bool
	// ProveFirst is where the deletion leads before its form is shown: somebody has to prove that it is still them.
	ProveFirst string
	CustomerID string // of the account page
	Dunning    Dunning
	Form       Form
}

// OperatorOrder is one order in the operator's list.
type OperatorOrder struct {
	ID            string
	InvoiceNumber string
	Customer      string
	ServerName    string
	ServerID      string
	PlanName      string
	Price         Price
	State         string // OrderOpen, OrderPaid, OrderCancelled
	CreatedAt     time.Time
	SettledAt     time.Time // paid or cancelled; zero while open
}

// OperatorOrders is /operator/orders?state=. Actions post to
// /operator/orders/{id}/paid | cancel.
type OperatorOrders struct {
	Rows  []OperatorOrder
	State string // filter: OrderOpen, OrderPaid, OrderCancelled, "" for all
	Pager Pager
	// Payments is the last comparison with a payment provider; nil without one.
	Payments *OperatorPayments
}

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	ID            int64
	At            time.Time
	Actor         string // "" for the system
	Address       string
	Action        string // `action.<code>`
	Object        string // "server werft.example"
	ObjectURL     string // "" for none
	Detail        string // short text or JSON, "" for none; never a secret
	Before, After string // likewise, where a value changed
}

// OperatorAudit is /operator/audit?server=&before=.
type OperatorAudit struct {
	Entries []AuditEntry
	// ServerID and ServerName are set when only one server's entries are shown.
	ServerID, ServerName string
	Pager                Pager
}

// OperatorPassword is /operator/account. Fields: current, password. Required
// is set at the first login with the one-time password: no other page opens before.
type OperatorPassword struct {
	Email    string
	Required bool
	Form     Form
	Security SecurityCard
	Sessions []Session
}

// statuses in the order of a life, for the filter.
var statuses = []string{
	StatusAwaitingPayment, StatusAwaitingDomain, StatusProvisioning, StatusActive, StatusAsleep, StatusSuspended, StatusDeleting, StatusDeleted,
}

func fleetURL(state, search string) string {
	q := url.Values{}
	if state != "" {
		q.Set("state", state)
	}
	if search != "" {
		q.Set("q", search)
	}
	if len(q) == 0 {
		return "/operator"
	}
	return "/operator?" + q.Encode()
}

func actor(l Locale, name string) string {
	return orElse(name, l.T("operator.system"))
}

func orderTone(state string) Tone {
	switch state {
	case OrderPaid:
		return ToneGood
	case OrderOpen:
		return ToneWarn
	default:
		return ToneNeutral
	}
}

func orderWord(l Locale, state string) string {
	switch state {
	case OrderPaid:
		return l.T("operator.order.paid")
	case OrderOpen:
		return l.T("operator.order.open")
	default:
		return l.T("operator.order.cancelled")
	}
}
