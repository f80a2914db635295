package dendrite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

// A piece of the present state of a room r. A member writes it: PostgreSQL fails on JSON with a zero byte or half a
// character in it, and one such name must not spoil the list.
func pieceSQL(kind, path string) string {
	return `
       (SELECT CASE WHEN c.headered_event_json !~ '\\u(0000|[dD][89a-fA-F])'
                    THEN left(c.headered_event_json::json #>> '{content,` + path + `}', 255) END
          FROM public.syncapi_current_room_state c
         WHERE c.room_id = r.room_id AND c.type = '` + kind + `' AND c.state_key = '')`
}

// The parts of the queries that list rooms. $1 are patterns to search by. A room without a state is one that somebody was
// asked into from elsewhere and nobody went.
var (
	roomsSQL = `
WITH named AS (
  SELECT r.room_nid, r.room_id, r.room_version, coalesce(` + pieceSQL("m.room.name", "name") + `, '') AS name,
         coalesce(` + pieceSQL("m.room.canonical_alias", "alias") + `,
                  (SELECT min(left(l.alias, 255)) FROM public.roomserver_room_aliases l WHERE l.room_id = r.room_id), '') AS alias
    FROM public.roomserver_rooms r
   WHERE r.state_snapshot_nid <> 0
     AND EXISTS (SELECT 1 FROM public.roomserver_membership m WHERE m.room_nid = r.room_nid AND m.target_local)
), r AS (
  SELECT * FROM named
   WHERE $1::text[] IS NULL OR room_id ILIKE ANY ($1) OR name ILIKE ANY ($1) OR alias ILIKE ANY ($1)
)`
	countRoomsSQL = roomsSQL + ` SELECT count(*) FROM r`
	// One page first, its rooms' numbers then: to count is what costs.
	listRoomsSQL = roomsSQL + `, page AS (SELECT r.*, row_number() OVER (%s) AS place FROM r ORDER BY place LIMIT $2 OFFSET $3)
SELECT left(r.room_id, 255), r.name, r.alias, left(r.room_version, 64), ` + membersSQL + `, ` + localMembersSQL + `, ` + eventsSQL + `,
       EXISTS (SELECT 1 FROM public.syncapi_current_room_state c
                WHERE c.room_id = r.room_id AND c.type = 'm.room.encryption' AND c.state_key = ''),
       coalesce(` + pieceSQL("m.room.create", "m.federate") + `, '') <> 'false',
       EXISTS (SELECT 1 FROM public.roomserver_published p WHERE p.room_id = r.room_id AND p.published),
       EXISTS (SELECT 1 FROM public.syncapi_current_room_state c
                WHERE c.room_id = r.room_id AND c.type = 'm.room.create' AND c.state_key = '' AND c.sender = $4)
  FROM page r ORDER BY r.place`
)

// 3 is "join" (roomserver/storage/tables).
const (
	membersSQL = `(SELECT count(*) FROM public.roomserver_membership m WHERE m.room_nid = r.room_nid AND m.membership_nid = 3)`

	localMembersSQL = `(SELECT count(*) FROM public.roomserver_membership m
          WHERE m.room_nid = r.room_nid AND m.membership_nid = 3 AND m.target_local)`

	// Those the sync API has, for the room server's own table has no index on rooms.
	eventsSQL = `(SELECT count(*) FROM public.syncapi_output_room_events e WHERE e.room_id = r.room_id)`
)

var roomOrders = map[string]string{
	"":        `ORDER BY lower(r.name), r.room_id COLLATE "C"`,
	"members": `ORDER BY ` + membersSQL + `, r.room_id COLLATE "C"`,
	"events":  `ORDER BY ` + eventsSQL + `, r.room_id COLLATE "C"`,
}

var roomOrdersDescending = map[string]string{
	"":        `ORDER BY lower(r.name) DESC, r.room_id COLLATE "C" DESC`,
	"members": `ORDER BY ` + membersSQL + ` DESC, r.room_id COLLATE "C" DESC`,
	"events":  `ORDER BY ` + eventsSQL + ` DESC, r.room_id COLLATE "C" DESC`,
}

// ListRooms implements [homeserver.Rooms].
func (s *server) ListRooms(ctx context.Context, q homeserver.RoomQuery) (homeserver.RoomPage, error) {
	var page homeserver.RoomPage
	wanted := admin.Bound(q.Page)
	query := fmt.Sprintf(listRoomsSQL, ordered(roomOrders, roomOrdersDescending, q.Sort, q.Descending))
	err := s.inDatabase(ctx, "list the rooms", func(tx pgx.Tx) error {
		searched := admin.Containing(q.Search)
		if err := tx.QueryRow(ctx, countRoomsSQL, searched).Scan(&page.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, query, searched, wanted.Limit, wanted.Offset, s.userID(noticesAccount))
		if err != nil {
			return err
		}
		page.Rooms, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (homeserver.Room, error) {
			var r homeserver.Room
			err := row.Scan(&r.ID, &r.Name, &r.Alias, &r.Version, &r.Members, &r.LocalMembers, &r.Events, &r.Encrypted,
				&r.Federated, &r.Public, &r.Notices)
			return r, err
		})
		return err
	})
	return page, err
}

// What is left of a room: members from here, its row, what the sync API keeps.
const leftOfRoomSQL = `
SELECT EXISTS (SELECT 1 FROM public.roomserver_rooms r
                 JOIN public.roomserver_membership m ON m.room_nid = r.room_nid AND m.membership_nid = 3 AND m.target_local
                WHERE r.room_id = $1),
       EXISTS (SELECT 1 FROM public.roomserver_rooms WHERE room_id = $1),
       EXISTS (SELECT 1 FROM public.syncapi_output_room_events WHERE room_id = $1)
    OR EXISTS (SELECT 1 FROM public.syncapi_current_room_state WHERE room_id = $1)`

// DeleteRoom implements [homeserver.Rooms]. It does one of two things at a time: puts everybody out, and purges. Who waits
// for news then hears in between that they have left; one whose app is off just no longer finds the room.
func (s *server) DeleteRoom(ctx context.Context, room string) (bool, error) {
	if !strings.HasPrefix(room, "!") {
		return false, &tenant.Fault{Kind: tenant.NotFound, Code: "room.unknown"}
	}
	var peopled, known, kept bool
	err := s.inDatabase(ctx, "look what is left of a room", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, leftOfRoomSQL, room).Scan(&peopled, &known, &kept)
	})
	switch {
	case err != nil:
		return false, err
	case peopled:
		err = s.ask(ctx, http.MethodPost, "/_dendrite/admin/evacuateRoom/"+url.PathEscape(room), nil, nil)
	case !known && !kept:
		return true, nil
	case known && namesServer(room):
		err = s.ask(ctx, http.MethodPost, "/_dendrite/admin/purgeRoom/"+url.PathEscape(room), nil, nil)
	default: // what is left when Dendrite was killed between its room server and its sync API, too
		err = s.purge(ctx, room)
	}
	// A large room takes longer than one answer; Dendrite goes on, and the next call finds out.
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() && ctx.Err() == nil {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("dendrite: delete a room: %w", err)
	}
	return false, nil
}
