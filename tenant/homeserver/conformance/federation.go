package conformance

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// federation checks each mode on a server of its own. What comes in is held against the list of partners at the edge;
// what is asked here is what an engine does by itself.
func (b Bed) federation(t *testing.T) {
	t.Run("federation off, inbound", func(t *testing.T) {
		t.Parallel()
		m := b.Site.stranger("server")
		for _, path := range []string{"/_matrix/federation/v1/query/profile?user_id=" + url.QueryEscape(m.ID()), "/_matrix/federation/v1/publicRooms"} {
			if answer := m.Ask(t, http.MethodGet, path, nil); answer.Status < 400 {
				t.Errorf("%s answers %d %.200s", path, answer.Status, answer.Raw)
			}
		}
	})
	if b.Federating == nil {
		return
	}
	t.Run("federation open", func(t *testing.T) {
		t.Parallel()
		f := b.Federating(t, tenant.Settings{Federation: tenant.FederationOpen})
		m := f.Site.member(t, "traveller")
		f.finds(t, m, f.Partner, true)
		f.finds(t, m, f.Stranger, true)
		f.remoteMedia(t, b, m)
	})
	t.Run("federation with partners", func(t *testing.T) {
		t.Parallel()
		f := b.Federating(t, tenant.Settings{Federation: tenant.FederationList})
		m := f.Site.member(t, "traveller")
		f.finds(t, m, f.Partner, true)
		// An engine that cannot keep to the list says so, and the screen does.
		f.finds(t, m, f.Stranger, !b.About.Supports(homeserver.OutboundPartners))
	})
	t.Run("federation off, outbound", func(t *testing.T) {
		t.Parallel()
		// With a network all the same, for push.
		f := b.Federating(t, tenant.Settings{Federation: tenant.FederationOff, Push: true})
		m := f.Site.member(t, "islander")
		f.finds(t, m, f.Partner, false)
		f.finds(t, m, f.Stranger, false)
	})
}

// finds asks the server for somebody elsewhere.
func (f Federation) finds(t *testing.T, m *Member, where tenant.Domain, want bool) {
	t.Helper()
	answer := m.Ask(t, http.MethodGet, "/_matrix/client/v3/profile/"+url.PathEscape("@somebody:"+string(where)), nil)
	if found := answer.Status == http.StatusOK && answer.Body["displayname"] == "Somebody elsewhere"; found != want {
		t.Errorf("finds somebody at %s: %v, want %v: %d %.200s", where, found, want, answer.Status, answer.Raw)
	}
}

// remoteMedia has a copy made of another server's file, and removes it.
func (f Federation) remoteMedia(t *testing.T, b Bed, m *Member) {
	t.Helper()
	begun := time.Now()
	if answer := m.fetch(t, f.Partner, "picture"); answer.Status != http.StatusOK || !bytes.Equal(answer.Raw, f.File) {
		t.Fatalf("a file from elsewhere: %d %.200s", answer.Status, answer.Raw)
	}
	if !b.About.Supports(homeserver.PurgeRemoteMedia) {
		return
	}
	ctx, s, size := t.Context(), &f.Site, int64(len(f.File))
	counted, err := s.CountRemote(ctx, begun.Add(-time.Hour))
	must(t, err)
	purged, err := s.PurgeRemote(ctx, begun.Add(-time.Hour))
	must(t, err)
	if counted.Files != 0 || purged.Files != 0 || s.onDisk(t, size) != 1 {
		t.Errorf("what was asked for just now: counted %+v, purged %+v, %d on disk", counted, purged, s.onDisk(t, size))
	}
	counted, err = s.CountRemote(ctx, time.Now().Add(time.Minute))
	must(t, err)
	purged, err = s.PurgeRemote(ctx, time.Now().Add(time.Minute))
	must(t, err)
	if want := (homeserver.Stored{Files: 1, Bytes: size}); counted != want || purged != want {
		t.Errorf("counted %+v, purged %+v, want %+v", counted, purged, want)
	}
	if s.onDisk(t, size) != 0 {
		t.Error("the disk keeps the copy")
	}
	if answer := m.fetch(t, f.Partner, "picture"); answer.Status != http.StatusOK || !bytes.Equal(answer.Raw, f.File) {
		t.Errorf("asked for again: %d", answer.Status)
	}
}
