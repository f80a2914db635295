package synapse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// notices writes to people.
type notices struct{ *client }

// transactionKey marks a notice with what it was sent for.
const transactionKey = "hafen.transaction"

// Among what was said in the rooms where the server writes to somebody. $3 is the mark as it stands in an event.
const notifiedSQL = `
SELECT EXISTS (
  SELECT FROM public.local_current_membership theirs
    JOIN public.local_current_membership ours ON ours.room_id = theirs.room_id AND ours.user_id = $2 AND ours.membership = 'join'
    JOIN public.events e ON e.room_id = theirs.room_id AND e.sender = $2 AND e.type = 'm.room.message'
    JOIN public.event_json j ON j.event_id = e.event_id
   WHERE theirs.user_id = $1 AND position($3 IN j.json) > 0)`

// Notify implements [homeserver.Notices]. Synapse remembers a transaction for half an hour, until it restarts, and whoever it
// is for; so the notice itself carries it, and is looked for first.
func (n notices) Notify(ctx context.Context, who tenant.Localpart, text, transaction string) error {
	sum := sha256.Sum256([]byte(string(who) + "\x00" + transaction))
	mark := hex.EncodeToString(sum[:16])
	var sent bool
	err := n.read(ctx, "look for a notice", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, notifiedSQL, n.userID(who), n.userID(noticesAccount), mark).Scan(&sent)
	})
	if err != nil || sent {
		return err
	}
	err = n.ask(ctx, http.MethodPut, api+"/v1/send_server_notice/"+mark, map[string]any{
		"user_id": n.userID(who),
		"content": map[string]string{"msgtype": "m.text", "body": text, transactionKey: mark},
	}, nil)
	return failed("send a notice", err, memberUnknown)
}
