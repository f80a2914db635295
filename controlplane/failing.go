package controlplane

import (
	"context"
	"errors"
	"time"
)

// Names of work that runs by the clock, as operators are told of it.
const (
	WorkBilling      = "billing"
	WorkBillingCheck = "billing_check"
	WorkDunning      = "dunning"
	WorkMetering     = "metering"
)

// FailingWork is work that runs by the clock and failed when it was last tried.
type FailingWork struct {
	Name  string
	Since time.Time // the first of the failures in a row
	Error string    // of the last
}

// WorkLog keeps what fails, for operators. A failure that goes on keeps its Since, also over a restart.
type WorkLog interface {
	NoteFailure(ctx context.Context, name, failure string) error
	// ClearFailure notes that a work works; of one that did not fail it is harmless.
	ClearFailure(ctx context.Context, name string) error
}

// noted is work whose failing operators see until it works again. It writes when that changes, and at every failure; log may be nil.
func noted(log WorkLog, name string, work func(context.Context) error) func(context.Context) error {
	if log == nil {
		return work
	}
	clear := false // at the start, what a former process has left may still be there
	return func(ctx context.Context) error {
		err := work(ctx)
		switch {
		case ctx.Err() != nil: // broken off, which is no failure
		case err != nil:
			clear = false
			return errors.Join(err, log.NoteFailure(ctx, name, err.Error()))
		case !clear:
			if err := log.ClearFailure(ctx, name); err != nil {
				return err
			}
			clear = true
		}
		return err
	}
}

// Failing lists what fails at present, the longest first.
func (o *Operators) Failing(ctx context.Context, actor Actor) ([]FailingWork, error) {
	if !actor.Operator {
		return nil, errOperator()
	}
	return o.Store.ListFailing(ctx)
}
