package synapse

import (
	"context"
	"net/http"

	"hafen/tenant"
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

// Reactivate implements [homeserver.Lifecycle]. Profile and uploads that were erased stay away; messages that were hidden
// from whoever joins later are seen again, for Synapse knows no account that is both.
func (l lifecycle) Reactivate(ctx context.Context, who tenant.Localpart, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	return l.change(ctx, "reactivate an account", who, map[string]any{"deactivated": false, "password": password, "logout_devices": true})
}

// Lock implements [homeserver.Lifecycle].
func (l lifecycle) Lock(ctx context.Context, who tenant.Localpart, locked bool) error {
	return l.change(ctx, "lock or unlock an account", who, map[string]any{"locked": locked})
}

// change changes an account that is there: asked for one that is not, Synapse would make it. Accounts never go, so one that
// was there a moment ago still is.
func (l lifecycle) change(ctx context.Context, doing string, who tenant.Localpart, to map[string]any) error {
	path := api + "/v2/users/" + l.escapedID(who)
	err := l.ask(ctx, http.MethodGet, path, nil, nil)
	if err == nil {
		err = l.ask(ctx, http.MethodPut, path, to, nil)
	}
	return failed(doing, err, memberUnknown)
}
