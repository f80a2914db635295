package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"hafen/tenant"
)

// Lease is how long a claimed tenant stays claimed without a sign of life. A killed process's tenants are taken up when it has
// run out and the next sweep passes: together below the 30 s the design promises.
const Lease = 12 * time.Second

// Reconciler makes tenants what they should be.
//
// One pass observes, diffs, applies the steps in order and observes again, until nothing is left to do or a step fails. It
// holds the tenant's lease meanwhile; a newer wish that arrives during the pass is taken up by the same holder.
type Reconciler struct{ ReconcilerConfig }

// ReconcilerConfig is what a Reconciler needs.
type ReconcilerConfig struct {
	Store       ReconcileStore
	Provisioner Provisioner
	Image       func(tenant.EngineName) (string, error) // the image new tenants get, by digest
	Contact     string                                  // where members of a tenant find help: a URI
	Owner       string                                  // names this process in leases; see LeaseOwner
	Now         func() time.Time
	Log         *slog.Logger
	// At is called before and after each step acts, before it is recorded. Nil but in crash tests.
	At func(step tenant.Step, acted bool)
}

// Provisioner changes the outside world, one idempotent step at a time. Its errors are Failures.
type Provisioner interface {
	Observe(ctx context.Context, spec tenant.Spec) (tenant.Observed, error)
	Apply(ctx context.Context, spec tenant.Spec, step tenant.Step) error
	Backend(spec tenant.Spec) string
}

// ReconcileStore keeps leases, steps and outcomes.
type ReconcileStore interface {
	// ClaimTenant takes the lease; false when somebody else holds it, the tenant is gone, or all that was wanted is true.
	ClaimTenant(ctx context.Context, id tenant.ID, owner string, lease time.Duration) (Claim, bool, error)
	// ExtendLease is false when the lease was lost.
	ExtendLease(ctx context.Context, id tenant.ID, owner string, lease time.Duration) (bool, error)
	SetImage(ctx context.Context, id tenant.ID, image string) error
	BeginStep(ctx context.Context, id tenant.ID, wanted int64, step tenant.Step) (int64, error)
	EndStep(ctx context.Context, run int64, failure *tenant.Failure) error
	RecordConditions(ctx context.Context, id tenant.ID, conditions []tenant.Condition) error
	// FinishReconcile records that what was wanted at the claim is true and releases the lease. again is true when something
	// newer is wanted, whose own job has met the lease and given up; otherwise it moves the status on.
	FinishReconcile(ctx context.Context, id tenant.ID, owner string, claim Claim) (again bool, err error)
	// FailReconcile records a failure and releases the lease. retryAfter is when to try again; negative means never. again is
	// true when something newer is wanted, which waits for nothing.
	FailReconcile(ctx context.Context, owner string, claim Claim, failure *tenant.Failure, retryAfter time.Duration) (again bool, err error)
}

// Claim is a tenant taken under lease.
type Claim struct {
	Spec     tenant.Spec
	Status   tenant.Status
	Wanted   int64
	Failures int
}

// ReconcileArgs is the job: look at this tenant. Wanted says which wish woke it, so that a job that comes late ends at once.
type ReconcileArgs struct {
	Tenant tenant.ID `json:"tenant"`
	Wanted int64     `json:"wanted"`
}

// Kind names the job.
func (ReconcileArgs) Kind() string { return "reconcile" }

// InsertOpts gives the job a queue of its own, so that a wait for a slow server holds nothing else up.
func (ReconcileArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueReconcile, MaxAttempts: 3}
}

// ReconcileWorker does ReconcileArgs. To be registered with River.
type ReconcileWorker struct {
	river.WorkerDefaults[ReconcileArgs]
	Reconciler *Reconciler
}

// Timeout bounds a job that hangs; every step has a limit of its own, and the sweep finds what is left.
func (*ReconcileWorker) Timeout(*river.Job[ReconcileArgs]) time.Duration { return 15 * time.Minute }

// Work reconciles the tenant.
func (w *ReconcileWorker) Work(ctx context.Context, job *river.Job[ReconcileArgs]) error {
	return w.Reconciler.Reconcile(ctx, job.Args.Tenant)
}

// The job queues, beside River's default one.
const (
	QueueReconcile = "reconcile"
	QueueOperation = "operation"
)

// NewReconciler makes a Reconciler.
func NewReconciler(c ReconcilerConfig) *Reconciler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.At == nil {
		c.At = func(tenant.Step, bool) {}
	}
	return &Reconciler{c}
}

// LeaseOwner is the owner of one pass' lease. Each pass has its own: one that a stalled database has cost its lease must not
// pass for the next, which the same process has begun meanwhile.
func LeaseOwner(process string, pass uint64) string { return fmt.Sprintf("%s #%016x", process, pass) }

var errLeaseLost = errors.New("lease lost to another process")

// Reconcile brings one tenant to its goal, or records why it could not. It returns an error only when the rows themselves
// could not be read or written; everything else is the tenant's failure, with its own time to retry.
func (r *Reconciler) Reconcile(ctx context.Context, id tenant.ID) error {
	for again := true; again; {
		owner := LeaseOwner(r.Owner, rand.Uint64())
		claim, ok, err := r.Store.ClaimTenant(ctx, id, owner, Lease)
		if err != nil {
			return fmt.Errorf("claim %s: %w", id, err)
		}
		if !ok {
			return nil // its holder looks for newer wishes when it lets go
		}
		if again, err = r.pass(ctx, owner, claim); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) pass(ctx context.Context, owner string, claim Claim) (again bool, err error) {
	id := claim.Spec.ID
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go r.keepLease(working, stop, id, owner)

	if err := r.converge(working, &claim); err != nil {
		if cause := context.Cause(working); cause != nil {
			return false, fmt.Errorf("reconcile %s: %w", id, cause) // not the tenant's fault: the process ends or the lease is lost
		}
		failure := tenant.FailureOf(err)
		r.Log.WarnContext(ctx, "reconcile failed", "tenant", id, "code", failure.Code, "disposition", failure.Disposition, "error", err)
		again, err := r.Store.FailReconcile(ctx, owner, claim, failure, retryAfter(claim, failure))
		if err != nil {
			return false, fmt.Errorf("record failure of %s: %w", id, err)
		}
		return again, nil
	}
	again, err = r.Store.FinishReconcile(working, id, owner, claim)
	if err != nil {
		return false, fmt.Errorf("finish %s: %w", id, err)
	}
	return again, nil
}

// converge applies steps until an observation needs none. Three rounds are plenty: the first does the work, the second sees
// it done; a third means something undid it, and more means a fight with somebody, which waiting serves better.
func (r *Reconciler) converge(ctx context.Context, claim *Claim) error {
	spec := &claim.Spec
	spec.Contact = r.Contact
	if spec.Goal == tenant.GoalNone {
		return nil
	}
	if spec.Image == "" && spec.Goal == tenant.GoalRun {
		image, err := r.Image(spec.Engine)
		if err != nil {
			return err
		}
		if err := r.Store.SetImage(ctx, spec.ID, image); err != nil {
			return fmt.Errorf("record image of %s: %w", spec.ID, err)
		}
		spec.Image = image
	}
	backend := r.Provisioner.Backend(*spec)
	for range 3 {
		observed, err := r.Provisioner.Observe(ctx, *spec)
		if err != nil {
			return fmt.Errorf("observe %s: %w", spec.ID, err)
		}
		now := r.Now()
		if err := r.Store.RecordConditions(ctx, spec.ID, tenant.Conditions(*spec, backend, observed, now)); err != nil {
			return fmt.Errorf("record conditions of %s: %w", spec.ID, err)
		}
		steps := tenant.Diff(*spec, backend, observed, now)
		if len(steps) == 0 {
			return nil
		}
		for _, step := range steps {
			if err := r.apply(ctx, claim, step); err != nil {
				return err
			}
		}
	}
	return &tenant.Failure{Disposition: tenant.Retry, Code: "unsettled", Err: errors.New("steps left after three rounds")}
}

func (r *Reconciler) apply(ctx context.Context, claim *Claim, step tenant.Step) error {
	run, err := r.Store.BeginStep(ctx, claim.Spec.ID, claim.Wanted, step)
	if err != nil {
		return fmt.Errorf("record start of %s: %w", step, err)
	}
	r.At(step, false)
	err = r.Provisioner.Apply(ctx, claim.Spec, step)
	r.At(step, true)
	var failure *tenant.Failure
	if err != nil {
		failure = tenant.FailureOf(err)
	}
	// The outcome is recorded even when ctx was cancelled meanwhile; a page should not show a dead step as running.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if recordErr := r.Store.EndStep(recording, run, failure); recordErr != nil {
		return fmt.Errorf("record end of %s: %w", step, recordErr)
	}
	if err != nil {
		return fmt.Errorf("%s for %s: %w", step, claim.Spec.ID, err)
	}
	return nil
}

// keepLease extends the lease until the pass is over; losing it stops the pass.
func (r *Reconciler) keepLease(ctx context.Context, stop context.CancelCauseFunc, id tenant.ID, owner string) {
	tick := time.NewTicker(Lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ok, err := r.Store.ExtendLease(ctx, id, owner, Lease)
		if err == nil && !ok {
			stop(errLeaseLost)
			return
		}
		// An error is not a lost lease yet: the next tick asks again, and after three the lease has run out by itself, which
		// the next claim or extension finds.
	}
}

const longestBackoff = 5 * time.Minute

// Whatever it was that failed for good, a server in use must go on being looked after until an operator comes, and a deleted
// one must go. Only a new server waits for the operator.
const stoppedPause = time.Hour

// retryAfter is when to try again after a failure; negative means never.
func retryAfter(claim Claim, f *tenant.Failure) time.Duration {
	wait := backoff(f, claim.Failures)
	if wait < 0 && claim.Status != tenant.Provisioning {
		return stoppedPause
	}
	return wait
}

// backoff doubles from one second, with a quarter of jitter so that tenants which failed together do not retry together.
func backoff(f *tenant.Failure, failures int) time.Duration {
	if f.Disposition == tenant.Stop {
		return -1
	}
	wait := min(time.Second<<min(failures, 10), longestBackoff)
	if f.Disposition == tenant.WaitForCustomer {
		wait = max(wait, 30*time.Second)
	}
	wait = max(wait, f.After)
	return wait + time.Duration(rand.Int64N(int64(wait)/4+1))
}
