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

// ask puts a question to a homeserver: the Fault server.slow when its answer does not come in time.
func ask[A any](ctx context.Context, store OperationRequests, wait time.Duration, r OperationRequest) (answer A, err error) {
	_, done, err := operate(ctx, store, wait, r, &answer)
	if err == nil && !done {
		err = &tenant.Fault{Kind: tenant.Unavailable, Code: "server.slow"}
	}
	return answer, err
}
