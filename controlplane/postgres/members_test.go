package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func (w *world) request(id tenant.ID, who tenant.Localpart, kind controlplane.OperationKind) (string, error) {
	return w.store.RequestMember(w.ctx, controlplane.MemberRequest{Actor: w.anna, Tenant: id, Localpart: who, Kind: kind, Sealed: []byte("sealed")})
}

// carryOut plays the worker: it claims the operation and ends it with code.
func (w *world) carryOut(operation, code string) {
	w.Helper()
	claim, ok, err := w.store.ClaimOperation(w.ctx, operation)
	w.must(err)
	if !ok || claim.Spec.ID == "" || string(claim.Sealed) != "sealed" {
		w.Fatalf("claim %+v, %t", claim, ok)
	}
	w.must(w.store.FinishOperation(w.ctx, operation, code, nil))
}

func (w *world) do(id tenant.ID, who tenant.Localpart, kind controlplane.OperationKind) {
	w.Helper()
	operation, err := w.request(id, who, kind)
	w.must(err)
	w.carryOut(operation, "")
}

func (w *world) memberState(id tenant.ID, who tenant.Localpart) string {
	w.Helper()
	m, err := w.store.FindMember(w.ctx, id, who)
	if tenant.FaultOf(err).Code == "member.unknown" {
		return "none"
	}
	w.must(err)
	return m.State
}

// Basic has five seats; the first administrator has one. Of many at the last seat exactly one gets it, whichever way they come.
func TestTheLastSeatIsGivenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	for _, who := range []tenant.Localpart{"b", "c"} {
		w.do(id, who, controlplane.OperationCreate)
	}
	open, err := w.invite(id, time.Hour) // holds its seat, so whoever has it is not in the race
	w.must(err)
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		won  int
	)
	start := make(chan struct{})
	for i := range 200 {
		who := tenant.Localpart("m" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		take := w.takesSeat(id, who, i%5)
		wait.Go(func() {
			<-start
			err := take()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if fault := tenant.FaultOf(err); fault.Kind != tenant.OverQuota || fault.Code != "seats.full" && fault.Code != "seats.too_few" {
				t.Errorf("refused with %v", err)
			}
		})
	}
	wait.Go(func() {
		<-start
		if _, err := w.use(id, open, "invited"); err != nil {
			t.Errorf("who was invited before: %v", err)
		}
	})
	close(start)
	wait.Wait()
	if won != 1 {
		t.Fatalf("%d got the last seat", won)
	}
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	if n := w.count(`select seats_used($1)`, id); n != 5 || server.Usage.Seats != 5 {
		t.Fatalf("%d seats are used, the server says %d", n, server.Usage.Seats)
	}
}

// takesSeat prepares to take a seat in one of the ways there are: as the dashboard does for a new member and for one who comes
// back, by an invite that is made, by one that its owner had let run out, and by a file.
func (w *world) takesSeat(id tenant.ID, who tenant.Localpart, way int) func() error {
	w.Helper()
	switch way {
	case 0:
		return func() error {
			_, err := w.request(id, who, controlplane.OperationCreate)
			return err
		}
	case 1:
		w.exec(`insert into members (tenant_id, localpart, display_name, state) values ($1, $2, '', 'deactivated')`, id, who)
		return func() error {
			_, err := w.request(id, who, controlplane.OperationReactivate)
			return err
		}
	case 2:
		return func() error {
			_, err := w.invite(id, time.Hour)
			return err
		}
	case 3:
		link, err := w.invite(id, time.Hour)
		w.must(err)
		w.exec(`update invites set expires_at = now() where hash = $1`, link)
		var invite string
		w.must(w.pool.QueryRow(w.ctx, `select id::text from invites where hash = $1`, link).Scan(&invite))
		return func() error {
			_, fresh := controlplane.NewToken()
			return w.store.RenewInvite(w.ctx, invite, controlplane.InviteRequest{Actor: w.anna, Tenant: id, Link: controlplane.Link{Hash: fresh, Lifetime: time.Hour}})
		}
	default:
		owner := w.account(string(who) + "@example.org")
		return func() error {
			_, err := w.importRows(owner, id, who)
			return err
		}
	}
}

func TestALifeOfAMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.do(id, "bert", controlplane.OperationCreate)
	if got := w.memberState(id, "bert"); got != "active" {
		t.Fatal(got)
	}
	_, err := w.request(id, "bert", controlplane.OperationCreate)
	w.wantFault(err, "member.exists")
	_, err = w.request(id, "bert", controlplane.OperationReactivate)
	w.wantFault(err, "member.state")
	_, err = w.request(id, "nobody", controlplane.OperationSetPassword)
	w.wantFault(err, "member.unknown")

	w.do(id, "bert", controlplane.OperationDeactivate)
	if server, err := w.store.FindServer(w.ctx, "", id); err != nil || server.Usage.Seats != 1 {
		t.Fatalf("seats %d, %v", server.Usage.Seats, err)
	}
	_, err = w.request(id, "bert", controlplane.OperationSetPassword)
	w.wantFault(err, "member.state")
	w.do(id, "bert", controlplane.OperationReactivate)
	if got := w.memberState(id, "bert"); got != "active" {
		t.Fatal(got)
	}
	if n := w.count(`select count(*) from operations where sealed_password is not null`); n != 0 {
		t.Fatal("a used password was kept")
	}
}

// Whoever was erased was promised that it is for good.
func TestTheErasedDoNotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.do(id, "bert", controlplane.OperationCreate)
	operation, err := w.store.RequestMember(w.ctx, controlplane.MemberRequest{
		Actor: w.anna, Tenant: id, Localpart: "bert", Kind: controlplane.OperationDeactivate, Input: map[string]bool{"erase": true}, Sealed: []byte("sealed"),
	})
	w.must(err)
	w.carryOut(operation, "")
	_, err = w.request(id, "bert", controlplane.OperationReactivate)
	w.wantFault(err, "member.state")
	_, err = w.request(id, "bert", controlplane.OperationCreate)
	w.wantFault(err, "member.exists")
}

func TestOneOperationAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	operation, err := w.request(id, "anna", controlplane.OperationSetPassword)
	w.must(err)
	_, err = w.request(id, "anna", controlplane.OperationSetPassword)
	w.wantFault(err, "member.busy")
	claim, ok, err := w.store.ClaimOperation(w.ctx, operation)
	w.must(err)
	if !ok || claim.Again {
		t.Fatalf("claim %+v", claim)
	}
	if _, ok, _ := w.store.ClaimOperation(w.ctx, operation); ok {
		t.Fatal("claimed twice")
	}
	w.must(w.store.ReleaseOperation(w.ctx, operation))
	if claim, ok, _ = w.store.ClaimOperation(w.ctx, operation); !ok || !claim.Again {
		t.Fatalf("second attempt %+v, %t", claim, ok)
	}
	w.exec(`update operations set claimed_until = now(), created_at = now() - interval '1 minute'`)
	if n, err := w.store.WakeOperations(w.ctx); err != nil || n != 1 {
		t.Fatalf("a lost operation was not found: %d %v", n, err)
	}
	w.must(w.store.FinishOperation(w.ctx, operation, "member.exists", nil))
	if o, err := w.store.FindOperation(w.ctx, operation); err != nil || !o.Finished || o.Code != "member.exists" {
		t.Fatalf("%+v %v", o, err)
	}
}

// A server that is silent for days must not fill the queue, and one that does not run is not asked.
func TestASilentServerIsAskedEverMoreRarely(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	operation, err := w.request(id, "anna", controlplane.OperationSetPassword)
	w.must(err)
	w.exec(`update operations set created_at = now() - interval '1 minute'`)
	wake := func() int {
		t.Helper()
		n, err := w.store.WakeOperations(w.ctx)
		w.must(err)
		return n
	}
	if wake() != 1 {
		t.Fatal("a lost operation was not found")
	}
	for range 2 {
		_, ok, err := w.store.ClaimOperation(w.ctx, operation)
		w.must(err)
		if !ok {
			t.Fatal("not claimed")
		}
		w.must(w.store.ReleaseOperation(w.ctx, operation))
	}
	if wake() != 0 {
		t.Fatal("woken although it was tried twice just now")
	}
	w.exec(`update operations set attempts = 500, claimed_until = now() - interval '1 second'`)
	w.must(w.store.ReleaseOperation(w.ctx, operation))
	if w.count(`select count(*) from operations where claimed_until between now() + interval '4 minutes' and now() + interval '5 minutes'`) != 1 {
		t.Fatal("the pause has no end")
	}
	w.exec(`update operations set claimed_until = now() - interval '1 second'`)
	w.exec(`update tenants set status = 'suspended', suspended_for = 'payment' where id = $1`, id)
	if wake() != 0 {
		t.Fatal("a server that does not run is asked")
	}
}

// A request that waits for a plan change must see the plan it waited for.
func TestASeatIsCountedByThePlanOfTheMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	change, err := w.pool.Begin(w.ctx)
	w.must(err)
	defer change.Rollback(context.WithoutCancel(w.ctx))
	_, err = change.Exec(w.ctx, `update tenants set plan_id = 'all-in' where id = $1`, id)
	w.must(err)
	asked := make(chan error)
	go func() {
		_, err := w.request(id, "bert", controlplane.OperationCreate)
		asked <- err
	}()
	for w.count(`select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	w.must(change.Commit(w.ctx))
	w.must(<-asked)
}

func TestARefusedCreationGivesItsSeatBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	operation, err := w.request(id, "bert", controlplane.OperationCreate)
	w.must(err)
	w.carryOut(operation, "member.exists")
	if got := w.memberState(id, "bert"); got != "none" {
		t.Fatalf("the refused member is %s", got)
	}
	if o, err := w.store.FindOperation(w.ctx, operation); err != nil || o.Code != "member.exists" {
		t.Fatalf("%+v %v", o, err)
	}
	w.do(id, "bert", controlplane.OperationCreate)
}

func TestMembersWaitForAnActiveServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.request(w.order("anna"), "bert", controlplane.OperationCreate)
	w.wantFault(err, "status.not_active")
}

func (w *world) link(id tenant.ID, who tenant.Localpart, lifetime time.Duration) (string, error) {
	return w.linkBy(w.anna, id, who, lifetime)
}

func (w *world) linkBy(actor controlplane.Actor, id tenant.ID, who tenant.Localpart, lifetime time.Duration) (string, error) {
	token, hash := controlplane.NewToken()
	return token, w.store.CreatePasswordLinks(w.ctx, controlplane.PasswordLinkRequest{
		Actor: actor, Tenant: id, Lifetime: lifetime, Links: []controlplane.NewPasswordLink{{Localpart: who, Hash: hash}},
	})
}

func TestAPasswordLinkWorksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	_, err := w.link(id, "nobody", time.Hour)
	w.wantFault(err, "member.unknown")
	token, err := w.link(id, "anna", time.Hour)
	w.must(err)
	other, err := w.link(id, "anna", time.Hour)
	w.must(err)
	link, err := w.store.FindPasswordLink(w.ctx, token)
	w.must(err)
	if link.Tenant != id || link.Localpart != "anna" || link.Server != "anna.hafen.test" {
		t.Fatalf("link %+v", link)
	}
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		won  int
	)
	for range 10 {
		wait.Go(func() {
			if _, err := w.store.UsePasswordLink(w.ctx, token, []byte("sealed")); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if won != 1 {
		t.Fatalf("used %d times", won)
	}
	_, err = w.store.FindPasswordLink(w.ctx, token)
	w.wantFault(err, "token.used")
	_, err = w.store.FindPasswordLink(w.ctx, other)
	w.wantFault(err, "token.used") // all of a member's links die with the one that was used
	_, err = w.store.FindPasswordLink(w.ctx, "unknown")
	w.wantFault(err, "token.unknown")
	old, err := w.link(id, "anna", -time.Second)
	w.must(err)
	_, err = w.store.FindPasswordLink(w.ctx, old)
	w.wantFault(err, "token.expired")
}

// A link that was sent before must not undo a password that came after it, nor outlive whom it was for.
func TestPasswordLinksDieWithWhatTheyWereFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	for name, change := range map[string]func(){
		"a password that somebody else set": func() { w.do(id, "bert", controlplane.OperationSetPassword) },
		"power over the server": func() {
			operation, err := w.store.RequestMember(w.ctx, controlplane.MemberRequest{
				Actor: w.anna, Tenant: id, Localpart: "bert", Kind: controlplane.OperationSetAdmin, Input: map[string]bool{"admin": true}, Sealed: []byte("sealed"),
			})
			w.must(err)
			w.carryOut(operation, "")
		},
		"closed behind our back, and opened again": func() {
			w.exec(`update members set state = 'deactivated' where localpart = 'bert'`)
			w.do(id, "bert", controlplane.OperationReactivate)
		},
		"another person of the same name": func() {
			w.exec(`update members set missing_at = now() where localpart = 'bert'`)
			w.must(w.store.ForgetMember(w.ctx, w.anna, id, "bert"))
			w.do(id, "bert", controlplane.OperationCreate)
		},
	} {
		if w.memberState(id, "bert") == "none" {
			w.do(id, "bert", controlplane.OperationCreate)
		}
		token, err := w.link(id, "bert", time.Hour)
		w.must(err)
		change()
		if _, err := w.store.UsePasswordLink(w.ctx, token, []byte("sealed")); tenant.FaultOf(err).Code != "token.used" {
			t.Errorf("%s: an older link still works: %v", name, err)
		}
	}
}
