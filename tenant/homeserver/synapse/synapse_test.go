package synapse_test

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"testing"

	"hafen/images"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/synapse"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	engine := synapse.Engine{}
	for _, name := range engine.Describe().Secrets {
		one, err := engine.NewSecret(name)
		if err != nil {
			t.Fatal(err)
		}
		two, err := engine.NewSecret(name)
		if err != nil || bytes.Equal(one, two) || len(one) < 32 {
			t.Errorf("%s: %d bytes, %v; or the same twice", name, len(one), err)
		}
		if name == homeserver.ControlPassword && len(one) > 72 {
			t.Errorf("%s: %d bytes are more than bcrypt takes", name, len(one))
		}
	}
	if _, err := engine.NewSecret("unheard of"); err == nil {
		t.Error("an unknown secret is made")
	}
}

// Synapse reads the key as signedjson's read_signing_keys does: three words, the last the seed, whose padding is left out.
func TestSigningKey(t *testing.T) {
	t.Parallel()
	content, err := synapse.Engine{}.NewSecret("synapse_signing_key")
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`^ed25519 (a_[A-Z0-9]{8}) ([A-Za-z0-9+/]{43})\n$`).FindSubmatch(content)
	if parts == nil {
		t.Fatal("not a signing key") // without the words: it is one, maybe
	}
	if seed, err := base64.RawStdEncoding.DecodeString(string(parts[2])); err != nil || len(seed) != 32 {
		t.Errorf("a seed of %d bytes: %v", len(seed), err)
	}
}

// What is promised before somebody buys is of the release in the image.
func TestDescription(t *testing.T) {
	t.Parallel()
	about := synapse.Engine{}.Describe()
	if "v"+about.Version != images.SynapseVersion {
		t.Errorf("the engine is %s, the image %s", about.Version, images.SynapseVersion)
	}
	if !about.Supports(homeserver.SlidingSync) || !about.Supports(homeserver.Retention) || about.Supports(homeserver.SingleSignOn) {
		t.Errorf("capabilities: %v", about.Capabilities)
	}
}
