package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"io/fs"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func mediaChecks() []check {
	long := time.Now().Add(-time.Hour)
	return []check{
		{name: "list media", needs: homeserver.ListMedia, run: listMedia, refused: func(ctx context.Context, s *Site) []error {
			_, users := s.MediaUsers(ctx, homeserver.Page{})
			_, files := s.ListMedia(ctx, homeserver.MediaQuery{})
			return []error{users, files}
		}},
		{name: "delete media", needs: homeserver.DeleteMedia, run: deleteMedia, refused: func(ctx context.Context, s *Site) []error {
			_, err := s.DeleteMedia(ctx, "any")
			return []error{err}
		}},
		{name: "quarantine media", needs: homeserver.QuarantineMedia, run: quarantine, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.Quarantine(ctx, "any", true), s.Quarantine(ctx, "any", false)}
		}},
		{name: "purge remote media", needs: homeserver.PurgeRemoteMedia, run: purgeNothing, refused: func(ctx context.Context, s *Site) []error {
			_, counted := s.CountRemote(ctx, long)
			_, purged := s.PurgeRemote(ctx, long)
			return []error{counted, purged}
		}},
	}
}

// noise is a file nobody else has, so that it can be told on the disk by its size.
func noise(size int) []byte {
	content := make([]byte, size)
	rand.Read(content)
	return content
}

func listMedia(t *testing.T, s *Site) {
	m, other := s.member(t, "painter"), s.member(t, "scribe")
	begun := time.Now()
	small := m.upload(t, "small note.txt", "text/plain", noise(1_111))
	large := m.upload(t, "käse.png", "image/png", noise(222_222))
	other.upload(t, "third.bin", "application/octet-stream", noise(33_333))

	page, err := s.ListMedia(t.Context(), homeserver.MediaQuery{Owner: m.Localpart})
	must(t, err)
	if page.Total != 2 || len(page.Files) != 2 {
		t.Fatalf("the files of one: %+v", page)
	}
	first := page.Files[0]
	if first.ID != large || first.Name != "käse.png" || first.Type != "image/png" || first.Bytes != 222_222 || first.Owner != m.Localpart ||
		first.CreatedAt.Before(begun.Add(-time.Minute)) || first.CreatedAt.After(time.Now().Add(time.Minute)) || first.Quarantined {
		t.Errorf("the largest: %+v", first)
	}
	if page.Files[1].ID != small || page.Files[1].Bytes != 1_111 {
		t.Errorf("the smaller: %+v", page.Files[1])
	}
	page, err = s.ListMedia(t.Context(), homeserver.MediaQuery{Owner: m.Localpart, Page: homeserver.Page{Offset: 1, Limit: 1}})
	must(t, err)
	if page.Total != 2 || len(page.Files) != 1 || page.Files[0].ID != small {
		t.Errorf("the second page: %+v", page)
	}
	page, err = s.ListMedia(t.Context(), homeserver.MediaQuery{Page: homeserver.Page{Limit: 500}})
	must(t, err)
	owners := map[tenant.Localpart]int{}
	for i, f := range page.Files {
		owners[f.Owner]++
		if i > 0 && f.Bytes > page.Files[i-1].Bytes {
			t.Errorf("%d bytes after %d", f.Bytes, page.Files[i-1].Bytes)
		}
	}
	if owners[m.Localpart] != 2 || owners[other.Localpart] != 1 {
		t.Errorf("of everybody: %v", owners)
	}

	users, err := s.MediaUsers(t.Context(), homeserver.Page{Limit: 500})
	must(t, err)
	for i, u := range users.Users {
		if i > 0 && u.Bytes > users.Users[i-1].Bytes {
			t.Errorf("%+v after %+v", u, users.Users[i-1])
		}
		if u.Localpart == m.Localpart && (u.Files != 2 || u.Bytes != 223_333 || u.DisplayName != "Name of "+string(m.Localpart)) {
			t.Errorf("%+v", u)
		}
		delete(owners, u.Localpart)
	}
	if len(owners) > 0 || users.Total < 2 {
		t.Errorf("not among the users: %v; %+v", owners, users)
	}
	_, err = s.ListMedia(t.Context(), homeserver.MediaQuery{Owner: "nobody-at-all"})
	if err != nil {
		expectFault(t, err, "member.unknown")
	}
}

// onDisk counts the files of a size.
func (s *Site) onDisk(t *testing.T, size int64) int {
	t.Helper()
	found := 0
	must(t, filepath.WalkDir(s.MediaDir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // it may vanish while we look
		}
		if info, err := entry.Info(); err == nil && info.Size() == size {
			found++
		}
		return nil
	}))
	return found
}

func deleteMedia(t *testing.T, s *Site) {
	ctx := t.Context()
	m := s.member(t, "painter")
	content := noise(123_457)
	id, kept := m.upload(t, "gone.bin", "application/octet-stream", content), m.upload(t, "kept.bin", "application/octet-stream", noise(123_459))
	if answer := m.fetch(t, s.Name, id); answer.Status != http.StatusOK || !bytes.Equal(answer.Raw, content) || s.onDisk(t, 123_457) != 1 {
		t.Fatalf("before: %d, %d on disk", answer.Status, s.onDisk(t, 123_457))
	}
	freed, err := s.DeleteMedia(ctx, id)
	must(t, err)
	if freed.Files != 1 || freed.Bytes != 123_457 {
		t.Errorf("freed: %+v", freed)
	}
	if answer := m.fetch(t, s.Name, id); answer.Status != http.StatusNotFound {
		t.Errorf("a deleted file: %d", answer.Status)
	}
	if s.onDisk(t, 123_457) != 0 || s.onDisk(t, 123_459) != 1 || m.fetch(t, s.Name, kept).Status != http.StatusOK {
		t.Error("the disk keeps it, or lost another")
	}
	freed, err = s.DeleteMedia(ctx, id)
	must(t, err)
	if freed != (homeserver.Stored{}) {
		t.Errorf("deleting it again frees %+v", freed)
	}
	page, err := s.ListMedia(ctx, homeserver.MediaQuery{Owner: m.Localpart})
	must(t, err)
	if page.Total != 1 || page.Files[0].ID != kept {
		t.Errorf("listed afterwards: %+v", page)
	}
}

func quarantine(t *testing.T, s *Site) {
	ctx := t.Context()
	m, other := s.member(t, "painter"), s.member(t, "viewer")
	id := m.upload(t, "doubtful.bin", "application/octet-stream", noise(123_461))
	for _, on := range []bool{true, false} {
		must(t, s.Quarantine(ctx, id, on))
		must(t, s.Quarantine(ctx, id, on))
		for _, viewer := range []*Member{m, other} {
			if gone := viewer.fetch(t, s.Name, id).Status == http.StatusNotFound; gone != on {
				t.Errorf("quarantine %v, kept from %s: %v", on, viewer.Localpart, gone)
			}
		}
		page, err := s.ListMedia(ctx, homeserver.MediaQuery{Owner: m.Localpart})
		must(t, err)
		if page.Total != 1 || page.Files[0].Quarantined != on || s.onDisk(t, 123_461) != 1 {
			t.Errorf("quarantine %v: %+v, %d on disk", on, page, s.onDisk(t, 123_461))
		}
	}
	expectFault(t, s.Quarantine(ctx, "nothingOfThisName", true), "media.unknown")
}

// purgeNothing is of a server that has copied nothing; see Federation for one that has.
func purgeNothing(t *testing.T, s *Site) {
	m := s.member(t, "painter")
	id := m.upload(t, "ours.bin", "application/octet-stream", noise(123_463))
	counted, err := s.CountRemote(t.Context(), time.Now())
	must(t, err)
	purged, err := s.PurgeRemote(t.Context(), time.Now())
	must(t, err)
	if counted != (homeserver.Stored{}) || purged != counted {
		t.Errorf("counted %+v, purged %+v", counted, purged)
	}
	if m.fetch(t, s.Name, id).Status != http.StatusOK {
		t.Error("a file of our own went")
	}
}
