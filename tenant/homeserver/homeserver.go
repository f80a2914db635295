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
	ListAccounts     Capability = "list_accounts"
	SetAdmin         Capability = "set_admin"
	Deactivate       Capability = "deactivate"
	Reactivate       Capability = "reactivate"
	Erase            Capability = "erase"
	Lock             Capability = "lock"
	ListDevices      Capability = "list_devices"
	SignOut          Capability = "sign_out"
	ListRooms        Capability = "list_rooms"
	DeleteRoom       Capability = "delete_room"
	ListMedia        Capability = "list_media"
	DeleteMedia      Capability = "delete_media"
	QuarantineMedia  Capability = "quarantine_media"
	PurgeRemoteMedia Capability = "purge_remote_media"
	SendNotice       Capability = "send_notice"
	// What clients and settings need.
	SlidingSync       Capability = "sliding_sync" // Element X
	SingleSignOn      Capability = "single_sign_on"
	URLPreviews       Capability = "url_previews"
	Retention         Capability = "retention"
	RoomDirectory     Capability = "room_directory"     // can be switched off
	DefaultEncryption Capability = "default_encryption" // for new rooms
	OutboundPartners  Capability = "outbound_partners"  // keeps to the list of partners by itself when it calls others
)

// Description is what is fixed about an engine.
type Description struct {
	Name         tenant.EngineName
	Version      string   // of the implementation: "1.163.2"
	Maintained   bool     // gets new features; otherwise repairs only
	Command      []string // the container's arguments; nothing secret
	DataDirs     []string // directories in DataDir
	MediaDir     string   // the one of them that holds media
	Media        MediaFiles
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

// MediaFiles says what is what in MediaDir, so that it can be counted there, whether or not the server runs.
type MediaFiles struct {
	// Remote are the directories that hold copies of other servers' files and nothing else.
	Remote []string
	// RemoteSQL gives the bytes of such copies where they lie among the server's own; $1 is the server's name. "" when there
	// are directories for them.
	RemoteSQL string
	// Name is what the database calls the file at a path; "" for what belongs to none: something half done, or a cache.
	Name func(path string) string
	// NamesSQL lists all that the database knows.
	NamesSQL string
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
	// Hurry is for a server that only makes its tables: what it would do little by little beside its work it may do at once.
	Hurry bool
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
// member.exists, member.unknown, member.long, password.short, password.long, room.unknown, media.unknown, device.unknown; or
// [Unsupported].
//
// It is made of parts, because they need not be served by one program: where the Matrix Authentication Service is used,
// accounts and devices are its affair, rooms and media stay the homeserver's. Then a Server is put together of two clients.
type Server interface {
	// Ready reports, as an error, what the server does not yet do: answer, and reach its database.
	Ready(context.Context) error
	// CreateControl makes the account through which Hafen manages the server, or finds it already made, and gives its
	// access token. Idempotent.
	CreateControl(context.Context) (token []byte, err error)
	Accounts
	Lifecycle
	Devices
	Rooms
	Media
	Notices
}

// Accounts manages the people on a homeserver.
type Accounts interface {
	Create(context.Context, NewAccount) error
	// SetPassword also ends all sessions of the account.
	SetPassword(ctx context.Context, who tenant.Localpart, password string) error
	// SetAdmin makes an account an administrator of the homeserver itself, or no longer one. Idempotent.
	SetAdmin(ctx context.Context, who tenant.Localpart, admin bool) error
	// List gives one page of the accounts, without the control account and those of bridges and guests.
	List(context.Context, AccountQuery) (AccountPage, error)
}

// Lifecycle opens and closes accounts. Every method is idempotent.
type Lifecycle interface {
	// Deactivate ends all sessions and lets nobody log in. Messages stay; with erase they are hidden from whoever joins
	// later, and profile and uploads go, as the law on data protection may ask.
	Deactivate(ctx context.Context, who tenant.Localpart, erase bool) error
	// Reactivate undoes Deactivate, with a new password. What was erased stays so.
	Reactivate(ctx context.Context, who tenant.Localpart, password string) error
	// Lock keeps somebody out for a while; sessions stay, and work again when unlocked.
	Lock(ctx context.Context, who tenant.Localpart, locked bool) error
}

// Devices manages sessions.
type Devices interface {
	ListDevices(ctx context.Context, who tenant.Localpart) ([]Device, error)
	// SignOut ends the named sessions, or all when none is named. One that is gone already is no error.
	SignOut(ctx context.Context, who tenant.Localpart, devices ...string) error
}

// Rooms manages rooms.
type Rooms interface {
	ListRooms(context.Context, RoomQuery) (RoomPage, error)
	// DeleteRoom puts everybody here out of a room and purges what was said in it. It begins the deletion or looks at one
	// under way; done says nothing is left. To be called until done.
	DeleteRoom(ctx context.Context, room string) (done bool, err error)
}

// Media manages files.
type Media interface {
	// MediaUsers gives one page of who stored how much, most first.
	MediaUsers(context.Context, Page) (MediaUserPage, error)
	ListMedia(context.Context, MediaQuery) (MediaPage, error)
	// DeleteMedia removes a file of this server and says what that freed. Idempotent.
	DeleteMedia(ctx context.Context, id string) (Stored, error)
	// Quarantine keeps a file from everybody, or lets it be seen again; it stays on disk.
	Quarantine(ctx context.Context, id string, on bool) error
	RemoteMedia
}

// RemoteMedia manages the copies of other servers' files.
type RemoteMedia interface {
	// CountRemote says what is kept that nobody has asked for since before.
	CountRemote(ctx context.Context, before time.Time) (Stored, error)
	// PurgeRemote removes it, and says what that freed. Who asks again gets it from its own server again.
	PurgeRemote(ctx context.Context, before time.Time) (Stored, error)
}

// Notices writes to people in the server's name.
type Notices interface {
	// Notify sends a text. The same transaction never sends twice.
	Notify(ctx context.Context, who tenant.Localpart, text, transaction string) error
}

// Page is a part of a list. The zero Limit asks for 50.
type Page struct{ Offset, Limit int }

// AccountQuery says which accounts, in which order.
type AccountQuery struct {
	Page
	Search     string // within localpart or display name, in any case
	State      string // "": all; "active", "deactivated", "locked", "admin"
	Sort       string // "": by name; "created", "seen"
	Descending bool
}

// AccountPage is a page of accounts and how many there are in all.
type AccountPage struct {
	Accounts []Account
	Total    int
}

// Device is one session.
type Device struct {
	ID        string
	Name      string
	SeenAt    time.Time // zero when never
	SeenFrom  string    // address
	UserAgent string
}

// RoomQuery says which rooms, in which order.
type RoomQuery struct {
	Page
	Search     string // within name, alias or id
	Sort       string // "": by name; "members", "events"
	Descending bool
}

// RoomPage is a page of rooms and how many there are in all.
type RoomPage struct {
	Rooms []Room
	Total int
}

// Room is one room that somebody of this server is or was in.
type Room struct {
	ID           string
	Name         string
	Alias        string
	Version      string
	Members      int
	LocalMembers int
	Events       int64 // how much was said: what it takes in the database grows with it
	Encrypted    bool
	Federated    bool // others may join
	Public       bool // in the directory
	Notices      bool // the server's own room for notices
}

// Stored is a number of files and their size.
type Stored struct {
	Files int64
	Bytes int64
}

// MediaUser is what one person has stored.
type MediaUser struct {
	Localpart   tenant.Localpart
	DisplayName string
	Stored
}

// MediaUserPage is a page of them.
type MediaUserPage struct {
	Users []MediaUser
	Total int
}

// MediaQuery says which files; largest first.
type MediaQuery struct {
	Page
	Owner tenant.Localpart // "" for everybody's
}

// MediaPage is a page of files and how many there are in all.
type MediaPage struct {
	Files []MediaFile
	Total int
}

// MediaFile is one uploaded file.
type MediaFile struct {
	ID          string
	Name        string
	Type        string // MIME
	Bytes       int64
	Owner       tenant.Localpart
	CreatedAt   time.Time
	SeenAt      time.Time // last asked for; zero when never
	Quarantined bool
}

// NewAccount is an account to be made.
type NewAccount struct {
	Localpart   tenant.Localpart
	Password    string // "": nobody can log in until SetPassword has set one
	DisplayName string
	Admin       bool
}

// Account is one account on a homeserver.
type Account struct {
	Localpart   tenant.Localpart
	DisplayName string
	Admin       bool
	Deactivated bool
	Locked      bool
	Created     time.Time
	SeenAt      time.Time // zero when never, or when the engine does not know
	MediaBytes  int64
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
