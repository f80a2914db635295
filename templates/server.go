package templates

import "time"

// Statuses of a server, as in the domain; each has the words `status.<name>`.
const (
	StatusAwaitingPayment = "awaiting_payment"
	StatusAwaitingDomain  = "awaiting_domain"
	StatusProvisioning    = "provisioning"
	StatusActive          = "active"
	StatusAsleep          = "asleep"
	StatusSuspended       = "suspended"
	StatusDeleting        = "deleting"
	StatusDeleted         = "deleted"
)

// Server is what several pages say about one server.
type Server struct {
	ID        string
	Name      string // server name, the part after the colon in Matrix ids
	Host      string // where the edge answers
	OwnDomain bool   // the name is a domain of the customer
	Status    string
	Plan      Plan
	Engine    Engine
	CreatedAt time.Time
	// SuspendReason is a code (`suspended.<code>`) while suspended: payment, abuse, operator.
	SuspendReason string
	// Failure is the code (`failure.<code>`) of what stopped or delays the work on it, "" for nothing.
	Failure string
	// Stuck says that the failure waits for an operator and nothing more happens by itself.
	Stuck bool
	// Pages names the pages of it that whoever looks may open (PageRooms, ...).
	Pages []string
	// Owed is what was not paid in time, nil when all is well.
	Owed *Owed
	// DeleteAt is when the data goes for good, while deleting.
	DeleteAt time.Time
}

// Engine is the software a server runs on. Support is a code (`engine.support.<code>`): "current" while it is developed,
// "repairs" when it gets nothing but those.
type Engine struct{ Name, Version, Support string }

// Condition is one thing that is true or not. Its name is `condition.<Kind>.name`,
// its sentence `condition.<Kind>.<Code>`, and `condition.<Kind>.ok` when OK.
type Condition struct {
	Kind  string // "database_ready", "healthy", ...
	OK    bool
	Code  string // "" when OK
	Since time.Time
}

// Seats is how many accounts count against the plan.
type Seats struct{ Used, Limit int }

// Storage is the measured space. Remote is cached media of other servers, shown apart and not counted.
type Storage struct {
	Database, Media, Remote int64
	Orphans                 int64 // of Media: what the homeserver has forgotten
	Limit                   int64
	Floor                   int64     // past it the server is read-only; more than Limit
	MeasuredAt              time.Time // zero when never measured
	FullIn                  int       // in about so many days it is full; 0 when nobody can say
	History                 []StoragePoint
}

// Used is what counts against the plan.
func (s Storage) Used() int64 { return s.Database + s.Media }

// StoragePoint is one measurement in the history, oldest first.
type StoragePoint struct {
	At              time.Time
	Database, Media int64
}

// ServerList is /servers: all servers of the customer.
type ServerList struct{ Servers []ServerCard }

// ServerCard is one server in the list.
type ServerCard struct {
	Server  Server
	Seats   Seats
	Storage Storage
	// URL is where the card leads: the dashboard, or the order while unpaid.
	URL string
	// Role is what whoever looks is on a server of somebody else's, "" on one's own.
	Role string
}
