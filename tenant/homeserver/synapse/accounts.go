package synapse

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// accounts manages people.
type accounts struct{ *client }

type registration struct {
	User        string `json:"username"`
	Password    string `json:"password"`
	DisplayName string `json:"displayname,omitempty"`
	Admin       bool   `json:"admin"`
	Type        string `json:"user_type,omitempty"`
	NoSession   bool   `json:"inhibit_login"`
	Device      string `json:"device_id,omitempty"`
	Nonce       string `json:"nonce"`
	MAC         string `json:"mac"`
}

type session struct {
	AccessToken string `json:"access_token"`
}

const (
	registerPath  = api + "/v1/register"
	controlDevice = "hafen"
	// support is the type of account that Synapse keeps out of its directory of people, and does not count.
	support = "support"
)

// register makes an account by the shared secret. Unlike the admin API's way to make accounts, which changes one that is
// there, it refuses a name that is taken: Synapse's table of accounts decides.
func (c *client) register(ctx context.Context, r registration) (session, error) {
	var made session
	if err := admin.Call(ctx, c.HTTP, admin.Request{Method: http.MethodGet, Path: registerPath}, &r); err != nil { // sets Nonce
		return made, err
	}
	parts := []string{r.Nonce, r.User, r.Password, "notadmin"}
	if r.Admin {
		parts[3] = "admin"
	}
	if r.Type != "" {
		parts = append(parts, r.Type)
	}
	// HMAC-SHA1 is what Synapse once chose for this (rest/admin/users.py, UserRegisterServlet).
	mac := hmac.New(sha1.New, c.Secrets[registrationSecret])
	mac.Write([]byte(strings.Join(parts, "\x00")))
	r.MAC = hex.EncodeToString(mac.Sum(nil))
	return made, admin.Call(ctx, c.HTTP, admin.Request{Method: http.MethodPost, Path: registerPath, Body: r}, &made)
}

// CreateControl implements [homeserver.Server]. The account is an administrator of Synapse's. Its own password is random
// and kept for logging in when the token is lost.
func (a accounts) CreateControl(ctx context.Context) ([]byte, error) {
	made, err := a.register(ctx, registration{
		User: string(tenant.ControlAccount), Password: string(a.Secrets[homeserver.ControlPassword]),
		Admin: true, Type: support, Device: controlDevice,
	})
	if admin.Refused(err, "M_USER_IN_USE") {
		made.AccessToken, err = a.logIn(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("synapse: create the control account: %w", err)
	}
	return []byte(made.AccessToken), nil
}

// maxUserID is the specification's most for a user id, which Synapse keeps.
const maxUserID = 255

// Create implements [homeserver.Accounts].
func (a accounts) Create(ctx context.Context, n homeserver.NewAccount) error {
	if n.Password == "" {
		// Known to nobody from here on. The way to make an account without one would change an account that is there.
		n.Password = rand.Text() + rand.Text()
	}
	if err := admin.CheckPassword(n.Password); err != nil {
		return err
	}
	if len(a.userID(n.Localpart)) > maxUserID {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "member.long", Field: "localpart"}
	}
	_, err := a.register(ctx, registration{
		User: string(n.Localpart), Password: n.Password, DisplayName: n.DisplayName, Admin: n.Admin, NoSession: true,
	})
	switch {
	case admin.Refused(err, "M_USER_IN_USE"):
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	case admin.Refused(err, "M_INVALID_USERNAME"):
		return &tenant.Fault{Kind: tenant.Invalid, Code: "member.letters", Field: "localpart", Err: err}
	case err != nil:
		return fmt.Errorf("synapse: create an account: %w", err)
	}
	return nil
}

// SetPassword implements [homeserver.Accounts].
func (a accounts) SetPassword(ctx context.Context, who tenant.Localpart, password string) error {
	if err := admin.CheckPassword(password); err != nil {
		return err
	}
	err := a.ask(ctx, http.MethodPost, api+"/v1/reset_password/"+a.escapedID(who),
		map[string]any{"new_password": password, "logout_devices": true}, nil)
	return failed("set a password", err, memberUnknown)
}

// SetAdmin implements [homeserver.Accounts].
func (a accounts) SetAdmin(ctx context.Context, who tenant.Localpart, is bool) error {
	err := a.ask(ctx, http.MethodPut, api+"/v1/users/"+a.escapedID(who)+"/admin", map[string]bool{"admin": is}, nil)
	return failed("make or unmake an administrator", err, memberUnknown)
}
