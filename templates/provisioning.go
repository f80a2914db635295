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
