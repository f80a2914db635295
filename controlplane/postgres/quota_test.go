package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/tenant"
)

const gb = int64(1_000_000_000)

// stored measures a server with so many of Basic's 20 GB.
func (w *world) stored(id tenant.ID, bytes int64) {
	w.Helper()
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{DatabaseBytes: gb, MediaBytes: bytes - gb}))
}

func (w *world) warnings(id tenant.ID, kind string) (levels string) {
	w.Helper()
	w.must(w.pool.QueryRow(w.ctx, `select coalesce(string_agg(level::text, ' ' order by raised_at), '') from quota_warnings where tenant_id = $1 and kind = $2`, id, kind).Scan(&levels))
	if jobs, all := w.count(`select count(*) from river_job where kind = 'quota_warning'`), w.count(`select count(*) from quota_warnings`); jobs != all {
		w.Errorf("%d jobs for %d warnings", jobs, all)
	}
	return levels
}

func TestEachMarkWarnsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.exec(`update plans set storage_bytes = $1 where id = 'basic'`, 20*gb)
	for i, step := range []struct {
		used int64
		want string
	}{
		{15 * gb, ""},
		{16 * gb, "80"},
		{16 * gb, "80"},
		{15_500_000_000, "80"},
		{16 * gb, "80"}, // around the mark
		{18 * gb, "80 90"},
		{21 * gb, "80 90 100"},
		{20 * gb, "80 90 100"},
		{19_500_000_000, "80 90 100"},
		{22 * gb, "80 90 100"},
		{10 * gb, "80 90 100"},
		{20 * gb, "80 90 100 100"}, // from far below: the highest alone
		{2 * gb, "80 90 100 100"},
		{17 * gb, "80 90 100 100 80"},
	} {
		w.stored(id, step.used)
		if got := w.warnings(id, "storage"); got != step.want {
			t.Fatalf("step %d: warned at %q, want %q", i, got, step.want)
		}
	}
	// More was bought, and an old measurement comes late: neither warns again.
	w.exec(`update tenants set extra_storage_bytes = $1`, 20*gb)
	w.stored(id, 17*gb)
	w.must(w.store.RecordUsage(w.ctx, id, time.Now().Add(-time.Hour), tenant.Usage{MediaBytes: 40 * gb}))
	if got := w.warnings(id, "storage"); got != "80 90 100 100 80" {
		t.Fatalf("warned at %q", got)
	}
	// Four of five seats, then all.
	for i, who := range []tenant.Localpart{"b", "c", "d", "e"} {
		w.do(id, who, controlplane.OperationCreate)
		w.stored(id, gb)
		if got, want := w.warnings(id, "seats"), []string{"", "", "80", "80 100"}[i]; got != want {
			t.Fatalf("with %d seats taken warned at %q, want %q", i+2, got, want)
		}
	}
	w.exec(`update tenants set status = 'suspended', suspended_for = 'payment'`)
	w.stored(id, 100*gb)
	if got := w.warnings(id, "storage"); got != "80 90 100 100 80" {
		t.Fatalf("a suspended server was warned: %q", got)
	}
}

// Meters that run beside each other, and are killed on the way, warn exactly once.
func TestParallelMetersWarnOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`update plans set storage_bytes = $1 where id = 'basic'`, 20*gb)
	var list []controlplane.Measurement
	for i := range 8 {
		list = append(list, controlplane.Measurement{Tenant: w.active(fmt.Sprintf("nord%d", i)), Usage: tenant.Usage{MediaBytes: 17 * gb}})
	}
	record := func(ctx context.Context) error {
		some := append([]controlplane.Measurement(nil), list...)
		rand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		for i := range some {
			some[i].At = time.Now()
		}
		return w.store.RecordUsages(ctx, some)
	}
	var wait sync.WaitGroup
	for i := range 24 {
		wait.Go(func() {
			ctx, kill := context.WithCancel(w.ctx)
			defer kill()
			if i%3 > 0 { // in the middle of its transaction, or before, or after
				time.AfterFunc(rand.N(20*time.Millisecond), kill)
			}
			if err := record(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, m := range list {
		if got := w.warnings(m.Tenant, "storage"); got != "80" {
			t.Errorf("%s was warned at %q", m.Tenant, got)
		}
	}
}

// words writes nothing but what it is of.
type words struct{}

func (words) Render(c controlplane.MailContent, _ string) (controlplane.MailText, error) {
	return controlplane.MailText{Subject: fmt.Sprintf("%T", c), Text: fmt.Sprintf("%T", c)}, nil
}

// fallible fails or kills where it is told to.
type fallible struct {
	controlplane.QuotaWarningStore
	at func(what string) error
}

func (f fallible) MailQuotaWarning(ctx context.Context, id string, m controlplane.Mail) error {
	if err := f.QuotaWarningStore.MailQuotaWarning(ctx, id, m); err != nil {
		return err
	}
	return f.at("mailed")
}

func (f fallible) CreateAnnouncement(ctx context.Context, a controlplane.Actor, n controlplane.NewAnnouncement) error {
	if err := f.QuotaWarningStore.CreateAnnouncement(ctx, a, n); err != nil {
		return err
	}
	return f.at("announced")
}

func TestAWarningIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.do(id, "bert", controlplane.OperationCreate)
	w.do(id, "carla", controlplane.OperationCreate)
	w.exec(`update members set server_admin = localpart in ('anna', 'bert')`)
	w.exec(`update plans set storage_bytes = $1 where id = 'basic'`, 20*gb)
	w.stored(id, 19*gb)
	var warning string
	w.must(w.pool.QueryRow(w.ctx, `select id::text from quota_warnings`).Scan(&warning))
	tell := func(at func(string) error) error {
		worker := &controlplane.QuotaWarningWorker{Store: fallible{w.store, at}, Texts: words{}}
		return worker.Work(w.ctx, &river.Job[controlplane.QuotaWarningArgs]{Args: controlplane.QuotaWarningArgs{Warning: warning}})
	}
	killed := errors.New("killed")
	for _, point := range []string{"mailed", "announced"} {
		if err := tell(func(what string) error {
			if what == point {
				return killed
			}
			return nil
		}); !errors.Is(err, killed) && point == "announced" {
			t.Errorf("killed after it was %s: %v", point, err)
		}
	}
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			if err := tell(func(string) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := w.count(`select count(*) from mails where subject = 'controlplane.QuotaMail' and recipient = 'anna@example.org'`); n != 1 {
		t.Errorf("%d mails", n)
	}
	if n := w.count(`select count(*) from announcements where text = 'controlplane.QuotaNotice' and not everybody and total = 2`); n != 1 {
		t.Errorf("%d notices", n)
	}
	if n := w.count(`select count(*) from announcement_recipients where localpart in ('anna', 'bert')`); n != 2 {
		t.Errorf("%d people are told", n)
	}
	// While another announcement is being sent, the notice waits; a server that stands still gets none.
	w.exec(`delete from quota_levels`)
	w.stored(id, 19*gb)
	w.must(w.pool.QueryRow(w.ctx, `select id::text from quota_warnings order by raised_at desc limit 1`).Scan(&warning))
	never := func(string) error { return nil }
	if err := tell(never); tenant.FaultOf(err).Code != "announce.busy" {
		t.Errorf("beside another announcement: %v", err)
	}
	w.exec(`update tenants set status = 'suspended', suspended_for = 'payment'`)
	w.must(tell(never))
	w.exec(`delete from quota_warnings`)
	if err := tell(never); err == nil {
		t.Error("a warning that is gone is told")
	}
}

func TestTheLedgerIsOnlyAddedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(-36 * time.Hour)
	for _, one := range []struct {
		at    time.Time
		bytes int64
	}{{noon, 1}, {noon.Add(2 * time.Hour), 3}, {noon.Add(time.Hour), 2}, {noon.Add(24 * time.Hour), 4}} {
		w.must(w.store.RecordUsage(w.ctx, id, one.at, tenant.Usage{MediaBytes: one.bytes, RemoteBytes: 10 * one.bytes}))
	}
	if _, err := w.pool.Exec(w.ctx, `update usage set media_bytes = 0`); err == nil {
		t.Error("the ledger can be changed")
	}
	days, err := w.store.ListUsageDays(w.ctx, id, noon.Add(-time.Hour))
	w.must(err)
	if len(days) != 2 || days[0].MediaBytes != 3 || days[1].MediaBytes != 4 {
		t.Errorf("days: %+v", days)
	}
	w.must(w.store.RecordOrphans(w.ctx, id, 3))
	w.must(w.store.RecordOrphans(w.ctx, id, -1)) // could not be searched
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	if u := server.Usage; u.Stored() != 4 || u.RemoteBytes != 40 || u.OrphanBytes != 3 {
		t.Errorf("%+v", u)
	}
	unsearched, err := w.store.ListUnsearched(w.ctx, time.Hour, 9)
	w.must(err)
	if len(unsearched) != 0 {
		t.Errorf("%d tenants are to be searched again", len(unsearched))
	}
}

// The chart shows hours while there are few days, then days; and with days comes what is to be expected.
func TestUsageHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.exec(`update plans set storage_bytes = $1 where id = 'basic'`, 20*gb)
	servers := controlplane.NewServers(controlplane.ServersConfig{Store: w.store})
	today := time.Now().UTC().Truncate(24 * time.Hour)
	day := func(ago int, bytes int64) {
		for _, hour := range []time.Duration{0, 5 * time.Minute} { // two, so that the last stands for the day
			w.must(w.store.RecordUsage(w.ctx, id, today.AddDate(0, 0, -ago).Add(-2*time.Hour).Add(hour), tenant.Usage{MediaBytes: bytes}))
		}
		w.must(w.store.RecordUsage(w.ctx, id, today.AddDate(0, 0, -ago).Add(-5*time.Hour), tenant.Usage{MediaBytes: 1}))
	}
	history := func() controlplane.UsageHistory {
		t.Helper()
		h, err := servers.UsageHistory(w.ctx, w.anna, id)
		w.must(err)
		return h
	}
	day(1, 12*gb)
	day(0, 13*gb)
	if h := history(); len(h.Points) != 4 || h.Full != 0 {
		t.Fatalf("of two days: %+v", h)
	}
	day(2, 11*gb)
	day(3, 10*gb)
	day(31, 1)
	if h := history(); len(h.Points) != 4 || h.Points[0].MediaBytes != 10*gb || h.Points[3].MediaBytes != 13*gb || h.Full != 7 {
		t.Fatalf("of four days: %+v", h)
	}
}
