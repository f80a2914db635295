package dendrite

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// The configuration of Dendrite 0.15.2 (its setup/config), as far as we set it: a default we rely on is written out all
// the same, so that a new version cannot change it behind our back.
type (
	configuration struct {
		Version       int           `yaml:"version"`
		Global        global        `yaml:"global"`
		ClientAPI     clientAPI     `yaml:"client_api"`
		FederationAPI federationAPI `yaml:"federation_api"`
		MediaAPI      mediaAPI      `yaml:"media_api"`
		SyncAPI       syncAPI       `yaml:"sync_api"`
		UserAPI       userAPI       `yaml:"user_api"`
		Tracing       enabled       `yaml:"tracing"`
		Logging       []logging     `yaml:"logging"`
	}

	global struct {
		ServerName        tenant.Domain `yaml:"server_name"`
		PrivateKey        string        `yaml:"private_key"`
		KeyValidityPeriod time.Duration `yaml:"key_validity_period"`
		Database          database      `yaml:"database"`
		Cache             cache         `yaml:"cache"`
		WellKnownServer   string        `yaml:"well_known_server_name"`
		WellKnownClient   string        `yaml:"well_known_client_name"`
		TrustedIDServers  []string      `yaml:"trusted_third_party_id_servers"`
		DisableFederation bool          `yaml:"disable_federation"`
		Presence          presence      `yaml:"presence"`
		ReportStats       enabled       `yaml:"report_stats"`
		ServerNotices     serverNotices `yaml:"server_notices"`
		JetStream         jetStream     `yaml:"jetstream"`
		Metrics           enabled       `yaml:"metrics"`
		Sentry            enabled       `yaml:"sentry"`
		DNSCache          enabled       `yaml:"dns_cache"`
	}

	database struct {
		ConnectionString string `yaml:"connection_string"`
		MaxOpen          int    `yaml:"max_open_conns"`
		MaxIdle          int    `yaml:"max_idle_conns"`
		MaxLifetime      int    `yaml:"conn_max_lifetime"` // seconds
	}

	cache struct {
		MaxSize string        `yaml:"max_size_estimated"`
		MaxAge  time.Duration `yaml:"max_age"`
	}

	presence struct {
		Inbound  bool `yaml:"enable_inbound"`
		Outbound bool `yaml:"enable_outbound"`
	}

	serverNotices struct {
		Enabled     bool             `yaml:"enabled"`
		LocalPart   tenant.Localpart `yaml:"local_part"`
		DisplayName string           `yaml:"display_name"`
		AvatarURL   string           `yaml:"avatar_url"`
		RoomName    string           `yaml:"room_name"`
	}

	jetStream struct {
		StoragePath string `yaml:"storage_path"`
	}

	enabled struct {
		Enabled bool `yaml:"enabled"`
	}

	clientAPI struct {
		RegistrationDisabled bool      `yaml:"registration_disabled"`
		GuestsDisabled       bool      `yaml:"guests_disabled"`
		SharedSecret         string    `yaml:"registration_shared_secret"`
		RateLimiting         rateLimit `yaml:"rate_limiting"`
	}

	rateLimit struct {
		Enabled   bool  `yaml:"enabled"`
		Threshold int64 `yaml:"threshold"`
		CooloffMS int64 `yaml:"cooloff_ms"`
	}

	federationAPI struct {
		SendMaxRetries       uint32   `yaml:"send_max_retries"`
		DisableTLSValidation bool     `yaml:"disable_tls_validation"`
		KeyPerspectives      []string `yaml:"key_perspectives"`
		PreferDirectFetch    bool     `yaml:"prefer_direct_fetch"`
		DenyNetworks         []string `yaml:"deny_networks"`
		AllowNetworks        []string `yaml:"allow_networks"`
	}

	mediaAPI struct {
		BasePath          string      `yaml:"base_path"`
		MaxFileSize       int64       `yaml:"max_file_size_bytes"`
		DynamicThumbnails bool        `yaml:"dynamic_thumbnails"`
		MaxGenerators     int         `yaml:"max_thumbnail_generators"`
		Thumbnails        []thumbnail `yaml:"thumbnail_sizes"`
	}

	thumbnail struct {
		Width  int    `yaml:"width"`
		Height int    `yaml:"height"`
		Method string `yaml:"method"`
	}

	syncAPI struct {
		RealIPHeader string  `yaml:"real_ip_header"`
		Search       enabled `yaml:"search"`
	}

	userAPI struct {
		BCryptCost int `yaml:"bcrypt_cost"`
	}

	logging struct {
		Type  string `yaml:"type"`
		Level string `yaml:"level"`
	}
)

// Render implements [homeserver.Engine].
func (Engine) Render(s homeserver.Setup) ([]homeserver.File, error) {
	var content bytes.Buffer
	encoder := yaml.NewEncoder(&content)
	encoder.SetIndent(2)
	if err := encoder.Encode(configure(s)); err != nil {
		return nil, fmt.Errorf("dendrite: encode the configuration: %w", err)
	}
	return []homeserver.File{{Name: keyFile, Content: s.Secrets[signingKey]}, {Name: configFile, Content: content.Bytes()}}, nil
}

func configure(s homeserver.Setup) configuration {
	return configuration{
		Version:       2,
		Global:        configureGlobal(s),
		FederationAPI: configureFederation(s),
		ClientAPI: clientAPI{
			RegistrationDisabled: true, // accounts are made by Hafen alone, which counts the seats
			GuestsDisabled:       true,
			SharedSecret:         string(s.Secrets[registrationSecret]),
			// Dendrite's sample values. It tells callers apart by X-Forwarded-For, which the edge sets.
			RateLimiting: rateLimit{Enabled: true, Threshold: 20, CooloffMS: 500},
		},
		MediaAPI: mediaAPI{
			BasePath: homeserver.DataDir + "/media",
			// The edge keeps the plan's limit of an upload; this one bounds what is fetched from other servers.
			MaxFileSize:   1 << 30,
			MaxGenerators: 2, // each decodes a picture in memory, which is tight
			Thumbnails:    []thumbnail{{32, 32, "crop"}, {96, 96, "crop"}, {640, 480, "scale"}},
		},
		SyncAPI: syncAPI{RealIPHeader: "X-Forwarded-For"},
		UserAPI: userAPI{BCryptCost: 10},
		// Info is the least Dendrite does; it says neither tokens nor passwords there.
		Logging: []logging{{Type: "std", Level: "info"}},
	}
}

func configureGlobal(s homeserver.Setup) global {
	return global{
		ServerName:        s.Spec.ServerName,
		PrivateKey:        homeserver.ConfigDir + "/" + keyFile,
		KeyValidityPeriod: 7 * 24 * time.Hour,
		Database: database{
			ConnectionString: connectionString(s),
			MaxOpen:          s.Spec.Limits.DatabaseConnections,
			// Few stay open, for most tenants are quiet and the cluster holds them all; none for ever, for each is a
			// process there whose memory only grows.
			MaxIdle: 2, MaxLifetime: 600,
		},
		// Dendrite's gigabyte is for a machine of its own; a quarter of the container's leaves room for its work.
		Cache:             cache{MaxSize: fmt.Sprint(s.Spec.Limits.MemoryBytes / 4), MaxAge: time.Hour},
		WellKnownServer:   string(s.Spec.Host) + ":443",
		WellKnownClient:   "https://" + string(s.Spec.Host),
		TrustedIDServers:  []string{},
		DisableFederation: !s.Spec.Federates(),
		// The server speaks in its own name, which is the same in every language.
		ServerNotices: serverNotices{
			Enabled: true, LocalPart: noticesAccount, DisplayName: string(s.Spec.ServerName), RoomName: string(s.Spec.ServerName),
		},
		JetStream: jetStream{StoragePath: homeserver.DataDir + "/jetstream"},
	}
}

func configureFederation(s homeserver.Setup) federationAPI {
	f := federationAPI{
		SendMaxRetries:    16,         // circa 18 hours, Dendrite's default
		KeyPerspectives:   []string{}, // Dendrite's sample asks matrix.org for keys: nobody but the server itself needs to know whom it talks to
		PreferDirectFetch: true,
		AllowNetworks:     []string{"0.0.0.0/0"}, // IPv4 only: containers have no other
	}
	// The firewall refuses these networks as well; here it is refused without a packet sent. IPv4 alone, for two reasons:
	// AllowNetworks has nothing else, and Dendrite compares by net.IPNet, to which ::ffff:0:0/96 is all of IPv4.
	for _, p := range homeserver.UnreachableBut(s.EdgeAddresses) {
		if p.Addr().Is4() {
			f.DenyNetworks = append(f.DenyNetworks, p.String())
		}
	}
	return f
}

// connectionString is of lib/pq's key-value form. The values need no quoting: they are of letters, digits and "_".
func connectionString(s homeserver.Setup) string {
	role := s.Spec.ID.Role()
	return strings.Join([]string{
		"host=" + homeserver.DatabaseSocketDir, "user=" + role, "dbname=" + role,
		"password=" + string(s.Secrets[homeserver.DatabasePassword]), "sslmode=disable",
	}, " ")
}
