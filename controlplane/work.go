package controlplane

import (
	"context"
	"encoding/json"
	"time"

	"hafen/tenant"
)

// Work is a long operation on what a server holds, as its page shows it: under way, or ended within the last week.
type Work struct {
	ID          string
	Kind        OperationKind
	Actor       string // address
	Input       json.RawMessage
	Done, Total int64 // progress, in a unit of the kind
	Finished    bool
	Code        string // of the failure
	Attempts    int
	CreatedAt   time.Time
	FinishedAt  *time.Time
	// What the server took up before and afterwards, as measured; nil when it was not.
	Before, After *tenant.Usage
}

// ContentStore is what the rooms and media of a server are looked after with.
type ContentStore interface {
	ServerFinder
	OperationRequests
	// ListWork lists the latest operations of these kinds, newest first: those of a week, and all that are open.
	ListWork(ctx context.Context, id tenant.ID, kinds ...OperationKind) ([]Work, error)
}

// questionSubjects are what questions are asked under, so that a server has no more of them open: one that does not answer holds
// a worker up for almost as long as a claim lasts, and whoever reloads its page again and again must not hold up all.
var questionSubjects = []string{"question 1", "question 2", "question 3"}

// ask puts a question to a homeserver: the Fault server.slow when its answer does not come in time.
func ask[A any](ctx context.Context, store OperationRequests, wait time.Duration, r OperationRequest) (answer A, err error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for pause := time.Duration(0); ; pause = 100 * time.Millisecond {
		select {
		case <-waiting.Done():
			return answer, slow(ctx)
		case <-time.After(pause):
		}
		for _, r.Subject = range questionSubjects {
			left, _ := waiting.Deadline()
			_, done, err := operate(ctx, store, time.Until(left), r, &answer)
			switch {
			case tenant.FaultOf(err).Code == "operation.busy":
				continue // with another question, or by the next
			case err == nil && !done:
				err = slow(ctx)
			}
			return answer, err
		}
	}
}

func slow(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &tenant.Fault{Kind: tenant.Unavailable, Code: "server.slow"}
}
