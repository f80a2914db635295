package synapse

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver/admin"
)

// lifecycle opens and closes accounts.
type lifecycle struct{ *client }

// Deactivate implements [homeserver.Lifecycle]. Synapse takes somebody out of their rooms in the background.
func (l lifecycle) Deactivate(ctx context.Context, who tenant.Localpart, erase bool) error {
	err := l.ask(ctx, http.MethodPost, api+"/v1/deactivate/"+l.escapedID(who), map[string]bool{"erase": erase}, nil)
	if err != nil || !erase {
		return failed("deactivate an account", err, memberUnknown)
	}
	// Synapse keeps uploads. A hundred at a time; what was not deleted at all, because the disk refuses, ends it.
	for {
		var gone struct {
			Total int `json:"total"`
		}
		err := l.ask(ctx, http.MethodDelete, api+"/v1/users/"+l.escapedID(who)+"/media?limit=100", nil, &gone)
		if err != nil || gone.Total == 0 {
			return failed("delete somebody's uploads", err, memberUnknown)
		}
	}
}

// Reactivate implements [homeserver.Lifecycle]. Whoever was erased stays closed: Synapse would show their messages again to
// those who join later.
func (l lifecycle) Reactivate(ctx context.Context, who tenant.Localpart, password string) error {
	const doing = "reactivate an account"
	if err := admin.CheckPassword(password); err != nil {
		return err
	}
	found, err := l.find(ctx, who)
	if err != nil {
		return failed(doing, err, memberUnknown)
	}
	if found.Erased {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.cannot_reactivate"}
	}
	if err := l.awaitProfiles(ctx); err != nil {
		return err
	}
	return l.change(ctx, doing, who, map[string]any{"deactivated": false, "password": password, "logout_devices": true})
}

// An index that is made in the background in the first seconds of a server whose database is no copy of a template.
const profilesSQL = `SELECT NOT EXISTS (SELECT FROM public.background_updates WHERE update_name = 'profiles_full_user_id_key_idx')`

// awaitProfiles waits until Synapse can write the profile of an account that is there, for which it needs the index.
func (l lifecycle) awaitProfiles(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		var ready bool
		err := l.read(ctx, "look for an index", func(tx pgx.Tx) error { return tx.QueryRow(ctx, profilesSQL).Scan(&ready) })
		if err != nil || ready {
			return err
		}
		select {
		case <-ctx.Done():
			return admin.Unavailable(ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Lock implements [homeserver.Lifecycle].
func (l lifecycle) Lock(ctx context.Context, who tenant.Localpart, locked bool) error {
	const doing = "lock or unlock an account"
	if _, err := l.find(ctx, who); err != nil {
		return failed(doing, err, memberUnknown)
	}
	return l.change(ctx, doing, who, map[string]any{"locked": locked})
}

type account struct {
	Erased bool `json:"erased"`
}

func (l lifecycle) find(ctx context.Context, who tenant.Localpart) (account, error) {
	var a account
	err := l.ask(ctx, http.MethodGet, api+"/v2/users/"+l.escapedID(who), nil, &a)
	return a, err
}

// change changes an account that was found: asked for one that is not there, Synapse would make it. Accounts never go, so
// one that was there a moment ago still is.
func (l lifecycle) change(ctx context.Context, doing string, who tenant.Localpart, to map[string]any) error {
	err := l.ask(ctx, http.MethodPut, api+"/v2/users/"+l.escapedID(who), to, nil)
	return failed(doing, err, memberUnknown)
}
