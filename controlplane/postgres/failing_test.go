package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

// sick is what biller, dunner, meter and comparison work on, and fails when told to.
type sick struct {
	controlplane.BillerStore
	failing atomic.Bool
}

func (s *sick) err() error {
	if s.failing.Load() {
		return errors.New("the disk is on fire")
	}
	return nil
}

func (s *sick) AdoptServers(context.Context, time.Time) (int, error) { return 0, s.err() }

func (s *sick) ListDue(context.Context, time.Time, int) ([]tenant.ID, error) { return nil, nil }

func (s *sick) ListStranded(context.Context, time.Time, int) ([]tenant.ID, error) { return nil, nil }

func (s *sick) ListTurning(context.Context, time.Time, int) ([]tenant.ID, error) { return nil, nil }

func (s *sick) ListDunning(context.Context, time.Time) ([]tenant.ID, error) { return nil, s.err() }

func (s *sick) Dun(context.Context, tenant.ID, time.Time) error { return nil }

func (s *sick) Usage(context.Context, tenant.Spec) (tenant.Usage, error) {
	return tenant.Usage{}, s.err()
}

func (s *sick) Orphans(context.Context, tenant.Spec) (int64, error) { return 0, nil }

func (s *sick) Subscriptions(context.Context) ([]billing.Found, error) { return nil, s.err() }

func (s *sick) Bills(context.Context, time.Time) ([]billing.FoundBill, error) { return nil, nil }

// What fails is on the operators' list with its reason, keeps its day over every further failure and restart, and goes when it works.
func TestOperatorsSeeWhatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.active("anna")
	body, quiet := &sick{}, slog.New(slog.DiscardHandler)
	for name, run := range map[string]func(context.Context) error{
		controlplane.WorkBilling:  (&controlplane.Biller{Store: body, Every: time.Millisecond, Work: w.store, Log: quiet}).Run,
		controlplane.WorkDunning:  (&controlplane.Dunner{Store: body, Every: time.Millisecond, Work: w.store, Log: quiet}).Run,
		controlplane.WorkMetering: (&controlplane.Meter{Store: w.store, Reader: body, Every: time.Millisecond, Work: w.store, Log: quiet}).Run,
		controlplane.WorkBillingCheck: func(ctx context.Context) error {
			ctx = context.WithoutCancel(ctx)     // it ends by itself
			w.exec(`delete from billing_checks`) // another night
			check := &controlplane.BillingCheck{Store: w.store, Outside: body, Provider: "stripe", Work: w.store, Log: quiet}
			if failed := check.Once(ctx) != nil; failed != body.failing.Load() {
				return fmt.Errorf("it failed: %t", failed)
			}
			return check.Once(ctx) // there is nothing to do any more
		},
	} {
		t.Run(name, func(t *testing.T) {
			process := func(until func([]controlplane.FailingWork) bool) {
				ctx, stop := context.WithCancel(w.ctx)
				defer stop()
				ended := make(chan error, 1)
				go func() { ended <- run(ctx) }()
				var list []controlplane.FailingWork
				for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
					var err error
					list, err = w.operators().Failing(w.ctx, controlplane.Actor{Operator: true})
					w.must(err)
					if until(list) {
						break
					}
					if time.Now().After(deadline) {
						t.Fatalf("the list is %+v", list)
					}
				}
				stop()
				w.must(<-ended)
			}
			isThere := func(list []controlplane.FailingWork) bool {
				return len(list) == 1 && list[0].Name == name && strings.Contains(list[0].Error, "on fire")
			}
			body.failing.Store(true)
			process(isThere)
			w.exec(`update failing_work set since = timestamptz '2026-01-01', error = ''`)
			process(isThere)
			if n := w.count(`select count(*) from failing_work where since = timestamptz '2026-01-01'`); n != 1 {
				t.Error("it fails anew after a restart")
			}
			body.failing.Store(false)
			process(func(list []controlplane.FailingWork) bool { return len(list) == 0 })
		})
	}
	if _, err := w.operators().Failing(w.ctx, w.anna); tenant.FaultOf(err).Kind != tenant.Forbidden {
		t.Errorf("a customer is told: %v", err)
	}
}
