package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// BillerStore finds what is due and renews it.
type BillerStore interface {
	// AdoptServers gives servers of before there were subscriptions one; it returns how many.
	AdoptServers(ctx context.Context, now time.Time) (int, error)
	// ListDue lists subscriptions with bills of our own whose period is over, the longest first.
	ListDue(ctx context.Context, now time.Time, most int) ([]tenant.ID, error)
	// Renew bills the period after one that is over, in one transaction: what was booked begins if it fits, and a cancelled
	// subscription ends. more says that the next period is over too. Of one that is not due it does nothing.
	Renew(ctx context.Context, id tenant.ID, now time.Time) (more bool, err error)
	// ListStranded lists subscriptions with a change that has been pending since before a moment.
	ListStranded(ctx context.Context, before time.Time, most int) ([]tenant.ID, error)
	// ListTurning lists subscriptions of providers outside whose booked change begins before a moment.
	ListTurning(ctx context.Context, before time.Time, most int) ([]tenant.ID, error)
}

// Biller is the clock of money: it renews subscriptions that are due, one period after the other, and takes up changes that were
// left on the way. Any number may run; each period is billed once.
type Biller struct {
	Store         BillerStore
	Subscriptions *Subscriptions
	Every         time.Duration    // a minute when zero
	Now           func() time.Time // time.Now when nil
	Work          WorkLog          // nil keeps no record of failures
	Log           *slog.Logger
}

// stranded is how long a change may be pending before somebody else takes it up: longer than a request lives.
const stranded = time.Minute

// Run bills until ctx ends.
func (b *Biller) Run(ctx context.Context) error {
	every := b.Every
	if every == 0 {
		every = time.Minute
	}
	return repeat(ctx, every, b.Log, "billing", noted(b.Work, WorkBilling, b.Once))
}

// Once does what is due now. One subscription that fails does not keep the others from being billed.
func (b *Biller) Once(ctx context.Context) error {
	now := time.Now
	if b.Now != nil {
		now = b.Now
	}
	at := now()
	_, err := b.Store.AdoptServers(ctx, at)
	err = errors.Join(err, b.each(ctx, "take up the change of", func() ([]tenant.ID, error) {
		return b.Store.ListStranded(ctx, at.Add(-stranded), 200)
	}, func(id tenant.ID) error { return b.Subscriptions.TakeUp(ctx, id) }))
	err = errors.Join(err, b.each(ctx, "prepare what is booked of", func() ([]tenant.ID, error) {
		return b.Store.ListTurning(ctx, at.Add(billing.TurnBefore), 200)
	}, func(id tenant.ID) error { return b.Subscriptions.Turn(ctx, id) }))
	return errors.Join(err, b.each(ctx, "renew", func() ([]tenant.ID, error) {
		return b.Store.ListDue(ctx, at, 500)
	}, func(id tenant.ID) error { return b.renew(ctx, id, at) }))
}

// renew bills all the periods that are over.
func (b *Biller) renew(ctx context.Context, id tenant.ID, now time.Time) error {
	for more := true; more; {
		var err error
		if more, err = b.Store.Renew(ctx, id, now); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *Biller) each(ctx context.Context, doing string, list func() ([]tenant.ID, error), do func(tenant.ID) error) error {
	ids, err := list()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed := do(id); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s %s: %w", doing, id, failed))
		}
	}
	return err
}
