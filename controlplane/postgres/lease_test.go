package postgres_test

import (
	"context"
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
