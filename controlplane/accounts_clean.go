package controlplane

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// AccountCleaner deletes what no longer has a use.
type AccountCleaner interface {
	// CleanAccounts deletes ended sessions, links a week after they expired (until then their owner is told that, rather
	// than that they never were), counted attempts no limit looks at, forgotten networks, accounts that were never
	// verified, stale ACME challenges, steps and ended operations of three months ago, and what mails said that were never sent. It
	// may run at any time, twice at once.
	CleanAccounts(ctx context.Context) error
}

// CleanArgs is the job of cleaning up.
type CleanArgs struct{}

// Kind names the job.
func (CleanArgs) Kind() string { return "clean_accounts" }

// CleanPeriodically is for River's configuration: hourly, and once at start.
func CleanPeriodically() *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(time.Hour), func() (river.JobArgs, *river.InsertOpts) {
		return CleanArgs{}, &river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByPeriod: 30 * time.Minute}}
	}, &river.PeriodicJobOpts{RunOnStart: true})
}

// CleanWorker does CleanArgs. To be registered with River.
type CleanWorker struct {
	river.WorkerDefaults[CleanArgs]
	Store AccountCleaner
}

// Work cleans up once.
func (w *CleanWorker) Work(ctx context.Context, _ *river.Job[CleanArgs]) error {
	if err := w.Store.CleanAccounts(ctx); err != nil {
		return fmt.Errorf("clean up after accounts: %w", err)
	}
	return nil
}
