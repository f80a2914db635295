package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"hafen/tenant"
)

// OperationRequests records operations and looks at them.
type OperationRequests interface {
	// RequestOperation records an operation and its job; with Audit also what the log says. Faults: status.not_active, and
	// operation.busy while another on the same subject is open.
	RequestOperation(ctx context.Context, r OperationRequest) (id string, err error)
	FindOperation(ctx context.Context, id string) (Operation, error)
	Watch(ctx context.Context, id tenant.ID) <-chan struct{}
}

// OperationRequest asks for an operation.
type OperationRequest struct {
	Actor   Actor
	Tenant  tenant.ID
	Kind    OperationKind
	Member  tenant.Localpart // whom it is about, or ""
	Subject string           // what no two open operations may touch; "" when any number may
	Input   any
	Audit   map[string]any // what the audit log keeps, under the action "server.KIND"; nil for questions
}

// OperationWait is how long a request waits for its operation's end before it says: under way.
const OperationWait = 10 * time.Second

// operate records an operation, waits for its end and reads its output into answer, when that is not nil. done is false
// when it is still under way after the wait; its id then leads to it.
func operate(ctx context.Context, store OperationRequests, wait time.Duration, r OperationRequest, answer any) (id string, done bool, err error) {
	if id, err = store.RequestOperation(ctx, r); err != nil {
		return "", false, err
	}
	o, done, err := await(ctx, store, wait, r.Tenant, id)
	if err != nil || !done || answer == nil {
		return id, done, err
	}
	if err := json.Unmarshal(o.Output, answer); err != nil {
		return id, false, unreadable(err)
	}
	return id, true, nil
}

// await returns done once the operation has ended well, its Fault when it failed, and not done when it is not over in time.
func await(ctx context.Context, store OperationRequests, wait time.Duration, id tenant.ID, operation string) (o Operation, done bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	hints := store.Watch(waiting, id)
	for {
		o, err = store.FindOperation(waiting, operation)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return o, false, nil
		case err != nil:
			return o, false, err
		case o.Finished && o.Code != "":
			return o, false, refusal(o.Code)
		case o.Finished:
			return o, true, nil
		}
		select {
		case <-hints:
		case <-time.After(time.Second): // the hint may be lost; the row is the truth
		case <-waiting.Done():
			return o, false, ctx.Err()
		}
	}
}

// refusal is what the code of a failed operation means to whoever asked for it.
func refusal(code string) *tenant.Fault {
	switch code {
	case "member.exists", "member.long", "member.letters":
		// The homeserver knows the name although we do not, or is stricter than we are.
		return &tenant.Fault{Kind: tenant.Conflict, Code: code, Field: "localpart"}
	case "room.unknown", "media.unknown", "member.unknown":
		return &tenant.Fault{Kind: tenant.NotFound, Code: code}
	case "engine.unsupported":
		return &tenant.Fault{Kind: tenant.Conflict, Code: code}
	default:
		return &tenant.Fault{Kind: tenant.Unavailable, Code: code}
	}
}
