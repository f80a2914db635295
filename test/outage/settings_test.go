package outage

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/templates/i18n"
)

// A change of settings with which the server does not come up is taken back, and its owner is told. Here the server's database
// lets nobody in meanwhile: to the loop that is a server that crashes as soon as it starts with the new settings.
func TestSettingsAreTakenBack(t *testing.T) {
	t.Parallel()
	h := hafentest.Up(t)
	anna := h.NewCustomer("anna@example.org")
	server := anna.Server("advanced", "anna")
	server.AddMember("bert")
	bert := logIn(t, h.HTTPClient, server.BaseURL(), "bert")
	enter := func(allowed bool) {
		h.Exec(fmt.Sprintf(`alter database %s allow_connections %t`, server.ID.Role(), allowed))
	}

	enter(false)
	path := "/servers/" + string(server.ID) + "/settings"
	anna.Post(path, url.Values{"federation": {"off"}, "name": {"Werft"}, "language": {"de"}})
	h.Await(2*time.Minute, "the old settings", func() error {
		outcome := hafentest.Query[string](h, `select outcome from settings_changes where tenant_id = $1`, server.ID)
		if outcome != "rolled_back" {
			return fmt.Errorf("the change is %q", outcome)
		}
		return nil
	})
	enter(true)
	h.Await(2*time.Minute, "the server with its old settings", func() error { return bert.is("@bert:" + server.Name) })
	if mode := hafentest.Query[string](h, `select federation_mode from routes where tenant_id = $1`, server.ID); mode != "open" {
		t.Errorf("the server's federation is %q", mode)
	}
	h.Await(30*time.Second, "the time it was away", func() error {
		if ms := hafentest.Query[int64](h, `select coalesce(away_ms, 0) from settings_changes where tenant_id = $1`, server.ID); ms == 0 {
			return fmt.Errorf("not measured")
		}
		return nil
	})
	german := i18n.For("de")
	if page := words(anna.Get(path)); !strings.Contains(page, german.T("settings.rolled_back")) {
		t.Errorf("the page does not say so: %s", page)
	}
	h.Await(20*time.Second, "the mail", func() error {
		if page := words(anna.Get("/trial/mails")); !strings.Contains(page, german.T("mail.settings_rolled_back.subject", "Name", server.Name)) {
			return fmt.Errorf("there is none")
		}
		return nil
	})
}
