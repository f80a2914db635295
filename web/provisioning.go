package web

import (
	"slices"
	"time"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showProvisioning(r *request) error {
	vm, err := s.provisioningView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.ProvisioningPage(s.page(r), vm))
}

func (s *Server) provisioningView(r *request) (templates.Provisioning, error) {
	runs, err := s.Servers.Progress(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return templates.Provisioning{}, err
	}
	now := s.Now()
	return templates.Provisioning{
		Server: s.serverView(r, r.server), Steps: progress(r.server, runs, now), Ready: r.server.ActiveAt != nil,
		Failed: stuck(r.server), Elapsed: elapsed(r.server, runs, now), EventsURL: eventsURL(r.server.ID, viewProvisioning),
	}, nil
}

// progress lists what is done to make a server, with what became of it so far. The list is that of the domain, for a server
// of which nothing exists yet, so the page shows the whole way from the start.
func progress(server controlplane.Server, runs []controlplane.StepRun, now time.Time) []templates.ProvisioningStep {
	byStep := map[tenant.Step][]controlplane.StepRun{}
	for _, run := range runs {
		byStep[run.Step] = append(byStep[run.Step], run)
	}
	var list []templates.ProvisioningStep
	for _, step := range tenant.Diff(tenant.Spec{Goal: tenant.GoalRun}, "", tenant.Observed{Container: tenant.ContainerAbsent}, now) {
		view := stepView(server, byStep[step], now)
		view.Name = string(step)
		list = append(list, view)
	}
	hindered(server, list, now)
	return list
}

// hindered tells of a failure that came before any step, when Docker could not even be asked what there is, say: it belongs to
// the step that would have been next.
func hindered(server controlplane.Server, list []templates.ProvisioningStep, now time.Time) {
	next := slices.IndexFunc(list, func(s templates.ProvisioningStep) bool { return s.State != templates.StepDone })
	if next < 0 || server.FailureCode == "" || list[next].State != templates.StepWaiting {
		return
	}
	step := &list[next]
	step.Failure, step.State = server.FailureCode, templates.StepFailed
	if server.RetryAt != nil {
		step.State, step.RetryIn = templates.StepRetrying, max(0, server.RetryAt.Sub(now))
	}
}

func stepView(server controlplane.Server, runs []controlplane.StepRun, now time.Time) templates.ProvisioningStep {
	if len(runs) == 0 {
		if server.ActiveAt != nil {
			return templates.ProvisioningStep{State: templates.StepDone} // was not needed, or is longer ago than the list reaches
		}
		return templates.ProvisioningStep{State: templates.StepWaiting}
	}
	last := runs[len(runs)-1]
	view := templates.ProvisioningStep{Attempt: attempts(runs), Elapsed: lasted(last, now), Failure: last.Code}
	switch {
	case last.FinishedAt == nil:
		view.State = templates.StepRunning
	case last.Code == "":
		view.State = templates.StepDone
	case server.RetryAt != nil:
		view.State, view.RetryIn = templates.StepRetrying, max(0, server.RetryAt.Sub(now))
	case server.FailureCode != "":
		view.State = templates.StepFailed
	default:
		view.State = templates.StepRetrying // failed, and not yet decided what now
	}
	return view
}

// attempts counts the last run and the failed ones right before it.
func attempts(runs []controlplane.StepRun) int {
	n := 1
	for i := len(runs) - 2; i >= 0 && (runs[i].Code != "" || runs[i].FinishedAt == nil); i-- {
		n++
	}
	return n
}

func lasted(run controlplane.StepRun, now time.Time) time.Duration {
	end := now
	if run.FinishedAt != nil {
		end = *run.FinishedAt
	}
	return max(0, end.Sub(run.StartedAt))
}

// elapsed is the time since work on a new server began, or what it took.
func elapsed(server controlplane.Server, runs []controlplane.StepRun, now time.Time) time.Duration {
	if len(runs) == 0 {
		return 0
	}
	end := now
	if server.ActiveAt != nil {
		end = *server.ActiveAt
	}
	return max(0, end.Sub(runs[0].StartedAt))
}
