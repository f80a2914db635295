package dendrite_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/dendrite"
)

func setup(federation bool) homeserver.Setup {
	mode := tenant.FederationOff
	if federation {
		mode = tenant.FederationOpen
	}
	return homeserver.Setup{
		Spec: tenant.Spec{
			ID: "tabcdefghijklmnop", Number: 7, ServerName: "school.example.org", Host: "matrix.school.example.org",
			Engine: tenant.Dendrite, Goal: tenant.GoalRun,
			Limits:   tenant.Limits{MemoryBytes: 256 << 20, CPUMillis: 1000, PIDs: 256, DatabaseConnections: 15},
			Settings: tenant.Settings{Federation: mode},
		},
		Secrets: homeserver.Secrets{
			homeserver.DatabasePassword: []byte("DATABASEPASSWORD"), homeserver.ControlPassword: []byte("CONTROLPASSWORD"),
			"dendrite_signing_key": []byte("KEY"), "dendrite_registration_secret": []byte("REGISTRATIONSECRET"),
		},
		EdgeAddresses: []netip.Addr{netip.MustParseAddr("10.213.0.1")},
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for name, federation := range map[string]bool{"federating.yaml": true, "alone.yaml": false} {
		files, err := dendrite.Engine{}.Render(setup(federation))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if os.Getenv("HAFEN_UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(golden, files[1].Content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(files[1].Content, want) {
			t.Errorf("the configuration differs from %s:\n%s", golden, files[1].Content)
		}
	}
}

// Decided as Dendrite does it (gomatrixserverlib/fclient, isAllowed): denied first, then allowed, by net.IPNet.
func TestNetworks(t *testing.T) {
	t.Parallel()
	files, err := dendrite.Engine{}.Render(setup(true))
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Federation struct {
			Deny  []string `yaml:"deny_networks"`
			Allow []string `yaml:"allow_networks"`
		} `yaml:"federation_api"`
	}
	if err := yaml.Unmarshal(files[1].Content, &read); err != nil {
		t.Fatal(err)
	}
	within := func(list []string, address string) bool {
		for _, s := range list {
			_, network, err := net.ParseCIDR(s)
			if err != nil {
				t.Fatal(err)
			}
			if network.Contains(net.ParseIP(address)) {
				return true
			}
		}
		return false
	}
	for address, want := range map[string]bool{
		"9.9.9.9": true, "10.213.0.1": true, "10.213.0.2": false, "10.213.0.0": false, "10.0.0.1": false, "127.0.0.1": false,
		"169.254.169.254": false, "192.168.1.1": false, "::1": false, "fd00::1": false, "2606:4700::1111": false, "::ffff:10.0.0.1": false,
	} {
		if got := !within(read.Federation.Deny, address) && within(read.Federation.Allow, address); got != want {
			t.Errorf("%s: reachable %v, want %v", address, got, want)
		}
	}
}

// The registration secret and the database's password are where Dendrite needs them, the control password nowhere.
func TestConfigurationHoldsNoSecretTooMany(t *testing.T) {
	t.Parallel()
	files, err := dendrite.Engine{}.Render(setup(true))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if bytes.Contains(f.Content, []byte("CONTROLPASSWORD")) {
			t.Errorf("%s holds the control account's password", f.Name)
		}
	}
}

// A name is the only value a customer chooses; whatever it is, it stays one value.
func TestConfigurationQuotes(t *testing.T) {
	t.Parallel()
	s := setup(false)
	s.Spec.ServerName = "x\nclient_api: {registration_disabled: false}"
	files, err := dendrite.Engine{}.Render(s)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Global struct {
			ServerName string `yaml:"server_name"`
		} `yaml:"global"`
		ClientAPI struct {
			RegistrationDisabled bool `yaml:"registration_disabled"`
		} `yaml:"client_api"`
	}
	if err := yaml.Unmarshal(files[1].Content, &read); err != nil {
		t.Fatal(err)
	}
	if read.Global.ServerName != string(s.Spec.ServerName) || !read.ClientAPI.RegistrationDisabled {
		t.Errorf("a name changed the configuration: %+v", read)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	engine := dendrite.Engine{}
	for _, name := range engine.Describe().Secrets {
		one, err := engine.NewSecret(name)
		if err != nil {
			t.Fatal(err)
		}
		two, err := engine.NewSecret(name)
		if err != nil || bytes.Equal(one, two) || len(one) < 32 {
			t.Errorf("%s: %d bytes, %v; or the same twice", name, len(one), err)
		}
		if len(one) > 72 && !strings.Contains(name, "key") {
			t.Errorf("%s: %d bytes are more than bcrypt takes", name, len(one))
		}
	}
	if _, err := engine.NewSecret("unheard of"); err == nil {
		t.Error("an unknown secret is made")
	}
}

// Dendrite reads the key as setup/config readKeyPEM does: 32 bytes of seed and a key id of a strict form.
func TestSigningKey(t *testing.T) {
	t.Parallel()
	content, err := dendrite.Engine{}.NewSecret("dendrite_signing_key")
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(content)
	if block == nil || len(rest) != 0 || block.Type != "MATRIX PRIVATE KEY" || len(block.Bytes) != ed25519.SeedSize {
		t.Fatalf("not a signing key: %+v", block)
	}
	if id := block.Headers["Key-ID"]; !regexp.MustCompile(`^ed25519:[a-zA-Z0-9_]+$`).MatchString(id) {
		t.Errorf("key id %q", id)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	about := dendrite.Engine{}.Describe()
	if !about.Supports(homeserver.Deactivate) || about.Supports(homeserver.SlidingSync) || about.Supports(homeserver.SingleSignOn) {
		t.Errorf("capabilities: %v", about.Capabilities)
	}
}
