package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// OperationKind is what is done on a homeserver, or asked of it.
type OperationKind string

// Operation is where one stands.
type Operation struct {
	Kind        OperationKind
	Finished    bool
	Code        string // of the failure
	Output      json.RawMessage
	Done, Total int64 // progress, in a unit of the kind; 0 when it tells none
}

// OperationArgs is the job: carry out this operation.
type OperationArgs struct {
	Operation string `json:"operation"`
}

// Kind is the job's name in the queue.
func (OperationArgs) Kind() string { return "operation" }

// InsertOpts leaves the repeating to the sweep, which knows no end: an operation ends with an answer of its server.
func (OperationArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueOperation, MaxAttempts: 3}
}

// OperationWorker carries out operations on homeservers. To be registered with River.
//
// An operation ends only with an answer of the homeserver: done, or refused for good. While it is silent the operation
// stays open and is tried again, so nothing half-done is ever reported as done, or as failed. A question (a kind that only
// reads) is not worth repeating for long: it ends as server.unavailable, and its asker asks again.
type OperationWorker struct {
	river.WorkerDefaults[OperationArgs]
	Store       OperationStore
	Mailbox     MailOpener
	Homeservers Homeservers
	Members     MemberSyncStore   // of OperationSyncMembers
	Recipients  AnnouncementQueue // of OperationAnnounce
	// Measure looks at the storage of a tenant at once, after something was deleted there. Optional: the meter's next round does.
	Measure func(context.Context, tenant.Spec) error
	Now     func() time.Time // of an announcement's turns; optional, for tests
	Log     *slog.Logger
}

// MailOpener opens what [Mailbox] sealed.
type MailOpener interface {
	OpenMail(sealed, context []byte) ([]byte, error)
}

// Homeservers reaches tenants' running servers.
type Homeservers interface {
	Server(ctx context.Context, spec tenant.Spec) (homeserver.Server, error)
}

// OperationClaimed is how long a worker has an operation for itself: as long as the design promises that killed work rests.
const OperationClaimed = 30 * time.Second

// OperationShare is how many workers one server has at most, of the eight there are: each waits for most of a claim for a server
// that hangs, and the others' operations wait for a worker meanwhile.
const OperationShare = 2

// OperationStore keeps operations.
type OperationStore interface {
	// ClaimOperation takes it for OperationClaimed; false when it is finished, another worker has it, or its server has OperationShare
	// of them: then it comes into the queue again when one of those is done.
	ClaimOperation(ctx context.Context, id string) (OperationClaim, bool, error)
	// ReleaseOperation lets it be claimed again, after a while that grows with every attempt.
	ReleaseOperation(ctx context.Context, id string) error
	// ContinueOperation gives it the next turn behind all others that wait.
	ContinueOperation(ctx context.Context, id string) error
	// ReportOperation records how far it is.
	ReportOperation(ctx context.Context, id string, done, total int64) error
	// FinishOperation records the end with its answer, does to the member's row what the kind asks and erases the sealed password.
	FinishOperation(ctx context.Context, id, code string, output any) error
}

// OperationClaim is an operation to carry out.
type OperationClaim struct {
	ID     string
	Kind   OperationKind
	Spec   tenant.Spec
	Member Member // whom it is about; the zero Member when it is about nobody
	Input  json.RawMessage
	Sealed []byte
	Again  bool // it was claimed before: an earlier attempt may have acted
	Asked  time.Time
	Done   int64 // what was reported before
	Total  int64
}

// act carries out one kind of operation. Its output becomes the operation's answer.
type act struct {
	do       func(w *OperationWorker, ctx context.Context, s homeserver.Server, c OperationClaim) (output any, err error)
	question bool // reads only
	frees    bool // storage, which is measured before the end is told
}

var (
	// errUnderWay says that the server is at it and wants to be asked again.
	errUnderWay = errors.New("under way")
	// errNextTurn says that there is more to do, and that others may go first.
	errNextTurn = errors.New("next turn")
)

// acts says how each kind is carried out.
var acts = map[OperationKind]act{
	OperationCreate:      {do: (*OperationWorker).create},
	OperationSetPassword: {do: (*OperationWorker).setPassword},
	OperationDeactivate:  {do: (*OperationWorker).deactivate},
	OperationReactivate:  {do: (*OperationWorker).reactivate},
	OperationSetAdmin:    {do: (*OperationWorker).setAdmin},
	OperationLock:        {do: (*OperationWorker).lock},
	OperationSignOut:     {do: (*OperationWorker).signOut},
	OperationListDevices: {do: (*OperationWorker).listDevices, question: true},
	OperationSyncMembers: {do: (*OperationWorker).syncMembers, question: true},

	OperationListRooms:  {do: (*OperationWorker).listRooms, question: true},
	OperationFindRoom:   {do: (*OperationWorker).findRoom, question: true},
	OperationDeleteRoom: {do: (*OperationWorker).deleteRoom, frees: true},

	OperationMediaUsers:  {do: (*OperationWorker).mediaUsers, question: true},
	OperationListMedia:   {do: (*OperationWorker).listMedia, question: true},
	OperationCountRemote: {do: (*OperationWorker).countRemote, question: true},
	OperationDeleteMedia: {do: (*OperationWorker).deleteMedia, frees: true},
	OperationQuarantine:  {do: (*OperationWorker).quarantine},
	OperationRelease:     {do: (*OperationWorker).quarantine},
	OperationPurgeRemote: {do: (*OperationWorker).purgeRemote, frees: true},

	OperationAnnounce: {do: (*OperationWorker).announce},
}

// Work carries out one operation. An error means: try again.
func (w *OperationWorker) Work(ctx context.Context, job *river.Job[OperationArgs]) error {
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
	output, err := w.act(acting, claim)
	fault, refused := errors.AsType[*tenant.Fault](err)
	refused = refused && fault.Kind != tenant.Unavailable
	if acts[claim.Kind].frees && (err == nil || refused) {
		w.measure(ctx, claim.Spec)
	}
	switch {
	case err == nil:
		return w.Store.FinishOperation(ctx, id, "", output)
	case refused:
		return w.Store.FinishOperation(ctx, id, fault.Code, nil)
	case acts[claim.Kind].question:
		w.Log.WarnContext(ctx, "a question to a homeserver was not answered", "tenant", claim.Spec.ID, "kind", claim.Kind, "error", err)
		return w.Store.FinishOperation(context.WithoutCancel(ctx), id, "server.unavailable", nil)
	case errors.Is(err, errUnderWay):
		return w.Store.ReleaseOperation(ctx, id)
	case errors.Is(err, errNextTurn):
		return w.Store.ContinueOperation(ctx, id)
	default:
		return errors.Join(fmt.Errorf("%s of %s: %w", claim.Kind, claim.Spec.ID, err),
			w.Store.ReleaseOperation(context.WithoutCancel(ctx), id))
	}
}

func (w *OperationWorker) act(ctx context.Context, c OperationClaim) (any, error) {
	a, known := acts[c.Kind]
	if !known {
		return nil, unreadable(fmt.Errorf("kind %q", c.Kind))
	}
	server, err := w.Homeservers.Server(ctx, c.Spec)
	if err != nil {
		return nil, err
	}
	return a.do(w, ctx, server, c)
}

func (w *OperationWorker) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// measure looks at a tenant's storage, so that whoever sees that something is gone sees the space too, and the edge takes
// uploads again. A claim leaves it five seconds; the meter's next round makes good what fails.
func (w *OperationWorker) measure(ctx context.Context, spec tenant.Spec) {
	if w.Measure == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := w.Measure(ctx, spec); err != nil {
		w.Log.WarnContext(ctx, "storage not measured after a deletion, the next round does", "tenant", spec.ID, "error", err)
	}
}

func unreadable(err error) error {
	return &tenant.Fault{Kind: tenant.Internal, Code: "operation.unreadable", Err: err}
}

// password opens what travelled with the operation.
func (w *OperationWorker) password(c OperationClaim) (string, error) {
	opened, err := w.Mailbox.OpenMail(c.Sealed, MailContext(c.Spec.ID, c.Member.Localpart))
	if err != nil {
		return "", unreadable(err)
	}
	return string(opened), nil
}

// input reads an operation's input.
func input[T any](c OperationClaim) (T, error) {
	var v T
	if err := json.Unmarshal(c.Input, &v); err != nil {
		return v, unreadable(err)
	}
	return v, nil
}
