package tenant

import "slices"

// Status is where a tenant stands, as its customer sees it.
type Status string

// The statuses.
const (
	AwaitingPayment Status = "awaiting_payment"
	AwaitingDomain  Status = "awaiting_domain"
	Provisioning    Status = "provisioning"
	Active          Status = "active"
	Asleep          Status = "asleep"
	Suspended       Status = "suspended"
	Deleting        Status = "deleting"
	Deleted         Status = "deleted"
)

// Statuses lists them all, in the order of a life.
var Statuses = []Status{AwaitingPayment, AwaitingDomain, Provisioning, Active, Asleep, Suspended, Deleting, Deleted}

// transitions is the whole life of a tenant. Suspended leads back through Provisioning, because a resumed tenant is active
// only once it is proven healthy; so does Deleting, when a customer changes their mind within the grace period.
var transitions = map[Status][]Status{
	AwaitingPayment: {AwaitingDomain, Provisioning, Deleting, Deleted},
	AwaitingDomain:  {Provisioning, Suspended, Deleting, Deleted},
	Provisioning:    {Active, Suspended, Deleting},
	Active:          {Asleep, Provisioning, Suspended, Deleting},
	Asleep:          {Active, Provisioning, Suspended, Deleting},
	Suspended:       {AwaitingDomain, Provisioning, Deleting},
	Deleting:        {AwaitingPayment, AwaitingDomain, Provisioning, Suspended, Deleted},
	Deleted:         {},
}

// CanBecome reports whether the table allows the step from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(transitions[s], next) }

// Goal is what the reconcile loop makes true for a tenant.
type Goal string

// The goals.
const (
	GoalNone   Goal = "none"   // nothing exists yet, and nothing should
	GoalRun    Goal = "run"    // serving
	GoalStop   Goal = "stop"   // stopped, all data kept
	GoalRemove Goal = "remove" // nothing left
)

// Goal of a status. Deleting keeps everything, stopped, until the grace period has passed.
func (s Status) Goal(gracePassed bool) Goal {
	switch s {
	case AwaitingPayment, AwaitingDomain:
		return GoalNone
	case Provisioning, Active:
		return GoalRun
	case Asleep, Suspended:
		return GoalStop
	case Deleting:
		if gracePassed {
			return GoalRemove
		}
		return GoalStop
	default:
		return GoalRemove
	}
}
