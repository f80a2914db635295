package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

// colleague is an account with a role on a server.
func (w *world) colleague(id tenant.ID, email string, role controlplane.Role) controlplane.Actor {
	w.Helper()
	who := w.account(email)
	w.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, $3)`, id, who.Account, role)
	return who
}

// Whoever may no longer manage members has no way in by a link they made before, whichever way that came about, and those of
// others go on.
func TestLinksEndWithTheRightToMakeThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.exec(`update plans set seats = 100`)
	w.do(id, "bert", controlplane.OperationCreate)
	other, err := w.store.FindServer(w.ctx, "", w.active("other"))
	w.must(err)
	for name, lose := range map[string]func(controlplane.Actor) (controlplane.HeldLinks, error){
		"removed": func(who controlplane.Actor) (controlplane.HeldLinks, error) {
			return w.store.RemoveColleague(w.ctx, w.anna, id, who.Account)
		},
		"a lesser role": func(who controlplane.Actor) (controlplane.HeldLinks, error) {
			return w.store.SetRole(w.ctx, w.anna, id, who.Account, controlplane.Billing)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ben := w.colleague(id, name+"@example.org", controlplane.Administrator)
			w.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, 'administrator')`, other.ID, ben.Account)
			theirs, err := w.linkBy(ben, id, "bert", time.Hour)
			w.must(err)
			ours, err := w.link(id, "bert", time.Hour)
			w.must(err)
			invited, err := w.inviteBy(ben, id, time.Hour)
			w.must(err)
			elsewhere, err := w.inviteBy(ben, other.ID, time.Hour)
			w.must(err)
			kept, err := w.invite(id, time.Hour)
			w.must(err)
			renewed := w.renewedBy(ben, id, kept)
			taken, err := w.inviteBy(ben, id, time.Hour)
			w.must(err)
			taken = w.renewedBy(w.anna, id, taken)

			// A role that may manage members as well changes nothing.
			ended, err := w.store.SetRole(w.ctx, w.anna, id, ben.Account, controlplane.MemberManager)
			if err != nil || !ended.None() {
				t.Fatalf("%+v %v", ended, err)
			}
			people, _, err := w.store.ListColleagues(w.ctx, id)
			w.must(err)
			at := slices.IndexFunc(people, func(c controlplane.Colleague) bool { return c.Account == ben.Account })
			if held := people[at].Held; !slices.Equal(held.Passwords, []tenant.Localpart{"bert"}) || len(held.Invites) != 2 {
				t.Errorf("before: %+v", held)
			}
			seats := w.seats(id)
			ended, err = lose(ben)
			if err != nil || !slices.Equal(ended.Passwords, []tenant.Localpart{"bert"}) || len(ended.Invites) != 2 {
				t.Errorf("ended: %+v %v", ended, err)
			}
			_, err = w.store.FindPasswordLink(w.ctx, theirs)
			w.wantFault(err, "token.used")
			for _, link := range []controlplane.TokenHash{invited, renewed} {
				_, err = w.use(id, link, "mallory")
				w.wantFault(err, "token.unknown")
			}
			if n := w.seats(id); n != seats-2 {
				t.Errorf("%d seats were used, %d are", seats, n)
			}
			_, err = w.store.FindPasswordLink(w.ctx, ours)
			w.must(err)
			for where, link := range map[tenant.ID]controlplane.TokenHash{id: taken, other.ID: elsewhere} {
				if invite, err := w.store.FindInvite(w.ctx, link); err != nil || !invite.Open() {
					t.Errorf("of %s: %+v %v", where, invite, err)
				}
			}
			if n := w.count(`select count(*) from audit where tenant_id = $1 and detail->'ended_links' = '["bert"]'
				and jsonb_array_length(detail->'ended_invites') = 2 and detail->>'email' = $2`, id, ben.Email); n != 1 {
				t.Errorf("%d audit entries tell", n)
			}
			w.exec(`update tokens set used_at = now() where used_at is null`)
		})
	}
}

// renewedBy makes another link for an invite.
func (w *world) renewedBy(actor controlplane.Actor, id tenant.ID, link controlplane.TokenHash) controlplane.TokenHash {
	w.Helper()
	invite, err := w.store.FindInvite(w.ctx, link)
	w.must(err)
	_, hash := controlplane.NewToken()
	w.must(w.store.RenewInvite(w.ctx, invite.ID, controlplane.InviteRequest{
		Actor: actor, Tenant: id, Link: controlplane.Link{Hash: hash, Lifetime: time.Hour},
	}))
	return hash
}

// What ended can be handed on: the invite is listed, and whoever manages members now gives it a link of their own.
func TestAnInviteOfSomebodyRemovedCanBeRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	ben := w.colleague(id, "ben@example.org", controlplane.MemberManager)
	_, err := w.inviteBy(ben, id, time.Hour)
	w.must(err)
	_, err = w.store.RemoveColleague(w.ctx, w.anna, id, ben.Account)
	w.must(err)
	list := w.listed(id)
	if len(list) != 1 || !list[0].Expired {
		t.Fatalf("listed: %+v", list)
	}
	_, hash := controlplane.NewToken()
	w.must(w.store.RenewInvite(w.ctx, list[0].ID, controlplane.InviteRequest{
		Actor: w.anna, Tenant: id, Link: controlplane.Link{Hash: hash, Lifetime: time.Hour},
	}))
	operation, err := w.use(id, hash, "carla")
	w.must(err)
	w.carryOut(operation, "")
}

// A link that is made in the moment in which its maker is removed is refused, or ended with the others.
func TestNoLinkEscapesARemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	ben := w.colleague(id, "ben@example.org", controlplane.MemberManager)
	removing, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer func() { _ = removing.Rollback(context.WithoutCancel(w.ctx)) }() // committed below, unless the test failed
	_, err = removing.Exec(w.ctx, `delete from colleagues where account_id = $1`, ben.Account)
	w.must(err)
	made := make(chan error, 2)
	go func() { _, err := w.inviteBy(ben, id, time.Hour); made <- err }()
	go func() { _, err := w.linkBy(ben, id, "anna", time.Hour); made <- err }()
	w.must(removing.Commit(w.ctx))
	for range cap(made) {
		w.wantFault(<-made, "role.forbidden")
	}
}
