package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// talker is a Matrix app, as far as it takes to make something an owner looks after.
type talker struct {
	t      testing.TB
	client *http.Client
	url    string
	token  string
}

func newTalker(t testing.TB, w *hafentest.Hafen, server hafentest.Server, localpart string) *talker {
	t.Helper()
	m := &talker{t: t, client: w.HTTPClient(), url: server.BaseURL()}
	m.token, _ = m.call(http.MethodPost, "/_matrix/client/v3/login", map[string]any{
		"type": "m.login.password", "identifier": map[string]string{"type": "m.id.user", "user": localpart}, "password": hafentest.Password,
	})["access_token"].(string)
	return m
}

func (m *talker) call(method, path string, body any) map[string]any {
	m.t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.send(method, path, "application/json", content)
}

func (m *talker) send(method, path, kind string, content []byte) map[string]any {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), method, m.url+path, bytes.NewReader(content))
	if err != nil {
		m.t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Authorization", "Bearer "+m.token)
	answer, err := m.client.Do(request)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		m.t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, said, err)
	}
	var result map[string]any
	if err := json.Unmarshal(said, &result); err != nil {
		m.t.Fatalf("%s %s: %s", method, path, said)
	}
	return result
}

// heard joins whatever it is invited to, and reports whether somebody said this there.
func (m *talker) heard(text string) error {
	m.t.Helper()
	rooms, _ := m.call(http.MethodGet, "/_matrix/client/v3/sync?timeout=0", nil)["rooms"].(map[string]any)
	invited, _ := rooms["invite"].(map[string]any)
	for room := range invited {
		m.call(http.MethodPost, "/_matrix/client/v3/join/"+url.PathEscape(room), map[string]any{})
	}
	everything, err := json.Marshal(m.call(http.MethodGet, "/_matrix/client/v3/sync?timeout=0", nil)["rooms"])
	if err == nil && !strings.Contains(string(everything), text) {
		err = fmt.Errorf("nobody said %q to me", text)
	}
	return err
}

// TestContent looks after the rooms and files of a server of each engine, and writes to its members.
func TestContent(t *testing.T) {
	t.Parallel()
	w := hafentest.Up(t)
	for _, engine := range []tenant.EngineName{tenant.Synapse, tenant.Dendrite} {
		t.Run(string(engine), func(t *testing.T) {
			w := w.For(t)
			customer := w.NewCustomer(string(engine) + "@example.org")
			customer.Engine = engine
			server := customer.Server("basic", "werft-"+string(engine))
			server.AddMember("bert")
			bert := newTalker(t, w, server, "bert")
			bert.call(http.MethodPost, "/_matrix/client/v3/createRoom", map[string]any{"name": "Trockendock"})
			bert.send(http.MethodPost, "/_matrix/media/v3/upload?filename=plan.pdf", "application/pdf", bytes.Repeat([]byte("hull"), 50_000))

			p := newPerson(t, w.URL(), "de") // the language of the customer
			p.open("/login")
			p.fill("#email", customer.Email)
			p.fill("#password", hafentest.Password)
			p.follow(`main button[type=submit]`)
			home := "/servers/" + string(server.ID)
			p.clearsRoom(home)
			p.clearsFile(home, engine)
			p.tellsAll(home)
			w.Await(patience, "the word to reach Bert", func() error { return bert.heard("The crane is back") })
		})
	}
}

func (p *person) clearsRoom(home string) {
	p.open(home + "/rooms")
	p.reads("Trockendock")
	p.look("content-rooms")
	p.follow(`main tbody a[href^="` + home + `/rooms/"]`)
	p.look("content-room")
	p.follow(`main a[href$="/delete"].btn`)
	p.follow(`main form[action$="/delete"] button[type=submit]`)
	p.reads(p.T("rooms.work.room", "Name", "Trockendock", "Count", 1))
	p.await("the room to be deleted", `document.querySelector('#deletions .text-good') !== null`)
	p.open(home + "/rooms")
	p.await("the room to be gone", `![...document.querySelectorAll('main tbody')].some((b) => b.innerText.includes('Trockendock'))`)
	p.look("content-rooms-deleted")
}

// clearsFile deletes the file where the engine can, and reads that it cannot where it says so.
func (p *person) clearsFile(home string, engine tenant.EngineName) {
	p.open(home + "/media")
	p.reads("@bert:")
	p.look("content-media")
	p.follow(`main a[href$="/media/files?owner=bert"]`)
	p.reads("plan.pdf")
	p.reads("200 kB")
	if engine == tenant.Dendrite {
		p.reads(p.T("media.cannot.delete", "Engine", "Dendrite"))
		return
	}
	p.follow(`main form[action$="/media/delete"] button[formaction$="/quarantine"]`)
	p.reads(p.T("flash.quarantined"))
	p.reads(p.T("media.quarantined"))
	p.click(`main input[name=file]`)
	p.follow(`main form[action$="/media/delete"] button:not([formaction])`)
	p.reads(p.T("media.delete.frees", "Count", 1, "Size", p.Bytes(200_000)))
	p.look("content-media-delete")
	p.follow(`main form[action$="/media/delete"] button[type=submit]`)
	p.reads(p.T("media.work.freed", "Freed", p.Bytes(200_000), "Expected", p.Bytes(200_000)))
	p.look("content-media-deleted")
}

func (p *person) tellsAll(home string) {
	p.open(home + "/notices")
	p.fill("#text", "The crane is back")
	p.follow(`main button[value=preview]`)
	p.reads(p.T("notices.confirm.all", "Count", 2))
	p.look("content-notice-preview")
	p.follow(`main button[value=send]`)
	p.reads(p.T("notices.sent", "Count", 2))
	p.look("content-notice-sent")
}
