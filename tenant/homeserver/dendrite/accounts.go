package dendrite

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

type registration struct {
	User        string `json:"username"`
	Password    string `json:"password"`
	DisplayName string `json:"displayname,omitempty"`
	Admin       bool   `json:"admin"`
	Nonce       string `json:"nonce"`
	MAC         string `json:"mac"`
}

type session struct {
	AccessToken string `json:"access_token"`
}

const registerPath = "/_synapse/admin/v1/register"

// register makes an account by the shared secret, and a session that Dendrite always makes with it.
func (s *server) register(ctx context.Context, r registration) (session, error) {
	var made session
	if err := s.call(ctx, http.MethodGet, registerPath, "", nil, &r); err != nil { // sets Nonce
		return made, err
	}
	role := "notadmin"
	if r.Admin {
		role = "admin"
	}
	// HMAC-SHA1 is what Synapse once chose for this and Dendrite copies (clientapi/routing/register_secret.go).
	mac := hmac.New(sha1.New, s.Secrets[registrationSecret])
	mac.Write([]byte(strings.Join([]string{r.Nonce, r.User, r.Password, role}, "\x00")))
	r.MAC = hex.EncodeToString(mac.Sum(nil))
	return made, s.call(ctx, http.MethodPost, registerPath, "", r, &made)
}

// CreateControl implements [homeserver.Server]. The account is an administrator of Dendrite's, for resetting passwords.
// Its own password is random and kept for logging in when the token is lost.
func (s *server) CreateControl(ctx context.Context) ([]byte, error) {
	made, err := s.register(ctx, registration{
		User: string(tenant.ControlAccount), Password: string(s.Secrets[homeserver.ControlPassword]), Admin: true,
	})
	if refused(err, "M_USER_IN_USE") {
		made, err = s.logIn(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("dendrite: create the control account: %w", err)
	}
	return []byte(made.AccessToken), nil
}

// logIn gives a new token of the control account. The fixed device makes it replace the one before.
func (s *server) logIn(ctx context.Context) (session, error) {
	var made session
	err := s.call(ctx, http.MethodPost, "/_matrix/client/v3/login", "", map[string]any{
		"type":       "m.login.password",
		"identifier": map[string]string{"type": "m.id.user", "user": string(tenant.ControlAccount)},
		"password":   string(s.Secrets[homeserver.ControlPassword]),
		"device_id":  "hafen",
	}, &made)
	return made, err
}

// Create implements [homeserver.Accounts].
func (s *server) Create(ctx context.Context, a homeserver.NewAccount) error {
	if err := checkPassword(a.Password); err != nil {
		return err
	}
	// internal/validate.go of Dendrite; a byte less than the specification's 255.
	if len(s.userID(a.Localpart)) > 254 {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "member.long", Field: "localpart"}
	}
	made, err := s.register(ctx, registration{User: string(a.Localpart), Password: a.Password, DisplayName: a.DisplayName})
	if refused(err, "M_USER_IN_USE") {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	}
	if err != nil {
		return fmt.Errorf("dendrite: create an account: %w", err)
	}
	// The session that came with it is nobody's.
	if err := s.call(ctx, http.MethodPost, "/_matrix/client/v3/logout", made.AccessToken, struct{}{}, nil); err != nil {
		return fmt.Errorf("dendrite: end the session of a new account: %w", err)
	}
	return nil
}

// SetPassword implements [homeserver.Accounts].
func (s *server) SetPassword(ctx context.Context, who tenant.Localpart, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	err := s.resetPassword(ctx, string(s.Secrets[homeserver.ControlToken]), who, password)
	// The token may be older than a database that was restored: the password tells.
	if refused(err, "M_UNKNOWN_TOKEN") || refused(err, "M_MISSING_TOKEN") {
		fresh, lost := s.logIn(ctx)
		if lost != nil {
			return fmt.Errorf("dendrite: log in to the control account: %w", lost)
		}
		err = s.resetPassword(ctx, fresh.AccessToken, who, password)
	}
	if r, ok := errors.AsType[*refusal](err); ok && r.Status == http.StatusNotFound {
		return unknown()
	}
	if err != nil {
		return fmt.Errorf("dendrite: set a password: %w", err)
	}
	return nil
}

func (s *server) resetPassword(ctx context.Context, token string, who tenant.Localpart, password string) error {
	return s.call(ctx, http.MethodPost, "/_dendrite/admin/resetPassword/"+url.PathEscape(s.userID(who)), token,
		map[string]any{"password": password, "logout_devices": true}, nil)
}

// checkPassword keeps to Dendrite's least length, and to the most that bcrypt takes: Dendrite itself lets more pass and
// then fails with an internal error.
func checkPassword(password string) error {
	switch {
	case len(password) < 8:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.short", Field: "password"}
	case len(password) > 72:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "password.long", Field: "password"}
	}
	return nil
}

func unknown() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"} }
