package synapse_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/synapse"
)

func setup(settings tenant.Settings) homeserver.Setup {
	return homeserver.Setup{
		Spec: tenant.Spec{
			ID: "tabcdefghijklmnop", Number: 7, ServerName: "school.example.org", Host: "matrix.school.example.org",
			Engine: tenant.Synapse, Goal: tenant.GoalRun,
			Limits:   tenant.Limits{MemoryBytes: 512 << 20, CPUMillis: 1000, PIDs: 256, DatabaseConnections: 15},
			Settings: settings,
		},
		Secrets: homeserver.Secrets{
			homeserver.DatabasePassword: []byte("DATABASEPASSWORD"), homeserver.ControlPassword: []byte("CONTROLPASSWORD"),
			homeserver.ControlToken: []byte("CONTROLTOKEN"),
			"synapse_signing_key":   []byte("ed25519 a_KEY SEED\n"), "synapse_registration_secret": []byte("REGISTRATIONSECRET"),
			"synapse_macaroon_secret": []byte("MACAROONSECRET"), "synapse_form_secret": []byte("FORMSECRET"),
		},
		EdgeAddresses: []netip.Addr{netip.MustParseAddr("10.213.0.1")},
	}
}

// goldens are the configurations that are written down: each a file of testdata.
func goldens() map[string]homeserver.Setup {
	hurried := setup(tenant.Settings{Federation: tenant.FederationOff})
	hurried.Hurry = true
	return map[string]homeserver.Setup{
		"federating.yaml": setup(tenant.Settings{Federation: tenant.FederationOpen, Push: true, Encryption: true, Directory: true, Previews: true}),
		"partners.yaml": setup(tenant.Settings{
			Federation: tenant.FederationList, Partners: []tenant.Domain{"a.example.org", "b.example.org"}, RetentionDays: 90,
		}),
		"alone.yaml":   setup(tenant.Settings{Federation: tenant.FederationOff, Push: true}),
		"hurried.yaml": hurried,
	}
}

// render gives the files by name.
func render(t *testing.T, s homeserver.Setup) map[string][]byte {
	t.Helper()
	list, err := synapse.Engine{}.Render(s)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range list {
		files[f.Name] = f.Content
	}
	return files
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for name, s := range goldens() {
		expectGolden(t, name, render(t, s)["homeserver.yaml"])
	}
	expectGolden(t, "log.yaml", render(t, setup(tenant.Settings{}))["log.yaml"])
}

func expectGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name)
	if os.Getenv("HAFEN_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the configuration differs from %s:\n%s", golden, got)
	}
}

// networks are the lists of networks in a configuration.
type networks struct {
	Denied        []string `yaml:"ip_range_blacklist"`
	Allowed       []string `yaml:"ip_range_whitelist"`
	Previews      bool     `yaml:"url_preview_enabled"`
	PreviewDenied []string `yaml:"url_preview_ip_range_blacklist"`
}

func within(t *testing.T, list []string, address netip.Addr) bool {
	t.Helper()
	return slices.ContainsFunc(list, func(s string) bool {
		if a, err := netip.ParseAddr(s); err == nil {
			return a == address
		}
		network, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		return network.Contains(address)
	})
}

// Decided as Synapse does it (http/client.py, _is_ip_blocked): what is denied may be allowed all the same. Previews have no
// exception: the edge is for other homeservers.
func TestNetworks(t *testing.T) {
	t.Parallel()
	var read networks
	if err := yaml.Unmarshal(render(t, goldens()["federating.yaml"])["homeserver.yaml"], &read); err != nil {
		t.Fatal(err)
	}
	if !read.Previews {
		t.Fatal("previews are off")
	}
	for name, want := range map[string]struct{ federation, previews bool }{
		"9.9.9.9": {true, true}, "2620:fe::fe": {true, true}, "10.213.0.1": {true, false}, "10.213.0.2": {}, "10.213.0.0": {}, "10.0.0.1": {},
		"127.0.0.1": {}, "0.0.0.0": {}, "169.254.169.254": {}, "192.168.1.1": {}, "172.20.0.1": {}, "100.64.0.1": {}, "224.0.0.1": {},
		"::1": {}, "fd00::1": {}, "fe80::1": {}, "::ffff:10.0.0.1": {}, "64:ff9b::a00:1": {}, "2002:a00:1::": {},
	} {
		address := netip.MustParseAddr(name)
		if got := !within(t, read.Denied, address) || within(t, read.Allowed, address); got != want.federation {
			t.Errorf("%s: reachable %v, want %v", address, got, want.federation)
		}
		if got := !within(t, read.PreviewDenied, address); got != want.previews {
			t.Errorf("%s: previewed %v, want %v", address, got, want.previews)
		}
	}
}

// A secret is in one file, which Synapse reads and does not print, and the control account's are in none.
func TestConfigurationHoldsNoSecret(t *testing.T) {
	t.Parallel()
	for _, s := range goldens() {
		files := render(t, s)
		for secret, file := range map[string]string{
			"DATABASEPASSWORD": "pgpass", "SEED": "signing.key", "REGISTRATIONSECRET": "registration.secret",
			"MACAROONSECRET": "macaroon.secret", "FORMSECRET": "form.secret", "CONTROLPASSWORD": "", "CONTROLTOKEN": "",
		} {
			for name, content := range files {
				if got := bytes.Contains(content, []byte(secret)); got != (name == file) {
					t.Errorf("%s in %s: %v", secret, name, got)
				}
			}
		}
	}
}

// Names are the only values a customer chooses; whatever they are, each stays one value.
func TestConfigurationQuotes(t *testing.T) {
	t.Parallel()
	const evil = "x\nenable_registration: true\n"
	s := setup(tenant.Settings{Federation: tenant.FederationList, Partners: []tenant.Domain{evil, "{a: b}", "off", "*", "!!python/object/apply:os.system"}})
	s.Spec.ServerName = evil
	var read struct {
		ServerName   string   `yaml:"server_name"`
		Registration bool     `yaml:"enable_registration"`
		Partners     []string `yaml:"federation_domain_whitelist"`
		Notices      struct {
			RoomName string `yaml:"room_name"`
		} `yaml:"server_notices"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(render(t, s)["homeserver.yaml"]))
	if err := decoder.Decode(&read); err != nil {
		t.Fatal(err)
	}
	if read.ServerName != evil || read.Registration || read.Notices.RoomName != evil ||
		strings.Join(read.Partners, "|") != evil+"|{a: b}|off|*|!!python/object/apply:os.system" {
		t.Errorf("a name changed the configuration: %+v", read)
	}
}

// Whoever is not named is not talked to; nobody named is nobody.
func TestPartners(t *testing.T) {
	t.Parallel()
	for mode, want := range map[tenant.FederationMode]string{
		tenant.FederationOff: "[]", "": "[]", "unheard of": "[]", tenant.FederationList: "[]", tenant.FederationOpen: "",
	} {
		var read map[string]yaml.Node
		if err := yaml.Unmarshal(render(t, setup(tenant.Settings{Federation: mode}))["homeserver.yaml"], &read); err != nil {
			t.Fatal(err)
		}
		list, given := read["federation_domain_whitelist"]
		if given != (want == "[]") || given && (list.Kind != yaml.SequenceNode || len(list.Content) != 0) {
			t.Errorf("federation %q: %v, %+v", mode, given, list)
		}
	}
}
