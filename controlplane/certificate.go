package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"hafen/tenant"
)

// CertificateKeeper holds a certificate for Hafen's own website. Tenants' certificates are the reconciler's.
type CertificateKeeper struct {
	Host   tenant.Domain
	Store  CertificateStore
	Issuer Issuer
	Log    *slog.Logger
}

// CertificateStore keeps certificates.
type CertificateStore interface {
	Expiry(ctx context.Context, host tenant.Domain) (time.Time, error)
	Store(ctx context.Context, c tenant.Certificate) error
}

// Issuer gets certificates.
type Issuer interface {
	Issue(ctx context.Context, host tenant.Domain) (tenant.Certificate, error)
}

// Run looks every minute. After a failed order it waits as a tenant would, and as long as the authority asked: each try counts
// against what the authority allows.
func (k *CertificateKeeper) Run(ctx context.Context) error {
	var (
		failures int
		next     time.Time
	)
	return repeat(ctx, time.Minute, k.Log, "own certificate", func(ctx context.Context) error {
		if time.Now().Before(next) {
			return nil
		}
		end, err := k.Store.Expiry(ctx, k.Host)
		if err != nil {
			return err
		}
		if time.Until(end) >= tenant.RenewBefore {
			return nil
		}
		certificate, err := k.Issuer.Issue(ctx, k.Host)
		if err != nil {
			wait := backoff(tenant.FailureOf(err), failures)
			if wait < 0 {
				wait = longestBackoff // here too an operator must look, and has nothing to press when it is mended
			}
			failures, next = failures+1, time.Now().Add(wait)
			return fmt.Errorf("get a certificate for %s: %w", k.Host, err)
		}
		failures = 0
		return k.Store.Store(ctx, certificate)
	})
}

// Cleaner removes, once an hour, what no page shows any more.
type Cleaner struct {
	Store CleanStore
	Log   *slog.Logger
}

// CleanStore removes old rows.
type CleanStore interface {
	ThinUsage(ctx context.Context) error
}

// Run cleans until ctx ends.
func (c *Cleaner) Run(ctx context.Context) error {
	return repeat(ctx, time.Hour, c.Log, "cleaning", c.Store.ThinUsage)
}
