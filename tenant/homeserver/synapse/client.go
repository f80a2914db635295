package synapse

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// client talks to one tenant's Synapse and its database.
type client struct {
	homeserver.Access
}

// server is one tenant's Synapse.
type server struct {
	homeserver.Limited
	*client
	accounts
}

const api = "/_synapse/admin"

// ask calls the admin API as the control account.
func (c *client) ask(ctx context.Context, method, path string, body, answer any) error {
	request := admin.Request{Method: method, Path: path, Token: string(c.Secrets[homeserver.ControlToken]), Body: body}
	err := admin.Call(ctx, c.HTTP, request, answer)
	// The token may be older than a database that was restored: the password tells.
	if admin.Refused(err, "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN") {
		if request.Token, err = c.logIn(ctx); err != nil {
			return fmt.Errorf("log in to the control account: %w", err)
		}
		err = admin.Call(ctx, c.HTTP, request, answer)
	}
	return err
}

// logIn gives a new token of the control account. The fixed device makes it replace the one before.
func (c *client) logIn(ctx context.Context) (token string, err error) {
	var made session
	err = admin.Call(ctx, c.HTTP, admin.Request{Method: http.MethodPost, Path: "/_matrix/client/v3/login", Body: map[string]any{
		"type":       "m.login.password",
		"identifier": map[string]string{"type": "m.id.user", "user": string(tenant.ControlAccount)},
		"password":   string(c.Secrets[homeserver.ControlPassword]),
		"device_id":  controlDevice,
	}}, &made)
	return made.AccessToken, err
}

// Ready implements [homeserver.Server]. Neither the versions nor /health need the database, so a profile is asked for as
// well: that of an account which exists or does not, either will do.
func (c *client) Ready(ctx context.Context) error {
	if err := admin.Call(ctx, c.HTTP, admin.Request{Method: http.MethodGet, Path: "/_matrix/client/versions"}, nil); err != nil {
		return fmt.Errorf("synapse: ask for the versions: %w", err)
	}
	path := "/_matrix/client/v3/profile/" + c.escapedID(tenant.ControlAccount)
	err := admin.Call(ctx, c.HTTP, admin.Request{Method: http.MethodGet, Path: path}, nil)
	if err != nil && !admin.Missing(err) && !admin.Refused(err, "M_MISSING_TOKEN") {
		return fmt.Errorf("synapse: ask for a profile: %w", err)
	}
	return nil
}

func (c *client) userID(l tenant.Localpart) string { return l.UserID(c.Spec.ServerName) }

func (c *client) escapedID(l tenant.Localpart) string { return url.PathEscape(c.userID(l)) }
