package outage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/templates/i18n"
)

// device is a logged-in Matrix client, as far as these tests need one.
type device struct {
	base, token string
	client      func() *http.Client // a new one each time, so that every request shakes hands anew
}

// logIn logs a member in with the password the harness gives members.
func logIn(t *testing.T, client func() *http.Client, base, localpart string) device {
	t.Helper()
	d := device{base: base, client: client}
	var said struct {
		AccessToken string `json:"access_token"`
	}
	err := d.call(http.MethodPost, "/_matrix/client/v3/login", map[string]any{
		"type": "m.login.password", "password": hafentest.Password,
		"identifier": map[string]string{"type": "m.id.user", "user": localpart},
	}, &said)
	if err != nil || said.AccessToken == "" {
		t.Fatalf("log in at %s: %v", base, err)
	}
	d.token = said.AccessToken
	return d
}

// whoami asks who the token belongs to, for which the server must ask its database.
func (d device) whoami() (string, error) {
	var said struct {
		UserID string `json:"user_id"`
	}
	err := d.call(http.MethodGet, "/_matrix/client/v3/account/whoami", nil, &said)
	return said.UserID, err
}

func (d device) is(who string) error {
	said, err := d.whoami()
	if err == nil && said != who {
		err = fmt.Errorf("the token is %q's", said)
	}
	return err
}

func (d device) call(method, path string, body, answer any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, d.base+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	if d.token != "" {
		request.Header.Set("Authorization", "Bearer "+d.token)
	}
	return ask(d.client(), request, answer)
}

// get asks for a JSON document.
func get(client *http.Client, address string, answer any) error {
	request, err := http.NewRequest(http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	return ask(client, request, answer)
}

func ask(client *http.Client, request *http.Request, answer any) error {
	defer client.CloseIdleConnections()
	got, err := client.Do(request)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", request.Method, request.URL, got.Status)
	}
	return json.NewDecoder(got.Body).Decode(answer)
}

// served fails unless a server's discovery and versions are answered, with a certificate for its name, whatever else is away.
func served(h *hafentest.Hafen, s hafentest.Server) error {
	origin := fmt.Sprintf("https://%s:%d", s.Name, h.HTTPS)
	var found struct {
		Homeserver struct {
			BaseURL string `json:"base_url"`
		} `json:"m.homeserver"`
	}
	if err := get(h.HTTPClient(), origin+"/.well-known/matrix/client", &found); err != nil {
		return err
	}
	if found.Homeserver.BaseURL != origin {
		return fmt.Errorf("discovery leads to %q", found.Homeserver.BaseURL)
	}
	var peer struct {
		Server string `json:"m.server"`
	}
	if err := get(h.HTTPClient(), origin+"/.well-known/matrix/server", &peer); err != nil {
		return err
	}
	if want := fmt.Sprintf("%s:%d", s.Name, h.Federation); peer.Server != want {
		return fmt.Errorf("discovery by servers leads to %q", peer.Server)
	}
	var versions struct {
		Versions []string `json:"versions"`
	}
	if err := get(h.HTTPClient(), origin+"/_matrix/client/versions", &versions); err != nil {
		return err
	}
	if len(versions.Versions) == 0 {
		return fmt.Errorf("no versions")
	}
	return nil
}

var tag = regexp.MustCompile(`<[^>]*>`)

// words is a page as a person reads it.
func words(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(page, " "))), " ")
}

// reads fails unless a page shows, in both languages, the sentence of a code.
func reads(t *testing.T, h *hafentest.Hafen, c *hafentest.Customer, path, family, code string) {
	t.Helper()
	for _, language := range i18n.Languages {
		c.Post("/language", url.Values{"to": {language}, "back": {"/"}})
		locale := i18n.For(language)
		if !locale.Has(family + "." + code) {
			t.Errorf("%s.%s has no words in %s", family, code, language)
			continue
		}
		sentence := locale.Coded(family, code, nil)
		h.Await(20*time.Second, fmt.Sprintf("sentence %q on %s", sentence, path), func() error {
			if page := words(c.Get(path)); !strings.Contains(page, sentence) {
				return fmt.Errorf("it says: %s", page)
			}
			return nil
		})
	}
}

// fetch gives an answer whatever its status.
func fetch(client *http.Client, request *http.Request) (status int, body string, err error) {
	defer client.CloseIdleConnections()
	got, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return got.StatusCode, string(text), err
}
