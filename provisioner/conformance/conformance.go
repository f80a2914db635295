// Package conformance is the suite every provisioner passes, the real one and the fake: what package controlplane is
// tested with must behave like what it runs with.
package conformance

import (
	"context"
	"slices"
	"testing"
	"time"

	"hafen/tenant"
)

// Subject is a provisioner under test.
type Subject interface {
	Observe(context.Context, tenant.Spec) (tenant.Observed, error)
	Apply(context.Context, tenant.Spec, tenant.Step) error
	Backend(tenant.Spec) string
}

// Bench gives a suite what it needs beside the provisioner.
type Bench struct {
	Subject Subject
	// Spec makes the spec of a new tenant with the goal to run, and has what it leaves cleaned up.
	Spec func(*testing.T) tenant.Spec
	// Left names, looked for independently of Observe, what exists of a tenant outside.
	Left func(*testing.T, tenant.Spec) []string
	// Process tells one start of the tenant's container from another.
	Process func(*testing.T, tenant.Spec) string
}

// Run runs the suite. Every test makes tenants of its own.
func Run(t *testing.T, b Bench) {
	for name, test := range map[string]func(*testing.T, Bench){
		"RunsAfterOnePass":          runsAfterOnePass,
		"EveryStepTwice":            everyStepTwice,
		"StopsAndRunsAgain":         stopsAndRunsAgain,
		"LimitsWithoutRestart":      limitsWithoutRestart,
		"NewRevisionReplaces":       newRevisionReplaces,
		"RemovesFromEveryStage":     removesFromEveryStage,
		"RemovalStepsAreIdempotent": removalStepsAreIdempotent,
		"CancelledAnywhere":         cancelledAnywhere,
		"UnknownStep":               unknownStep,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func runsAfterOnePass(t *testing.T, b Bench) {
	spec := b.Spec(t)
	observed := b.observe(t, spec)
	if observed.Container != tenant.ContainerAbsent || observed.Secrets || observed.Role || observed.Leftovers {
		t.Fatalf("before anything was done: %+v", observed)
	}
	b.applyAll(t, spec, b.diff(t, spec))
	if steps := b.diff(t, spec); len(steps) > 0 {
		t.Fatalf("one pass leaves %v to do; observed %+v", steps, b.observe(t, spec))
	}
	observed = b.observe(t, spec)
	for what, is := range map[string]bool{
		"running": observed.Container == tenant.ContainerRunning, "healthy": observed.Healthy,
		"administrator": observed.Administrator, "certificate": observed.Certificate.After(time.Now()),
		"route":    observed.Route == spec.Route(b.Subject.Backend(spec)),
		"revision": observed.Revision == spec.Revision() && observed.Files == spec.Revision(),
		"limits":   observed.Limits == spec.Limits,
	} {
		if !is {
			t.Errorf("not so: %s; observed %+v", what, observed)
		}
	}
}

func everyStepTwice(t *testing.T, b Bench) {
	spec := b.Spec(t)
	for _, step := range b.diff(t, spec) {
		b.apply(t, spec, step)
		b.apply(t, spec, step)
	}
	process := b.Process(t, spec)
	// And once more, all of them that build, on a server that runs.
	for _, step := range []tenant.Step{
		tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles, tenant.CreateContainer, tenant.UpdateLimits,
		tenant.StartContainer, tenant.AwaitHealthy, tenant.CreateAdministrator, tenant.PublishRoute,
	} {
		b.apply(t, spec, step)
	}
	if b.Process(t, spec) != process {
		t.Error("repeating the steps started the server anew")
	}
	if steps := b.diff(t, spec); len(steps) > 0 {
		t.Errorf("left to do: %v", steps)
	}
}

func stopsAndRunsAgain(t *testing.T, b Bench) {
	spec := b.Spec(t)
	b.converge(t, spec)
	stopped := spec
	stopped.Goal = tenant.GoalStop
	b.converge(t, stopped)
	observed := b.observe(t, stopped)
	if observed.Container != tenant.ContainerStopped || observed.Route.Mode != tenant.RouteSuspended ||
		!observed.Role || !observed.Database || !observed.Secrets || !observed.Leftovers {
		t.Errorf("stopped: %+v", observed)
	}
	b.converge(t, spec)
	if observed := b.observe(t, spec); !observed.Healthy || observed.Route.Mode != tenant.RouteOpen {
		t.Errorf("running again: %+v", observed)
	}
}

func limitsWithoutRestart(t *testing.T, b Bench) {
	spec := b.Spec(t)
	b.converge(t, spec)
	process := b.Process(t, spec)
	for _, factor := range []int64{2, 1} { // up, and down again
		changed := spec
		changed.Limits.MemoryBytes *= factor
		changed.Limits.CPUMillis *= int(factor)
		changed.Limits.PIDs *= int(factor)
		changed.Limits.DatabaseConnections *= int(factor)
		if factor > 1 && !slices.Equal(b.diff(t, changed), []tenant.Step{tenant.UpdateLimits}) {
			t.Errorf("steps of a change of limits: %v", b.diff(t, changed))
		}
		b.converge(t, changed)
		if observed := b.observe(t, changed); observed.Limits != changed.Limits || !observed.Healthy {
			t.Errorf("limits wanted %+v, observed %+v", changed.Limits, observed)
		}
	}
	if b.Process(t, spec) != process {
		t.Error("a change of limits started the server anew")
	}
}

func newRevisionReplaces(t *testing.T, b Bench) {
	spec := b.Spec(t)
	b.converge(t, spec)
	process := b.Process(t, spec)
	spec.Host = "elsewhere." + spec.Host
	b.converge(t, spec)
	observed := b.observe(t, spec)
	if observed.Revision != spec.Revision() || observed.Files != spec.Revision() || !observed.Healthy || b.Process(t, spec) == process {
		t.Errorf("after a change of configuration: %+v", observed)
	}
}

// removesFromEveryStage stops building after each step in turn, as a kill would, and removes what is there.
func removesFromEveryStage(t *testing.T, b Bench) {
	count := len(b.diff(t, b.Spec(t)))
	for stage := range count + 1 {
		spec := b.Spec(t)
		b.applyAll(t, spec, b.diff(t, spec)[:stage])
		spec.Goal = tenant.GoalRemove
		b.converge(t, spec)
		if left := b.Left(t, spec); len(left) > 0 {
			t.Errorf("removed after %d steps of building, left: %v", stage, left)
		}
	}
}

func removalStepsAreIdempotent(t *testing.T, b Bench) {
	spec := b.Spec(t)
	b.converge(t, spec)
	spec.Goal = tenant.GoalRemove
	removal := b.diff(t, spec)
	for _, step := range removal {
		b.apply(t, spec, step)
		b.apply(t, spec, step)
	}
	for _, step := range removal { // of what is no longer there
		b.apply(t, spec, step)
	}
	if left := b.Left(t, spec); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// cancelledAnywhere ends every step early, ever later, as a kill in its middle would; then it must still converge.
func cancelledAnywhere(t *testing.T, b Bench) {
	spec := b.Spec(t)
	for _, step := range b.diff(t, spec) {
		for _, after := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 125 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			_ = b.Subject.Apply(ctx, spec, step) // may fail or not: that it is cut is the point
			cancel()
		}
		b.apply(t, spec, step)
	}
	b.converge(t, spec)
	if observed := b.observe(t, spec); !observed.Healthy {
		t.Errorf("observed %+v", observed)
	}
	spec.Goal = tenant.GoalRemove
	for _, step := range b.diff(t, spec) {
		for _, after := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			_ = b.Subject.Apply(ctx, spec, step)
			cancel()
		}
	}
	b.converge(t, spec)
	if left := b.Left(t, spec); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func unknownStep(t *testing.T, b Bench) {
	err := b.Subject.Apply(t.Context(), b.Spec(t), "dance")
	if f := tenant.FailureOf(err); err == nil || f.Disposition != tenant.Stop || f.Code != "step_unknown" {
		t.Errorf("an unknown step: %v", err)
	}
}

func (b Bench) observe(t *testing.T, spec tenant.Spec) tenant.Observed {
	t.Helper()
	observed, err := b.Subject.Observe(t.Context(), spec)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return observed
}

func (b Bench) diff(t *testing.T, spec tenant.Spec) []tenant.Step {
	t.Helper()
	return tenant.Diff(spec, b.Subject.Backend(spec), b.observe(t, spec), time.Now())
}

func (b Bench) apply(t *testing.T, spec tenant.Spec, step tenant.Step) {
	t.Helper()
	if err := b.Subject.Apply(t.Context(), spec, step); err != nil {
		t.Fatalf("%s: %v", step, err)
	}
}

func (b Bench) applyAll(t *testing.T, spec tenant.Spec, steps []tenant.Step) {
	t.Helper()
	for _, step := range steps {
		b.apply(t, spec, step)
	}
}

// converge observes, diffs and applies until nothing is to do. Three rounds are one more than any change needs.
func (b Bench) converge(t *testing.T, spec tenant.Spec) {
	t.Helper()
	for range 3 {
		steps := b.diff(t, spec)
		if len(steps) == 0 {
			return
		}
		b.applyAll(t, spec, steps)
	}
	if steps := b.diff(t, spec); len(steps) > 0 {
		t.Fatalf("no fixed point: %v", steps)
	}
}

// Spec makes the spec of a new tenant that is to run, without federation and without an image.
func Spec() tenant.Spec {
	id := tenant.NewID()
	name := tenant.MustDomain("name-" + string(id) + ".example.org")
	return tenant.Spec{
		ID: id, Number: 1, ServerName: name, Host: name, Engine: tenant.Dendrite, Goal: tenant.GoalRun,
		Limits:   tenant.Limits{MemoryBytes: 256 << 20, CPUMillis: 1000, PIDs: 256, DatabaseConnections: 10, DiskBytes: 2 << 30},
		Quota:    tenant.Quota{Seats: 5, StorageBytes: 1 << 30, UploadBytes: 50 << 20},
		Settings: tenant.Settings{Federation: tenant.FederationOff, UploadBytes: 50 << 20},
		Contact:  "mailto:help@example.org", FirstAdmin: "anna",
	}
}
