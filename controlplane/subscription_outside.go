package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Refresh asks the provider what there is and makes the rows so: the first payment settles the order, a change that is now paid for
// takes effect, bills are mirrored. Of a provider without an outside it does nothing.
func (s *Subscriptions) Refresh(ctx context.Context, id tenant.ID) error {
	subscription, err := s.Store.FindSubscription(ctx, id)
	if err != nil {
		return err
	}
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return err
	}
	// Before the question: of two answers the one that was asked for later counts.
	asked := s.Now()
	out, err := provider.Look(ctx, subscription.Subscription)
	if errors.Is(err, billing.ErrNotOurs) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask %s about %s: %w", subscription.Provider, id, err)
	}
	return s.Store.RecordOutside(ctx, id, out, asked)
}

// Receive acts on a provider's event: once, whatever comes twice, and by looking again only. The caller has proven where it is from.
func (s *Subscriptions) Receive(ctx context.Context, e Event) error {
	if e.ID == "" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "event.id"}
	}
	return s.Store.RecordEvent(ctx, e)
}

func (s *Subscriptions) provider(name string) (billing.Provider, error) {
	provider, ok := s.Providers[name]
	if !ok {
		return nil, fmt.Errorf("the billing provider %q is not configured", name)
	}
	return provider, nil
}

// BillingLookArgs is the job of asking a provider about a server's subscription.
type BillingLookArgs struct {
	Tenant tenant.ID `json:"tenant"`
}

// Kind names the job.
func (BillingLookArgs) Kind() string { return "billing_look" }

// InsertOpts: somebody waits for their payment to take effect. Ten attempts try for about seven hours; what is lost after that the
// nightly reconcile finds.
func (BillingLookArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 10, Priority: 1}
}

// BillingLookWorker does BillingLookArgs. To be registered with River.
type BillingLookWorker struct {
	river.WorkerDefaults[BillingLookArgs]
	Subscriptions *Subscriptions
}

// Timeout ends an attempt whose provider is silent.
func (w *BillingLookWorker) Timeout(*river.Job[BillingLookArgs]) time.Duration { return time.Minute }

// Work looks once.
func (w *BillingLookWorker) Work(ctx context.Context, job *river.Job[BillingLookArgs]) error {
	err := w.Subscriptions.Refresh(ctx, job.Args.Tenant)
	if tenant.FaultOf(err).Code == "subscription.unknown" {
		return river.JobCancel(err)
	}
	return err
}

// BillingEndArgs is the job of telling a provider outside that a server is gone and nothing more is to be taken for it.
type BillingEndArgs struct {
	Tenant tenant.ID `json:"tenant"`
}

// Kind names the job.
func (BillingEndArgs) Kind() string { return "billing_end" }

// BillingEndWorker does BillingEndArgs. To be registered with River.
type BillingEndWorker struct {
	river.WorkerDefaults[BillingEndArgs]
	Subscriptions *Subscriptions
}

// Timeout ends an attempt whose provider is silent.
func (w *BillingEndWorker) Timeout(*river.Job[BillingEndArgs]) time.Duration { return time.Minute }

// Work tells the provider.
func (w *BillingEndWorker) Work(ctx context.Context, job *river.Job[BillingEndArgs]) error {
	return w.Subscriptions.End(ctx, job.Args.Tenant)
}

// End makes the provider take nothing more for a server.
func (s *Subscriptions) End(ctx context.Context, id tenant.ID) error {
	subscription, err := s.Store.FindSubscription(ctx, id)
	if err != nil {
		return err
	}
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return err
	}
	if err := provider.End(ctx, subscription.Subscription); err != nil {
		return fmt.Errorf("end %s at %s: %w", id, subscription.Provider, err)
	}
	return nil
}

// BillingHoldArgs is the job of telling a provider outside that a server's deletion has begun, or was taken back.
type BillingHoldArgs struct {
	Tenant tenant.ID `json:"tenant"`
}

// Kind names the job.
func (BillingHoldArgs) Kind() string { return "billing_hold" }

// BillingHoldWorker does BillingHoldArgs. To be registered with River.
type BillingHoldWorker struct {
	river.WorkerDefaults[BillingHoldArgs]
	Subscriptions *Subscriptions
}

// Timeout ends an attempt whose provider is silent.
func (w *BillingHoldWorker) Timeout(*river.Job[BillingHoldArgs]) time.Duration { return time.Minute }

// Work tells the provider whether there is a next period, as the server stands now.
func (w *BillingHoldWorker) Work(ctx context.Context, job *river.Job[BillingHoldArgs]) error {
	s, id := w.Subscriptions, job.Args.Tenant
	subscription, err := s.Store.FindSubscription(ctx, id)
	if err != nil || !running(subscription) {
		return err
	}
	server, err := s.Store.FindServer(ctx, "", id)
	if err != nil {
		return err
	}
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return err
	}
	told := billing.Change{Items: subscription.coming().Items(), At: s.Now(), Key: newUUID()}
	if err := provider.Book(ctx, subscription.Subscription, told, server.Status == tenant.Deleting || subscription.Cancelled); err != nil {
		return fmt.Errorf("tell %s of the deletion of %s: %w", subscription.Provider, id, err)
	}
	return nil
}
