package dendrite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// call sends a request to the homeserver. The path is escaped already.
func (s *server) call(ctx context.Context, method, path, token string, question, answer any) error {
	return admin.Call(ctx, s.HTTP, admin.Request{Method: method, Path: path, Token: token, Body: question}, answer)
}

// ask calls an API for administrators as the control account. The stored token may be older than a database that was
// restored; then the password opens a session for this call alone, for a fixed one would end that of another call under way.
func (s *server) ask(ctx context.Context, method, path string, question, answer any) error {
	err := s.call(ctx, method, path, string(s.Secrets[homeserver.ControlToken]), question, answer)
	if !admin.Refused(err, "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN") {
		return err
	}
	fresh, err := s.logIn(ctx, "hafen-"+rand.Text())
	if err != nil {
		return fmt.Errorf("log in to the control account: %w", err)
	}
	err = s.call(ctx, method, path, fresh.AccessToken, question, answer)
	return errors.Join(err, s.logOut(context.WithoutCancel(ctx), fresh.AccessToken))
}

const controlDevice = "hafen"

// logIn gives a new token of the control account; one that the device had ends.
func (s *server) logIn(ctx context.Context, device string) (session, error) {
	var made session
	err := s.call(ctx, http.MethodPost, "/_matrix/client/v3/login", "", map[string]any{
		"type":       "m.login.password",
		"identifier": map[string]string{"type": "m.id.user", "user": string(tenant.ControlAccount)},
		"password":   string(s.Secrets[homeserver.ControlPassword]),
		"device_id":  device,
	}, &made)
	return made, err
}

// logOut ends a session. One that has ended already is no error.
func (s *server) logOut(ctx context.Context, token string) error {
	err := s.call(ctx, http.MethodPost, "/_matrix/client/v3/logout", token, struct{}{}, nil)
	if admin.Refused(err, "M_UNKNOWN_TOKEN") {
		return nil
	}
	return err
}

// Ready implements [homeserver.Server]. The versions alone are answered before and without the database, so a profile is
// asked for as well: that of an account which exists or does not, either will do.
func (s *server) Ready(ctx context.Context) error {
	if err := s.call(ctx, http.MethodGet, "/_matrix/client/versions", "", nil, nil); err != nil {
		return fmt.Errorf("dendrite: ask for the versions: %w", err)
	}
	err := s.call(ctx, http.MethodGet, "/_matrix/client/v3/profile/"+url.PathEscape(s.userID(tenant.ControlAccount)), "", nil, nil)
	if err != nil && !admin.Refused(err, "M_NOT_FOUND") {
		return fmt.Errorf("dendrite: ask for a profile: %w", err)
	}
	return nil
}

func (s *server) userID(l tenant.Localpart) string { return l.UserID(s.Spec.ServerName) }

// patience bounds every statement: what is in the tables is for the tenant to say, and so is how long it takes to read.
const patience = `SET LOCAL statement_timeout = '20s'`

// inDatabase runs one transaction as the tenant's role.
func (s *server) inDatabase(ctx context.Context, doing string, do func(pgx.Tx) error) error {
	conn, err := s.Database(ctx)
	if err != nil {
		return admin.Unavailable(fmt.Errorf("dendrite: %s: %w", doing, err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, patience); err != nil {
			return err
		}
		return do(tx)
	})
	if err != nil {
		return fmt.Errorf("dendrite: %s: %w", doing, err)
	}
	return nil
}

// known fails with member.unknown unless there is such an account.
func (s *server) known(ctx context.Context, tx pgx.Tx, who tenant.Localpart) error {
	var there bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM public.userapi_accounts WHERE localpart = $1 AND server_name = $2)`,
		string(who), string(s.Spec.ServerName)).Scan(&there)
	if err == nil && !there {
		return unknown()
	}
	return err
}

func unknown() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown"} }
