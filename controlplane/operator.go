package controlplane

import (
	"context"
	"encoding/json"
	"time"

	"hafen/tenant"
)

// Operators is what the hoster's staff does. Every method refuses anybody else with a Forbidden fault.
type Operators struct{ OperatorsConfig }

// OperatorsConfig is what Operators needs.
type OperatorsConfig struct {
	Store   OperatorStore
	Servers *Servers
}

// OperatorStore is the operators' view of the rows.
type OperatorStore interface {
	SearchServers(ctx context.Context, f ServerFilter) (ServerPage, error)
	ListOrders(ctx context.Context, status string) ([]OrderView, error)
	// SettleOrder marks an open order paid and moves its tenant on; CancelOrder deletes what waits for it. A second call is
	// the Fault order.settled.
	SettleOrder(ctx context.Context, actor Actor, id string) error
	CancelOrder(ctx context.Context, actor Actor, id string) error
	ListAudit(ctx context.Context, f AuditFilter) ([]AuditEntry, error)
	LastBillingCheck(ctx context.Context) (BillingReport, bool, error)
	// ListFailing lists work that runs by the clock and fails at present, the longest first.
	ListFailing(ctx context.Context) ([]FailingWork, error)
	Transition(ctx context.Context, t Transition) error
	// Wake reconciles a tenant now, whatever its backoff says.
	Wake(ctx context.Context, actor Actor, id tenant.ID) error
}

// ServerFilter narrows the list of all servers.
type ServerFilter struct {
	Status tenant.Status
	Search string // part of a server name or of the owner's address
	Page   int    // from 1
}

// ServersPerPage is the length of a page of the console's list.
const ServersPerPage = 50

// ServerPage is one page of all servers.
type ServerPage struct {
	Servers []Server
	Total   int
	ByState map[tenant.Status]int
}

// AuditFilter narrows the audit log. Before is the id of the last entry seen, 0 for the newest.
type AuditFilter struct {
	Tenant tenant.ID
	Before int64
	Most   int
}

// AuditEntry says who did what.
type AuditEntry struct {
	ID     int64
	At     time.Time
	Actor  string
	Action string
	Tenant tenant.ID
	Server tenant.Domain
	Detail json.RawMessage
}

// NewOperators makes Operators.
func NewOperators(c OperatorsConfig) *Operators { return &Operators{c} }

// Search lists servers, newest first.
func (o *Operators) Search(ctx context.Context, actor Actor, f ServerFilter) (ServerPage, error) {
	if !actor.Operator {
		return ServerPage{}, errOperator()
	}
	f.Page = max(f.Page, 1)
	return o.Store.SearchServers(ctx, f)
}

// Orders lists orders of one status ("" for all), newest first.
func (o *Operators) Orders(ctx context.Context, actor Actor, status string) ([]OrderView, error) {
	if !actor.Operator {
		return nil, errOperator()
	}
	return o.Store.ListOrders(ctx, status)
}

// MarkPaid settles an open order.
func (o *Operators) MarkPaid(ctx context.Context, actor Actor, order string) error {
	if !actor.Operator {
		return errOperator()
	}
	return o.Store.SettleOrder(ctx, actor, order)
}

// CancelOrder gives an unpaid order up; its name is free again.
func (o *Operators) CancelOrder(ctx context.Context, actor Actor, order string) error {
	if !actor.Operator {
		return errOperator()
	}
	return o.Store.CancelOrder(ctx, actor, order)
}

// Payments is the last comparison with a payment provider; false when there was none.
func (o *Operators) Payments(ctx context.Context, actor Actor) (BillingReport, bool, error) {
	if !actor.Operator {
		return BillingReport{}, false, errOperator()
	}
	return o.Store.LastBillingCheck(ctx)
}

// Audit lists who did what, newest first.
func (o *Operators) Audit(ctx context.Context, actor Actor, f AuditFilter) ([]AuditEntry, error) {
	if !actor.Operator {
		return nil, errOperator()
	}
	if f.Most <= 0 || f.Most > 200 {
		f.Most = 50
	}
	return o.Store.ListAudit(ctx, f)
}

// Suspend stops a server and keeps its data. Reason is payment, abuse or operator.
func (o *Operators) Suspend(ctx context.Context, actor Actor, id tenant.ID, reason, note string) error {
	switch reason {
	case "payment", "abuse", "operator":
	default:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "suspend.reason", Field: "reason"}
	}
	return o.transition(ctx, actor, Transition{Tenant: id, To: tenant.Suspended, Action: "server.suspend", Reason: reason, Note: note})
}

// Resume lets a suspended server run again. No other one: from elsewhere the same way leads past payment, the proof of a
// domain, or the end of a grace period.
func (o *Operators) Resume(ctx context.Context, actor Actor, id tenant.ID) error {
	return o.transition(ctx, actor, Transition{Tenant: id, From: tenant.Suspended, To: tenant.Provisioning, Action: "server.resume"})
}

// Delete begins a server's deletion with its grace period.
func (o *Operators) Delete(ctx context.Context, actor Actor, id tenant.ID, typed string) error {
	if !actor.Operator {
		return errOperator()
	}
	return o.Servers.Delete(ctx, actor, id, typed)
}

// Retry reconciles a server now.
func (o *Operators) Retry(ctx context.Context, actor Actor, id tenant.ID) error {
	if !actor.Operator {
		return errOperator()
	}
	return o.Store.Wake(ctx, actor, id)
}

func (o *Operators) transition(ctx context.Context, actor Actor, t Transition) error {
	if !actor.Operator {
		return errOperator()
	}
	t.Actor = actor
	return o.Store.Transition(ctx, t)
}
