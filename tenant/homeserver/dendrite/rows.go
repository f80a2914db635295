package dendrite

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Dendrite's APIs make no account without hashing a password, at the cost that members' passwords need: 65 ms, for which
// somebody who has just ordered a server waits twice. Two accounts have no such password, and are written as rows, the ones
// that Dendrite itself would write (userapi/storage/shared, CreateAccount and CreateDevice). Types of accounts: 1 is
// somebody, 3 an administrator.
const (
	insertAccountSQL = `
INSERT INTO public.userapi_accounts (localpart, server_name, created_ts, password_hash, account_type)
VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, $3, $4) ON CONFLICT (localpart, server_name) `
	createAccountSQL = insertAccountSQL + `DO NOTHING`
	renewAccountSQL  = insertAccountSQL + `
DO UPDATE SET password_hash = excluded.password_hash, account_type = excluded.account_type, is_deactivated = false`
	insertProfileSQL = `
INSERT INTO public.userapi_profiles (localpart, server_name, display_name, avatar_url) VALUES ($1, $2, $3, '')
ON CONFLICT (localpart, server_name) DO NOTHING`
	// A device's new token ends its old one.
	insertDeviceSQL = `
INSERT INTO public.userapi_devices (access_token, device_id, localpart, server_name, created_ts, display_name, last_seen_ts, ip, user_agent)
VALUES ($1, $2, $3, $4, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, $3, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, '', '')
ON CONFLICT (localpart, server_name, device_id) DO UPDATE SET access_token = excluded.access_token`
)

const (
	typePerson        = 1
	typeAdministrator = 3
)

// account is what is written of one. hash "" is Dendrite's own form of an account that no password opens.
type account struct {
	localpart tenant.Localpart
	name      string
	hash      string
	kind      int
	device    string
}

// writeAccount writes an account and a session of it. made is false when it was there, and then nothing is done, unless it is
// to be renewed.
func (s *server) writeAccount(ctx context.Context, a account, statement string) (token string, made bool, err error) {
	token = rand.Text() + rand.Text() // twice 128 bits, as Dendrite's own have 256
	err = s.inDatabase(ctx, "write an account", func(tx pgx.Tx) error {
		written, err := tx.Exec(ctx, statement, string(a.localpart), string(s.Spec.ServerName), a.hash, a.kind)
		if err != nil || written.RowsAffected() == 0 {
			return err
		}
		made = true
		if _, err := tx.Exec(ctx, insertProfileSQL, string(a.localpart), string(s.Spec.ServerName), a.name); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, insertDeviceSQL, token, a.device, string(a.localpart), string(s.Spec.ServerName))
		return err
	})
	return token, made, err
}

// CreateControl implements [homeserver.Server]. The account is an administrator of Dendrite's. Its own password is random
// and kept for logging in when the token is lost. An account that is there is made what it should be, with a new session.
//
// The hash is a cheap one: a costly hash makes it slow to try passwords one after another, and of this one's 256 random bits
// nobody tries enough.
func (s *server) CreateControl(ctx context.Context) ([]byte, error) {
	hash, err := bcrypt.GenerateFromPassword(s.Secrets[homeserver.ControlPassword], bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("dendrite: hash the control account's password: %w", err)
	}
	token, _, err := s.writeAccount(ctx, account{
		localpart: tenant.ControlAccount, name: string(tenant.ControlAccount), hash: string(hash), kind: typeAdministrator, device: controlDevice,
	}, renewAccountSQL)
	return []byte(token), err
}

// createClosed makes an account that no password opens. Its rules for notifications Dendrite makes when they are first asked
// for; but only a change of them makes it tell apps of them when they first sync, as it does of those of any other new
// account. So they are asked for, and the rule that would silence everything, which is off, is given the action that says to
// do nothing, in place of none (spec, "Push Rules: Actions"). Asked first: a change of rules that were not yet there Dendrite
// makes to its own defaults, and so to everybody's after (clientapi/routing/pushrules.go).
func (s *server) createClosed(ctx context.Context, a homeserver.NewAccount) error {
	name, kind := a.DisplayName, typePerson
	if name == "" {
		name = string(a.Localpart)
	}
	if a.Admin {
		kind = typeAdministrator
	}
	// A server that is away would not go on with it, and then no name is to be taken.
	if err := s.call(ctx, http.MethodGet, "/_matrix/client/versions", "", nil, nil); err != nil {
		return fmt.Errorf("dendrite: ask for the versions: %w", err)
	}
	token, made, err := s.writeAccount(ctx, account{localpart: a.Localpart, name: name, kind: kind, device: controlDevice}, createAccountSQL)
	if err != nil {
		return err
	}
	if !made {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	}
	err = s.call(ctx, http.MethodGet, "/_matrix/client/v3/pushrules/", token, nil, nil)
	if err == nil {
		err = s.call(ctx, http.MethodPut, "/_matrix/client/v3/pushrules/global/override/.m.rule.master/actions", token,
			map[string][]string{"actions": {"dont_notify"}}, nil)
	}
	if err == nil {
		err = s.logOut(ctx, token)
	}
	if err != nil {
		return fmt.Errorf("dendrite: begin the account %s: %w", a.Localpart, err)
	}
	return nil
}
