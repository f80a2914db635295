package dendrite

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// purgeSQL removes a room as Dendrite's own purge does (roomserver, syncapi and federationapi/storage/postgres), and can be
// broken off after each statement: what is found through other rows goes before those, and what leftOfRoomSQL looks for last.
var purgeSQL = []string{
	`DELETE FROM public.roomserver_room_aliases WHERE room_id = $1`,
	`DELETE FROM public.roomserver_published WHERE room_id = $1`,
	`DELETE FROM public.roomserver_state_block b USING public.roomserver_state_snapshots s
	  WHERE s.room_nid = ` + roomNumberSQL + ` AND b.state_block_nid = ANY (s.state_block_nids)`,
	`DELETE FROM public.roomserver_state_snapshots WHERE room_nid = ` + roomNumberSQL,
	`DELETE FROM public.roomserver_invites WHERE room_nid = ` + roomNumberSQL,
	`DELETE FROM public.roomserver_membership WHERE room_nid = ` + roomNumberSQL,
	`DELETE FROM public.roomserver_previous_events p USING public.roomserver_events e
	  WHERE e.room_nid = ` + roomNumberSQL + ` AND p.previous_event_id = e.event_id`,
	// Event by event: "&&" would hold each row against a list of all the room's events.
	`DELETE FROM public.roomserver_previous_events p
	  WHERE EXISTS (SELECT FROM unnest(p.event_nids) n JOIN public.roomserver_events e ON e.event_nid = n WHERE e.room_nid = ` + roomNumberSQL + `)`,
	`DELETE FROM public.roomserver_event_json j USING public.roomserver_events e
	  WHERE e.room_nid = ` + roomNumberSQL + ` AND j.event_nid = e.event_nid`,
	`DELETE FROM public.roomserver_redactions d USING public.roomserver_events e
	  WHERE e.room_nid = ` + roomNumberSQL + ` AND d.redaction_event_id = e.event_id`,
	`DELETE FROM public.roomserver_events WHERE room_nid = ` + roomNumberSQL,
	`DELETE FROM public.syncapi_backward_extremities WHERE room_id = $1`,
	`DELETE FROM public.syncapi_invite_events WHERE room_id = $1`,
	`DELETE FROM public.syncapi_memberships WHERE room_id = $1`,
	`DELETE FROM public.syncapi_notification_data WHERE room_id = $1`,
	`DELETE FROM public.syncapi_output_room_events_topology WHERE room_id = $1`,
	`DELETE FROM public.syncapi_peeks WHERE room_id = $1`,
	`DELETE FROM public.syncapi_receipts WHERE room_id = $1`,
	`DELETE FROM public.federationsender_joined_hosts WHERE room_id = $1`,
	`DELETE FROM public.federationsender_inbound_peeks WHERE room_id = $1`,
	`DELETE FROM public.federationsender_outbound_peeks WHERE room_id = $1`,
	`DELETE FROM public.syncapi_current_room_state WHERE room_id = $1`,
	`DELETE FROM public.roomserver_rooms WHERE room_id = $1`,
	`DELETE FROM public.syncapi_output_room_events WHERE room_id = $1`,
}

const roomNumberSQL = `(SELECT room_nid FROM public.roomserver_rooms WHERE room_id = $1)`

// purge removes a room that Dendrite does not: it takes only ids that name a server, and those of room version 12 and
// later do not (perform_admin.go of 0.15.2, PerformAdminPurgeRoom); and it takes no room again that it removed by half.
// What the sync API still has on its way is written after us, and removed when we are called again.
//
// Each statement is a transaction of its own: whoever calls has half a minute, which is not enough for a room that was talked
// in for years, and the next call goes on where this one was broken off.
func (s *server) purge(ctx context.Context, room string) error {
	for _, statement := range purgeSQL {
		err := s.inDatabase(ctx, "purge a room", func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, statement, room)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// namesServer reports whether Dendrite's own purge takes a room's id.
func namesServer(room string) bool { return strings.Contains(room, ":") }
