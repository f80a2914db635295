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

// BillingTellArgs is the job of telling a provider outside what has changed about a server's next period: its deletion has begun or
// was taken back, or it was moved to another version of its plan.
type BillingTellArgs struct {
	Tenant tenant.ID `json:"tenant"`
}

// Kind names the job.
func (BillingTellArgs) Kind() string { return "billing_tell" }

// BillingTellWorker does BillingTellArgs. To be registered with River.
type BillingTellWorker struct {
	river.WorkerDefaults[BillingTellArgs]
	Subscriptions *Subscriptions
}

// Timeout ends an attempt whose provider is silent.
func (w *BillingTellWorker) Timeout(*river.Job[BillingTellArgs]) time.Duration { return time.Minute }

// Work tells the provider.
func (w *BillingTellWorker) Work(ctx context.Context, job *river.Job[BillingTellArgs]) error {
	return w.Subscriptions.Tell(ctx, job.Args.Tenant)
}

// Tell tells a provider outside what the next period is for, and whether there is one, as the rows stand now: however often it is
// called, and whoever died on the way. What the present period was paid for stays as it is.
func (s *Subscriptions) Tell(ctx context.Context, id tenant.ID) error {
	subscription, err := s.Store.FindSubscription(ctx, id)
	if err != nil {
		return err
	}
	if running(subscription) {
		if err := s.tell(ctx, subscription); err != nil {
			return fmt.Errorf("tell %s of the next period of %s: %w", subscription.Provider, id, err)
		}
	}
	return s.Store.MarkTold(ctx, id, subscription.Untold, s.Now())
}

func (s *Subscriptions) tell(ctx context.Context, subscription Subscription) error {
	server, err := s.Store.FindServer(ctx, "", subscription.Tenant)
	if err != nil {
		return err
	}
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return err
	}
	next := subscription.coming()
	told := billing.Change{Items: next.Items(), Period: next.Plan.Period, At: s.Now(), Key: newUUID()}
	return provider.Book(ctx, subscription.Subscription, told, server.Status == tenant.Deleting || subscription.Cancelled)
}

// BillingPayerArgs is the job of telling a provider outside that an account has changed who pays.
type BillingPayerArgs struct {
	Account string `json:"account"`
}

// Kind names the job.
func (BillingPayerArgs) Kind() string { return "billing_payer" }

// PayerTeller tells a provider outside who pays.
type PayerTeller interface {
	TellPayer(ctx context.Context, account string) error
}

// BillingPayerWorker does BillingPayerArgs. To be registered with River.
type BillingPayerWorker struct {
	river.WorkerDefaults[BillingPayerArgs]
	Outside PayerTeller // nil without a provider outside
}

// Timeout ends an attempt whose provider is silent.
func (w *BillingPayerWorker) Timeout(*river.Job[BillingPayerArgs]) time.Duration { return time.Minute }

// Work tells the provider. What it does not accept, a VAT id that is none, it accepts no better later.
func (w *BillingPayerWorker) Work(ctx context.Context, job *river.Job[BillingPayerArgs]) error {
	if w.Outside == nil {
		return nil
	}
	err := w.Outside.TellPayer(ctx, job.Args.Account)
	if tenant.FaultOf(err).Kind == tenant.Invalid {
		return river.JobCancel(err)
	}
	return err
}
