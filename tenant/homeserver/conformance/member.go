package conformance

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Member is somebody with a Matrix app, which goes straight to the homeserver, as the edge would for it.
type Member struct {
	Client    *http.Client
	Server    tenant.Domain
	Localpart tenant.Localpart
	Token     string
	Device    string
	Address   string // from where they come, as the edge would say
}

// Answer is what a homeserver answers.
type Answer struct {
	Status int
	Body   map[string]any // when it is JSON
	Raw    []byte
}

// ID is the Matrix id.
func (m *Member) ID() string { return m.Localpart.UserID(m.Server) }

// Ask sends a request with a JSON body, or none when body is nil. Told to slow down, it waits as long as it was told to.
func (m *Member) Ask(t testing.TB, method, path string, body any) Answer {
	t.Helper()
	var content []byte
	if body != nil {
		var err error
		content, err = json.Marshal(body)
		must(t, err)
	}
	return m.Send(t, method, path, "application/json", content)
}

// Send sends a request with a body of any kind.
func (m *Member) Send(t testing.TB, method, path, contentType string, content []byte) Answer {
	t.Helper()
	for {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://homeserver"+path, bytes.NewReader(content))
		must(t, err)
		request.Header.Set("Content-Type", contentType)
		request.Header.Set("User-Agent", "Hafen's suite")
		if m.Address != "" {
			request.Header.Set("X-Forwarded-For", m.Address)
		}
		if m.Token != "" {
			request.Header.Set("Authorization", "Bearer "+m.Token)
		}
		response, err := m.Client.Do(request)
		must(t, err)
		answer := Answer{Status: response.StatusCode}
		answer.Raw, err = io.ReadAll(io.LimitReader(response.Body, 16<<20))
		response.Body.Close()
		must(t, err)
		_ = json.Unmarshal(answer.Raw, &answer.Body) // a file is none
		if answer.Status != http.StatusTooManyRequests {
			return answer
		}
		wait, _ := answer.Body["retry_after_ms"].(float64)
		select {
		case <-t.Context().Done():
			t.Fatal("told to slow down for ever")
		case <-time.After(time.Duration(max(wait, 50)) * time.Millisecond):
		}
	}
}

// LogIn reports whether it worked.
func (m *Member) LogIn(t testing.TB, password string) bool {
	t.Helper()
	m.Token, m.Device = "", ""
	answer := m.Ask(t, http.MethodPost, "/_matrix/client/v3/login", map[string]any{
		"type": "m.login.password", "identifier": map[string]string{"type": "m.id.user", "user": string(m.Localpart)},
		"password": password, "initial_device_display_name": "Phone of " + string(m.Localpart),
	})
	m.Token, _ = answer.Body["access_token"].(string)
	m.Device, _ = answer.Body["device_id"].(string)
	return answer.Status == http.StatusOK
}

// Known reports whether the session lasts.
func (m *Member) Known(t testing.TB) bool {
	t.Helper()
	return m.Ask(t, http.MethodGet, "/_matrix/client/v3/account/whoami", nil).Status == http.StatusOK
}

// expect asks for what must work.
func (m *Member) expect(t testing.TB, method, path string, body any) map[string]any {
	t.Helper()
	answer := m.Ask(t, method, path, body)
	if answer.Status != http.StatusOK {
		t.Fatalf("%s %s as %s: %d %.300s", method, path, m.Localpart, answer.Status, answer.Raw)
	}
	return answer.Body
}

const password = "a password of the suite"

// name is of nobody and nothing else on the server.
func name(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:10]) }

// member makes somebody and logs them in.
func (s *Site) member(t *testing.T, prefix string) *Member {
	t.Helper()
	m := s.stranger(prefix)
	must(t, s.Create(t.Context(), homeserver.NewAccount{
		Localpart: m.Localpart, Password: password, DisplayName: "Name of " + string(m.Localpart),
	}))
	if !m.LogIn(t, password) {
		t.Fatalf("%s cannot log in", m.Localpart)
	}
	return m
}

// stranger is somebody without an account. Each comes from an address of their own: homeservers limit how often one may
// log in. 2001:db8::/32 is for documentation, so nobody's.
func (s *Site) stranger(prefix string) *Member {
	var address [4]byte
	rand.Read(address[:])
	return &Member{
		Client: s.Client, Server: s.Name, Localpart: tenant.Localpart(name(prefix)),
		Address: fmt.Sprintf("2001:db8::%x:%x", 0x1000|uint(address[0])<<4, 0x1000|uint(address[2])<<8&0xfff|uint(address[3])),
	}
}

// room makes a room and gives its id.
func (m *Member) room(t *testing.T, options map[string]any) string {
	t.Helper()
	id, _ := m.expect(t, http.MethodPost, "/_matrix/client/v3/createRoom", options)["room_id"].(string)
	return id
}

func (m *Member) join(t *testing.T, room string) {
	t.Helper()
	m.expect(t, http.MethodPost, "/_matrix/client/v3/join/"+url.PathEscape(room), map[string]any{})
}

func (m *Member) invite(t *testing.T, room string, guest *Member) {
	t.Helper()
	m.expect(t, http.MethodPost, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/invite", map[string]any{"user_id": guest.ID()})
}

func (m *Member) say(t *testing.T, room, text string) {
	t.Helper()
	m.expect(t, http.MethodPut, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/send/m.room.message/"+rand.Text(),
		map[string]any{"msgtype": "m.text", "body": text})
}

// joined lists the rooms they are in.
func (m *Member) joined(t *testing.T) []string {
	t.Helper()
	list, _ := m.expect(t, http.MethodGet, "/_matrix/client/v3/joined_rooms", nil)["joined_rooms"].([]any)
	var rooms []string
	for _, room := range list {
		rooms = append(rooms, fmt.Sprint(room))
	}
	return rooms
}

// heard gives all texts of a room they can read, oldest last.
func (m *Member) heard(t *testing.T, room string) []string {
	t.Helper()
	answer := m.expect(t, http.MethodGet, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/messages?dir=b&limit=100", nil)
	var texts []string
	for _, event := range list(answer, "chunk") {
		if body, ok := dig(event, "content")["body"].(string); ok && event["type"] == "m.room.message" {
			texts = append(texts, body)
		}
	}
	return texts
}

// upload gives the id of the file.
func (m *Member) upload(t *testing.T, file, contentType string, content []byte) string {
	t.Helper()
	answer := m.Send(t, http.MethodPost, "/_matrix/media/v3/upload?filename="+url.QueryEscape(file), contentType, content)
	address, _ := answer.Body["content_uri"].(string)
	_, id, found := strings.Cut(strings.TrimPrefix(address, "mxc://"), "/")
	if answer.Status != http.StatusOK || !found {
		t.Fatalf("upload: %d %.300s", answer.Status, answer.Raw)
	}
	return id
}

// fetch asks for a file of a server.
func (m *Member) fetch(t *testing.T, from tenant.Domain, id string) Answer {
	t.Helper()
	return m.Ask(t, http.MethodGet, "/_matrix/client/v1/media/download/"+string(from)+"/"+url.PathEscape(id), nil)
}

// dig gives the object at a path within an object, an empty one when there is none.
func dig(from map[string]any, path ...string) map[string]any {
	for _, key := range path {
		next, ok := from[key].(map[string]any)
		if !ok {
			return map[string]any{}
		}
		from = next
	}
	return from
}

// list gives the objects of a list within an object.
func list(from map[string]any, key string) []map[string]any {
	var found []map[string]any
	items, _ := from[key].([]any)
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			found = append(found, object)
		}
	}
	return found
}

// eventually waits for what a homeserver does in its own time. Synapse writes when a device was seen last every few
// seconds; nothing takes longer on an idle machine, and a busy one is given many times that.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	within(t, time.Minute, what, is)
}

// within waits as long as it is told to.
func within(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	end := time.After(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-end:
			t.Fatalf("not so within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

func contains[T comparable](list []T, item T) bool { return slices.Contains(list, item) }
