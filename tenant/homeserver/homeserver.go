// Package homeserver says what Hafen needs of a homeserver implementation.
//
// An [Engine] knows one implementation: which secrets it needs, which files configure it, and how to talk to a server of
// it that runs. It holds no state and does no input or output itself. A [Server] is one tenant's running homeserver, reached
// over its Unix socket and, as the tenant's own database role, over its database; it holds no state either, so a crash
// leaves what the homeserver has done and nothing else.
//
// What an implementation cannot do it says in its [Description], and answers with [Unsupported] when asked all the same.
package homeserver

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// Paths inside every tenant's container. They are the same for all tenants: what differs is what is mounted there.
const (
	ConfigDir         = "/config"            // read-only: what Render gives
	DataDir           = "/data"              // the tenant's data
	SocketDir         = "/run/hafen"         // shared with the edge
	SocketName        = "hs.sock"            // where the homeserver listens, in SocketDir
	DatabaseSocketDir = "/run/postgresql"    // read-only: the cluster's socket
	TrustFile         = "/etc/ssl/hafen.pem" // read-only: certificate authorities, when configured
	SocketPath        = SocketDir + "/" + SocketName
)

// Capability is something a homeserver may or may not be able to do.
type Capability string

// The capabilities. Every engine can create accounts, set passwords and tell whether it is ready.
const (
	Deactivate   Capability = "deactivate"
	Reactivate   Capability = "reactivate"
	ListAccounts Capability = "list_accounts"
	SlidingSync  Capability = "sliding_sync" // what Element X needs
	SingleSignOn Capability = "single_sign_on"
)

// Description is what is fixed about an engine.
type Description struct {
	Name         tenant.EngineName
	Command      []string // the container's arguments; nothing secret
	DataDirs     []string // directories in DataDir
	MediaDir     string   // the one of them that holds media
	Secrets      []string // names of the secrets the engine needs
	Schema       Schema
	Capabilities []Capability
}

// Schema is what must be known of an engine's database to make a template of it: a database in which a server has made its
// tables, and which then belongs to no server.
type Schema struct {
	// Tables are those of the schema "public" that keep their rows in a template: which migrations were applied, and where
	// positions start. All others must be empty. Without any, the engine has no template.
	Tables []string
	// Settled asks the database whether the migrations are done that go on in the background once the server is ready. "" when
	// there are none.
	Settled string
}

// Supports reports whether the engine can do it.
func (d Description) Supports(c Capability) bool { return slices.Contains(d.Capabilities, c) }

// Engine is one homeserver implementation. Safe for concurrent use.
type Engine interface {
	Describe() Description
	// NewSecret draws a secret of the given name, one of the Description's.
	NewSecret(name string) ([]byte, error)
	// Render gives the files of ConfigDir. The same setup gives the same files.
	Render(Setup) ([]File, error)
	// Connect binds the engine to one tenant's server. It does no input or output.
	Connect(Access) Server
}

// Setup is what a configuration is made from.
type Setup struct {
	Spec    tenant.Spec
	Secrets Secrets
	// EdgeAddresses are private addresses of this host where the edge answers for other tenants: an engine that refuses to
	// reach private networks must make exception for these.
	EdgeAddresses []netip.Addr
	TrustFile     bool // a file of certificate authorities is mounted at TrustFile
}

// Names of the secrets that every engine shares. An engine adds its own.
const (
	DatabasePassword = "database_password"
	ControlPassword  = "control_password"
	ControlToken     = "control_token" // made by the homeserver, not drawn
)

// Secrets are a tenant's, by name. They never reach a log, a label, an environment or a command line.
type Secrets map[string][]byte

// File is one file of ConfigDir. All of them may hold secrets.
type File struct {
	Name    string
	Content []byte
}

// Access is how one tenant's server is reached.
type Access struct {
	Spec    tenant.Spec
	Secrets Secrets
	// HTTP reaches the server whatever the host of a request's URL.
	HTTP *http.Client
	// Database logs in to the tenant's database as the tenant's own role. Never as anybody mightier: whoever has taken
	// over a homeserver can plant triggers and functions there, and they would run with the caller's rights.
	Database func(context.Context) (*pgx.Conn, error)
}

// Server is a tenant's running homeserver.
//
// Its errors are a [tenant.Fault] where the caller can do something about it: server.unavailable (it does not answer),
// member.exists, member.unknown, member.long, password.short, password.long; or [Unsupported].
type Server interface {
	// Ready reports, as an error, what the server does not yet do: answer, and reach its database.
	Ready(context.Context) error
	// CreateControl makes the account through which Hafen manages the server, or finds it already made, and gives its
	// access token. Idempotent.
	CreateControl(context.Context) (token []byte, err error)
	// MediaBytes is the size of the media the engine knows of; less than what lies on disk.
	MediaBytes(context.Context) (int64, error)
	Accounts
}

// Accounts manages the people on a homeserver.
type Accounts interface {
	Create(context.Context, NewAccount) error
	// SetPassword also ends all sessions of the account.
	SetPassword(ctx context.Context, who tenant.Localpart, password string) error
	// Deactivate ends all sessions and lets nobody log in. Messages stay. Idempotent.
	Deactivate(ctx context.Context, who tenant.Localpart) error
	// Reactivate undoes Deactivate, with a new password. Idempotent.
	Reactivate(ctx context.Context, who tenant.Localpart, password string) error
	// List gives all accounts but the control account, by name.
	List(context.Context) ([]Account, error)
}

// NewAccount is an account to be made.
type NewAccount struct {
	Localpart   tenant.Localpart
	Password    string
	DisplayName string
}

// Account is one account on a homeserver.
type Account struct {
	Localpart   tenant.Localpart
	DisplayName string
	Admin       bool
	Deactivated bool
	Created     time.Time
}

// Unsupported is the answer of an engine to what it cannot do.
type Unsupported struct {
	Engine     tenant.EngineName
	Capability Capability
}

func (u *Unsupported) Error() string {
	return string(u.Engine) + " cannot do " + string(u.Capability)
}

// Unwrap is the fault for the screen.
func (u *Unsupported) Unwrap() error {
	return &tenant.Fault{Kind: tenant.Conflict, Code: "engine.unsupported", Params: map[string]string{
		"engine": string(u.Engine), "capability": string(u.Capability),
	}}
}
