package dendrite

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// mostRows bounds how many sessions of somebody are looked at.
const mostRows = 1000

const listDevicesSQL = `
SELECT left(device_id, 255), left(coalesce(display_name, ''), 255), last_seen_ts, left(coalesce(ip, ''), 255),
       left(coalesce(user_agent, ''), 255)
  FROM public.userapi_devices WHERE localpart = $1 AND server_name = $2
 ORDER BY last_seen_ts DESC, device_id LIMIT $3`

// ListDevices implements [homeserver.Devices]: those seen last, when there are very many.
func (s *server) ListDevices(ctx context.Context, who tenant.Localpart) ([]homeserver.Device, error) {
	var list []homeserver.Device
	err := s.inDatabase(ctx, "list somebody's devices", func(tx pgx.Tx) error {
		if err := s.known(ctx, tx, who); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listDevicesSQL, string(who), string(s.Spec.ServerName), mostRows)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (homeserver.Device, error) {
			var d homeserver.Device
			var seen int64
			err := row.Scan(&d.ID, &d.Name, &seen, &d.SeenFrom, &d.UserAgent)
			d.SeenAt = admin.Moment(seen)
			return d, err
		})
		return err
	})
	return list, err
}

const sessionsSQL = `
SELECT access_token FROM public.userapi_devices
 WHERE localpart = $1 AND server_name = $2 AND ($3::text[] IS NULL OR device_id = ANY ($3)) LIMIT $4`

// SignOut implements [homeserver.Devices].
//
// Dendrite lets nobody but a device's owner end its session, and to delete the row would leave the device's keys: others
// would go on encrypting for a phone that was stolen, and other servers would never hear that it is gone. So we ask in the
// session's own name, with its token, which Dendrite keeps as it is: what is done then is what the owner's own logging out
// does. The tokens are used for nothing else and kept nowhere.
func (s *server) SignOut(ctx context.Context, who tenant.Localpart, devices ...string) error {
	if len(devices) == 0 {
		return s.endSessions(ctx, who)
	}
	_, err := s.signOut(ctx, who, devices)
	return err
}

// endSessions ends all sessions, those too that began while it was at work.
func (s *server) endSessions(ctx context.Context, who tenant.Localpart) error {
	// The second round finds what began in the first, and a third nothing, unless somebody logs in all the time.
	for range 5 {
		ended, err := s.signOut(ctx, who, nil)
		if err != nil || ended == 0 {
			return err
		}
	}
	return fmt.Errorf("dendrite: end somebody's sessions: new ones begin all the time")
}

// signOut says how many sessions it ended.
func (s *server) signOut(ctx context.Context, who tenant.Localpart, devices []string) (int, error) {
	var tokens []string
	err := s.inDatabase(ctx, "find somebody's sessions", func(tx pgx.Tx) error {
		if err := s.known(ctx, tx, who); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sessionsSQL, string(who), string(s.Spec.ServerName), devices, mostRows)
		if err != nil {
			return err
		}
		tokens, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	for _, token := range tokens {
		if err == nil {
			err = s.logOut(ctx, token)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("dendrite: sign somebody out: %w", err)
	}
	return len(tokens), nil
}
