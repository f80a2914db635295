package postgres_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

// settings gives the settings a claim of the tenant carries, and ends its pass well.
func (w *world) proven(id tenant.ID) tenant.Settings {
	w.Helper()
	claim := w.claim(id)
	_, err := w.store.FinishReconcile(w.ctx, id, "one", claim)
	w.must(err)
	return claim.Spec.Settings
}

func (w *world) change(id tenant.ID, change func(*tenant.Settings)) {
	w.Helper()
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	after := server.Settings
	change(&after)
	w.must(w.store.ChangeSettings(w.ctx, controlplane.NewSettings{
		Actor: w.anna, Tenant: id, Before: server.Settings, After: after, Wanted: after, Restart: server.Settings.Restarts(after), LanguageBefore: "de", Language: "de",
	}))
}

func (w *world) lastChange(id tenant.ID) controlplane.SettingsChange {
	w.Helper()
	list, err := w.store.ListSettingsChanges(w.ctx, id, 1)
	w.must(err)
	if len(list) != 1 {
		w.Fatalf("%d changes", len(list))
	}
	return list[0]
}

func TestSettingsAreProvenByTheLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	w.reconcile(id)
	w.change(id, func(s *tenant.Settings) { s.Directory, s.RetentionDays = true, 30 })
	if c := w.lastChange(id); c.Outcome != "" || !c.Restart || !slices.Contains(c.Changed, "retention_days") || slices.Contains(c.Changed, "push") {
		t.Errorf("before the loop: %+v", c)
	}
	claim := w.claim(id)
	if !claim.Spec.Settings.Directory || claim.Spec.Settings.RetentionDays != 30 {
		t.Errorf("the loop sees %+v", claim.Spec.Settings)
	}
	for _, step := range []tenant.Step{tenant.RemoveContainer, tenant.AwaitHealthy} {
		run, err := w.store.BeginStep(w.ctx, id, claim.Wanted, step)
		w.must(err)
		w.must(w.store.EndStep(w.ctx, run, nil))
	}
	_, err := w.store.FinishReconcile(w.ctx, id, "one", claim)
	w.must(err)
	if c := w.lastChange(id); c.Outcome != "applied" || c.FinishedAt == nil || c.Away == nil || *c.Away < 0 {
		t.Errorf("after it: %+v", c)
	}
}

func TestSettingsThatBreakTheServerAreTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	w.reconcile(id)
	w.change(id, func(s *tenant.Settings) { s.Directory = true })

	crashed := &tenant.Failure{Disposition: tenant.Retry, Code: "server_crashed", Err: errors.New("exit 1")}
	w.fail(w.claim(id), &tenant.Failure{Disposition: tenant.Retry, Code: "disk_full", Err: errors.New("no room")}, 0)
	w.exec(`update tenants set failures = 0, retry_at = null, wanted = wanted`)
	w.fail(w.claim(id), crashed, 0) // the first crash gets a second chance
	if c := w.lastChange(id); c.Outcome != "" {
		t.Fatalf("taken back too early: %+v", c)
	}
	w.exec(`update tenants set retry_at = null`)
	again, err := w.store.FailReconcile(w.ctx, "one", w.claim(id), crashed, time.Minute)
	w.must(err)
	if !again {
		t.Fatal("nobody goes on with the old settings")
	}
	if c := w.lastChange(id); c.Outcome != "rolled_back" {
		t.Fatalf("not taken back: %+v", c)
	}
	if s := w.proven(id); s.Directory {
		t.Error("the loop still has the settings that broke the server")
	}
	if w.count(`select count(*) from river_job where kind = 'tenant_mail' and args->>'which' = 'settings_rolled_back'`) != 1 {
		t.Error("the owner is not told")
	}
	// Without a change under way a crash is no reason to touch the settings.
	w.must(w.store.Wake(w.ctx, w.anna, id))
	w.fail(w.claim(id), &tenant.Failure{Disposition: tenant.Retry, Code: "server_silent", Err: errors.New("x")}, 0)
}

// The name is no reason for a crash: neither does its change hide the one that is, nor is it taken back with it.
func TestALaterChangeShieldsNoBrokenOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	w.reconcile(id)
	w.change(id, func(s *tenant.Settings) { s.Directory = true })
	w.change(id, func(s *tenant.Settings) { s.Name = "Schule" })
	again, err := w.store.FailReconcile(w.ctx, "one", w.claim(id), &tenant.Failure{Disposition: tenant.Retry, Code: "server_silent", Err: errors.New("x")}, time.Minute)
	w.must(err)
	if c := w.lastChange(id); !again || c.Outcome != "rolled_back" || !c.Restart || !slices.Equal(c.Changed, []string{"directory"}) {
		t.Errorf("what breaks the server stays: %v, %+v", again, c)
	}
	if s := w.proven(id); s.Directory || s.Name != "Schule" {
		t.Errorf("afterwards: %+v", s)
	}
}

func TestANewerChangeSupersedes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	w.reconcile(id)
	w.change(id, func(s *tenant.Settings) { s.Directory = true })
	w.change(id, func(s *tenant.Settings) { s.Welcome = "Moin" })
	list, err := w.store.ListSettingsChanges(w.ctx, id, 9)
	w.must(err)
	if len(list) != 2 || list[0].Outcome != "" || list[1].Outcome != "superseded" {
		t.Errorf("%+v", list)
	}
	if s := w.proven(id); !s.Directory || s.Welcome != "Moin" {
		t.Errorf("the second change lost the first: %+v", s)
	}
	w.must(w.store.Transition(w.ctx, controlplane.Transition{Actor: w.anna, Tenant: id, To: tenant.Suspended, Action: "x", Reason: "abuse"}))
	err = w.store.ChangeSettings(w.ctx, controlplane.NewSettings{Actor: w.anna, Tenant: id})
	if tenant.FaultOf(err).Code != "status.not_active" {
		t.Errorf("a suspended server: %v", err)
	}
}
