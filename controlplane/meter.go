package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hafen/tenant"
)

// Meter measures the storage of tenants into the usage ledger. Whoever nears a limit is warned in the transaction that records
// the measurement, so a meter that is killed, or runs beside another, warns neither twice nor never.
type Meter struct {
	Store  MeterStore
	Reader UsageReader
	Every  time.Duration // how old a measurement may grow; 2 min when zero
	// Purges reports whether an engine can remove copies of other servers' files. Without it none are removed.
	Purges func(tenant.EngineName) bool
	Work   WorkLog // nil keeps no record of failures
	Log    *slog.Logger

	mu      sync.Mutex
	trimmed map[tenant.ID]time.Time // when copies were last removed
}

// MeterStore keeps measurements.
type MeterStore interface {
	// ListUnmeasured gives tenants that have a server and no measurement younger than age.
	ListUnmeasured(ctx context.Context, age time.Duration, most int) ([]tenant.Spec, error)
	// RecordUsages appends to the ledger, keeps the WithinQuota condition, and raises warnings of what nears its limit.
	RecordUsages(ctx context.Context, list []Measurement) error
	// ListUnsearched gives tenants that have a server and were not searched for orphans within age.
	ListUnsearched(ctx context.Context, age time.Duration, most int) ([]tenant.Spec, error)
	// RecordOrphans keeps what a search has found.
	RecordOrphans(ctx context.Context, id tenant.ID, bytes int64) error
	RequestOperation(ctx context.Context, r OperationRequest) (id string, err error)
}

// Measurement is what a tenant uses at a moment: when measuring began. What was uploaded since is not in it.
type Measurement struct {
	Tenant tenant.ID
	At     time.Time
	Usage  tenant.Usage
}

// UsageReader reads what a tenant uses on disk and in its database.
type UsageReader interface {
	Usage(ctx context.Context, spec tenant.Spec) (tenant.Usage, error)
	// Orphans is how many bytes on the disk the homeserver has forgotten. It reads far more than Usage.
	Orphans(ctx context.Context, spec tenant.Spec) (int64, error)
}

// Of one pass.
const (
	mostMeasured   = 20_000 // tenants
	measuredAtOnce = 2      // metering must not crowd out the tenants' own reads
	// Recorded together: a commit for each of ten thousand tenants would take longer than their measuring, and have the edge
	// look ten thousand times.
	measuredTogether = 200
)

// Of the search for orphans: every server twice a day, some in each round.
const (
	orphansEvery = 12 * time.Hour
	orphansRound = time.Minute
	orphansMost  = 30
)

// Run measures until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	age := m.Every
	if age == 0 {
		age = 2 * time.Minute
	}
	var searching sync.WaitGroup
	defer searching.Wait()
	searching.Go(func() { _ = repeat(ctx, orphansRound, m.Log, "search for orphans", m.search) })
	return repeat(ctx, max(age/12, time.Second), m.Log, "metering", noted(m.Work, WorkMetering, func(ctx context.Context) error { return m.Pass(ctx, age) }))
}

// Pass measures whom it is time for. It fails when some could not be measured, and measures the others all the same.
func (m *Meter) Pass(ctx context.Context, age time.Duration) error {
	specs, err := m.Store.ListUnmeasured(ctx, age, mostMeasured)
	if err != nil {
		return fmt.Errorf("list unmeasured tenants: %w", err)
	}
	measured, unread := make(chan Measurement, measuredTogether), &unmeasured{}
	go m.measure(ctx, specs, measured, unread)
	var (
		some   []Measurement
		failed error
	)
	record := func() {
		if len(some) > 0 {
			failed = errors.Join(failed, m.Store.RecordUsages(ctx, some))
		}
		some = some[:0]
	}
	for one := range measured {
		if some = append(some, one); len(some) == measuredTogether {
			record()
		}
	}
	record()
	return errors.Join(failed, unread.err())
}

// unmeasured counts the tenants that could not be measured in a pass. Its zero value is empty.
type unmeasured struct {
	mu    sync.Mutex
	count int
	first error
}

func (u *unmeasured) add(id tenant.ID, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count++; u.first == nil {
		u.first = fmt.Errorf("measure %s: %w", id, err)
	}
}

// err says how many there are and why the first is one; of thousands, nobody reads more.
func (u *unmeasured) err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count < 2 {
		return u.first
	}
	return fmt.Errorf("%d tenants were not measured, the first: %w", u.count, u.first)
}

// measure reads tenants, some at a time, and closes the channel.
func (m *Meter) measure(ctx context.Context, specs []tenant.Spec, measured chan<- Measurement, unread *unmeasured) {
	defer close(measured)
	var wait sync.WaitGroup
	defer wait.Wait()
	next := make(chan tenant.Spec)
	defer close(next)
	for range measuredAtOnce {
		wait.Go(func() {
			for spec := range next {
				one, err := m.read(ctx, spec)
				if err == nil {
					measured <- one
					m.trim(ctx, spec, one.Usage)
				} else if ctx.Err() == nil {
					unread.add(spec.ID, err)
				}
			}
		})
	}
	for _, spec := range specs {
		if ctx.Err() != nil {
			return
		}
		next <- spec
	}
}

func (m *Meter) read(ctx context.Context, spec tenant.Spec) (Measurement, error) {
	at := time.Now()
	usage, err := m.Reader.Usage(ctx, spec)
	// Which files are copies is for the homeserver to say. What is past their share, and past the time an engine has to remove them,
	// counts like the members' own, or calling everything a copy would be a way out of the quota.
	most := spec.Quota.Copies()
	if m.purges(spec.Engine) {
		most *= 2
	}
	over := max(usage.RemoteBytes-most, 0)
	usage.RemoteBytes, usage.MediaBytes = usage.RemoteBytes-over, usage.MediaBytes+over
	return Measurement{spec.ID, at, usage}, err
}

func (m *Meter) purges(engine tenant.EngineName) bool { return m.Purges != nil && m.Purges(engine) }

// Measure measures one tenant now.
func (m *Meter) Measure(ctx context.Context, spec tenant.Spec) error {
	one, err := m.read(ctx, spec)
	if err != nil {
		return err
	}
	return m.Store.RecordUsages(ctx, []Measurement{one})
}

// trimPause is between two removals of a tenant's copies: of what its homeserver will not let go, more often is no use.
const trimPause = time.Hour

// trim has copies of other servers' files removed where they take up more than their share, down to three quarters of it.
func (m *Meter) trim(ctx context.Context, spec tenant.Spec, usage tenant.Usage) {
	most := spec.Quota.Copies()
	if usage.RemoteBytes <= most || !m.purges(spec.Engine) || !m.trimsNow(spec.ID) {
		return
	}
	_, err := m.Store.RequestOperation(ctx, OperationRequest{
		Actor: Hafen, Tenant: spec.ID, Kind: OperationPurgeRemote, Subject: "remote media",
		Input: remotePurge{Keep: max(most/4*3, 1)}, Audit: map[string]any{"kept": most, "had": usage.RemoteBytes},
	})
	if tenant.FaultOf(err).Kind == tenant.Conflict {
		return // it sleeps, and gets no more of them; or they are just being removed
	}
	if err != nil && ctx.Err() == nil {
		m.Log.WarnContext(ctx, "copies of other servers' files not removed, will be tried again", "tenant", spec.ID, "error", err)
	}
}

func (m *Meter) trimsNow(id tenant.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trimmed == nil {
		m.trimmed = map[tenant.ID]time.Time{}
	}
	if time.Since(m.trimmed[id]) < trimPause {
		return false
	}
	m.trimmed[id] = time.Now()
	return true
}

// search looks for orphans with some tenants, one at a time.
func (m *Meter) search(ctx context.Context) error {
	specs, err := m.Store.ListUnsearched(ctx, orphansEvery, orphansMost)
	if err != nil {
		return fmt.Errorf("list unsearched tenants: %w", err)
	}
	for _, spec := range specs {
		bytes, err := m.Reader.Orphans(ctx, spec)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			m.Log.WarnContext(ctx, "tenant not searched for orphans, the next turn tries again", "tenant", spec.ID, "error", err)
			bytes = -1 // so that one that always fails does not keep the others waiting
		}
		if err := m.Store.RecordOrphans(ctx, spec.ID, bytes); err != nil {
			return err
		}
	}
	return nil
}
