package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hafen/tenant"
)

// Meter measures the storage of tenants into the usage ledger.
type Meter struct {
	Store  MeterStore
	Reader UsageReader
	Every  time.Duration // how old a measurement may grow; 2 min when zero
	Log    *slog.Logger
}

// MeterStore keeps measurements.
type MeterStore interface {
	// ListUnmeasured gives tenants that have a server and no measurement younger than age.
	ListUnmeasured(ctx context.Context, age time.Duration, most int) ([]tenant.Spec, error)
	// RecordUsage appends to the ledger and keeps the WithinQuota condition. at is when measuring began: what was uploaded
	// since is not in it.
	RecordUsage(ctx context.Context, id tenant.ID, at time.Time, u tenant.Usage) error
}

// UsageReader reads what a tenant uses on disk and in its database.
type UsageReader interface {
	Usage(ctx context.Context, spec tenant.Spec) (tenant.Usage, error)
}

// Run measures until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	age := m.Every
	if age == 0 {
		age = 2 * time.Minute
	}
	return repeat(ctx, max(age/12, time.Second), m.Log, "metering", func(ctx context.Context) error {
		specs, err := m.Store.ListUnmeasured(ctx, age, 500)
		if err != nil {
			return fmt.Errorf("list unmeasured tenants: %w", err)
		}
		return m.measure(ctx, specs)
	})
}

// measure reads two tenants at a time: metering must not crowd out the tenants' own reads.
func (m *Meter) measure(ctx context.Context, specs []tenant.Spec) error {
	slots := make(chan struct{}, 2)
	var wait sync.WaitGroup
	for _, spec := range specs {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := m.Measure(ctx, spec); err != nil && ctx.Err() == nil {
				m.Log.WarnContext(ctx, "tenant not measured, next round tries again", "tenant", spec.ID, "error", err)
			}
		})
	}
	wait.Wait()
	return nil
}

// Measure measures one tenant now.
func (m *Meter) Measure(ctx context.Context, spec tenant.Spec) error {
	at := time.Now()
	usage, err := m.Reader.Usage(ctx, spec)
	if err != nil {
		return err
	}
	return m.Store.RecordUsage(ctx, spec.ID, at, usage)
}
