package tenant

import "time"

// RouteMode says how the edge answers for a tenant.
type RouteMode string

// The route modes.
const (
	RouteOpen       RouteMode = "open"
	RouteRestricted RouteMode = "restricted" // unpaid: reads, logout, key upload and media download only
	RouteSuspended  RouteMode = "suspended"
)

// Route is all the edge knows of a tenant. Comparable, so that a published route can be held against the wanted one.
type Route struct {
	Tenant       ID
	ServerName   Domain
	Host         Domain
	Backend      string // "unix:/path/to/socket" or "tcp:host:port"
	Mode         RouteMode
	Federation   FederationMode
	Partners     string  // of FederationList, by JoinDomains
	UploadBytes  int64   // largest single upload
	StorageBytes int64   // quota
	Contact      string  // mailto: or https: of the hoster
	Support      Support // the customer's own; zero when they named nobody
}

// Route is the route a spec asks for; backend is where its container listens.
func (s Spec) Route(backend string) Route {
	mode := RouteOpen
	switch {
	case s.Goal != GoalRun:
		mode = RouteSuspended
	case s.Restricted:
		mode = RouteRestricted
	}
	return Route{
		Tenant: s.ID, ServerName: s.ServerName, Host: s.Host, Backend: backend, Mode: mode,
		Federation: s.Settings.Federation, Partners: JoinDomains(s.Settings.Partners),
		UploadBytes: s.Settings.UploadBytes, StorageBytes: s.Quota.StorageBytes, Contact: s.Contact, Support: s.Settings.Support,
	}
}

// StorageUse is the last measurement of a tenant's storage; the edge adds what it let through since.
type StorageUse struct {
	Tenant     ID
	Bytes      int64
	MeasuredAt time.Time
}

// Certificate is a chain with its key, leaf first, both PEM. KeyPEM is a secret.
type Certificate struct {
	Host     Domain // the name it is kept under
	ChainPEM []byte
	KeyPEM   []byte
	NotAfter time.Time
}

// Challenge is what the edge answers to a certificate authority (RFC 8555 section 8.3, RFC 8737).
type Challenge struct {
	Host             Domain
	Token            string // HTTP-01 path component
	KeyAuthorization string
}
