package controlplane

import (
	"context"
	"errors"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// The kinds of operation on media.
const (
	OperationMediaUsers  OperationKind = "media_users"        // input: homeserver.Page
	OperationListMedia   OperationKind = "list_media"         // input: homeserver.MediaQuery
	OperationCountRemote OperationKind = "count_remote_media" // input: remoteCounts
	OperationDeleteMedia OperationKind = "delete_media"       // input: mediaDeletion; progress in bytes
	OperationQuarantine  OperationKind = "quarantine_media"   // input: mediaQuarantine
	OperationRelease     OperationKind = "release_media"      // input: mediaQuarantine
	OperationPurgeRemote OperationKind = "purge_remote_media" // input: remotePurge; progress in bytes
)

type mediaDeletion struct {
	Files []string `json:"files"`
	Bytes int64    `json:"bytes"` // they had together when they were chosen
}

type mediaQuarantine struct {
	File string `json:"file"`
}

type remoteCounts struct {
	Now  time.Time `json:"now"`
	Days []int     `json:"ages"`
}

// remotePurge removes copies that nobody has asked for since Before; or, with Keep, the longest unasked for until no more than
// that is left.
type remotePurge struct {
	Days   int       `json:"days"`
	Before time.Time `json:"before"`
	Keep   int64     `json:"keep,omitempty"` // bytes
}

// trimAges are what is tried in turn, until so much older is removed as must be.
var trimAges = []time.Duration{60 * day, 30 * day, 14 * day, 7 * day, 3 * day, day, 6 * time.Hour, time.Hour, 0}

func (w *OperationWorker) mediaUsers(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	page, err := input[homeserver.Page](c)
	if err != nil {
		return nil, err
	}
	return s.MediaUsers(ctx, page)
}

func (w *OperationWorker) listMedia(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	q, err := input[homeserver.MediaQuery](c)
	if err != nil {
		return nil, err
	}
	return s.ListMedia(ctx, q)
}

// deleteMedia goes on where an earlier attempt ended: what that deleted is gone and frees nothing again. Only of the file it was
// killed at, between deleting and reporting, the size is missing from the sum.
func (w *OperationWorker) deleteMedia(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	in, err := input[mediaDeletion](c)
	if err != nil {
		return nil, err
	}
	freed := c.Done
	for _, file := range in.Files {
		stored, err := s.DeleteMedia(ctx, file)
		if fault, refused := errors.AsType[*tenant.Fault](err); refused && fault.Code == "media.unknown" {
			continue // somebody else deleted it
		}
		if err != nil {
			return nil, err
		}
		freed += stored.Bytes
		if err := w.Store.ReportOperation(ctx, c.ID, freed, in.Bytes); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (w *OperationWorker) quarantine(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	in, err := input[mediaQuarantine](c)
	if err != nil {
		return nil, err
	}
	return nil, s.Quarantine(ctx, in.File, c.Kind == OperationQuarantine)
}

func (w *OperationWorker) countRemote(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	in, err := input[remoteCounts](c)
	if err != nil {
		return nil, err
	}
	counts := make([]RemoteCount, 0, len(in.Days))
	for _, days := range in.Days {
		stored, err := s.CountRemote(ctx, in.Now.AddDate(0, 0, -days))
		if err != nil {
			return nil, err
		}
		counts = append(counts, RemoteCount{Days: days, Stored: stored})
	}
	return counts, nil
}

// purgeRemote counts before and after: a homeserver may go on purging when we stop waiting for its answer, and then only the
// last attempt would tell what it freed.
func (w *OperationWorker) purgeRemote(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	in, err := input[remotePurge](c)
	if err != nil {
		return nil, err
	}
	if in.Keep > 0 {
		if in.Before, err = trimBefore(ctx, s, w.now(), in.Keep); err != nil {
			return nil, err
		}
		if in.Before.IsZero() { // also when an attempt that got no answer has removed them
			return nil, w.Store.ReportOperation(ctx, c.ID, c.Total, c.Total)
		}
	}
	total := c.Total
	if total == 0 {
		before, err := s.CountRemote(ctx, in.Before)
		if err != nil {
			return nil, err
		}
		total = before.Bytes
		if err := w.Store.ReportOperation(ctx, c.ID, 0, total); err != nil {
			return nil, err
		}
	}
	if _, err := s.PurgeRemote(ctx, in.Before); err != nil {
		return nil, err
	}
	after, err := s.CountRemote(ctx, in.Before)
	if err != nil {
		return nil, err
	}
	return nil, w.Store.ReportOperation(ctx, c.ID, max(total-after.Bytes, 0), total)
}

// trimBefore is since when copies must go unasked for to be removed, so that no more than keep are left; zero when no more are.
func trimBefore(ctx context.Context, s homeserver.Server, now time.Time, keep int64) (time.Time, error) {
	all, err := s.CountRemote(ctx, now)
	if err != nil || all.Bytes <= keep {
		return time.Time{}, err
	}
	for _, age := range trimAges {
		older, err := s.CountRemote(ctx, now.Add(-age))
		if err != nil {
			return time.Time{}, err
		}
		if all.Bytes-older.Bytes <= keep {
			return now.Add(-age), nil
		}
	}
	return now, nil // more has come meanwhile
}
