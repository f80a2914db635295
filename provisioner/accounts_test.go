package provisioner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// person is a Matrix client that goes straight to the homeserver's socket, as the edge would for it.
type person struct {
	*http.Client
	token string
}

func (s *site) person(spec tenant.Spec) *person {
	return &person{Client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", strings.TrimPrefix(s.Backend(spec), "unix:"))
		},
		DisableKeepAlives: true,
	}}}
}

func (p *person) call(t *testing.T, method, path, contentType string, body []byte) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://homeserver"+path, bytes.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", contentType)
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	response, err := p.Do(request)
	must(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	must(t, err)
	var answer map[string]any
	_ = json.Unmarshal(content, &answer)
	return response.StatusCode, answer
}

// logIn reports whether it worked.
func (p *person) logIn(t *testing.T, who, password string) bool {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"type": "m.login.password", "identifier": map[string]string{"type": "m.id.user", "user": who}, "password": password,
	})
	must(t, err)
	p.token = ""
	status, answer := p.call(t, http.MethodPost, "/_matrix/client/v3/login", "application/json", body)
	p.token, _ = answer["access_token"].(string)
	return status == http.StatusOK
}

func (p *person) known(t *testing.T) bool {
	t.Helper()
	status, _ := p.call(t, http.MethodGet, "/_matrix/client/v3/account/whoami", "", nil)
	return status == http.StatusOK
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	s.converge(t, t.Context(), spec)
	server, err := s.Server(t.Context(), spec)
	must(t, err)
	ctx := t.Context()
	client := s.person(spec)

	must(t, server.Create(ctx, homeserver.NewAccount{Localpart: "bert", Password: "first password", DisplayName: "Bert Käse"}))
	expectFault(t, server.Create(ctx, homeserver.NewAccount{Localpart: "bert", Password: "first password"}), "member.exists")
	if !client.logIn(t, "bert", "first password") || client.logIn(t, "bert", "another one") {
		t.Error("the password given is not the one that logs in")
	}

	t.Run("list", func(t *testing.T) {
		page, err := server.List(ctx, homeserver.AccountQuery{})
		must(t, err)
		list := page.Accounts
		var names []string
		for _, a := range list {
			names = append(names, string(a.Localpart))
			if a.Admin || a.Deactivated || a.Created.IsZero() {
				t.Errorf("%+v", a)
			}
		}
		if strings.Join(names, " ") != "anna bert" || list[1].DisplayName != "Bert Käse" {
			t.Errorf("accounts: %+v", list)
		}
	})
	t.Run("set password", func(t *testing.T) {
		client.logIn(t, "bert", "first password")
		must(t, server.SetPassword(ctx, "bert", "second password"))
		if client.known(t) {
			t.Error("a session outlives the password")
		}
		if client.logIn(t, "bert", "first password") || !client.logIn(t, "bert", "second password") {
			t.Error("the new password is not the one that logs in")
		}
	})
	t.Run("deactivate", func(t *testing.T) {
		client.logIn(t, "bert", "second password")
		must(t, server.Deactivate(ctx, "bert", false))
		must(t, server.Deactivate(ctx, "bert", false))
		if client.known(t) {
			t.Error("a session outlives the account")
		}
		if client.logIn(t, "bert", "second password") {
			t.Error("a deactivated account logs in")
		}
		// A new password does not open it.
		must(t, server.SetPassword(ctx, "bert", "third password"))
		if client.logIn(t, "bert", "third password") {
			t.Error("a new password opens a deactivated account")
		}
		if page, err := server.List(ctx, homeserver.AccountQuery{}); err != nil || !page.Accounts[1].Deactivated {
			t.Errorf("not listed as deactivated: %+v, %v", page, err)
		}
		must(t, server.Reactivate(ctx, "bert", "fourth password"))
		must(t, server.Reactivate(ctx, "bert", "fourth password"))
		if !client.logIn(t, "bert", "fourth password") {
			t.Error("a reactivated account does not log in")
		}
	})
	t.Run("faults", func(t *testing.T) {
		expectFault(t, server.SetPassword(ctx, "nobody", "long enough"), "member.unknown")
		expectFault(t, server.Deactivate(ctx, "nobody", false), "member.unknown")
		expectFault(t, server.Reactivate(ctx, "nobody", "long enough"), "member.unknown")
		expectFault(t, server.SetPassword(ctx, "bert", "short"), "password.short")
		expectFault(t, server.SetPassword(ctx, "bert", strings.Repeat("x", 73)), "password.long")
		must(t, server.SetPassword(ctx, "bert", strings.Repeat("x", 72)))
		expectFault(t, server.Create(ctx, homeserver.NewAccount{
			Localpart: tenant.Localpart(strings.Repeat("x", 255)), Password: "long enough",
		}), "member.long")
	})
	t.Run("lost token", func(t *testing.T) {
		list, err := s.config.Secrets.Load(ctx, spec.ID)
		must(t, err)
		client.token = string(list[homeserver.ControlToken])
		if status, _ := client.call(t, http.MethodPost, "/_matrix/client/v3/logout", "application/json", []byte("{}")); status != http.StatusOK {
			t.Fatalf("end the control account's session: %d", status)
		}
		must(t, server.SetPassword(ctx, "bert", "fifth password"))
		if !client.logIn(t, "bert", "fifth password") {
			t.Error("the password was not set")
		}
	})
	t.Run("closed registration", func(t *testing.T) {
		client.token = ""
		status, answer := client.call(t, http.MethodPost, "/_matrix/client/v3/register", "application/json",
			[]byte(`{"username":"mallory","password":"long enough","auth":{"type":"m.login.dummy"}}`))
		if status != http.StatusForbidden && status != http.StatusUnauthorized {
			t.Errorf("registration answers %d %v", status, answer)
		}
		if status, answer = client.call(t, http.MethodPost, "/_matrix/client/v3/register?kind=guest", "application/json", []byte(`{}`)); status == http.StatusOK {
			t.Errorf("guests: %v", answer)
		}
	})
	t.Run("usage", func(t *testing.T) { s.testUsage(t, spec, client) })
	t.Run("stopped", func(t *testing.T) {
		must(t, s.Apply(ctx, spec, tenant.StopContainer))
		expectFault(t, server.Create(ctx, homeserver.NewAccount{Localpart: "carl", Password: "long enough"}), "server.unavailable")
		expectFault(t, server.SetPassword(ctx, "bert", "long enough"), "server.unavailable")
	})
}

// testUsage uploads a picture of known size, and leaves an orphan beside it as a deleted room would.
func (s *site) testUsage(t *testing.T, spec tenant.Spec, client *person) {
	before, err := s.Usage(t.Context(), spec)
	must(t, err)
	if before.DatabaseBytes < 1<<20 {
		t.Errorf("a database of %d bytes", before.DatabaseBytes)
	}
	if !client.logIn(t, "bert", "fifth password") {
		t.Fatal("cannot log in")
	}
	const size = 300_000
	status, answer := client.call(t, http.MethodPost, "/_matrix/media/v3/upload", "application/octet-stream", bytes.Repeat([]byte("hafen!"), size/6))
	if status != http.StatusOK {
		t.Fatalf("upload: %d %v", status, answer)
	}
	after, err := s.Usage(t.Context(), spec)
	must(t, err)
	if grown := after.MediaBytes - before.MediaBytes; grown < size || grown > size+64<<10 {
		t.Errorf("media grew by %d bytes for a file of %d", grown, size)
	}
	expectAllowed(t, s.try(t, spec, attempt{Do: "write", Target: "/data/media/orphan"}))
	// A link to the host's files is not followed.
	expectAllowed(t, s.try(t, spec, attempt{Do: "link", Target: "/ /data/media/everything"}))
	orphaned, err := s.Usage(t.Context(), spec)
	must(t, err)
	if grown := orphaned.MediaBytes - after.MediaBytes; grown < 1 || grown > 64<<10 {
		t.Errorf("an orphan of one byte is measured as %d", grown)
	}
}

func expectFault(t *testing.T, err error, code string) {
	t.Helper()
	fault, ok := errors.AsType[*tenant.Fault](err)
	if !ok || fault.Code != code {
		t.Errorf("want the fault %s, got %v", code, err)
	}
}
