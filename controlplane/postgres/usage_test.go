package postgres_test

import (
	"testing"
	"time"

	"hafen/tenant"
)

func TestTheLedgerIsThinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	var hour time.Time
	w.must(w.pool.QueryRow(w.ctx, `select date_trunc('hour', now())`).Scan(&hour))
	day := 24 * time.Hour
	for _, ago := range []time.Duration{0, day} { // kept as they are
		w.measure(id, hour.Add(-ago-time.Hour), hour.Add(-ago-50*time.Minute))
	}
	w.measure(id, hour.Add(-3*day), hour.Add(-3*day+20*time.Minute), hour.Add(-3*day+59*time.Minute), hour.Add(-3*day+time.Hour))
	w.measure(id, hour.Add(-91*day))
	w.must(w.store.ThinUsage(w.ctx))
	w.must(w.store.ThinUsage(w.ctx))
	if n := w.count(`select count(*) from usage where measured_at > now() - interval '2 days'`); n != 4 {
		t.Errorf("%d of 4 young measurements left", n)
	}
	kept := w.count(`select count(*) from usage where measured_at in ($1, $2)`, hour.Add(-3*day+59*time.Minute), hour.Add(-3*day+time.Hour))
	if all := w.count(`select count(*) from usage where measured_at < now() - interval '2 days'`); kept != 2 || all != 2 {
		t.Errorf("%d old measurements left, %d of them the last of their hour, want 2 and 2", all, kept)
	}
}

func (w *world) measure(id tenant.ID, at ...time.Time) {
	w.Helper()
	for _, at := range at {
		w.must(w.store.RecordUsage(w.ctx, id, at, tenant.Usage{DatabaseBytes: 1}))
	}
}

func TestTheLongestUnmeasuredComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh, old, never := w.active("fresh"), w.active("old"), w.active("never")
	w.order("provisioning")
	w.measure(fresh, time.Now())
	w.measure(old, time.Now().Add(-time.Hour))
	specs, err := w.store.ListUnmeasured(w.ctx, 2*time.Minute, 9)
	w.must(err)
	if len(specs) != 2 || specs[0].ID != never || specs[1].ID != old || specs[0].Limits.MemoryBytes == 0 {
		t.Fatalf("unmeasured: %+v", specs)
	}
}

// A tenant that fails for months must not grow its history for ever.
func TestOldStepsAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	for range 2 {
		run, err := w.store.BeginStep(w.ctx, id, 1, tenant.CreateSecrets)
		w.must(err)
		w.must(w.store.EndStep(w.ctx, run, nil))
	}
	w.exec(`update steps set finished_at = now() - interval '91 days' where id = (select min(id) from steps)`)
	w.must(w.store.CleanAccounts(w.ctx))
	if n := w.count(`select count(*) from steps where finished_at > now() - interval '1 day'`); n != 1 || w.count(`select count(*) from steps`) != 1 {
		t.Fatalf("%d young steps left of %d", n, w.count(`select count(*) from steps`))
	}
}
