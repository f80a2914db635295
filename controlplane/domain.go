package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hafen/tenant"
)

// DomainWatcher looks at the records of own domains: every few seconds while a customer is setting them up, rarer later.
// When proof and host are right, it moves the tenant on to provisioning.
type DomainWatcher struct {
	Store   DomainStore
	Checker DomainChecker
	Every   time.Duration // how often due ones are looked for; 2 s when zero
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

// Run checks until ctx ends.
func (w *DomainWatcher) Run(ctx context.Context) error {
	every := w.Every
	if every == 0 {
		every = 2 * time.Second
	}
	return repeat(ctx, every, w.Log, "domain check", w.round)
}

func (w *DomainWatcher) round(ctx context.Context) error {
	// Sixteen at once: each waits on foreign name servers, up to eight seconds, and costs next to nothing meanwhile.
	claims, err := w.Store.ClaimDomains(ctx, 16)
	if err != nil {
		return fmt.Errorf("claim domains: %w", err)
	}
	var wait sync.WaitGroup
	for _, claim := range claims {
		wait.Go(func() {
			report := w.Checker.Check(ctx, claim)
			if err := w.Store.RecordDomain(ctx, claim.Tenant, report); err != nil && ctx.Err() == nil {
				w.Log.ErrorContext(ctx, "domain report not recorded, will be checked again", "tenant", claim.Tenant, "error", err)
			}
		})
	}
	wait.Wait()
	return nil
}
