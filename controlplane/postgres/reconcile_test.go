package postgres_test

import (
	"errors"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestOneLeaseATenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	claim, ok, err := w.store.ClaimTenant(w.ctx, id, "one", time.Minute)
	w.must(err)
	if !ok {
		t.Fatal("not claimed")
	}
	if _, ok, _ := w.store.ClaimTenant(w.ctx, id, "two", time.Minute); ok {
		t.Fatal("claimed twice")
	}
	if ok, _ := w.store.ExtendLease(w.ctx, id, "two", time.Minute); ok {
		t.Fatal("extended by another")
	}
	// A wish that comes during the pass is seen by its holder.
	w.must(w.store.Wake(w.ctx, w.anna, id))
	again, err := w.store.FinishReconcile(w.ctx, id, "one", claim)
	w.must(err)
	if !again {
		t.Fatal("the newer wish was lost")
	}
	w.wantStatus(id, tenant.Provisioning)
	// Its own job has met the lease and is gone: whoever held it must be able to go on at once.
	claim = w.claim(id)
	w.exec(`update tenants set lease_until = now() - interval '1 second'`)
	if ok, _ := w.store.ExtendLease(w.ctx, id, "one", time.Minute); ok {
		t.Fatal("an expired lease was extended")
	}
	if _, ok, _ := w.store.ClaimTenant(w.ctx, id, "two", time.Minute); !ok {
		t.Fatal("an expired lease holds")
	}
	if _, err := w.store.FinishReconcile(w.ctx, id, "one", claim); err == nil {
		t.Fatal("finished without the lease")
	}
}

// A wish that comes while a pass fails waits neither for its backoff nor for an operator.
func TestANewerWishOutlivesAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	claim := w.claim(id)
	w.must(w.store.Wake(w.ctx, w.anna, id))
	again, err := w.store.FailReconcile(w.ctx, "one", claim, &tenant.Failure{Disposition: tenant.Stop, Code: "x", Err: errors.New("y")}, -1)
	w.must(err)
	if !again {
		t.Fatal("the newer wish was lost")
	}
	w.exec(`update tenants set requested_at = now() - interval '6 seconds'`)
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("the sweep does not find it: %d, %v", n, err)
	}
	w.reconcile(id)
	w.wantStatus(id, tenant.Active)
}

// claim takes a tenant's lease as "one".
func (w *world) claim(id tenant.ID) controlplane.Claim {
	w.Helper()
	claim, ok, err := w.store.ClaimTenant(w.ctx, id, "one", time.Minute)
	w.must(err)
	if !ok {
		w.Fatalf("%s cannot be claimed", id)
	}
	return claim
}

// fail ends a claimed pass with a failure, nothing newer being wanted.
func (w *world) fail(claim controlplane.Claim, f *tenant.Failure, retryAfter time.Duration) {
	w.Helper()
	again, err := w.store.FailReconcile(w.ctx, "one", claim, f, retryAfter)
	w.must(err)
	if again {
		w.Fatal("something newer is wanted")
	}
}

func TestTheSweepFindsWhatWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	sweep := func() int {
		t.Helper()
		n, err := w.store.WakeDue(w.ctx)
		w.must(err)
		return n
	}
	if sweep() != 0 {
		t.Fatal("swept what has just been enqueued")
	}
	w.exec(`update tenants set requested_at = now() - interval '6 seconds'`)
	_, ok, err := w.store.ClaimTenant(w.ctx, id, "one", time.Minute)
	w.must(err)
	if !ok || sweep() != 0 {
		t.Fatal("swept what somebody works on")
	}
	w.exec(`update tenants set lease_until = now() - interval '1 second'`)
	if sweep() != 1 {
		t.Fatal("a killed worker's tenant was not found")
	}
	w.exec(`update tenants set requested_at = now() - interval '6 seconds'`)
	w.fail(w.claim(id), &tenant.Failure{Code: "docker_absent"}, time.Hour)
	if sweep() != 0 {
		t.Fatal("swept before its time to retry")
	}
	w.exec(`update tenants set retry_at = now()`)
	if sweep() != 1 {
		t.Fatal("a due retry was not found")
	}
	w.reconcile(id)
	w.exec(`update tenants set requested_at = now() - interval '6 minutes'`)
	if sweep() != 0 {
		t.Fatal("swept although just found in order")
	}
	w.exec(`update tenants set checked_at = now() - interval '6 minutes'`)
	if sweep() != 1 {
		t.Fatal("not looked at for drift")
	}
}

func TestAStartedProcessTakesItsOwnWorkUpAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	_, _, err := w.store.ClaimTenant(w.ctx, id, controlplane.LeaseOwner("one", 7), time.Minute)
	w.must(err)
	w.must(w.store.StartOver(w.ctx, "two"))
	w.must(w.store.StartOver(w.ctx, "on"))
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 0 {
		t.Fatalf("another's work was taken: %d %v", n, err)
	}
	w.must(w.store.StartOver(w.ctx, "one"))
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("own work was not taken up: %d %v", n, err)
	}
	w.reconcile(id)
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 0 {
		t.Fatalf("a tenant that was just looked at is due: %d %v", n, err)
	}
	w.must(w.store.StartOver(w.ctx, "one"))
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("after a restart a tenant was not looked at: %d %v", n, err)
	}
}

// Whoever has paid waits for a look at it, and that job's process was killed.
func TestAStartedProcessTakesItsOwnJobsUpAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order("anna")
	w.exec(`update river_job set state = 'running', attempt = 1, attempted_at = now(), attempted_by = array[$1, $2]`,
		controlplane.JobOwner("two"), controlplane.JobOwner("one"))
	jobs := w.count(`select count(*) from river_job`)
	w.must(w.store.StartOver(w.ctx, "two"))
	if n := w.count(`select count(*) from river_job where state = 'running'`); n != jobs || jobs == 0 {
		t.Fatalf("of %d jobs %d are left to whom they are with", jobs, n)
	}
	w.must(w.store.StartOver(w.ctx, "one"))
	if n := w.count(`select count(*) from river_job where state = 'available' and scheduled_at <= now()`); n != jobs {
		t.Fatalf("of %d jobs %d were taken up", jobs, n)
	}
}

func TestAFailureThatStopsIsNotRetriedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	w.fail(w.claim(id), &tenant.Failure{Disposition: tenant.Stop, Code: "x", Err: errors.New("y")}, -1)
	w.exec(`update tenants set requested_at = now() - interval '1 day', checked_at = now() - interval '1 day'`)
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 0 {
		t.Fatalf("woken: %d, %v", n, err)
	}
	w.must(w.store.Wake(w.ctx, w.anna, id))
	w.reconcile(id)
	w.wantStatus(id, tenant.Active)
}
