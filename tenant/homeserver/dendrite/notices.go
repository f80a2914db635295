package dendrite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// noticesAccount writes server notices. Dendrite makes it when it starts, without a password; its name is of those no
// member can have.
const noticesAccount tenant.Localpart = "hafen-notices"

const (
	lockNoticeSQL = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`

	sentNoticeSQL = `
SELECT EXISTS (SELECT 1 FROM public.syncapi_output_room_events WHERE sender = $1 AND transaction_id = $2)`
)

type content struct {
	Kind string `json:"msgtype"`
	Body string `json:"body"`
}

type noticeRequest struct {
	To      string  `json:"user_id"`
	Content content `json:"content"`
}

// Notify implements [homeserver.Notices]. Dendrite remembers transactions of the last hour, in memory; but it keeps the
// name of the transaction with the event, where it is looked up, so that it holds across restarts. The lock is for two
// who send the same at once.
func (s *server) Notify(ctx context.Context, who tenant.Localpart, text, transaction string) error {
	// A name that is safe in a path, and another for each who gets it.
	sum := sha256.Sum256([]byte(transaction + "\x00" + string(who)))
	name := hex.EncodeToString(sum[:])
	return s.inDatabase(ctx, "send a notice", func(tx pgx.Tx) error {
		// Dendrite would write to people there are not.
		if err := s.known(ctx, tx, who); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, lockNoticeSQL, name); err != nil {
			return err
		}
		var sent bool
		if err := tx.QueryRow(ctx, sentNoticeSQL, s.userID(noticesAccount), name).Scan(&sent); err != nil || sent {
			return err
		}
		return s.ask(ctx, http.MethodPut, "/_synapse/admin/v1/send_server_notice/"+name,
			noticeRequest{To: s.userID(who), Content: content{Kind: "m.text", Body: text}}, nil)
	})
}
