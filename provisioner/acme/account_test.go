package acme_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"hafen/internal/pebble"
	"hafen/provisioner/acme"
	"hafen/tenant"
)

func TestTheAccountIsKeptOverARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{BadNonce: -1})
	w.dns.Set("example.org", "A", "127.0.0.1")
	for range 3 {
		if _, err := w.issuer(t).Issue(t.Context(), "example.org"); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.wire.requests(newAccountPath); n != 1 {
		t.Errorf("registered %d times", n)
	}
	if len(w.wire.speakers) != 1 {
		t.Errorf("accounts used: %v", w.wire.speakers)
	}
}

func TestProcessesThatStartTogetherHaveOneAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	names := []tenant.Domain{"a.example.org", "b.example.org", "c.example.org", "d.example.org"}
	w.accounts.absent = len(names)
	w.accounts.gather.Add(len(names))
	var wg sync.WaitGroup
	for _, name := range names {
		w.dns.Set(string(name), "A", "127.0.0.1")
		issuer := w.issuer(t)
		for range 2 { // and two orders at once within each
			wg.Go(func() {
				if _, err := issuer.Issue(t.Context(), name); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if len(w.wire.speakers) != 1 {
		t.Errorf("accounts used: %v", w.wire.speakers)
	}
	var kept struct{ URL string }
	if err := json.Unmarshal(w.accounts.now().Registration, &kept); err != nil || !w.wire.speakers[kept.URL] {
		t.Errorf("kept %s, used %v", w.accounts.now().Registration, w.wire.speakers)
	}
}

func TestACrashBeforeTheRegistrationWasStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	w.dns.Set("example.org", "A", "127.0.0.1")
	if _, err := w.issuer(t).Issue(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	key := w.accounts.now().KeyPEM
	w.accounts.kept.Registration = json.RawMessage("{}")
	if _, err := w.issuer(t).Issue(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	if len(w.wire.speakers) != 1 || !bytes.Equal(key, w.accounts.now().KeyPEM) || string(w.accounts.now().Registration) == "{}" {
		t.Errorf("another account: %v", w.wire.speakers)
	}
}

func TestTheAuthorityForgotTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pebble.Config{})
	w.dns.Set("example.org", "A", "127.0.0.1")
	issuer := w.issuer(t)
	if _, err := issuer.Issue(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	next := newWorld(t, pebble.Config{}) // an authority that lost its data; same key, another address
	next.dns.Set("example.org", "A", "127.0.0.1")
	next.accounts.kept = new(acme.Account)
	*next.accounts.kept = w.accounts.now()
	forgotten := strings.Replace(string(w.accounts.now().Registration), host(w), host(next), 1)
	next.accounts.kept.Registration = json.RawMessage(forgotten)
	if _, err := next.issuer(t).Issue(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	if string(next.accounts.now().Registration) == forgotten {
		t.Error("the new registration was not kept")
	}
	if !bytes.Equal(next.accounts.now().KeyPEM, w.accounts.now().KeyPEM) {
		t.Error("the key changed")
	}
}

func host(w *world) string {
	return strings.TrimSuffix(strings.TrimPrefix(w.authority.Directory, "https://"), "/dir")
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	good := acme.Config{AcceptTerms: true, Accounts: &accounts{}, Challenges: &edge{}}
	if _, err := acme.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*acme.Config){
		"terms":      func(c *acme.Config) { c.AcceptTerms = false },
		"accounts":   func(c *acme.Config) { c.Accounts = nil },
		"challenges": func(c *acme.Config) { c.Challenges = nil },
		"method":     func(c *acme.Config) { c.Methods = []acme.Method{"dns-01"} },
		"plain http": func(c *acme.Config) { c.Directory = "http://ca.example/dir" },
		"no URL":     func(c *acme.Config) { c.Directory = "letsencrypt" },
	} {
		c := good
		spoil(&c)
		if _, err := acme.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
