// Package dendrite runs tenants on Dendrite, the light engine.
//
// Dendrite has one way to make accounts without open registration, the shared secret, and an admin API that resets
// passwords, deletes rooms and sends notices. For the rest it has none; there the package works on Dendrite's tables, as the
// tenant's own database role: it reads all lists there, and writes who is deactivated, who is an administrator, and the
// accounts that need no costly hash of a password. Dendrite looks up the access token and the account of every request in
// these tables and caches neither, so a change there holds from the next request on. The tables are those of 0.15.2, which
// images/dendrite pins: */storage/postgres.
//
// What Dendrite cannot do is not done on its tables either where that would be done by half: media has files, too; erasing
// someone changes what others are shown; locking would end the sessions.
//
// The engine is in maintenance mode: it has no sliding sync and no single sign-on, no URL previews and no retention.
package dendrite

import (
	"crypto/rand"
	"encoding/pem"
	"fmt"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Engine is Dendrite.
type Engine struct{}

var _ homeserver.Engine = Engine{}

// Names of the secrets only Dendrite has.
const (
	signingKey         = "dendrite_signing_key"
	registrationSecret = "dendrite_registration_secret"
)

// Names of the files in homeserver.ConfigDir.
const (
	configFile = "dendrite.yaml"
	keyFile    = "matrix_key.pem"
)

// Describe implements [homeserver.Engine].
func (Engine) Describe() homeserver.Description {
	return homeserver.Description{
		Name:    tenant.Dendrite,
		Version: "0.15.2",
		Command: []string{
			"-config", homeserver.ConfigDir + "/" + configFile,
			"-unix-socket", homeserver.SocketPath,
			// Owner and group: the directory gives the socket the edge's group.
			"-unix-socket-permission", "660",
		},
		DataDirs: []string{"media", "jetstream"},
		MediaDir: "media",
		Media:    mediaFiles(),
		Secrets: []string{
			homeserver.DatabasePassword, homeserver.ControlPassword, signingKey, registrationSecret,
		},
		Schema: homeserver.Schema{Tables: []string{"db_migrations"}},
		Capabilities: []homeserver.Capability{
			homeserver.ListAccounts, homeserver.SetAdmin, homeserver.Deactivate, homeserver.Reactivate, homeserver.ListDevices,
			homeserver.SignOut, homeserver.ListRooms, homeserver.DeleteRoom, homeserver.ListMedia, homeserver.SendNotice,
		},
	}
}

// NewSecret implements [homeserver.Engine]. Everything comes from the operating system's random source: a guessable
// signing key lets anybody speak for the server.
func (Engine) NewSecret(name string) ([]byte, error) {
	switch name {
	case homeserver.DatabasePassword, homeserver.ControlPassword, registrationSecret:
		// Letters and digits, so that it needs no quoting anywhere; twice 128 bits.
		return []byte(rand.Text() + rand.Text()), nil
	case signingKey:
		return newSigningKey(), nil
	default:
		return nil, fmt.Errorf("dendrite: no secret is called %q", name)
	}
}

// newSigningKey makes an Ed25519 seed in the PEM form Dendrite reads. The key id only has to differ from that of any
// other key this server name ever had, so it is drawn too.
func newSigningKey() []byte {
	seed := make([]byte, 32)
	rand.Read(seed)
	return pem.EncodeToMemory(&pem.Block{
		Type:    "MATRIX PRIVATE KEY",
		Headers: map[string]string{"Key-ID": "ed25519:" + rand.Text()[:8]},
		Bytes:   seed,
	})
}

// Connect implements [homeserver.Engine].
func (Engine) Connect(a homeserver.Access) homeserver.Server {
	return &server{Limited: homeserver.Limited{Engine: tenant.Dendrite}, Access: a}
}

// server is one tenant's Dendrite.
type server struct {
	homeserver.Limited
	homeserver.Access
}
