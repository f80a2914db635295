package hafentest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"hafen/internal/hafentest"
)

// The walking path, without a browser: sign up, order, be served, log in.
func TestFromSignUpToLogIn(t *testing.T) {
	t.Parallel()
	h := hafentest.Up(t)
	server := h.NewCustomer("anna@example.org").Server("basic", "anna")
	server.AddMember("bert")
	body := fmt.Sprintf(`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"bert"},"password":%q}`, hafentest.Password)
	answer, err := h.HTTPClient().Post(server.BaseURL()+"/_matrix/client/v3/login", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(said), `"@bert:anna.hafen.localhost"`) {
		t.Fatalf("log in: %s %s %v", answer.Status, said, err)
	}
}
