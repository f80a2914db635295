package synapse

import (
	"context"
	"net/http"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// devices manages sessions.
type devices struct{ *client }

type device struct {
	ID         string `json:"device_id"`
	Name       string `json:"display_name"`
	SeenAt     int64  `json:"last_seen_ts"` // milliseconds
	SeenFrom   string `json:"last_seen_ip"`
	UserAgent  string `json:"last_seen_user_agent"`
	Dehydrated bool   `json:"dehydrated"` // keys somebody left for their next session (MSC3814): none itself
}

// ListDevices implements [homeserver.Devices].
func (d devices) ListDevices(ctx context.Context, who tenant.Localpart) ([]homeserver.Device, error) {
	var answer struct {
		Devices []device `json:"devices"`
	}
	if err := d.ask(ctx, http.MethodGet, d.path(who)+"/devices", nil, &answer); err != nil {
		return nil, failed("list devices", err, memberUnknown)
	}
	var list []homeserver.Device
	for _, one := range answer.Devices {
		if one.Dehydrated {
			continue
		}
		list = append(list, homeserver.Device{
			ID: one.ID, Name: clip(one.Name), SeenAt: admin.Moment(one.SeenAt), SeenFrom: clip(one.SeenFrom), UserAgent: clip(one.UserAgent),
		})
	}
	return list, nil
}

// SignOut implements [homeserver.Devices]. Synapse takes their keys away too, and tells everybody who would write to them.
func (d devices) SignOut(ctx context.Context, who tenant.Localpart, ids ...string) error {
	if len(ids) == 0 {
		list, err := d.ListDevices(ctx, who)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, one := range list {
			ids = append(ids, one.ID)
		}
	}
	err := d.ask(ctx, http.MethodPost, d.path(who)+"/delete_devices", map[string][]string{"devices": ids}, nil)
	return failed("sign devices out", err, memberUnknown)
}

func (d devices) path(who tenant.Localpart) string { return api + "/v2/users/" + d.escapedID(who) }

// clip bounds what somebody could make as long as they like.
func clip(s string) string {
	const most = 255
	for i := range s {
		if i > most {
			return s[:i]
		}
	}
	return s
}
