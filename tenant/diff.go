package tenant

import "time"

// RenewBefore is how long before its end a certificate is renewed: a third of the 90 days of the common ACME authorities.
const RenewBefore = 30 * 24 * time.Hour

// Diff lists the steps that lead from observed to spec, in order. It is empty when nothing is to do. The list is meant to be
// applied from its head until a step fails, then observed and diffed again; applying it whole reaches the goal.
//
// The order holds these rules: a route is published only to a server proven healthy, withdrawn before its server stops, and
// secrets go last, since every other removal may need them.
func Diff(spec Spec, backend string, o Observed, now time.Time) []Step {
	switch spec.Goal {
	case GoalRun:
		return diffRun(spec, backend, o, now)
	case GoalStop:
		return diffStop(spec, backend, o)
	case GoalRemove:
		return diffRemove(o)
	default:
		return nil
	}
}

func diffRun(spec Spec, backend string, o Observed, now time.Time) []Step {
	var steps []Step
	add := func(when bool, step Step) {
		if when {
			steps = append(steps, step)
		}
	}
	revision := spec.Revision()
	stale := o.Container != ContainerAbsent && o.Revision != revision
	// A running server reads its configuration once, at start: new files need a new container even when its label is right.
	stale = stale || (o.Container == ContainerRunning && o.Files != revision)
	fresh := o.Container == ContainerAbsent || stale
	running := o.Container == ContainerRunning && !stale

	add(!o.Secrets, CreateSecrets)
	add(!o.Role || !o.Database, CreateDatabase)
	add(stale, RemoveContainer)
	add(o.Files != revision, WriteFiles)
	add(fresh, CreateContainer)
	add(!fresh && o.Limits != spec.Limits, UpdateLimits)
	add(!running, StartContainer)
	// Before the wait for health, because an engine needs about as long to come up as a certificate takes to get.
	valid := o.Certificate.After(now)
	add(!valid, IssueCertificate)
	add(!running || !o.Healthy, AwaitHealthy)
	add(!o.Administrator, CreateAdministrator)
	add(o.Route != spec.Route(backend), PublishRoute)
	// A renewal last: while it fails, for weeks perhaps, the certificate there is serves all the same.
	add(valid && o.Certificate.Sub(now) < RenewBefore, IssueCertificate)
	return steps
}

func diffStop(spec Spec, backend string, o Observed) []Step {
	var steps []Step
	// A tenant that never had a route gets none by being stopped.
	if o.Route != (Route{}) && o.Route != spec.Route(backend) {
		steps = append(steps, PublishRoute)
	}
	if o.Container == ContainerRunning {
		steps = append(steps, StopContainer)
	}
	return steps
}

func diffRemove(o Observed) []Step {
	var steps []Step
	add := func(when bool, step Step) {
		if when {
			steps = append(steps, step)
		}
	}
	add(o.Route != Route{}, WithdrawRoute)
	add(o.Container != ContainerAbsent, RemoveContainer)
	add(o.Role || o.Database, DropDatabase)
	add(o.Leftovers, RemoveFiles)
	add(!o.Certificate.IsZero(), RemoveCertificate)
	add(o.Secrets, RemoveSecrets)
	return steps
}
