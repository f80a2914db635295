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

// Run looks every minute, so a failed order is repeated soon and never in a tight loop.
func (k *CertificateKeeper) Run(ctx context.Context) error {
	return repeat(ctx, time.Minute, k.Log, "own certificate", func(ctx context.Context) error {
		end, err := k.Store.Expiry(ctx, k.Host)
		if err != nil {
			return err
		}
		if time.Until(end) >= tenant.RenewBefore {
			return nil
		}
		certificate, err := k.Issuer.Issue(ctx, k.Host)
		if err != nil {
			return fmt.Errorf("get a certificate for %s: %w", k.Host, err)
		}
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
