package postgres_test

import (
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func (w *world) sync(id tenant.ID, accounts ...homeserver.Account) controlplane.SyncResult {
	w.Helper()
	result, err := w.store.SyncMembers(w.ctx, id, controlplane.MemberList{Accounts: accounts, Complete: true})
	w.must(err)
	return result
}

// settled makes everything that was done look as if it were long ago.
func (w *world) settled() {
	w.Helper()
	w.exec(`update operations set finished_at = now() - interval '1 hour' where finished_at is not null`)
	w.exec(`update members set created_at = now() - interval '1 hour'`)
}

func TestMembersFollowTheHomeserversList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.do(id, "bert", controlplane.OperationCreate)
	w.do(id, "carla", controlplane.OperationCreate)
	w.settled()
	seen := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	list := []homeserver.Account{
		{Localpart: "anna", Admin: true, SeenAt: seen, MediaBytes: 4711},
		{Localpart: "bert", DisplayName: "Bert B.", Deactivated: true},
		{Localpart: "drift", DisplayName: "Made elsewhere", Created: seen},
	}
	if got := w.sync(id, list...); got != (controlplane.SyncResult{Changed: 2, Added: 1, Missing: 1}) {
		t.Fatalf("%+v", got)
	}
	anna, err := w.store.FindMember(w.ctx, id, "anna")
	w.must(err)
	if !anna.ServerAdmin || anna.SeenAt == nil || !anna.SeenAt.Equal(seen) || anna.MediaBytes != 4711 {
		t.Errorf("Anna %+v", anna)
	}
	if got := w.memberState(id, "bert") + " " + w.memberState(id, "drift"); got != "deactivated active" {
		t.Error(got)
	}
	carla, err := w.store.FindMember(w.ctx, id, "carla")
	w.must(err)
	if carla.MissingAt == nil || carla.State != "active" {
		t.Errorf("Carla %+v", carla)
	}
	if n := w.seats(id); n != 3 {
		t.Errorf("%d seats: an account made elsewhere takes one", n)
	}
	if got := w.sync(id, list...); got != (controlplane.SyncResult{}) {
		t.Errorf("the same list again changed %+v", got)
	}
	w.wantFault(w.store.ForgetMember(w.ctx, w.anna, id, "anna"), "member.state")
	w.must(w.store.ForgetMember(w.ctx, w.anna, id, "carla"))
	if got := w.memberState(id, "carla"); got != "none" {
		t.Error(got)
	}
}

// A list is older than what has been done since it was read.
func TestAListDoesNotUndoWhatCameAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.do(id, "bert", controlplane.OperationCreate)
	w.do(id, "bert", controlplane.OperationDeactivate)
	w.do(id, "carla", controlplane.OperationCreate)
	_, err := w.request(id, "dora", controlplane.OperationCreate)
	w.must(err)
	got := w.sync(id, homeserver.Account{Localpart: "anna"}, homeserver.Account{Localpart: "bert", DisplayName: "still active there"}, homeserver.Account{Localpart: "dora"})
	if got.Added != 0 || got.Missing != 0 {
		t.Errorf("%+v", got)
	}
	for who, want := range map[tenant.Localpart]string{"bert": "deactivated", "carla": "active", "dora": "reserved"} {
		if state := w.memberState(id, who); state != want {
			t.Errorf("%s is %s, want %s", who, state, want)
		}
	}
	// A list that may lack somebody by accident accuses nobody.
	w.settled()
	if got, err := w.store.SyncMembers(w.ctx, id, controlplane.MemberList{}); err != nil || got.Missing != 0 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestSyncsAreSpread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.order("not-ready")
	specs, err := w.store.ClaimMemberSyncs(w.ctx, 10)
	w.must(err)
	if len(specs) != 1 || specs[0].ID != id {
		t.Fatalf("%+v", specs)
	}
	if again, err := w.store.ClaimMemberSyncs(w.ctx, 10); err != nil || len(again) != 0 {
		t.Fatalf("claimed twice: %+v %v", again, err)
	}
	if w.count(`select count(*) from member_syncs where due_at between now() + interval '8 minutes' and now() + interval '11 minutes'`) != 1 {
		t.Error("the next time is not in ten minutes")
	}
	w.exec(`update member_syncs set due_at = now()`)
	if again, err := w.store.ClaimMemberSyncs(w.ctx, 10); err != nil || len(again) != 1 {
		t.Fatalf("not due again: %+v %v", again, err)
	}
}
