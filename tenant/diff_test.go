package tenant_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hafen/tenant"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const backend = "unix:/run/hafen/t/hs.sock"

func specs() *rapid.Generator[tenant.Spec] {
	return rapid.Custom(func(t *rapid.T) tenant.Spec {
		return tenant.Spec{
			ID: "taaaaaaaaaaaaaaaa", Number: rapid.IntRange(1, 9).Draw(t, "number"),
			ServerName: "a.example", Host: "a.example", Engine: tenant.Dendrite,
			Image:  rapid.SampledFrom([]string{"sha256:1", "sha256:2"}).Draw(t, "image"),
			Goal:   rapid.SampledFrom([]tenant.Goal{tenant.GoalRun, tenant.GoalStop, tenant.GoalRemove, tenant.GoalNone}).Draw(t, "goal"),
			Limits: tenant.Limits{MemoryBytes: rapid.Int64Range(1, 3).Draw(t, "memory")},
			Quota:  tenant.Quota{StorageBytes: rapid.Int64Range(1, 2).Draw(t, "storage")},
			Settings: tenant.Settings{
				Federation: rapid.SampledFrom([]tenant.FederationMode{tenant.FederationOff, tenant.FederationList, tenant.FederationOpen}).Draw(t, "federation"),
				Previews:   rapid.Bool().Draw(t, "previews"),
			},
		}
	})
}

func observations(spec tenant.Spec) *rapid.Generator[tenant.Observed] {
	return rapid.Custom(func(t *rapid.T) tenant.Observed {
		revision := rapid.SampledFrom([]string{"", "old", spec.Revision()})
		other := spec
		other.Quota.StorageBytes++
		return tenant.Observed{
			Secrets: rapid.Bool().Draw(t, "secrets"), Role: rapid.Bool().Draw(t, "role"), Database: rapid.Bool().Draw(t, "database"),
			Files: revision.Draw(t, "files"), Leftovers: rapid.Bool().Draw(t, "leftovers"),
			Container: rapid.SampledFrom([]tenant.ContainerState{
				tenant.ContainerAbsent, tenant.ContainerStopped, tenant.ContainerRunning,
			}).Draw(t, "container"),
			Revision: revision.Draw(t, "container revision"), Limits: tenant.Limits{MemoryBytes: rapid.Int64Range(1, 3).Draw(t, "limits")},
			Healthy: rapid.Bool().Draw(t, "healthy"), Administrator: rapid.Bool().Draw(t, "administrator"),
			Certificate: rapid.SampledFrom([]time.Time{{}, now.Add(-time.Hour), now.Add(time.Hour), now.AddDate(0, 0, 89)}).Draw(t, "certificate"),
			Route:       rapid.SampledFrom([]tenant.Route{{}, spec.Route(backend), other.Route(backend)}).Draw(t, "route"),
		}
	})
}

// world is what the steps do, in the smallest model that can tell a wrong order: it refuses a step whose ground is missing.
func apply(t *rapid.T, spec tenant.Spec, o tenant.Observed, step tenant.Step) tenant.Observed {
	must := func(ok bool, need string) {
		if !ok {
			t.Fatalf("%s came before %s: %+v", step, need, o)
		}
	}
	switch step {
	case tenant.CreateSecrets:
		o.Secrets = true
	case tenant.CreateDatabase:
		must(o.Secrets, "its password")
		o.Role, o.Database = true, true
	case tenant.WriteFiles:
		must(o.Secrets, "the keys")
		must(o.Container != tenant.ContainerRunning || o.Revision == spec.Revision(), "stopping the old server")
		o.Files, o.Leftovers = spec.Revision(), true
	case tenant.IssueCertificate:
		o.Certificate = now.AddDate(0, 0, 90)
	case tenant.RemoveContainer:
		o.Container, o.Revision, o.Limits, o.Healthy = tenant.ContainerAbsent, "", tenant.Limits{}, false
	case tenant.CreateContainer:
		must(o.Container == tenant.ContainerAbsent, "removing the old one")
		must(o.Files == spec.Revision(), "its configuration")
		o.Container, o.Revision, o.Limits = tenant.ContainerStopped, spec.Revision(), spec.Limits
	case tenant.UpdateLimits:
		must(o.Container != tenant.ContainerAbsent, "the container")
		o.Limits = spec.Limits
	case tenant.StartContainer:
		must(o.Container != tenant.ContainerAbsent && o.Role && o.Database, "container and database")
		o.Container = tenant.ContainerRunning
	case tenant.AwaitHealthy:
		must(o.Container == tenant.ContainerRunning, "the start")
		o.Healthy = true
	case tenant.CreateAdministrator:
		must(o.Healthy, "health")
		o.Administrator = true
	case tenant.PublishRoute:
		must(spec.Goal != tenant.GoalRun || o.Healthy, "health")
		must(spec.Goal != tenant.GoalRun || !o.Certificate.IsZero(), "the certificate")
		o.Route = spec.Route(backend)
	case tenant.WithdrawRoute:
		o.Route = tenant.Route{}
	case tenant.StopContainer:
		must(o.Route == tenant.Route{} || o.Route.Mode == tenant.RouteSuspended, "turning the route away")
		o.Container, o.Healthy = tenant.ContainerStopped, false
	case tenant.DropDatabase:
		must(o.Container == tenant.ContainerAbsent, "removing the container")
		o.Role, o.Database = false, false
	case tenant.RemoveFiles:
		must(o.Container == tenant.ContainerAbsent, "removing the container")
		o.Files, o.Leftovers = "", false
	case tenant.RemoveCertificate:
		must(o.Route == tenant.Route{}, "withdrawing the route")
		o.Certificate = time.Time{}
	case tenant.RemoveSecrets:
		must(!o.Role && !o.Database && o.Container == tenant.ContainerAbsent, "everything else")
		o.Secrets, o.Administrator = false, false
	default:
		t.Fatalf("step %q is not in the model", step)
	}
	return o
}

// normal drops what cannot be observed together: a container that is absent has no revision, one that is down is not healthy,
// and written files are leftovers.
func normal(o tenant.Observed) tenant.Observed {
	if o.Container == tenant.ContainerAbsent {
		o.Revision, o.Limits = "", tenant.Limits{}
	}
	o.Healthy = o.Healthy && o.Container == tenant.ContainerRunning
	o.Leftovers = o.Leftovers || o.Files != ""
	o.Administrator = o.Administrator && o.Secrets
	return o
}

func TestDiffReachesAFixedPointFromEveryState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		o := normal(observations(spec).Draw(t, "observed"))
		for _, step := range tenant.Diff(spec, backend, o, now) {
			o = apply(t, spec, o, step)
		}
		if left := tenant.Diff(spec, backend, o, now); len(left) > 0 {
			t.Fatalf("steps left after all were applied: %v", left)
		}
		reached(t, spec, o)
	})
}

// A step list may be cut anywhere, by a failure or a kill: diffing again from there must lead to the same end.
func TestDiffResumesFromEveryCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		o := normal(observations(spec).Draw(t, "observed"))
		for range len(tenant.Steps) * 2 {
			steps := tenant.Diff(spec, backend, o, now)
			if len(steps) == 0 {
				reached(t, spec, o)
				return
			}
			for _, step := range steps[:rapid.IntRange(1, len(steps)).Draw(t, "cut")] {
				o = apply(t, spec, o, step)
			}
		}
		t.Fatalf("no fixed point, still %v", tenant.Diff(spec, backend, o, now))
	})
}

func reached(t *rapid.T, spec tenant.Spec, o tenant.Observed) {
	switch spec.Goal {
	case tenant.GoalRun:
		for _, c := range tenant.Conditions(spec, backend, o, now) {
			if !c.OK {
				t.Fatalf("running, but not %s: %s", c.Kind, c.Code)
			}
		}
		if o.Revision != spec.Revision() || o.Files != spec.Revision() || o.Limits != spec.Limits || !o.Administrator {
			t.Fatalf("running, but stale: %+v", o)
		}
	case tenant.GoalStop:
		if o.Container == tenant.ContainerRunning || o.Route.Mode == tenant.RouteOpen {
			t.Fatalf("stopped, but serving: %+v", o)
		}
	case tenant.GoalRemove:
		if o != (tenant.Observed{Container: tenant.ContainerAbsent}) {
			t.Fatalf("removed, but left: %+v", o)
		}
	}
}

func TestARunningTenantWithNothingToDoGetsNoSteps(t *testing.T) {
	t.Parallel()
	spec := tenant.Spec{ID: "taaaaaaaaaaaaaaaa", ServerName: "a.example", Host: "a.example", Goal: tenant.GoalRun}
	o := tenant.Observed{
		Secrets: true, Role: true, Database: true, Files: spec.Revision(), Leftovers: true, Container: tenant.ContainerRunning,
		Revision: spec.Revision(), Healthy: true, Administrator: true, Certificate: now.AddDate(0, 0, 60), Route: spec.Route(backend),
	}
	if steps := tenant.Diff(spec, backend, o, now); len(steps) != 0 {
		t.Fatalf("steps %v", steps)
	}
	// Raising a quota moves the route and the limits and nothing else: no restart.
	spec.Quota.StorageBytes, spec.Limits.MemoryBytes = 99, 99
	want := []tenant.Step{tenant.UpdateLimits, tenant.PublishRoute}
	if steps := tenant.Diff(spec, backend, o, now); !slices.Equal(steps, want) {
		t.Fatalf("steps %v, want %v", steps, want)
	}
	// A certificate is renewed a month before its end, while the server runs on.
	spec.Quota.StorageBytes, spec.Limits.MemoryBytes = 0, 0
	if steps := tenant.Diff(spec, backend, o, now.AddDate(0, 0, 31)); !slices.Equal(steps, []tenant.Step{tenant.IssueCertificate}) {
		t.Fatalf("steps %v, want a renewal", steps)
	}
	// A renewal that fails keeps nothing from being done; a certificate that is over does, since nothing could be served.
	o.Container, o.Healthy, o.Route = tenant.ContainerStopped, false, tenant.Route{}
	want = []tenant.Step{tenant.StartContainer, tenant.AwaitHealthy, tenant.PublishRoute, tenant.IssueCertificate}
	if steps := tenant.Diff(spec, backend, o, now.AddDate(0, 0, 31)); !slices.Equal(steps, want) {
		t.Fatalf("steps %v, want %v", steps, want)
	}
	want = []tenant.Step{tenant.StartContainer, tenant.IssueCertificate, tenant.AwaitHealthy, tenant.PublishRoute}
	if steps := tenant.Diff(spec, backend, o, now.AddDate(0, 0, 61)); !slices.Equal(steps, want) {
		t.Fatalf("steps %v, want %v", steps, want)
	}
}
