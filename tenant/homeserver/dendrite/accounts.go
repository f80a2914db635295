package dendrite

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
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

// Create implements [homeserver.Accounts].
func (s *server) Create(ctx context.Context, a homeserver.NewAccount) error {
	// internal/validate.go of Dendrite; a byte less than the specification's 255.
	if len(s.userID(a.Localpart)) > 254 {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "member.long", Field: "localpart"}
	}
	if a.Password == "" {
		return s.createClosed(ctx, a)
	}
	if err := admin.CheckPassword(a.Password); err != nil {
		return err
	}
	made, err := s.register(ctx, registration{
		User: string(a.Localpart), Password: a.Password, DisplayName: a.DisplayName, Admin: a.Admin,
	})
	if admin.Refused(err, "M_USER_IN_USE") {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.exists", Field: "localpart"}
	}
	if err != nil {
		return fmt.Errorf("dendrite: create an account: %w", err)
	}
	// The session that came with it is nobody's.
	if err := s.logOut(ctx, made.AccessToken); err != nil {
		return fmt.Errorf("dendrite: end the session of a new account: %w", err)
	}
	return nil
}

// SetPassword implements [homeserver.Accounts]. Dendrite's own way to end the sessions with it would leave the devices'
// keys behind, so we end them ourselves.
func (s *server) SetPassword(ctx context.Context, who tenant.Localpart, password string) error {
	if err := admin.CheckPassword(password); err != nil {
		return err
	}
	err := s.ask(ctx, http.MethodPost, "/_dendrite/admin/resetPassword/"+url.PathEscape(s.userID(who)),
		map[string]any{"password": password, "logout_devices": false}, nil)
	if admin.Missing(err) {
		return unknown()
	}
	if err != nil {
		return fmt.Errorf("dendrite: set a password: %w", err)
	}
	return s.endSessions(ctx, who)
}

const setAdminSQL = `
UPDATE public.userapi_accounts SET account_type = CASE WHEN $3 THEN 3 ELSE 1 END
 WHERE localpart = $1 AND server_name = $2 AND account_type IN (1, 3)`

// SetAdmin implements [homeserver.Accounts]. Dendrite has no API for it, and reads the type of an account with every
// request (userapi/internal, QueryAccessToken), so that it holds at once.
func (s *server) SetAdmin(ctx context.Context, who tenant.Localpart, admin bool) error {
	return s.inDatabase(ctx, "change who is an administrator", func(tx pgx.Tx) error {
		changed, err := tx.Exec(ctx, setAdminSQL, string(who), string(s.Spec.ServerName), admin)
		if err == nil && changed.RowsAffected() == 0 {
			return unknown()
		}
		return err
	})
}

const setDeactivatedSQL = `
UPDATE public.userapi_accounts SET is_deactivated = $3 WHERE localpart = $1 AND server_name = $2`

// Push targets, and tokens for other services.
var forgetSQL = []string{
	`DELETE FROM public.userapi_pushers WHERE localpart = $1 AND server_name = $2`,
	`DELETE FROM public.userapi_openid_tokens WHERE localpart = $1 AND server_name = $2`,
}

// Deactivate implements [homeserver.Lifecycle]. The account is closed first: no session can begin while they are ended.
// Dendrite cannot erase.
func (s *server) Deactivate(ctx context.Context, who tenant.Localpart, erase bool) error {
	if erase {
		return &homeserver.Unsupported{Engine: tenant.Dendrite, Capability: homeserver.Erase}
	}
	err := s.inDatabase(ctx, "deactivate an account", func(tx pgx.Tx) error {
		changed, err := tx.Exec(ctx, setDeactivatedSQL, string(who), string(s.Spec.ServerName), true)
		if err == nil && changed.RowsAffected() == 0 {
			return unknown()
		}
		for _, statement := range forgetSQL {
			if err == nil {
				_, err = tx.Exec(ctx, statement, string(who), string(s.Spec.ServerName))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.endSessions(ctx, who)
}

// Reactivate implements [homeserver.Lifecycle]. The password first: between the two the account is still closed.
func (s *server) Reactivate(ctx context.Context, who tenant.Localpart, password string) error {
	if err := s.SetPassword(ctx, who, password); err != nil {
		return err
	}
	return s.inDatabase(ctx, "reactivate an account", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, setDeactivatedSQL, string(who), string(s.Spec.ServerName), false)
		return err
	})
}
