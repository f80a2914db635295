package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hafen/tenant"
)

// DomainWatcher looks at the records of own domains: every two seconds while a customer is setting them up, rarer later.
// When proof and host are right, it moves the tenant on to provisioning.
type DomainWatcher struct {
	Store   DomainStore
	Checker DomainChecker
	Every   time.Duration // how often due ones are looked for; 1 s when zero
	Log     *slog.Logger
}

// DomainStore keeps the proofs of own domains.
type DomainStore interface {
	// ClaimDomains takes up to most due domains and sets when each is due next.
	ClaimDomains(ctx context.Context, most int) ([]DomainClaim, error)
	// RecordDomain keeps a report; a complete one provisions a waiting tenant, unless another tenant has proven the name first.
	RecordDomain(ctx context.Context, id tenant.ID, report tenant.DomainReport) error
}

// DomainClaim is one domain to look at.
type DomainClaim struct {
	Tenant           tenant.ID
	ServerName, Host tenant.Domain
	Token            string
}

// DomainChecker asks the DNS, and the web where well-known answers are wanted.
type DomainChecker interface {
	Check(ctx context.Context, claim DomainClaim) tenant.DomainReport
}

// atOnce bounds how many domains are looked at together: each waits on foreign name servers, up to eight seconds, and costs
// next to nothing meanwhile.
const atOnce = 16

// Run checks until ctx ends.
func (w *DomainWatcher) Run(ctx context.Context) error {
	every := w.Every
	if every == 0 {
		every = time.Second // somebody watches the page
	}
	looks := looks{under: map[tenant.ID]bool{}}
	defer looks.wait.Wait()
	return repeat(ctx, every, w.Log, "domain check", func(ctx context.Context) error { return w.round(ctx, &looks) })
}

// looks are the checks under way. A round does not wait for them: a customer whose name servers are silent would hold
// up all the others.
type looks struct {
	mu    sync.Mutex
	under map[tenant.ID]bool
	wait  sync.WaitGroup
}

func (w *DomainWatcher) round(ctx context.Context, l *looks) error {
	free := l.free()
	if free == 0 {
		return nil
	}
	claims, err := w.Store.ClaimDomains(ctx, free)
	if err != nil {
		return fmt.Errorf("claim domains: %w", err)
	}
	for _, claim := range claims {
		l.begin(claim.Tenant, func() {
			report := w.Checker.Check(ctx, claim)
			if err := w.Store.RecordDomain(ctx, claim.Tenant, report); err != nil && ctx.Err() == nil {
				w.Log.ErrorContext(ctx, "domain report not recorded, will be checked again", "tenant", claim.Tenant, "error", err)
			}
		})
	}
	return nil
}

func (l *looks) free() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return atOnce - len(l.under)
}

// begin runs look beside the others, unless the tenant's last look goes on still.
func (l *looks) begin(id tenant.ID, look func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.under[id] {
		return
	}
	l.under[id] = true
	l.wait.Go(func() {
		look()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.under, id)
	})
}
