package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

// stalled is a provisioner whose every look waits to be let go, and then fails.
type stalled struct{ looking chan chan struct{} }

func (s stalled) Observe(context.Context, tenant.Spec) (tenant.Observed, error) {
	mine := make(chan struct{})
	s.looking <- mine
	<-mine
	return tenant.Observed{}, &tenant.Failure{Disposition: tenant.Retry, Code: "timeout"}
}

func (stalled) Apply(context.Context, tenant.Spec, tenant.Step) error { return nil }
func (stalled) Backend(tenant.Spec) string                            { return "" }

// A database that stalls costs a pass its lease, and the sweep has the next one begun in the same process. The first must not
// go on as if it were the second, nor end what the second holds.
func TestAPassThatLostItsLeaseEndsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	outside := stalled{looking: make(chan chan struct{})}
	reconciler := controlplane.NewReconciler(controlplane.ReconcilerConfig{
		Store: w.store, Provisioner: outside, Owner: "one", Log: slog.New(slog.DiscardHandler),
		Image: func(tenant.EngineName) (string, error) { return "sha256:1", nil },
	})
	ended := make(chan error)
	begin := func() chan struct{} {
		go func() { ended <- reconciler.Reconcile(w.ctx, id) }()
		return <-outside.looking
	}
	first := begin()
	w.exec(`update tenants set lease_until = now() - interval '1 second'`)
	second := begin()
	close(first)
	if err := <-ended; err != nil {
		t.Logf("the first pass: %v", err) // it may have noticed before it was let go
	}
	if n := w.count(`select count(*) from tenants where lease_until > now() and failures = 0`); n != 1 {
		t.Fatal("the first pass has ended the second's lease")
	}
	close(second)
	w.must(<-ended)
	if n := w.count(`select count(*) from tenants where lease_owner = '' and failures = 1`); n != 1 {
		t.Fatal("the second pass did not record its end")
	}
}

// broken is a provisioner that can do nothing for good.
type broken struct{ stalled }

func (broken) Observe(context.Context, tenant.Spec) (tenant.Observed, error) {
	return tenant.Observed{}, &tenant.Failure{Disposition: tenant.Stop, Code: "name_taken", Err: errors.New("said \x00 and \xff")}
}

// A failure that stops the provisioning of a new server waits for an operator; one of a server in use must not end all care
// for it.
func TestAServerInUseIsLookedAfterInSpiteOfAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reconciler := controlplane.NewReconciler(controlplane.ReconcilerConfig{
		Store: w.store, Provisioner: broken{}, Owner: "one", Log: slog.New(slog.DiscardHandler),
		Image: func(tenant.EngineName) (string, error) { return "sha256:1", nil },
	})
	fresh, used := w.order("fresh"), w.active("used")
	w.must(w.store.Wake(w.ctx, w.anna, used))
	w.must(reconciler.Reconcile(w.ctx, fresh))
	w.must(reconciler.Reconcile(w.ctx, used))
	if n := w.count(`select count(*) from tenants where retry_at = 'infinity' and id = $1 and failure_detail = 'name_taken: said ? and ?'`, fresh); n != 1 {
		t.Error("a new server does not wait for an operator")
	}
	if n := w.count(`select count(*) from tenants where retry_at between now() and now() + interval '61 minutes' and id = $1`, used); n != 1 {
		t.Error("a server in use is given up")
	}
	// Its container ends: that may be mended, whatever the failure was about.
	w.must(w.store.Nudge(w.ctx, used))
	w.must(w.store.Nudge(w.ctx, fresh))
	if n := w.count(`select count(*) from tenants where retry_at <= now() + interval '1 minute'`); n != 1 {
		t.Errorf("%d tenants are tried again soon, want the one in use", n)
	}
	w.exec(`update tenants set retry_at = now() where id = $1`, used)
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("woken: %d, %v", n, err)
	}
	jobs := w.jobs("reconcile")
	w.must(w.store.Nudge(w.ctx, used))
	if w.jobs("reconcile") != jobs+1 {
		t.Error("a tenant with nothing to wait for is not woken")
	}
}
