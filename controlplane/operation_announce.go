package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// OperationAnnounce sends an announcement; input: announcementInput, progress in recipients.
const OperationAnnounce OperationKind = "announce"

type announcementInput struct {
	Announcement string `json:"announcement"`
}

// AnnouncementInput is the input of OperationAnnounce.
func AnnouncementInput(announcement string) any { return announcementInput{announcement} }

// AnnouncementQueue holds whom an announcement is still to be sent to.
type AnnouncementQueue interface {
	// NextRecipients gives the text and those it was not yet tried with, then those it was tried with the least. Progress is how
	// many are settled, of how many.
	NextRecipients(ctx context.Context, announcement string, most int) (NextRecipients, error)
	// SettleRecipient records that somebody has it, or why not.
	SettleRecipient(ctx context.Context, announcement string, who tenant.Localpart, code string) error
	// PostponeRecipient counts an attempt in vain.
	PostponeRecipient(ctx context.Context, announcement string, who tenant.Localpart) error
}

// NextRecipients is a part of an announcement to be sent now.
type NextRecipients struct {
	Text        string
	Recipients  []OpenRecipient
	Done, Total int64
}

// OpenRecipient is somebody who does not have it yet.
type OpenRecipient struct {
	Localpart tenant.Localpart
	Attempts  int
	Left      bool // has no open account any more
}

const (
	// announcementTurn is how long one announcement keeps a worker before other operations go first: as long as somebody who
	// adds a member meanwhile hardly notices. Ten thousand members take some hundred turns.
	announcementTurn = 2 * time.Second
	// announcementTries is how often somebody is tried whom the server has no answer for.
	announcementTries = 3
	// announcementFailures is after how many such people in a row the fault is taken to be the server's.
	announcementFailures = 5
)

// announce sends to one after the other, and records each at once: after a crash only the one it was killed at is sent to again,
// in the same transaction, which the homeserver recognises.
func (w *OperationWorker) announce(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	in, err := input[announcementInput](c)
	if err != nil {
		return nil, err
	}
	now := w.now
	turn := now().Add(announcementTurn)
	for failures := 0; ; { // ends with the recipients, or the turn
		next, err := w.Recipients.NextRecipients(ctx, in.Announcement, 20)
		if err != nil {
			return nil, err
		}
		if err := w.Store.ReportOperation(ctx, c.ID, next.Done, next.Total); err != nil {
			return nil, err
		}
		if len(next.Recipients) == 0 {
			return nil, nil
		}
		for _, who := range next.Recipients {
			if now().After(turn) {
				return nil, errNextTurn
			}
			err := w.tell(ctx, s, in.Announcement, next.Text, who)
			switch {
			case err == nil:
				failures = 0
			case !errors.Is(err, errInVain):
				return nil, err
			default:
				if failures++; failures >= announcementFailures {
					return nil, err
				}
			}
		}
	}
}

// errInVain says that the server has no answer for one person; it may have one for others.
var errInVain = errors.New("in vain")

// tell writes to one and records what came of it.
func (w *OperationWorker) tell(ctx context.Context, s homeserver.Server, announcement, text string, who OpenRecipient) error {
	if who.Left {
		return w.Recipients.SettleRecipient(ctx, announcement, who.Localpart, "announce.left")
	}
	err := s.Notify(ctx, who.Localpart, text, noticeTransaction(announcement, who.Localpart))
	fault, known := errors.AsType[*tenant.Fault](err)
	switch {
	case err == nil:
		return w.Recipients.SettleRecipient(ctx, announcement, who.Localpart, "")
	case ctx.Err() != nil, known && (fault.Kind == tenant.Unavailable || fault.Code == "engine.unsupported"):
		return err // about the server, not about this person
	case known:
		return w.Recipients.SettleRecipient(ctx, announcement, who.Localpart, fault.Code)
	case who.Attempts+1 < announcementTries:
		err = fmt.Errorf("%w: %w", errInVain, err)
		return errors.Join(err, w.Recipients.PostponeRecipient(ctx, announcement, who.Localpart))
	default:
		err = fmt.Errorf("%w: %w", errInVain, err)
		return errors.Join(err, w.Recipients.SettleRecipient(ctx, announcement, who.Localpart, "announce.failed"))
	}
}

// noticeTransaction is the same for every attempt to tell one person one thing, and of letters a homeserver takes in a path.
func noticeTransaction(announcement string, who tenant.Localpart) string {
	sum := sha256.Sum256([]byte(announcement + " " + string(who)))
	return "hafen-" + hex.EncodeToString(sum[:16])
}
