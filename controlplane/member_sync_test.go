package controlplane_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// List gives one page, as homeservers do.
func (c *crowd) List(_ context.Context, q homeserver.AccountQuery) (homeserver.AccountPage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = append(c.listed, q.Page)
	names := slices.Sorted(maps.Keys(c.accounts))
	page := homeserver.AccountPage{Total: len(names)}
	for _, name := range names[min(q.Offset, len(names)):min(q.Offset+q.Limit, len(names))] {
		page.Accounts = append(page.Accounts, c.accounts[name])
	}
	return page, nil
}

// TestMembersAreSynchronised: the loop reads a long list in pages, takes in what it does not know, and leaves Hafen's own
// account out.
func TestMembersAreSynchronised(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.exec(`update members set created_at = now() - interval '1 hour'`)
	for i := range 1200 {
		who := tenant.Localpart(fmt.Sprintf("person%04d", i))
		s.hs.accounts[who] = homeserver.Account{Localpart: who, DisplayName: "Person", MediaBytes: int64(i), SeenAt: time.Now()}
	}
	s.hs.accounts[tenant.ControlAccount] = homeserver.Account{Localpart: tenant.ControlAccount, Admin: true}
	s.hs.accounts["OLD=style"] = homeserver.Account{Localpart: "OLD=style"}
	loop := &controlplane.MemberSync{Store: s.store, Homeservers: crowds{s.hs}, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	deadline := time.Now().Add(time.Minute)
	for s.count(`select count(*) from member_syncs where synced_at is not null`) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("nothing was synchronised")
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	s.must(<-ended)
	if n := s.count(`select count(*) from members where state = 'active' and media_bytes > 0`); n != 1199 {
		t.Errorf("%d members were taken in", n)
	}
	if n := s.count(`select count(*) from members where localpart in ('hafen-control', 'OLD=style')`); n != 0 {
		t.Error("accounts that are nobody's are members")
	}
	if n := s.count(`select count(*) from members where localpart = 'anna' and missing_at is not null`); n != 1 {
		t.Error("whom the homeserver does not know is not marked")
	}
	if len(s.hs.listed) != 3 || s.hs.listed[2].Offset != 1000 {
		t.Errorf("the list was read as %v", s.hs.listed)
	}
}

// TestSynchronisingOnDemand goes through an operation, as everything that is asked of a homeserver.
func TestSynchronisingOnDemand(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	members := controlplane.NewMembers(controlplane.MembersConfig{Store: s.store, Mailbox: open{}, Wait: 20 * time.Second})
	s.hs.accounts["anna"] = homeserver.Account{Localpart: "anna", DisplayName: "Anna B."}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for ctx.Err() == nil {
			s.work(ctx)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	result, done, err := members.Sync(t.Context(), s.actor, s.id)
	s.must(err)
	if !done || result.Changed != 1 {
		t.Errorf("%+v, done %t", result, done)
	}
	if anna, err := members.Find(t.Context(), s.actor, s.id, "anna"); err != nil || anna.DisplayName != "Anna B." {
		t.Errorf("%+v %v", anna, err)
	}
}
