package controlplane_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

// authority refuses as often as it is told, and then issues for ninety days.
type authority struct {
	mu       sync.Mutex
	refusals []error
	asked    []time.Duration // since the beginning
	began    time.Time
	kept     time.Time
}

func (a *authority) Expiry(context.Context, tenant.Domain) (time.Time, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept, nil
}

// times are those at which it was asked.
func (a *authority) times() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *authority) Store(_ context.Context, c tenant.Certificate) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = c.NotAfter
	return nil
}

func (a *authority) Issue(_ context.Context, host tenant.Domain) (tenant.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, time.Since(a.began))
	if len(a.refusals) > 0 {
		err := a.refusals[0]
		a.refusals = a.refusals[1:]
		return tenant.Certificate{}, err
	}
	return tenant.Certificate{Host: host, NotAfter: time.Now().AddDate(0, 0, 90)}, nil
}

// An authority counts failed tries. One that asks for an hour gets an hour.
func TestTheOwnCertificateWaitsAsTheAuthorityAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &authority{began: time.Now(), refusals: []error{
			&tenant.Failure{Disposition: tenant.Retry, Code: "acme.rate_limited", After: time.Hour},
			&tenant.Failure{Disposition: tenant.Stop, Code: "acme.account"},
		}}
		ctx, cancel := context.WithCancel(t.Context())
		keeper := controlplane.CertificateKeeper{Host: "hafen.test", Store: a, Issuer: a, Log: slog.New(slog.DiscardHandler)}
		ended := make(chan error)
		go func() { ended <- keeper.Run(ctx) }()
		time.Sleep(24 * time.Hour)
		asked := a.times()
		if kept, err := a.Expiry(ctx, "hafen.test"); len(asked) != 3 || err != nil || kept.IsZero() {
			t.Fatalf("asked %v", asked)
		}
		if first := asked[1]; first < time.Hour || first > 80*time.Minute {
			t.Errorf("asked again after %s", first)
		}
		if pause := asked[2] - asked[1]; pause < 5*time.Minute || pause > 8*time.Minute {
			t.Errorf("after a refusal for good asked again after %s", pause)
		}
		time.Sleep(61 * 24 * time.Hour)
		if n := len(a.times()); n != 4 {
			t.Errorf("renewed %d times in two months", n-3)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
