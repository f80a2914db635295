// Package synapse runs tenants on Synapse, the engine the market runs.
//
// Everything that changes something goes through Synapse's admin API, over the tenant's socket, as the control account:
// Synapse keeps caches, streams and background tasks in step with its tables, and nobody else could. What only looks goes,
// where the API cannot answer, straight to Synapse's tables as the tenant's own database role: the API lists no locked
// accounts, knows no sum of media beside an account, cannot leave accounts out of a page and of its count, and has no
// list of everybody's files. The tables are those of the release that images/synapse pins.
//
// The API in use, all below /_synapse/admin:
//
//	register (shared secret)                       control account, accounts
//	v2/users/ID, v1/reset_password, v1/deactivate  administrator, locked, reactivated; password; deactivated, erased
//	v2/users/ID/devices, delete_devices            sessions
//	v2/rooms/ID, delete_status                     delete a room in the background, and look how far it is
//	v1/media, quarantine, purge_media_cache        files
//	v1/send_server_notice                          notices
//
// Which certificate authorities Synapse trusts, for federation, push and previews alike, is OpenSSL's affair: the variable
// SSL_CERT_FILE, of the image or of the container, names the file. federation_custom_ca_list would be for federation alone,
// and reads the first certificate of each file.
//
// The Matrix Authentication Service would take over what [accounts] and its lifecycle and devices do: with it Synapse has
// no register, reset_password, deactivate or delete_devices, and its users are MAS's. A server is put together of parts for
// that reason: another client for people and sessions takes their place, and rooms, media and notices stay as they are.
package synapse

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Engine is Synapse.
type Engine struct{}

var _ homeserver.Engine = Engine{}

// Names of the secrets only Synapse has.
const (
	signingKey         = "synapse_signing_key"
	registrationSecret = "synapse_registration_secret"
	macaroonSecret     = "synapse_macaroon_secret"
	formSecret         = "synapse_form_secret"
)

// Describe implements [homeserver.Engine].
func (Engine) Describe() homeserver.Description {
	return homeserver.Description{
		Name:       tenant.Synapse,
		Version:    "1.163.2",
		Maintained: true,
		Command:    []string{"--config-path", homeserver.ConfigDir + "/" + configFile},
		DataDirs:   []string{"media", "tmp"}, // tmp: where the image has Twisted keep a request's body
		MediaDir:   "media",
		Media:      mediaFiles(),
		Secrets: []string{
			homeserver.DatabasePassword, homeserver.ControlPassword, signingKey, registrationSecret, macaroonSecret, formSecret,
		},
		Schema: schema(),
		Capabilities: []homeserver.Capability{
			homeserver.ListAccounts, homeserver.SetAdmin, homeserver.Deactivate, homeserver.Reactivate, homeserver.Erase,
			homeserver.Lock, homeserver.ListDevices, homeserver.SignOut, homeserver.ListRooms, homeserver.DeleteRoom,
			homeserver.ListMedia, homeserver.DeleteMedia, homeserver.QuarantineMedia, homeserver.PurgeRemoteMedia,
			homeserver.SendNotice, homeserver.SlidingSync, homeserver.URLPreviews, homeserver.Retention,
			homeserver.RoomDirectory, homeserver.DefaultEncryption, homeserver.OutboundPartners,
		},
	}
}

// NewSecret implements [homeserver.Engine]. Everything comes from the operating system's random source: a guessable
// signing key lets anybody speak for the server.
func (Engine) NewSecret(name string) ([]byte, error) {
	switch name {
	case homeserver.DatabasePassword, homeserver.ControlPassword, registrationSecret, macaroonSecret, formSecret:
		// Letters and digits, so that it needs no quoting anywhere; twice 128 bits.
		return []byte(rand.Text() + rand.Text()), nil
	case signingKey:
		return newSigningKey(), nil
	default:
		return nil, fmt.Errorf("synapse: no secret is called %q", name)
	}
}

// newSigningKey makes an Ed25519 seed in the form Synapse reads (signedjson): algorithm, version, base64 without padding.
// The version only has to differ from that of any other key this server name ever had, so it is drawn too.
func newSigningKey() []byte {
	seed := make([]byte, 32)
	rand.Read(seed)
	return []byte("ed25519 a_" + rand.Text()[:8] + " " + base64.RawStdEncoding.EncodeToString(seed) + "\n")
}

// Connect implements [homeserver.Engine].
func (Engine) Connect(a homeserver.Access) homeserver.Server { return newServer(a) }
