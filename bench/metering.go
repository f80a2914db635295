package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/internal/pgtest"
	"hafen/tenant"
)

// Ten thousand servers with five members each, a ledger of some days, and a fifth of them near their limit.
var meteredFleet = []string{
	`insert into accounts (email, email_key, password_hash, language, verified_at) values ('meter@example.org', 'meter@example.org', '', 'en', now())`,
	`insert into tenants (id, account_id, plan_id, server_name, host, engine, image, status, first_admin, language, active_at)
		select 'm' || lpad(n::text, 8, '0'), (select id from accounts), 'basic', 'n' || n || '.example.org', 'n' || n || '.example.org',
			'synapse', 'sha256:x', 'active', 'admin', 'en', now() from generate_series(1, $1::int) n`,
	`insert into members (tenant_id, localpart, state) select id, 'member' || i, 'active' from tenants, generate_series(1, 3) i`,
	`insert into usage (tenant_id, measured_at, database_bytes, media_bytes) select id, now() - h * interval '1 hour', 1000000000, 1000000000 from tenants, generate_series(1, 48) h`,
	`insert into routes (tenant_id, server_name, host, backend, mode, federation_mode, partners, upload_bytes, storage_bytes, contact)
		select id, server_name, host, 'unix:/x', 'open', 'off', '', 1, 1, '' from tenants`,
	`analyze`,
}

// simulated stands for disks and tenants' databases: it answers at once.
type simulated struct{ used int64 }

func (s simulated) Usage(_ context.Context, spec tenant.Spec) (tenant.Usage, error) {
	if spec.Number%5 == 0 {
		return tenant.Usage{DatabaseBytes: 1_000_000_000, MediaBytes: spec.Quota.StorageBytes - 2_000_000_000 + s.used}, nil
	}
	return tenant.Usage{DatabaseBytes: 1_000_000_000, MediaBytes: 2_000_000_000 + s.used}, nil
}

func (simulated) Orphans(context.Context, tenant.Spec) (int64, error) { return 0, nil }

// measureMetering is what a pass over many tenants costs the control plane and its database, the reading of disks apart. The
// first pass warns a fifth of them; the others find everything as it was.
func measureMetering(b *bed, e extent, r *report) {
	if e.metered == 0 {
		return
	}
	pool := pgtest.New(b)
	for i, statement := range meteredFleet {
		var arguments []any
		if i == 1 {
			arguments = []any{e.metered}
		}
		_, err := pool.Exec(b.ctx, statement, arguments...)
		b.must("make a fleet", err)
	}
	store, err := postgres.New(pool, postgres.Config{})
	b.must("open the store", err)
	debug.FreeOSMemory()
	before, peak := residentMB(os.Getpid()), 0.0
	var passes, loads []float64
	for i := range 4 {
		meter := &controlplane.Meter{Store: store, Reader: simulated{int64(i)}, Log: slog.New(slog.DiscardHandler)}
		done := make(chan error, 1)
		watch := newStopwatch()
		go func() { done <- meter.Pass(b.ctx, 0) }()
		for ended := false; !ended; {
			select {
			case err = <-done:
				ended = true
			case <-time.After(10 * time.Millisecond):
			}
			peak = max(peak, residentMB(os.Getpid()))
		}
		took := watch.seconds()
		b.must("meter", err)
		if i == 0 {
			r.once(fmt.Sprintf("metering pass over %d tenants, a fifth of them warned", e.metered), "s", round(took, 3))
		} else {
			passes = append(passes, took)
		}
		loads = append(loads, edgeLoad(b, store))
	}
	r.sample(fmt.Sprintf("metering pass over %d tenants", e.metered), "s", passes, nil)
	r.once(fmt.Sprintf("metering passes over %d tenants: memory grows by", e.metered), "MB", round(max(peak-before, 0), 1))
	r.sample(fmt.Sprintf("edge reads the storage of %d tenants", e.metered), "s", loads, nil)
	checkMetered(b, pool, e.metered)
}

// edgeLoad is how long the edge takes to read all measurements, which it does after each batch that is recorded.
func edgeLoad(b *bed, store *postgres.Store) float64 {
	watch := newStopwatch()
	state, err := store.LoadEdge(b.ctx, "", "", "")
	b.must("load the edge's state", err)
	if len(state.UsageList) == 0 {
		b.Fatalf("the edge sees nothing measured")
	}
	return watch.seconds()
}

// checkMetered makes sure that what was timed was done.
func checkMetered(b *bed, pool *pgxpool.Pool, n int) {
	var measured, warned int
	err := pool.QueryRow(b.ctx, `select (select count(distinct tenant_id) from usage where measured_at > now() - interval '30 minutes'),
		(select count(*) from quota_warnings where kind = 'storage')`).Scan(&measured, &warned)
	b.must("look at the ledger", err)
	if measured != n || warned != n/5 {
		b.Fatalf("%d of %d measured, %d warned", measured, n, warned)
	}
}
