package conformance

import (
	"context"
	"net/http"
	"testing"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func deviceChecks() []check {
	return []check{
		{name: "list devices", needs: homeserver.ListDevices, run: listDevices, refused: func(ctx context.Context, s *Site) []error {
			_, err := s.ListDevices(ctx, "anybody")
			return []error{err}
		}},
		{name: "sign out", needs: homeserver.SignOut, run: signOut, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.SignOut(ctx, "anybody"), s.SignOut(ctx, "anybody", "device")}
		}},
	}
}

func listDevices(t *testing.T, s *Site) {
	ctx := t.Context()
	phone := s.member(t, "devices")
	laptop := *phone
	laptop.Address = "2001:db8::feed"
	if !laptop.LogIn(t, password) {
		t.Fatal("cannot log in twice")
	}
	// Whoever only logged in was not seen yet.
	for _, m := range []*Member{phone, &laptop} {
		m.expect(t, http.MethodGet, "/_matrix/client/v3/sync?timeout=0", nil)
	}
	eventually(t, "both devices are listed as seen", func() bool {
		list, err := s.ListDevices(ctx, phone.Localpart)
		must(t, err)
		good := 0
		for _, d := range list {
			fresh := d.SeenAt.After(time.Now().Add(-10*time.Minute)) && d.SeenAt.Before(time.Now().Add(time.Minute))
			if fresh && d.ID == phone.Device && d.Name == "Phone of "+string(phone.Localpart) {
				good++
			}
			if fresh && d.ID == laptop.Device && d.SeenFrom == laptop.Address && d.UserAgent == "Hafen's suite" {
				good++
			}
		}
		return good == 2 && len(list) == 2
	})
	_, err := s.ListDevices(ctx, tenant.Localpart(name("nobody")))
	expectFault(t, err, "member.unknown")
}

func signOut(t *testing.T, s *Site) {
	ctx := t.Context()
	one, friend := s.member(t, "signed-out"), s.member(t, "friend")
	two, three := *one, *one
	if !two.LogIn(t, password) || !three.LogIn(t, password) {
		t.Fatal("cannot log in thrice")
	}
	for _, m := range []*Member{one, &two} {
		m.uploadKeys(t)
	}
	if !friend.encryptsFor(t, one) || !friend.encryptsFor(t, &two) {
		t.Fatal("a device that published its keys has none")
	}
	must(t, s.SignOut(ctx, one.Localpart, one.Device, "gone already"))
	must(t, s.SignOut(ctx, one.Localpart, one.Device))
	if one.Known(t) || !two.Known(t) || !three.Known(t) {
		t.Error("one session of three was to end")
	}
	// Who writes to somebody encrypts for all their devices: one that was lost must no longer be among these.
	eventually(t, "nobody encrypts for the device", func() bool { return !friend.encryptsFor(t, one) })
	if !friend.encryptsFor(t, &two) {
		t.Error("the keys of another device went too")
	}
	must(t, s.SignOut(ctx, one.Localpart))
	must(t, s.SignOut(ctx, one.Localpart))
	if two.Known(t) || three.Known(t) {
		t.Error("a session was left")
	}
	if !friend.Known(t) {
		t.Error("somebody else was signed out")
	}
	if list, err := s.ListDevices(ctx, one.Localpart); err == nil && len(list) > 0 {
		t.Errorf("still listed: %+v", list)
	}
	if !one.LogIn(t, password) {
		t.Error("whoever was signed out cannot log in again")
	}
	expectFault(t, s.SignOut(ctx, tenant.Localpart(name("nobody"))), "member.unknown")
}

// uploadKeys publishes keys for encryption. Homeservers store and hand them on; only clients check the signatures.
func (m *Member) uploadKeys(t *testing.T) {
	t.Helper()
	const key = "c2l4dGVlbiBieXRlcyBvZiBrZXkgbWF0ZXJpYWwhISE"
	m.expect(t, http.MethodPost, "/_matrix/client/v3/keys/upload", map[string]any{"device_keys": map[string]any{
		"user_id": m.ID(), "device_id": m.Device,
		"algorithms": []string{"m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"},
		"keys":       map[string]string{"curve25519:" + m.Device: key, "ed25519:" + m.Device: key},
		"signatures": map[string]any{m.ID(): map[string]string{"ed25519:" + m.Device: key}},
	}})
}

// encryptsFor reports whether a device's keys are handed out.
func (m *Member) encryptsFor(t *testing.T, other *Member) bool {
	t.Helper()
	answer := m.expect(t, http.MethodPost, "/_matrix/client/v3/keys/query", map[string]any{"device_keys": map[string]any{other.ID(): []string{}}})
	_, found := dig(answer, "device_keys", other.ID())[other.Device]
	return found
}
