package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func (w *world) invite(id tenant.ID, lifetime time.Duration) (controlplane.TokenHash, error) {
	return w.inviteBy(w.anna, id, lifetime)
}

func (w *world) inviteBy(actor controlplane.Actor, id tenant.ID, lifetime time.Duration) (controlplane.TokenHash, error) {
	_, hash := controlplane.NewToken()
	return hash, w.store.CreateInvite(w.ctx, controlplane.InviteRequest{
		Actor: actor, Tenant: id, Link: controlplane.Link{Hash: hash, Lifetime: lifetime},
	})
}

// listed is the first page of a server's invites.
func (w *world) listed(id tenant.ID) []controlplane.Invite {
	w.Helper()
	page, err := w.store.ListInvites(w.ctx, id, 1)
	w.must(err)
	if page.Total != len(page.Invites) {
		w.Fatalf("%d of %d invites", len(page.Invites), page.Total)
	}
	return page.Invites
}

func (w *world) use(id tenant.ID, link controlplane.TokenHash, who tenant.Localpart) (string, error) {
	return w.store.UseInvite(w.ctx, link, controlplane.MemberRequest{
		Tenant: id, Localpart: who, Kind: controlplane.OperationCreate, Sealed: []byte("sealed"),
	})
}

func (w *world) seats(id tenant.ID) int {
	w.Helper()
	return w.count(`select seats_used($1)`, id)
}

func TestAnInviteHoldsASeatUntilItIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	var links []controlplane.TokenHash
	for range 4 {
		link, err := w.invite(id, time.Hour)
		w.must(err)
		links = append(links, link)
	}
	_, err := w.invite(id, time.Hour)
	w.wantFault(err, "seats.full")
	_, err = w.request(id, "bert", controlplane.OperationCreate)
	w.wantFault(err, "seats.full")

	// One is used: its seat becomes the member's. One is withdrawn, one expires.
	operation, err := w.use(id, links[0], "bert")
	w.must(err)
	if n := w.seats(id); n != 5 {
		t.Fatalf("%d seats after a use", n)
	}
	w.carryOut(operation, "")
	_, err = w.use(id, links[0], "carla")
	w.wantFault(err, "token.used")
	second, err := w.store.FindInvite(w.ctx, links[1])
	w.must(err)
	w.must(w.store.WithdrawInvite(w.ctx, w.anna, id, second.ID))
	_, err = w.use(id, links[1], "carla")
	w.wantFault(err, "token.withdrawn")
	w.wantFault(w.store.WithdrawInvite(w.ctx, w.anna, id, second.ID), "invite.unknown")
	w.exec(`update invites set expires_at = now() where hash = $1`, links[2])
	_, err = w.use(id, links[2], "carla")
	w.wantFault(err, "token.expired")
	if n := w.seats(id); n != 3 {
		t.Fatalf("%d seats are used, want those of Anna, Bert and the last invite", n)
	}
	_, err = w.use(id, []byte("unknown"), "carla")
	w.wantFault(err, "token.unknown")
}

func TestATakenNameLeavesTheInviteOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	link, err := w.invite(id, time.Minute)
	w.must(err)
	_, err = w.use(id, link, "anna")
	w.wantFault(err, "member.exists")
	// The homeserver knows the name although we do not.
	operation, err := w.use(id, link, "ghost")
	w.must(err)
	w.carryOut(operation, "member.exists")
	invite, err := w.store.FindInvite(w.ctx, link)
	w.must(err)
	if !invite.Open() || w.seats(id) != 2 || w.memberState(id, "ghost") != "none" {
		t.Fatalf("after a refusal: %+v, %d seats", invite, w.seats(id))
	}
	if time.Until(invite.ExpiresAt) < 50*time.Minute {
		t.Error("there is no time to choose another name")
	}
	operation, err = w.use(id, link, "bert")
	w.must(err)
	w.carryOut(operation, "")
	if invite, err = w.store.FindInvite(w.ctx, link); err != nil || invite.Open() || invite.Localpart != "bert" {
		t.Fatalf("%+v %v", invite, err)
	}
}

func TestAnInviteWorksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	link, err := w.invite(id, time.Hour)
	w.must(err)
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		won  int
	)
	for i := range 10 {
		wait.Go(func() {
			if _, err := w.use(id, link, tenant.Localpart("m"+string(rune('a'+i)))); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if won != 1 || w.seats(id) != 2 {
		t.Fatalf("used %d times, %d seats", won, w.seats(id))
	}
}

// A renewal may wait for the tenant until the invite has expired, and its seat been given to somebody else.
func TestAnInviteThatExpiresWhileItIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	_, err := w.invite(id, 500*time.Millisecond)
	w.must(err)
	list := w.listed(id)
	w.exec(`insert into members (tenant_id, localpart, state) select $1, 'm' || n, 'active' from generate_series(1, 3) n`, id)
	other, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer other.Rollback(context.WithoutCancel(w.ctx))
	_, err = other.Exec(w.ctx, `select from tenants where id = $1 for update`, id)
	w.must(err)
	renewed := make(chan error)
	go func() {
		_, hash := controlplane.NewToken()
		renewed <- w.store.RenewInvite(w.ctx, list[0].ID, controlplane.InviteRequest{
			Actor: w.anna, Tenant: id, Link: controlplane.Link{Hash: hash, Lifetime: time.Hour},
		})
	}()
	for w.count(`select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`) == 0 ||
		w.count(`select count(*) from invites where expires_at > clock_timestamp()`) != 0 {
		time.Sleep(5 * time.Millisecond)
	}
	_, err = other.Exec(w.ctx, `insert into members (tenant_id, localpart, state) values ($1, 'last', 'active')`, id)
	w.must(err)
	w.must(other.Commit(w.ctx))
	w.wantFault(<-renewed, "seats.full")
	if n := w.seats(id); n != 5 {
		t.Errorf("%d seats are used of five", n)
	}
}

// The list is cut at the newest five hundred; that is no reason for the oldest to be lost.
func TestAnyInviteCanBeFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, other := w.active("anna"), w.active("ben")
	w.exec(`update plans set seats = 2000`)
	_, err := w.invite(id, time.Hour)
	w.must(err)
	list := w.listed(id)
	oldest := list[0].ID
	w.exec(`insert into invites (hash, tenant_id, invited_by, expires_at, created_at)
		select n::text::bytea, $1, 'anna', now() + interval '1 day', now() + n * interval '1 second' from generate_series(1, 500) n`, id)
	if found, err := w.store.FindInviteByID(w.ctx, id, oldest); err != nil || !found.Open() {
		t.Errorf("%+v %v", found, err)
	}
	for _, where := range []tenant.ID{other, "t-unknown"} {
		_, err = w.store.FindInviteByID(w.ctx, where, oldest)
		w.wantFault(err, "invite.unknown")
	}
	w.must(w.store.WithdrawInvite(w.ctx, w.anna, id, oldest))
	_, err = w.store.FindInviteByID(w.ctx, id, oldest)
	w.wantFault(err, "invite.unknown")
}

func TestARenewedInviteHasOneLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	old, err := w.invite(id, time.Hour)
	w.must(err)
	w.exec(`update invites set expires_at = now()`)
	for range 4 {
		_, err := w.invite(id, time.Hour)
		w.must(err)
	}
	list := w.listed(id)
	if len(list) != 5 || !list[4].Expired {
		t.Fatalf("the list %+v", list)
	}
	_, fresh := controlplane.NewToken()
	renewal := controlplane.InviteRequest{Actor: w.anna, Tenant: id, Link: controlplane.Link{Hash: fresh, Lifetime: time.Hour}}
	w.wantFault(w.store.RenewInvite(w.ctx, list[4].ID, renewal), "seats.full")
	w.must(w.store.WithdrawInvite(w.ctx, w.anna, id, list[0].ID))
	w.must(w.store.RenewInvite(w.ctx, list[4].ID, renewal))
	_, err = w.store.FindInvite(w.ctx, old)
	w.wantFault(err, "token.unknown")
	_, err = w.use(id, fresh, "bert")
	w.must(err)
	w.wantFault(w.store.RenewInvite(w.ctx, list[4].ID, renewal), "invite.unknown")
	w.wantFault(w.store.RenewInvite(w.ctx, "no-id", renewal), "invite.unknown")
}

// Every invite is on one page, however many there are and whenever they were made.
func TestInvitesComeInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	const all = 2*controlplane.InvitesPerPage + 7
	w.exec(`insert into invites (hash, tenant_id, display_name, invited_by, created_at, expires_at)
		select sha256(n::text::bytea), $1, 'n' || n, 'anna', now() - n / 20 * interval '1 minute', now() + interval '1 day' from generate_series(1, $2::int) n`, id, all)
	seen := map[string]bool{}
	for page, want := range map[int]int{1: controlplane.InvitesPerPage, 2: controlplane.InvitesPerPage, 3: 7, 4: 0} {
		got, err := w.store.ListInvites(w.ctx, id, page)
		w.must(err)
		if got.Total != all || len(got.Invites) != want {
			t.Errorf("page %d has %d of %d", page, len(got.Invites), got.Total)
		}
		for i, invite := range got.Invites {
			seen[invite.ID] = true
			if i > 0 && invite.CreatedAt.After(got.Invites[i-1].CreatedAt) {
				t.Errorf("page %d: a newer one comes after an older", page)
			}
		}
	}
	if len(seen) != all {
		t.Errorf("%d of %d are on a page", len(seen), all)
	}
}
