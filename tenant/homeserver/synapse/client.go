package synapse

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// server is one tenant's Synapse, put together of parts.
type server struct {
	*client
	accounts
	lifecycle
	devices
	rooms
	media
	notices
}

func newServer(a homeserver.Access) *server {
	c := &client{Access: a, token: string(a.Secrets[homeserver.ControlToken])}
	return &server{c, accounts{c}, lifecycle{c}, devices{c}, rooms{c}, media{c}, notices{c}}
}

// client talks to one tenant's Synapse and its database.
type client struct {
	homeserver.Access
	mu    sync.Mutex
	token string // of the control account
}

const api = "/_synapse/admin"

// ask calls the admin API as the control account.
func (c *client) ask(ctx context.Context, method, path string, body, answer any) error {
	token := c.current()
	// The token kept may be older than a database that was restored. The password gives a new one, which ends the one that
	// another call may just have got; after that one the next is found.
	for attempt := 0; ; attempt++ {
		err := admin.Call(ctx, c.HTTP, admin.Request{Method: method, Path: path, Token: token, Body: body}, answer)
		if attempt == 2 || !admin.Refused(err, "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN") {
			return err
		}
		if token, err = c.renew(ctx, token); err != nil {
			return fmt.Errorf("log in to the control account: %w", err)
		}
	}
}

func (c *client) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

// renew gives a token in place of one that was refused.
func (c *client) renew(ctx context.Context, refused string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != refused {
		return c.token, nil
	}
	token, err := c.logIn(ctx)
	if err != nil {
		return "", err
	}
	c.token = token
	return token, nil
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

// Ready implements [homeserver.Server]. Neither the versions nor /health need the database, so it is asked for a room by its
// alias as well, which Synapse looks for in its table every time and asks nobody's token for.
func (c *client) Ready(ctx context.Context) error {
	if err := admin.Call(ctx, c.HTTP, admin.Request{Method: http.MethodGet, Path: "/_matrix/client/versions"}, nil); err != nil {
		return fmt.Errorf("synapse: ask for the versions: %w", err)
	}
	path := "/_matrix/client/v3/directory/room/" + url.PathEscape("#hafen-ready:"+string(c.Spec.ServerName))
	err := admin.Call(ctx, c.HTTP, admin.Request{Method: http.MethodGet, Path: path}, nil)
	if err != nil && !admin.Missing(err) {
		return fmt.Errorf("synapse: ask for a room: %w", err)
	}
	return nil
}

// read looks at the tables of Synapse.
func (c *client) read(ctx context.Context, doing string, do func(pgx.Tx) error) error {
	if err := admin.Read(ctx, c.Database, do); err != nil {
		return fmt.Errorf("synapse: %s: %w", doing, err)
	}
	return nil
}

func (c *client) userID(l tenant.Localpart) string { return l.UserID(c.Spec.ServerName) }

func (c *client) escapedID(l tenant.Localpart) string { return url.PathEscape(c.userID(l)) }

// failed says what was being done, and turns what Synapse does not know into the fault for it.
func failed(doing string, err error, unknown func() error) error {
	if err == nil {
		return nil
	}
	if admin.Missing(err) {
		return unknown()
	}
	return fmt.Errorf("synapse: %s: %w", doing, err)
}

func memberUnknown() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"} }
