package templates

import "time"

// StepState is how far one step of the work is.
type StepState string

// States of a step.
const (
	StepWaiting  StepState = "waiting"
	StepRunning  StepState = "running"
	StepDone     StepState = "done"
	StepFailed   StepState = "failed"
	StepRetrying StepState = "retrying"
)

// ProvisioningStep is one line of the progress list; its words are `step.<Name>`.
type ProvisioningStep struct {
	Name    string
	State   StepState
	Elapsed time.Duration // so far, or in all when done
	Attempt int           // 1 is the first
	RetryIn time.Duration // while retrying
	Failure string        // the customer reads `failure.<Failure>`
}

// Provisioning is /servers/{id} while the server is made. ProvisioningSteps is
// replaced by the SSE event "steps" of EventsURL; once Ready, it leads to
// /servers/{id}/ready by itself.
type Provisioning struct {
	Server    Server
	Steps     []ProvisioningStep
	Ready     bool
	Failed    bool // nothing more happens by itself; we have been told
	Elapsed   time.Duration
	EventsURL string
}

func provisioningRefresh(vm Provisioning) string {
	if vm.Ready || vm.Failed {
		return ""
	}
	return "3"
}

// stepShare is how much of the work is done; a running step counts half.
func stepShare(steps []ProvisioningStep) float64 {
	done := 0.0
	for _, s := range steps {
		switch s.State {
		case StepDone:
			done++
		case StepRunning:
			done += 0.5
		}
	}
	return done / float64(max(len(steps), 1))
}

func provisioningTone(vm Provisioning) Tone {
	switch {
	case vm.Ready:
		return ToneGood
	case vm.Failed:
		return ToneBad
	default:
		return ToneInfo
	}
}

func stepTone(state StepState) Tone {
	if state == StepFailed {
		return ToneBad
	}
	return ToneWarn
}

func stepStateWord(l Locale, state StepState) string {
	switch state {
	case StepDone:
		return l.T("provisioning.state.done")
	case StepRunning:
		return l.T("provisioning.state.running")
	case StepFailed:
		return l.T("provisioning.state.failed")
	case StepRetrying:
		return l.T("provisioning.state.retrying")
	default:
		return l.T("provisioning.state.waiting")
	}
}

func provisioningSummary(l Locale, vm Provisioning) string {
	if vm.Ready {
		return l.T("provisioning.summary.ready")
	}
	if vm.Failed {
		return l.T("provisioning.summary.failed")
	}
	for i, s := range vm.Steps {
		if s.State != StepDone {
			return l.T("provisioning.summary.step", "Step", i+1, "Steps", len(vm.Steps))
		}
	}
	return l.T("provisioning.summary.waiting")
}

func retryWords(l Locale, s ProvisioningStep) string {
	if s.RetryIn > 0 {
		return l.T("provisioning.retry_in", "Attempt", s.Attempt+1, "When", l.Duration(s.RetryIn))
	}
	return l.T("provisioning.retry", "Attempt", s.Attempt+1)
}
