package web

import (
	"net/http"
	"time"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) suspendServer(r *request) error {
	in, err := r.form("reason", "note")
	if err != nil {
		return err
	}
	return s.fleetAction(r, in, flashServerSuspended, func(id tenant.ID) error {
		return s.Operators.Suspend(r.ctx(), r.actor(), id, in.get("reason"), in.get("note"))
	})
}

func (s *Server) resumeServer(r *request) error {
	return s.fleetAction(r, input{}, flashServerResumed, func(id tenant.ID) error {
		return s.Operators.Resume(r.ctx(), r.actor(), id)
	})
}

func (s *Server) retryServer(r *request) error {
	return s.fleetAction(r, input{}, flashServerRetried, func(id tenant.ID) error {
		return s.Operators.Retry(r.ctx(), r.actor(), id)
	})
}

func (s *Server) deleteFleetServer(r *request) error {
	in, err := r.form("name")
	if err != nil {
		return err
	}
	return s.fleetAction(r, in, flashServerDeleted, func(id tenant.ID) error {
		return s.Operators.Delete(r.ctx(), r.actor(), id, in.get("name"))
	})
}

// fleetAction acts on the server in the path and shows it again; what is wrong with the form is shown in it.
func (s *Server) fleetAction(r *request, in input, message flash, act func(tenant.ID) error) error {
	server, err := s.fleetServer(r)
	if err != nil {
		return err
	}
	err = act(server.ID)
	if form, wrong := in.wrong(err); wrong {
		return s.fleetServerPage(r, http.StatusUnprocessableEntity, server, form)
	}
	if err != nil {
		return err
	}
	return r.done(fleetPath(server.ID), message)
}

// runViews is the history of steps, newest first.
func runViews(server controlplane.Server, runs []controlplane.StepRun, now time.Time) []templates.StepRun {
	list := make([]templates.StepRun, 0, len(runs))
	tries := map[tenant.Step]int{}
	for _, run := range runs {
		tries[run.Step]++
		view := templates.StepRun{
			Name: string(run.Step), State: templates.StepDone, Started: run.StartedAt, Elapsed: lasted(run, now),
			Attempt: tries[run.Step], Error: runError(run),
		}
		switch {
		case run.FinishedAt == nil:
			view.State = templates.StepRunning
		case run.Code != "" && server.RetryAt != nil:
			view.State = templates.StepRetrying
		case run.Code != "":
			view.State = templates.StepFailed
		default:
			tries[run.Step] = 0
		}
		list = append([]templates.StepRun{view}, list...)
	}
	return list
}

func runError(run controlplane.StepRun) string {
	switch {
	case run.Code == "":
		return ""
	case run.Detail == "":
		return run.Code
	default:
		return run.Code + ": " + run.Detail
	}
}
