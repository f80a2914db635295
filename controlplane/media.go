package controlplane

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Media is the files people stored on a homeserver, as its owner makes room there: who and how much, never what is in them.
type Media struct{ MediaConfig }

// MediaConfig is what Media needs.
type MediaConfig struct {
	Store ContentStore
	Wait  time.Duration    // how long a request waits for its operation; OperationWait when zero
	Now   func() time.Time // optional, for tests
}

// NewMedia makes Media.
func NewMedia(c MediaConfig) *Media {
	if c.Wait == 0 {
		c.Wait = OperationWait
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Media{c}
}

// RemoteAges are the ages, in days, from which on copies of other servers' files can be removed.
var RemoteAges = []int{7, 30, 90, 365}

// RemoteCount is what is kept that nobody has asked for in some days.
type RemoteCount struct {
	Days int
	homeserver.Stored
}

// MediaWork is a deletion under way or over. What it frees, and has freed, are its Total and Done, in bytes.
type MediaWork struct {
	Work
	Files int // that were chosen; 0 for copies from other servers
	Days  int // since when nobody asked for the copies
}

// MediaChoice is files chosen on a page of the list. Whatever is not on that page is not chosen.
type MediaChoice struct {
	homeserver.MediaQuery
	IDs []string
}

// Users gives one page of who stored how much, most first.
func (m *Media) Users(ctx context.Context, actor Actor, id tenant.ID, page homeserver.Page) (homeserver.MediaUserPage, error) {
	if _, err := authorize(ctx, m.Store, actor, id, ManageContent); err != nil {
		return homeserver.MediaUserPage{}, err
	}
	return ask[homeserver.MediaUserPage](ctx, m.Store, m.Wait, OperationRequest{Actor: actor, Tenant: id, Kind: OperationMediaUsers, Input: page})
}

// Files gives one page of files, largest first.
func (m *Media) Files(ctx context.Context, actor Actor, id tenant.ID, q homeserver.MediaQuery) (homeserver.MediaPage, error) {
	if _, err := authorize(ctx, m.Store, actor, id, ManageContent); err != nil {
		return homeserver.MediaPage{}, err
	}
	return ask[homeserver.MediaPage](ctx, m.Store, m.Wait, OperationRequest{Actor: actor, Tenant: id, Kind: OperationListMedia, Input: q})
}

// Chosen gives the chosen files as the homeserver has them now. Without any it is the Fault media.none_chosen.
func (m *Media) Chosen(ctx context.Context, actor Actor, id tenant.ID, choice MediaChoice) ([]homeserver.MediaFile, error) {
	page, err := m.Files(ctx, actor, id, choice.MediaQuery)
	if err != nil {
		return nil, err
	}
	files := slices.DeleteFunc(page.Files, func(f homeserver.MediaFile) bool { return !slices.Contains(choice.IDs, f.ID) })
	if len(files) == 0 {
		return nil, &tenant.Fault{Kind: tenant.Invalid, Code: "media.none_chosen", Field: "file"}
	}
	return files, nil
}

// Delete removes the chosen files. done is false while that is under way.
func (m *Media) Delete(ctx context.Context, actor Actor, id tenant.ID, choice MediaChoice) (done bool, err error) {
	files, err := m.Chosen(ctx, actor, id, choice)
	if err != nil {
		return false, err
	}
	var in mediaDeletion
	for _, f := range files {
		in.Files = append(in.Files, f.ID)
		in.Bytes += f.Bytes
	}
	_, done, err = operate(ctx, m.Store, m.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: OperationDeleteMedia, Subject: "media", Input: in,
		Audit: map[string]any{"files": in.Files, "bytes": in.Bytes},
	}, nil)
	return done, err
}

// Quarantine keeps a file from everybody, or lets it be seen again.
func (m *Media) Quarantine(ctx context.Context, actor Actor, id tenant.ID, media string, on bool) (done bool, err error) {
	if _, err := authorize(ctx, m.Store, actor, id, ManageContent); err != nil {
		return false, err
	}
	if !mediaID.MatchString(media) {
		return false, &tenant.Fault{Kind: tenant.NotFound, Code: "media.unknown"}
	}
	kind := OperationQuarantine
	if !on {
		kind = OperationRelease
	}
	_, done, err = operate(ctx, m.Store, m.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: kind, Subject: "media " + media, Input: mediaQuarantine{File: media},
		Audit: map[string]any{"file": media},
	}, nil)
	return done, err
}

// CountRemote says what removing copies of other servers' files would free, for each of RemoteAges.
func (m *Media) CountRemote(ctx context.Context, actor Actor, id tenant.ID) ([]RemoteCount, error) {
	if _, err := authorize(ctx, m.Store, actor, id, ManageContent); err != nil {
		return nil, err
	}
	return ask[[]RemoteCount](ctx, m.Store, m.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: OperationCountRemote, Input: remoteCounts{Now: m.Now(), Days: RemoteAges},
	})
}

// PurgeRemote removes copies of other servers' files that nobody has asked for in so many days, one of RemoteAges. done is false
// while that is under way.
func (m *Media) PurgeRemote(ctx context.Context, actor Actor, id tenant.ID, days int) (done bool, err error) {
	if _, err := authorize(ctx, m.Store, actor, id, ManageContent); err != nil {
		return false, err
	}
	if !slices.Contains(RemoteAges, days) {
		return false, &tenant.Fault{Kind: tenant.Invalid, Code: "media.days", Field: "days"}
	}
	_, done, err = operate(ctx, m.Store, m.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: OperationPurgeRemote, Subject: "remote media",
		Input: remotePurge{Days: days, Before: m.Now().AddDate(0, 0, -days)},
		Audit: map[string]any{"days": days},
	}, nil)
	return done, err
}

// Deletions lists the latest, of files and of copies.
func (m *Media) Deletions(ctx context.Context, actor Actor, id tenant.ID) ([]MediaWork, error) {
	if _, err := authorize(ctx, m.Store, actor, id, ManageContent); err != nil {
		return nil, err
	}
	all, err := m.Store.ListWork(ctx, id, OperationDeleteMedia, OperationPurgeRemote)
	if err != nil {
		return nil, err
	}
	list := make([]MediaWork, 0, len(all))
	for _, work := range all {
		var in struct {
			mediaDeletion
			remotePurge
		}
		if err := json.Unmarshal(work.Input, &in); err != nil {
			return nil, unreadable(err)
		}
		if work.Kind == OperationDeleteMedia && work.Total == 0 {
			work.Total = in.Bytes
		}
		list = append(list, MediaWork{Work: work, Files: len(in.Files), Days: in.Days})
	}
	return list, nil
}

// mediaID is what homeservers call a file: opaque, of the letters of an address's path (Matrix specification, "Opaque
// Identifiers"). Ours are made by the two engines, which use letters, digits, hyphens and underscores.
var mediaID = regexp.MustCompile(`^[A-Za-z0-9_=~-][A-Za-z0-9._=~-]{0,254}$`)
