package tenant

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// EngineName names a homeserver implementation.
type EngineName string

// The engines.
const (
	Synapse  EngineName = "synapse"  // the default: everything the market expects
	Dendrite EngineName = "dendrite" // the light one
)

// Spec is what should be: everything a provisioner needs to know about one tenant, and nothing secret.
type Spec struct {
	ID         ID
	Number     int // small, unique in the installation; user id and address plan derive from it
	ServerName Domain
	Host       Domain // where the edge answers; equal to ServerName under the base domain
	Engine     EngineName
	Image      string // image by digest: "sha256:..."
	Goal       Goal
	Limits     Limits
	Quota      Quota    // of the plan with its add-ons
	Restricted bool     // unpaid: reads go on, nothing new comes in
	Settings   Settings // as far as the quota allows them
	Contact    string   // mailto: or https: of the hoster, for members of a server in trouble
	FirstAdmin Localpart
}

// Federates reports whether the server talks to any other.
func (s Spec) Federates() bool {
	return s.Settings.Federation != FederationOff && s.Settings.Federation != ""
}

// Outbound reports whether the server has business on the internet at all. One that has none gets no network.
func (s Spec) Outbound() bool { return s.Federates() || s.Settings.Push || s.Settings.Previews }

// UID is the Unix user of the tenant's processes and files on the host. One per tenant, far above every system and
// login account, so that even an escaped process owns nothing of another tenant's.
func (s Spec) UID() int { return 200_000 + s.Number }

// Revision changes exactly when the container or its configuration must be made anew. Limits and seats are left out:
// the engine updates limits of a running container, and the edge keeps quotas, so a plan change needs no restart. Of the
// settings only those are in that a homeserver reads when it starts.
func (s Spec) Revision() string {
	b, err := json.Marshal(struct {
		Format           int // raise when the rendering of a configuration changes, or how a container is made
		ServerName, Host Domain
		Engine           EngineName
		Image            string
		UID              int
		Federation       FederationMode
		Partners         []Domain
		Push, Encryption bool
		Directory        bool
		Previews         bool
		RetentionDays    int
	}{
		5, s.ServerName, s.Host, s.Engine, s.Image, s.UID(), s.Settings.Federation, s.Settings.Partners,
		s.Settings.Push, s.Settings.Encryption, s.Settings.Directory, s.Settings.Previews, s.Settings.RetentionDays,
	})
	if err != nil {
		panic("tenant: a spec of plain values cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// ContainerState is the life of a container as the Docker Engine tells it, in three words.
type ContainerState string

// The container states.
const (
	ContainerAbsent  ContainerState = "absent"
	ContainerStopped ContainerState = "stopped" // created, exited or dead
	ContainerRunning ContainerState = "running"
)

// Observed is what is: found out anew before every decision, never remembered.
type Observed struct {
	Secrets       bool   // every secret of the tenant exists
	Role          bool   // database role
	Database      bool   // database
	Files         string // revision of the written configuration; "" when anything is missing
	Leftovers     bool   // any file or directory of the tenant exists
	Container     ContainerState
	Revision      string    // of the container
	Limits        Limits    // of the container
	Healthy       bool      // versions and a database-touching call answer
	Administrator bool      // control account and first administrator exist
	Certificate   time.Time // end of validity; zero when there is none for these names
	Route         Route     // as published; zero when there is none
}
