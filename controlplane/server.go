package controlplane

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// GracePeriod is how long a deleted server's data is kept, and its deletion can be taken back.
const GracePeriod = 14 * 24 * time.Hour

// Servers is what an owner does with a server they have.
type Servers struct{ ServersConfig }

// ServersConfig is what Servers needs.
type ServersConfig struct {
	Store ServerStore
	Grace time.Duration // GracePeriod when zero
}

// ServerStore keeps servers.
type ServerStore interface {
	ServerFinder
	// ListServers lists those an account owns or has a role on.
	ListServers(ctx context.Context, account string) ([]Server, error)
	ListStepRuns(ctx context.Context, id tenant.ID, most int) ([]StepRun, error)
	ListUsage(ctx context.Context, id tenant.ID, since time.Time) ([]UsagePoint, error)
	ListUsageDays(ctx context.Context, id tenant.ID, since time.Time) ([]UsagePoint, error)
	FindOrder(ctx context.Context, id tenant.ID) (OrderView, error)
	FindDomain(ctx context.Context, id tenant.ID) (DomainView, error)
	RequestDomainCheck(ctx context.Context, id tenant.ID) error
	// Transition moves a tenant in the status table, wakes it and writes the audit entry. The Fault status.conflict says
	// the table does not allow it from where the tenant stands now. A tenant of which nothing exists yet is deleted at once,
	// and one whose own domain was never proven resumes to wait for that.
	Transition(ctx context.Context, t Transition) error
	// Watch gives a hint whenever a row of the tenant changed, until ctx ends.
	Watch(ctx context.Context, id tenant.ID) <-chan struct{}
}

// Transition is one move in the status table.
type Transition struct {
	Actor       Actor
	Tenant      tenant.ID
	From        tenant.Status // when set, the only status it may begin in
	To          tenant.Status // "" when Back
	Back        bool          // return to where deletion began
	Action      string        // for the audit log
	Reason      string        // of a suspension: payment, abuse, operator
	Note        string        // free text, for the audit log
	DeleteAfter time.Duration // grace period, when To is Deleting
}

// Server is one tenant as its owner and operators see it.
type Server struct {
	ID           tenant.ID
	Account      string
	OwnerEmail   string
	Role         Role // of whoever asked
	ServerName   tenant.Domain
	Host         tenant.Domain
	OwnDomain    bool
	Engine       tenant.EngineName
	Plan         tenant.Plan
	Quota        tenant.Quota    // of the plan with its add-ons
	Restricted   bool            // unpaid: nothing new comes in
	Settings     tenant.Settings // as far as the plan allows them
	Status       tenant.Status
	SuspendedFor string
	FirstAdmin   tenant.Localpart
	Language     string
	Conditions   []tenant.Condition
	Usage        tenant.Usage
	MeasuredAt   *time.Time
	FailureCode  string // of the last reconcile; "" when all is well
	FailureText  string // for operators
	RetryAt      *time.Time
	Settled      bool // what was last asked for is true
	CreatedAt    time.Time
	ActiveAt     *time.Time
	DeleteAfter  *time.Time
}

// StepRun is one step of reconciling, as it went.
type StepRun struct {
	Step       tenant.Step
	StartedAt  time.Time
	FinishedAt *time.Time
	Code       string // of the failure
	Detail     string // for operators
}

// UsagePoint is one measurement.
type UsagePoint struct {
	At                        time.Time
	DatabaseBytes, MediaBytes int64
}

// OrderView is the last order of a server.
type OrderView struct {
	ID         string
	Number     int64
	Tenant     tenant.ID
	ServerName tenant.Domain
	Email      string
	Plan       tenant.Plan
	Provider   string
	Status     string // open, paid, cancelled
	Net, VAT   tenant.Money
	CreatedAt  time.Time
	SettledAt  *time.Time
	// CheckoutURL is where a provider takes the money; "" when the customer is told how to pay.
	CheckoutURL string
	Seller      billing.Party // whom to pay, as far as an operator has said it
}

// DomainView is where the proof of an own domain stands.
type DomainView struct {
	Token      string
	VerifiedAt *time.Time
	CheckedAt  *time.Time
	Report     tenant.DomainReport
}

// NewServers makes Servers.
func NewServers(c ServersConfig) *Servers {
	if c.Grace == 0 {
		c.Grace = GracePeriod
	}
	return &Servers{c}
}

// Find gives one server. One that the actor has no role on is unknown, except to operators.
func (s *Servers) Find(ctx context.Context, actor Actor, id tenant.ID) (Server, error) {
	return authorize(ctx, s.Store, actor, id, See)
}

// List gives the actor's own servers, newest first, without those long deleted.
func (s *Servers) List(ctx context.Context, actor Actor) ([]Server, error) {
	return s.Store.ListServers(ctx, actor.Account)
}

// Progress lists the latest steps of a server, oldest first.
func (s *Servers) Progress(ctx context.Context, actor Actor, id tenant.ID) ([]StepRun, error) {
	if _, err := s.Find(ctx, actor, id); err != nil {
		return nil, err
	}
	return s.Store.ListStepRuns(ctx, id, 60)
}

// UsageHistory is how the storage of a server has grown.
type UsageHistory struct {
	Points []UsagePoint // oldest first: one a day, or one an hour while there are few days
	Full   int          // in about so many days it is full; 0 when that cannot be said
}

// fewDays is how many days make no chart yet.
const fewDays = 3

// UsageHistory gives the measurements of the last thirty days, and what is to be expected.
func (s *Servers) UsageHistory(ctx context.Context, actor Actor, id tenant.ID) (h UsageHistory, err error) {
	server, err := s.Find(ctx, actor, id)
	if err != nil {
		return h, err
	}
	since := time.Now().Add(-30 * 24 * time.Hour)
	if h.Points, err = s.Store.ListUsageDays(ctx, id, since); err != nil {
		return h, err
	}
	h.Full, _ = tenant.DaysUntilFull(daysOf(h.Points), server.Quota.StorageBytes)
	if len(h.Points) < fewDays {
		h.Points, err = s.Store.ListUsage(ctx, id, since)
	}
	return h, err
}

func daysOf(points []UsagePoint) []tenant.DayUse {
	days := make([]tenant.DayUse, len(points))
	for i, p := range points {
		days[i] = tenant.DayUse{Day: p.At, Bytes: p.DatabaseBytes + p.MediaBytes}
	}
	return days
}

// Order gives the last order of a server.
func (s *Servers) Order(ctx context.Context, actor Actor, id tenant.ID) (OrderView, error) {
	if _, err := authorize(ctx, s.Store, actor, id, See); err != nil {
		return OrderView{}, err
	}
	return s.Store.FindOrder(ctx, id)
}

// Domain gives the state of an own domain's records.
func (s *Servers) Domain(ctx context.Context, actor Actor, id tenant.ID) (DomainView, error) {
	if _, err := s.Find(ctx, actor, id); err != nil {
		return DomainView{}, err
	}
	return s.Store.FindDomain(ctx, id)
}

// CheckDomain asks for the records to be looked at now rather than when they are due.
func (s *Servers) CheckDomain(ctx context.Context, actor Actor, id tenant.ID) error {
	if _, err := s.Find(ctx, actor, id); err != nil {
		return err
	}
	return s.Store.RequestDomainCheck(ctx, id)
}

// Watch gives a hint whenever the server may have changed, until ctx ends.
func (s *Servers) Watch(ctx context.Context, actor Actor, id tenant.ID) (<-chan struct{}, error) {
	if _, err := s.Find(ctx, actor, id); err != nil {
		return nil, err
	}
	return s.Store.Watch(ctx, id), nil
}

// Delete stops the server and, when the grace period has passed, removes it. typed must be the server name.
func (s *Servers) Delete(ctx context.Context, actor Actor, id tenant.ID, typed string) error {
	server, err := authorize(ctx, s.Store, actor, id, DeleteServer)
	if err != nil {
		return err
	}
	if strings.ToLower(strings.TrimSpace(typed)) != string(server.ServerName) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "delete.name_differs", Field: "name"}
	}
	t := Transition{Actor: actor, Tenant: id, To: tenant.Deleting, Action: "server.delete", DeleteAfter: s.Grace}
	if server.ActiveAt == nil {
		t.DeleteAfter = 0 // nothing was ever stored that anybody could miss
	}
	return s.transition(ctx, t)
}

// Restore takes a deletion back within the grace period.
func (s *Servers) Restore(ctx context.Context, actor Actor, id tenant.ID) error {
	server, err := authorize(ctx, s.Store, actor, id, DeleteServer)
	if err != nil {
		return err
	}
	if server.Status != tenant.Deleting {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "status.conflict"}
	}
	return s.transition(ctx, Transition{Actor: actor, Tenant: id, Back: true, Action: "server.restore"})
}

func (s *Servers) transition(ctx context.Context, t Transition) error {
	if err := s.Store.Transition(ctx, t); err != nil {
		return fmt.Errorf("%s %s: %w", t.Action, t.Tenant, err)
	}
	return nil
}

// scope is the account whose servers an actor may touch: "" is all of them.
func scope(a Actor) string {
	if a.Operator {
		return ""
	}
	return a.Account
}
