package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func (c *content) upload(n int) {
	for i := range n {
		c.house.files = append(c.house.files, homeserver.MediaFile{ID: fmt.Sprintf("file%d", i), Bytes: int64(100 - i), Owner: "anna"})
	}
}

// TestDeletionOfFilesResumes: the homeserver falls silent in the middle, and the sum is right all the same.
func TestDeletionOfFilesResumes(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.upload(5)
	media := controlplane.NewMedia(controlplane.MediaConfig{Store: c.store, Wait: longWait})
	choice := controlplane.MediaChoice{IDs: []string{"file0", "file1", "file2", "not-there"}}
	calls := map[string]int{}
	c.house.fail = func(what string) error {
		calls[what]++
		if what == "delete file1" && calls[what] == 1 {
			media.Wait = 100 * time.Millisecond
			return silent
		}
		if what == "delete file2" {
			return &tenant.Fault{Kind: tenant.NotFound, Code: "media.unknown"}
		}
		return nil
	}
	c.answering(func() {
		_, err := media.Delete(c.ctx, c.anna, c.id, choice)
		c.must(err)
	})
	list, err := media.Deletions(c.ctx, c.anna, c.id)
	if err != nil || len(list) != 1 || list[0].Files != 3 || list[0].Total != 100+99+98 {
		t.Fatalf("%+v %v", list, err)
	}
	for c.open() > 0 {
		_ = c.turn(c.ctx) // the first of these may be the silent one
	}
	media.Wait = longWait
	if list, err = media.Deletions(c.ctx, c.anna, c.id); err != nil || !list[0].Finished || list[0].Done != 100+99 || list[0].Code != "" {
		t.Fatalf("%+v %v", list, err)
	}
	if len(c.house.files) != 3 || c.measured != 1 || c.audited("server.delete_media") != 1 {
		t.Fatalf("%d files are left, measured %d times", len(c.house.files), c.measured)
	}
	c.answering(func() {
		_, err := media.Delete(c.ctx, c.anna, c.id, controlplane.MediaChoice{IDs: []string{"not-there"}})
		c.wantFault(err, "media.none_chosen")
	})
}

func TestQuarantineAndBack(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.upload(1)
	media := controlplane.NewMedia(controlplane.MediaConfig{Store: c.store, Wait: longWait})
	for _, on := range []bool{true, true, false} {
		c.answering(func() {
			if done, err := media.Quarantine(c.ctx, c.anna, c.id, "file0", on); !done || err != nil {
				t.Errorf("%t %v", done, err)
			}
		})
		if c.house.files[0].Quarantined != on {
			t.Errorf("quarantined: %t", !on)
		}
	}
	if c.audited("server.quarantine_media") != 2 || c.audited("server.release_media") != 1 {
		t.Error("the log does not tell")
	}
	for _, wild := range []string{"", "a/b", "..", "a b", "a%2Fb", "\x00", strings.Repeat("a", 256)} {
		_, err := media.Quarantine(c.ctx, c.anna, c.id, wild, true)
		c.wantFault(err, "media.unknown")
	}
}

func TestPurgeOfCopiesTellsWhatItFrees(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.house.remote = 7000
	media := controlplane.NewMedia(controlplane.MediaConfig{Store: c.store, Wait: longWait})
	c.answering(func() {
		counts, err := media.CountRemote(c.ctx, c.anna, c.id)
		if err != nil || len(counts) != 4 || counts[1].Days != 30 || counts[1].Bytes != 7000 || counts[1].Files != 700 {
			t.Errorf("%+v %v", counts, err)
		}
	})
	_, err := media.PurgeRemote(c.ctx, c.anna, c.id, 31)
	c.wantFault(err, "media.days")
	// The server removes all and is silent then: what the second attempt removes is nothing, and the sum right all the same.
	purges := 0
	c.house.fail = func(what string) error {
		if what == "purge remote" {
			if purges++; purges == 1 {
				c.house.remote = 0
				return silent
			}
		}
		return nil
	}
	c.answering(func() {
		if done, err := media.PurgeRemote(c.ctx, c.anna, c.id, 30); !done || err != nil {
			t.Errorf("%t %v", done, err)
		}
	})
	list, err := media.Deletions(c.ctx, c.anna, c.id)
	if err != nil || len(list) != 1 || list[0].Done != 7000 || list[0].Total != 7000 || list[0].Days != 30 || purges != 2 {
		t.Fatalf("%+v %v", list, err)
	}
}

// gauge measures what it is told to.
type gauge struct{ reads tenant.Usage }

func (g gauge) Usage(context.Context, tenant.Spec) (tenant.Usage, error) { return g.reads, nil }
func (g gauge) Orphans(context.Context, tenant.Spec) (int64, error)      { return 0, nil }

// Copies of other servers' files are bounded like everything else: those longest unasked for go, and no more of them than must.
func TestCopiesOverTheirShareAreRemoved(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	server, err := c.store.FindServer(c.ctx, "", c.id)
	c.must(err)
	most := server.Quota.Copies()
	now := time.Now()
	for _, age := range []time.Duration{time.Minute, 5 * 24 * time.Hour, 20 * 24 * time.Hour, 50 * 24 * time.Hour} {
		c.house.copies = append(c.house.copies, copied{most / 3, now.Add(-age)})
	}
	measure := func(engine bool, bytes int64) {
		t.Helper()
		meter := controlplane.Meter{
			Store: c.store, Reader: gauge{tenant.Usage{RemoteBytes: bytes}}, Log: slog.New(slog.DiscardHandler),
			Purges: func(tenant.EngineName) bool { return engine },
		}
		for range 2 { // the second time in the same hour asks for nothing
			c.must(meter.Pass(c.ctx, 0))
		}
	}
	purges := func() int {
		return c.count(`select count(*) from audit where tenant_id = $1 and action = 'server.purge_remote_media' and actor = 'hafen'`, c.id)
	}
	measure(true, most)
	measure(false, 4*most)
	if server, err = c.store.FindServer(c.ctx, "", c.id); err != nil || server.Usage.RemoteBytes != most || server.Usage.MediaBytes != 3*most {
		t.Errorf("of four shares one is kept apart: %+v, %v", server.Usage, err)
	}
	if purges() != 0 {
		t.Fatal("copies are removed within their share, or by an engine that cannot")
	}
	measure(true, most/3*4)
	if purges() != 1 {
		t.Fatalf("%d removals are asked for", purges())
	}
	for c.open() > 0 {
		c.must(c.turn(c.ctx))
	}
	if len(c.house.copies) != 2 || c.house.copies[1].asked.Before(now.Add(-7*24*time.Hour)) {
		t.Errorf("left are %v", c.house.copies)
	}
	media := controlplane.NewMedia(controlplane.MediaConfig{Store: c.store, Wait: longWait})
	list, err := media.Deletions(c.ctx, c.anna, c.id)
	if err != nil || len(list) != 1 || !list[0].Finished || list[0].Done != most/3*2 || list[0].Days != 0 {
		t.Errorf("the page tells %+v, %v", list, err)
	}
}
