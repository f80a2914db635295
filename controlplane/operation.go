package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"hafen/tenant"
)

// MemberArgs is the job: carry out this member operation.
type MemberArgs struct {
	Operation string `json:"operation"`
}

// Kind is the job's name in the queue.
func (MemberArgs) Kind() string { return "member" }

// InsertOpts leaves the repeating to the sweep, which knows no end: an operation ends with an answer of its server.
func (MemberArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueMember, MaxAttempts: 3}
}

// MemberWorker carries out member operations on the homeserver. To be registered with River.
//
// An operation ends only with an answer of the homeserver: done, or refused for good. While it is silent the operation
// stays open and is tried again, so nothing half-done is ever reported as done, or as failed.
type MemberWorker struct {
	river.WorkerDefaults[MemberArgs]
	Store      OperationStore
	Mailbox    MailOpener
	Homeserver Homeserver
}

// MailOpener opens what [Mailbox] sealed.
type MailOpener interface {
	OpenMail(sealed, context []byte) ([]byte, error)
}

// Homeserver acts on the accounts of one tenant's server. A refusal for good is a Fault; anything
// else, an Unavailable one included, may be tried again.
type Homeserver interface {
	CreateUser(ctx context.Context, spec tenant.Spec, user NewUser) error
	SetPassword(ctx context.Context, spec tenant.Spec, who tenant.Localpart, password string) error
	Deactivate(ctx context.Context, spec tenant.Spec, who tenant.Localpart) error
	Reactivate(ctx context.Context, spec tenant.Spec, who tenant.Localpart, password string) error
}

// NewUser is an account to create. Creating one that exists is the Fault member.exists.
type NewUser struct {
	Localpart   tenant.Localpart
	DisplayName string
	Password    string
}

// OperationClaimed is how long a worker has an operation for itself: as long as the design promises that killed work rests.
const OperationClaimed = 30 * time.Second

// OperationStore keeps operations.
type OperationStore interface {
	// ClaimOperation takes it for OperationClaimed; false when it is finished or another worker has it.
	ClaimOperation(ctx context.Context, id string) (OperationClaim, bool, error)
	// ReleaseOperation lets it be claimed again, after a while that grows with every attempt.
	ReleaseOperation(ctx context.Context, id string) error
	// FinishOperation records the end, sets the member's state by it and erases the sealed password.
	FinishOperation(ctx context.Context, id, code string) error
}

// OperationClaim is an operation to carry out.
type OperationClaim struct {
	ID     string
	Spec   tenant.Spec
	Member Member
	Kind   OperationKind
	Sealed []byte
	Again  bool // it was claimed before: an earlier attempt may have acted
}

// Work carries out one operation. An error means: try again.
func (w *MemberWorker) Work(ctx context.Context, job *river.Job[MemberArgs]) error {
	id := job.Args.Operation
	claim, ok, err := w.Store.ClaimOperation(ctx, id)
	if err != nil {
		return fmt.Errorf("claim operation %s: %w", id, err)
	}
	if !ok {
		return nil
	}
	// An attempt ends before its claim does, or a second worker would act beside it.
	acting, cancel := context.WithTimeout(ctx, OperationClaimed-5*time.Second)
	defer cancel()
	err = w.act(acting, claim)
	if fault, ok := errors.AsType[*tenant.Fault](err); ok && fault.Kind != tenant.Unavailable {
		return w.Store.FinishOperation(ctx, id, fault.Code)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s %s of %s: %w", claim.Kind, claim.Member.Localpart, claim.Spec.ID, err),
			w.Store.ReleaseOperation(context.WithoutCancel(ctx), id))
	}
	return w.Store.FinishOperation(ctx, id, "")
}

func (w *MemberWorker) act(ctx context.Context, c OperationClaim) error {
	password := ""
	if len(c.Sealed) > 0 {
		opened, err := w.Mailbox.OpenMail(c.Sealed, MailContext(c.Spec.ID, c.Member.Localpart))
		if err != nil {
			return &tenant.Fault{Kind: tenant.Internal, Code: "member.unreadable", Err: err}
		}
		password = string(opened)
	}
	who := c.Member.Localpart
	switch c.Kind {
	case OperationCreate:
		return w.create(ctx, c, password)
	case OperationSetPassword:
		return w.Homeserver.SetPassword(ctx, c.Spec, who, password)
	case OperationDeactivate:
		return w.Homeserver.Deactivate(ctx, c.Spec, who)
	case OperationReactivate:
		return w.Homeserver.Reactivate(ctx, c.Spec, who, password)
	default:
		return &tenant.Fault{Kind: tenant.Internal, Code: "member.unreadable", Err: fmt.Errorf("kind %q", c.Kind)}
	}
}

func (w *MemberWorker) create(ctx context.Context, c OperationClaim, password string) error {
	err := w.Homeserver.CreateUser(ctx, c.Spec, NewUser{
		Localpart: c.Member.Localpart, DisplayName: c.Member.DisplayName, Password: password,
	})
	// An earlier attempt of ours may have created it and died before it could say so; then only the password is uncertain.
	if fault, ok := errors.AsType[*tenant.Fault](err); ok && fault.Code == "member.exists" && c.Again {
		return w.Homeserver.SetPassword(ctx, c.Spec, c.Member.Localpart, password)
	}
	return err
}
