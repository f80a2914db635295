package synapse

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"

	"gopkg.in/yaml.v3"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Names of the files in homeserver.ConfigDir.
const (
	configFile       = "homeserver.yaml"
	logFile          = "log.yaml"
	keyFile          = "signing.key"
	registrationFile = "registration.secret"
	macaroonFile     = "macaroon.secret"
	formFile         = "form.secret"
	passFile         = "pgpass"
)

func inConfig(name string) string { return homeserver.ConfigDir + "/" + name }

// Render implements [homeserver.Engine].
func (Engine) Render(s homeserver.Setup) ([]homeserver.File, error) {
	config, err := encode(configure(s))
	if err != nil {
		return nil, err
	}
	log, err := encode(logging())
	if err != nil {
		return nil, err
	}
	return []homeserver.File{
		{Name: configFile, Content: config},
		{Name: logFile, Content: log},
		{Name: keyFile, Content: s.Secrets[signingKey]},
		{Name: registrationFile, Content: s.Secrets[registrationSecret]},
		{Name: macaroonFile, Content: s.Secrets[macaroonSecret]},
		{Name: formFile, Content: s.Secrets[formSecret]},
		// The form libpq reads (PostgreSQL documentation, "The Password File"); the password is of letters and digits.
		{Name: passFile, Content: []byte("*:*:*:*:" + string(s.Secrets[homeserver.DatabasePassword]) + "\n")},
	}, nil
}

func encode(value any) ([]byte, error) {
	var content bytes.Buffer
	encoder := yaml.NewEncoder(&content)
	encoder.SetIndent(2)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("synapse: encode the configuration: %w", err)
	}
	return content.Bytes(), nil
}

func configure(s homeserver.Setup) configuration {
	return configuration{
		ServerName:    s.Spec.ServerName,
		PublicBaseURL: "https://" + string(s.Spec.Host) + "/",
		Listeners: []listener{{
			Type: "http", Path: homeserver.SocketPath,
			// Owner and group: the directory gives the socket the edge's group.
			Mode:       0o660,
			XForwarded: true, // the edge sets it
			Resources:  []resource{{Names: resources(s.Spec)}},
		}},
		LogConfig:      inConfig(logFile),
		Database:       configureDatabase(s.Spec),
		Caches:         configureCaches(s.Spec.Limits),
		Events:         "10K", // times the factor
		SigningKeyPath: inConfig(keyFile),
		FormSecretPath: inConfig(formFile),
		MacaroonPath:   inConfig(macaroonFile),
		KeyServers:     []string{}, // nobody but the server itself needs to know whom it talks to
		registrationSettings: registrationSettings{
			// Accounts are made by Hafen alone, which counts the seats.
			SharedSecretPath: inConfig(registrationFile),
			BcryptRounds:     10, // as with Dendrite; 12, Synapse's default, are 200 ms of a whole core for each login
			AutoJoin:         []string{},
		},
		mediaSettings:      configureMedia(s),
		federationSettings: configureFederation(s),
		roomSettings:       configureRooms(s.Spec),
		privacySettings:    configurePrivacy(s.Spec),
		rateLimits:         limits(),
		// Some sixty indexes are made after the first start, with a pause after each. Synapse's second is for large servers.
		BackgroundUpdates: backgroundUpdates{Sleep: !s.Hurry, Pause: 100},
	}
}

// resources are what is served. Media belong to both of these; without "federation" no other server has a way in.
func resources(spec tenant.Spec) []string {
	if spec.Federates() {
		return []string{"client", "federation"}
	}
	return []string{"client"}
}

func configureDatabase(spec tenant.Spec) database {
	return database{
		Name: "psycopg2",
		// A connection is a process of the cluster's whose memory only grows: it ends after so many transactions.
		TransactionLimit: 10_000,
		Arguments: databaseArgs{
			Host: homeserver.DatabaseSocketDir, User: spec.ID.Role(), Database: spec.ID.Role(),
			PassFile: inConfig(passFile), SSLMode: "disable",
			// One stays open, for most tenants are quiet and the cluster holds them all. Synapse's sample has at most ten:
			// more do not help one process that computes with one core.
			Least: 1, Most: min(10, spec.Limits.DatabaseConnections),
		},
	}
}

// configureCaches bounds what Synapse remembers by the container's memory. Synapse asks jemalloc how much it holds and lets
// go of what was not used for longest; without that, the sizes of some hundred caches add up to more than a small plan has.
func configureCaches(l tenant.Limits) caches {
	return caches{
		GlobalFactor: 0.5, // Synapse's default
		Expire:       true, EntryTTL: "30m",
		Autotuning: autotuning{Most: l.MemoryBytes * 6 / 10, Target: l.MemoryBytes / 2, MinTTL: "1m"},
	}
}

func configureMedia(s homeserver.Setup) mediaSettings {
	m := mediaSettings{
		MediaStore: homeserver.DataDir + "/media",
		// The edge keeps the plan's limit of an upload; this one bounds what is fetched from other servers.
		MaxUpload: 1 << 30,
		MaxPixels: maxPixels(s.Spec.Limits), MaxAvatar: 10 << 20,
		// Of the sizes that the specification names, those that clients ask for.
		Thumbnails:        []thumbnail{{32, 32, "crop"}, {96, 96, "crop"}, {320, 240, "scale"}, {800, 600, "scale"}},
		AuthenticatedOnly: true,
		// Copies of others' files count as the customer's storage, and come again when somebody asks.
		MediaRetention: mediaRetention{Remote: "90d"},
		MaxSpider:      5 << 20,
	}
	if days := s.Spec.Settings.RetentionDays; days > 0 {
		// What nobody asked for in that time belongs to no message any more; pictures of people and rooms Synapse keeps.
		m.MediaRetention.Local = strconv.Itoa(days) + "d"
	}
	if s.Spec.Settings.Previews {
		// Without a hole for the edge: pages are on the internet.
		m.Previews, m.PreviewDenied, m.PreviewLanguages = true, networks(homeserver.Unreachable), []string{"de", "en"}
	}
	return m
}

// maxPixels bounds the pictures that smaller copies are made of; of larger ones, clients show the file itself. Measured with
// 1.163.2: 8 bytes for each pixel while a PNG is made small, 150 MB for all else after ten clients' work; two at once must
// fit. 384 MB are enough for what a telephone's camera takes, 12 megapixels.
func maxPixels(l tenant.Limits) int64 {
	const (
		otherwise = 192 << 20
		least     = 4 << 20
		most      = 32 << 20 // Synapse's default
	)
	return min(max((l.MemoryBytes-otherwise)/16, least), most)
}

func networks(list []netip.Prefix) []string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.String()
	}
	return names
}

func configureFederation(s homeserver.Setup) federationSettings {
	f := federationSettings{
		// The firewall refuses these networks as well; here it is refused without a packet sent.
		Denied:     networks(homeserver.Unreachable),
		MinimumTLS: "1.2", VerifyTLS: true,
		PublicRooms: s.Spec.Federates() && s.Spec.Settings.Directory,
		// In units of 500 events of state (MSC1763): a room for ten thousand people takes hundreds of megabytes to join.
		RemoteRooms: remoteRooms{Enabled: true, Complexity: 10},
	}
	// Synapse looks at this list after the other one.
	for _, a := range s.EdgeAddresses {
		f.Allowed = append(f.Allowed, a.String())
	}
	switch s.Spec.Settings.Federation {
	case tenant.FederationOpen:
	case tenant.FederationList:
		f.Partners = &s.Spec.Settings.Partners
	default:
		f.Partners = &[]tenant.Domain{}
	}
	return f
}
