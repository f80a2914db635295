package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// SweepStore finds what nobody works on.
type SweepStore interface {
	// StartOver gives up the leases and jobs of a process that has just started and so cannot be working on anything, and makes
	// every tenant due for a look.
	StartOver(ctx context.Context, process string) error
	// WakeDue enqueues tenants with an expired lease and unfinished work, a due retry, an ended grace period, or no look
	// at them for a while. It returns how many.
	WakeDue(ctx context.Context) (int, error)
	// WakeOperations enqueues member operations whose worker was lost.
	WakeOperations(ctx context.Context) (int, error)
}

// Sweeper is the safety net under notifications and jobs: whatever was lost, it finds within seconds.
type Sweeper struct {
	Store SweepStore
	Owner string
	Every time.Duration // 5 s when zero
	Log   *slog.Logger
}

// JobsOf begins every name that a process has in the job queue, which has room for a hundred bytes.
func JobsOf(process string) string {
	sum := sha256.Sum256([]byte(process))
	return hex.EncodeToString(sum[:8]) + " #"
}

// JobOwner names one life of a process in the job queue.
func JobOwner(process string) string { return fmt.Sprintf("%s%016x", JobsOf(process), rand.Uint64()) }

// StartOver takes up what this process was at when it ended last. To be called before it works on anything: it cannot tell apart
// what it has been at then and now.
func (s *Sweeper) StartOver(ctx context.Context) {
	if err := s.Store.StartOver(ctx, s.Owner); err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "the last run's work is not taken up at once, but when its leases have run out", "error", err)
	}
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	every := s.Every
	if every == 0 {
		every = 5 * time.Second
	}
	return repeat(ctx, every, s.Log, "sweep", func(ctx context.Context) error {
		_, tenants := s.Store.WakeDue(ctx)
		_, operations := s.Store.WakeOperations(ctx)
		return errors.Join(tenants, operations)
	})
}

// repeat runs work at once and then at every interval until ctx ends. A failed round is logged and the next one tries again.
func repeat(ctx context.Context, every time.Duration, log *slog.Logger, name string, work func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, name+" failed, will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
