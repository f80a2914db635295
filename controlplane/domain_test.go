package controlplane_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

// domains is a store in which every domain is always due, and a checker that does not come back from the silent one.
type domains struct {
	due      []controlplane.DomainClaim
	silent   tenant.Domain
	mu       sync.Mutex
	checked  map[tenant.Domain]int
	recorded chan tenant.ID
}

func (d *domains) ClaimDomains(_ context.Context, most int) ([]controlplane.DomainClaim, error) {
	return slices.Clone(d.due[:min(most, len(d.due))]), nil
}

func (d *domains) RecordDomain(_ context.Context, id tenant.ID, _ tenant.DomainReport) error {
	select {
	case d.recorded <- id:
	default:
	}
	return nil
}

func (d *domains) Check(ctx context.Context, c controlplane.DomainClaim) tenant.DomainReport {
	d.mu.Lock()
	d.checked[c.ServerName]++
	d.mu.Unlock()
	if c.ServerName == d.silent {
		<-ctx.Done()
	}
	return tenant.DomainReport{}
}

func TestSilentNameServersHoldNobodyUp(t *testing.T) {
	t.Parallel()
	slow, quick := tenant.NewID(), tenant.NewID()
	d := &domains{
		due:    []controlplane.DomainClaim{{Tenant: slow, ServerName: "silent.example"}, {Tenant: quick, ServerName: "quick.example"}},
		silent: "silent.example", checked: map[tenant.Domain]int{}, recorded: make(chan tenant.ID),
	}
	watcher := &controlplane.DomainWatcher{Store: d, Checker: d, Every: time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- watcher.Run(ctx) }()
	for range 3 {
		select {
		case id := <-d.recorded:
			if id != quick {
				t.Errorf("the silent domain was recorded")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the other domain was not looked at again")
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the watcher does not end")
	}
	if d.checked["silent.example"] != 1 {
		t.Errorf("the silent domain was asked for %d times at once", d.checked["silent.example"])
	}
}
