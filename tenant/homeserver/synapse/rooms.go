package synapse

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// rooms manages rooms.
type rooms struct{ *client }

// $1 is what is searched for, as patterns.
const roomsSQL = `
  FROM public.rooms r
  LEFT JOIN public.room_stats_state s USING (room_id)
  LEFT JOIN public.room_stats_current c USING (room_id)
 WHERE ($1::text[] IS NULL OR s.name ILIKE ANY ($1) OR s.canonical_alias ILIKE ANY ($1) OR r.room_id ILIKE ANY ($1))`

// A room without a name comes by its alias.
var roomsBy = map[string]string{
	"":        `lower(coalesce(s.name, s.canonical_alias, '')) %[1]s, r.room_id`,
	"members": `coalesce(c.joined_members, 0) %[1]s, r.room_id`,
	"events":  `(SELECT count(*) FROM public.events e WHERE e.room_id = r.room_id) %[1]s, r.room_id`,
}

const pageOfRoomsSQL = `
SELECT left(r.room_id, 255), left(coalesce(r.name, ''), 255), left(coalesce(r.canonical_alias, ''), 255), left(coalesce(r.room_version, ''), 64),
       r.joined_members, r.local_users, (SELECT count(*) FROM public.events e WHERE e.room_id = r.room_id), r.encryption IS NOT NULL,
       coalesce(r.is_federatable, true), coalesce(r.is_public, false),
       EXISTS (SELECT FROM public.local_current_membership m WHERE m.room_id = r.room_id AND m.user_id = $4 AND m.membership = 'join')
  FROM (SELECT row_number() OVER (ORDER BY %[1]s) AS place, r.room_id, s.name, s.canonical_alias, r.room_version,
               coalesce(c.joined_members, 0) AS joined_members, coalesce(c.local_users_in_room, 0) AS local_users, s.encryption,
               s.is_federatable, r.is_public %[2]s
         ORDER BY place LIMIT $2 OFFSET $3) r
 ORDER BY r.place`

// ListRooms implements [homeserver.Rooms]. Synapse counts members in its own time, a second later at most.
func (r rooms) ListRooms(ctx context.Context, q homeserver.RoomQuery) (homeserver.RoomPage, error) {
	order, ok := roomsBy[q.Sort]
	if !ok {
		return homeserver.RoomPage{}, fmt.Errorf("synapse: list rooms: no order is called %q", q.Sort)
	}
	page, patterns := admin.Bound(q.Page), admin.Containing(q.Search)
	var result homeserver.RoomPage
	err := r.read(ctx, "list rooms", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT count(*) `+roomsSQL, patterns).Scan(&result.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, fmt.Sprintf(pageOfRoomsSQL, directed(order, q.Descending), roomsSQL), patterns, page.Limit, page.Offset, r.userID(noticesAccount))
		if err != nil {
			return err
		}
		result.Rooms, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (homeserver.Room, error) {
			var one homeserver.Room
			err := row.Scan(&one.ID, &one.Name, &one.Alias, &one.Version, &one.Members, &one.LocalMembers, &one.Events,
				&one.Encrypted, &one.Federated, &one.Public, &one.Notices)
			return one, err
		})
		return err
	})
	return result, err
}

const roomExistsSQL = `SELECT EXISTS (SELECT FROM public.rooms WHERE room_id = $1)`

// DeleteRoom implements [homeserver.Rooms]. Synapse does it in the background, goes on after a restart, and remembers for a
// week how it went. What went wrong is begun again, by force: then a room is purged even if somebody could not be put out.
func (r rooms) DeleteRoom(ctx context.Context, room string) (done bool, err error) {
	if !strings.HasPrefix(room, "!") || len(room) > 255 {
		return false, roomUnknown()
	}
	path := api + "/v2/rooms/" + url.PathEscape(room)
	var before struct {
		Results []struct {
			Status string `json:"status"`
		} `json:"results"`
	}
	err = r.ask(ctx, http.MethodGet, path+"/delete_status", nil, &before)
	if err != nil && !admin.Missing(err) {
		return false, failed("look at the deletion of a room", err, roomUnknown)
	}
	ended, broken := false, false
	for _, task := range before.Results {
		switch task.Status {
		case "complete":
			ended = true
		case "failed", "cancelled":
			broken = true
		default: // scheduled, active
			return false, nil
		}
	}
	var exists bool
	err = r.read(ctx, "look for a room", func(tx pgx.Tx) error { return tx.QueryRow(ctx, roomExistsSQL, room).Scan(&exists) })
	switch {
	case err != nil:
		return false, err
	case !exists && ended:
		return true, nil
	case !exists:
		return false, roomUnknown()
	}
	err = r.ask(ctx, http.MethodDelete, path, map[string]bool{"purge": true, "block": false, "force_purge": broken}, nil)
	if admin.Refused(err, "M_UNKNOWN") { // "Purge already in progress": another has just begun it
		return false, nil
	}
	return false, failed("delete a room", err, roomUnknown)
}

func roomUnknown() error { return &tenant.Fault{Kind: tenant.NotFound, Code: "room.unknown"} }
