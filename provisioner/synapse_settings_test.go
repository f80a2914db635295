package provisioner_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	suite "hafen/tenant/homeserver/conformance"
)

// What a customer sets is what Synapse does, and it starts with all of it.
func TestSynapseSettings(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.synapseSpec(t)
	spec.Settings = tenant.Settings{Federation: tenant.FederationOff, Encryption: true}
	s.converge(t, t.Context(), spec)
	server, err := s.Server(t.Context(), spec)
	must(t, err)
	must(t, server.Create(t.Context(), homeserver.NewAccount{Localpart: "bert", Password: "some password"}))
	// Guests have names of digits alone.
	digits := server.Create(t.Context(), homeserver.NewAccount{Localpart: "2026", Password: "some password"})
	if fault := tenant.FaultOf(digits); fault.Code != "member.letters" {
		t.Errorf("a name of digits: %v", digits)
	}
	bert := s.person(spec)
	bert.Localpart, bert.Address = "bert", "192.0.2.1"
	if !bert.LogIn(t, "some password") {
		t.Fatal("cannot log in")
	}

	if !encrypts(t, bert) {
		t.Error("a new private room is not encrypted")
	}
	if answer := publish(t, bert); answer.Status != http.StatusForbidden || len(published(t, bert)) > 0 {
		t.Errorf("a room is published: %d %s", answer.Status, answer.Raw)
	}
	if answer := preview(t, bert, "https://example.org/"); answer.Status != http.StatusNotFound {
		t.Errorf("previews: %d %s", answer.Status, answer.Raw)
	}
	slid := bert.Ask(t, http.MethodPost, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0", map[string]any{
		"lists": map[string]any{"all": map[string]any{"ranges": [][2]int{{0, 9}}, "required_state": []any{}, "timeline_limit": 1}},
	})
	if rooms, _ := slid.Body["rooms"].(map[string]any); slid.Status != http.StatusOK || len(rooms) != 2 {
		t.Errorf("sliding sync: %d %s", slid.Status, slid.Raw)
	}

	spec.Settings = tenant.Settings{Federation: tenant.FederationOff, Directory: true, Previews: true, RetentionDays: 1}
	s.converge(t, t.Context(), spec)
	if encrypts(t, bert) {
		t.Error("a new private room is encrypted")
	}
	if answer := publish(t, bert); answer.Status != http.StatusOK {
		t.Errorf("a room is not published: %d %s", answer.Status, answer.Raw)
	}
	// The directory leaves out empty rooms, and Synapse counts in its own time.
	for until := time.Now().Add(time.Minute); len(published(t, bert)) != 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("a published room is not in the directory within a minute")
		}
	}
	for _, inside := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", s.config.Network.Gateway().String()} {
		if answer := preview(t, bert, "http://"+inside+":8080/"); answer.Status != http.StatusForbidden {
			t.Errorf("a preview of %s: %d %s", inside, answer.Status, answer.Raw)
		}
	}
}

// Whoever was erased is not let in again: Synapse would show what they said to those who come later.
func TestSynapseKeepsErased(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.synapseSpec(t)
	s.converge(t, t.Context(), spec)
	server, err := s.Server(t.Context(), spec)
	must(t, err)
	must(t, server.Create(t.Context(), homeserver.NewAccount{Localpart: "bert", Password: "some password"}))
	must(t, server.Deactivate(t.Context(), "bert", true))
	again := server.Reactivate(t.Context(), "bert", "another password")
	if fault := tenant.FaultOf(again); fault.Code != "member.cannot_reactivate" {
		t.Errorf("somebody who was erased: %v", again)
	}
	bert := s.person(spec)
	bert.Localpart, bert.Address = "bert", "192.0.2.1"
	if bert.LogIn(t, "another password") {
		t.Error("somebody who was erased logs in")
	}
}

// encrypts reports whether a room somebody makes is encrypted.
func encrypts(t *testing.T, m *suite.Member) bool {
	t.Helper()
	room := m.Ask(t, http.MethodPost, "/_matrix/client/v3/createRoom", map[string]string{"preset": "private_chat"})
	id, _ := room.Body["room_id"].(string)
	if id == "" {
		t.Fatalf("no room: %d %s", room.Status, room.Raw)
	}
	return m.Ask(t, http.MethodGet, "/_matrix/client/v3/rooms/"+url.PathEscape(id)+"/state/m.room.encryption", nil).Status == http.StatusOK
}

func publish(t *testing.T, m *suite.Member) suite.Answer {
	t.Helper()
	// Where it must not be, it is made all the same, and not published.
	room := m.Ask(t, http.MethodPost, "/_matrix/client/v3/createRoom", map[string]string{"preset": "public_chat", "visibility": "public", "name": "All"})
	id, _ := room.Body["room_id"].(string)
	return m.Ask(t, http.MethodPut, "/_matrix/client/v3/directory/list/room/"+url.PathEscape(id), map[string]string{"visibility": "public"})
}

func published(t *testing.T, m *suite.Member) []any {
	t.Helper()
	answer := m.Ask(t, http.MethodGet, "/_matrix/client/v3/publicRooms", nil)
	list, _ := answer.Body["chunk"].([]any)
	return list
}

func preview(t *testing.T, m *suite.Member, page string) suite.Answer {
	t.Helper()
	return m.Ask(t, http.MethodGet, "/_matrix/client/v1/media/preview_url?url="+url.QueryEscape(page), nil)
}
