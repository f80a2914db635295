package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/postgres"
	"hafen/internal/pgtest"
	"hafen/tenant"
)

// plain seals nothing but checks the context, which is what the store must get right.
type plain struct{}

func (plain) Seal(plaintext, context []byte) ([]byte, error) {
	return append(append([]byte(nil), context...), append([]byte{0}, plaintext...)...), nil
}

func (plain) Open(sealed, context []byte) ([]byte, error) {
	if len(sealed) <= len(context) || string(sealed[:len(context)]) != string(context) {
		return nil, errors.New("sealed for something else")
	}
	return sealed[len(context)+1:], nil
}

type world struct {
	*testing.T
	ctx   context.Context
	pool  *pgxpool.Pool
	store *postgres.Store
	anna  controlplane.Actor
	orders,
	unpaid *controlplane.Orders
}

func newWorld(t *testing.T) *world {
	t.Helper()
	pool := pgtest.New(t)
	store, err := postgres.New(pool, postgres.Config{Secrets: plain{}, Edge: plain{}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: t.Context(), pool: pool, store: store}
	w.anna = w.account("anna@example.org")
	config := controlplane.OrdersConfig{
		Store: store, Billing: billing.Invoices{AcceptAtOnce: true}, Base: "hafen.test",
		Registrable: func(tenant.Domain) error { return nil },
		Records:     func(controlplane.DomainClaim) []tenant.Record { return []tenant.Record{{Kind: tenant.RecordTXT}} },
	}
	w.orders = controlplane.NewOrders(config)
	config.Billing = billing.Invoices{}
	w.unpaid = controlplane.NewOrders(config)
	return w
}

func (w *world) account(email string) controlplane.Actor {
	w.Helper()
	a := controlplane.Actor{Email: email}
	err := w.pool.QueryRow(w.ctx, `insert into accounts (email, email_key, password_hash, language, verified_at)
		values ($1, $1, '', 'de', now()) returning id::text`, email).Scan(&a.Account)
	w.must(err)
	return a
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) order(name string) tenant.ID {
	w.Helper()
	id, _, err := w.orders.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: name, FirstAdmin: "anna", Language: "de"})
	w.must(err)
	return id
}

func (w *world) orderOwn(who controlplane.Actor, domain string) tenant.ID {
	w.Helper()
	id, _, err := w.orders.Order(w.ctx, who, controlplane.OrderRequest{Plan: "basic", Domain: domain, FirstAdmin: "anna", Language: "de"})
	w.must(err)
	return id
}

// reconcile plays a worker for which everything outside succeeds.
func (w *world) reconcile(id tenant.ID) {
	w.Helper()
	for again := true; again; {
		claim, ok, err := w.store.ClaimTenant(w.ctx, id, "test", time.Minute)
		w.must(err)
		if !ok {
			w.Fatalf("%s is claimed by somebody else", id)
		}
		again, err = w.store.FinishReconcile(w.ctx, id, "test", claim)
		w.must(err)
	}
}

func (w *world) active(name string) tenant.ID {
	w.Helper()
	id := w.order(name)
	w.reconcile(id)
	return id
}

func (w *world) status(id tenant.ID) tenant.Status {
	w.Helper()
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	return server.Status
}

func (w *world) wantStatus(id tenant.ID, want tenant.Status) {
	w.Helper()
	if got := w.status(id); got != want {
		w.Fatalf("status %s, want %s", got, want)
	}
}

func (w *world) wantFault(err error, code string) {
	w.Helper()
	if err == nil || tenant.FaultOf(err).Code != code {
		w.Fatalf("error %v, want fault %s", err, code)
	}
}

func (w *world) count(sql string, args ...any) int {
	w.Helper()
	var n int
	w.must(w.pool.QueryRow(w.ctx, sql, args...).Scan(&n))
	return n
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	_, err := w.pool.Exec(w.ctx, sql, args...)
	w.must(err)
}

func (w *world) jobs(kind string) int {
	w.Helper()
	return w.count(`select count(*) from river_job where kind = $1`, kind)
}

func TestAnOrderedServerBecomesActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	w.wantStatus(id, tenant.Provisioning)
	if w.jobs("reconcile") != 1 {
		t.Fatal("no job was recorded with the order")
	}
	w.reconcile(id)
	w.wantStatus(id, tenant.Active)
	first, err := w.store.FindMember(w.ctx, id, "anna")
	w.must(err)
	if first.State != "active" || !first.Admin || first.UserID != "@anna:anna.hafen.test" {
		t.Fatalf("first member %+v", first)
	}
	if w.jobs("tenant_mail") != 1 {
		t.Fatal("no mail says that the server is ready")
	}
	w.must(w.store.Wake(w.ctx, w.anna, id))
	w.reconcile(id)
	if w.jobs("tenant_mail") != 1 {
		t.Fatal("a second reconcile wrote a second mail")
	}
}

func TestDeletionAndItsReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	servers := controlplane.NewServers(controlplane.ServersConfig{Store: w.store})
	id := w.active("anna")
	w.wantFault(servers.Delete(w.ctx, w.anna, id, "berta.hafen.test"), "delete.name_differs")
	w.must(servers.Delete(w.ctx, w.anna, id, " Anna.hafen.test "))
	w.wantStatus(id, tenant.Deleting)
	claim, _, err := w.store.ClaimTenant(w.ctx, id, "test", time.Minute)
	w.must(err)
	if claim.Spec.Goal != tenant.GoalStop {
		t.Fatalf("goal within the grace period: %s", claim.Spec.Goal)
	}
	_, err = w.store.FinishReconcile(w.ctx, id, "test", claim)
	w.must(err)
	w.must(servers.Restore(w.ctx, w.anna, id))
	w.wantStatus(id, tenant.Provisioning)
	w.reconcile(id)
	w.wantStatus(id, tenant.Active)

	w.must(servers.Delete(w.ctx, w.anna, id, "anna.hafen.test"))
	w.exec(`update tenants set delete_after = now(), requested_at = now() - interval '1 minute'`)
	w.wantFault(servers.Restore(w.ctx, w.anna, id), "status.conflict")
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("the end of the grace period was not found: %d %v", n, err)
	}
	w.reconcile(id)
	w.wantStatus(id, tenant.Deleted)
	for _, table := range []string{"members", "operations", "conditions", "usage", "reserved_names", "domains"} {
		if n := w.count(`select count(*) from `+table+` where tenant_id = $1`, id); n != 0 {
			t.Errorf("%d rows left in %s", n, table)
		}
	}
	_, _, err = w.orders.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
	w.wantFault(err, "name.tombstoned")
}

func TestASuspensionReturnsAsOneAfterADeletionTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.must(w.store.Transition(w.ctx, controlplane.Transition{Actor: w.anna, Tenant: id, To: tenant.Suspended, Reason: "abuse", Action: "server.suspend"}))
	w.reconcile(id)
	w.must(w.store.Transition(w.ctx, controlplane.Transition{Actor: w.anna, Tenant: id, To: tenant.Deleting, DeleteAfter: time.Hour, Action: "server.delete"}))
	w.must(w.store.Transition(w.ctx, controlplane.Transition{Actor: w.anna, Tenant: id, Back: true, Action: "server.restore"}))
	server, err := w.store.FindServer(w.ctx, "", id)
	w.must(err)
	if server.Status != tenant.Suspended || server.SuspendedFor != "abuse" {
		t.Fatalf("%s for %q", server.Status, server.SuspendedFor)
	}
	w.wantFault(w.store.Transition(w.ctx, controlplane.Transition{Actor: w.anna, Tenant: id, To: tenant.Active}), "status.conflict")
}

func TestSomebodyElsesServerIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	bert := w.account("bert@example.org")
	_, err := w.store.FindServer(w.ctx, bert.Account, id)
	w.wantFault(err, "tenant.unknown")
	_, err = w.store.FindServer(w.ctx, bert.Account, "tzzzzzzzzzzzzzzzz")
	w.wantFault(err, "tenant.unknown")
	if list, err := w.store.ListServers(w.ctx, bert.Account); err != nil || len(list) != 0 {
		t.Fatalf("%v %v", list, err)
	}
}

func TestTheEdgeReloadsOnlyWhatMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	route := tenant.Route{Tenant: id, ServerName: "anna.hafen.test", Host: "anna.hafen.test", Backend: "unix:/x", Mode: tenant.RouteOpen, Federation: tenant.FederationOff}
	w.must(w.store.Routes().Publish(w.ctx, route))
	w.must(w.store.Certificates().Store(w.ctx, tenant.Certificate{Host: route.Host, ChainPEM: []byte("c"), KeyPEM: []byte("k"), NotAfter: time.Now()}))
	first, err := w.store.LoadEdge(w.ctx, "", "", "")
	w.must(err)
	if len(first.RouteList) != 1 || first.RouteList[0] != route || string(first.CertificateList[0].KeyPEM) != "k" || first.UsageList == nil {
		t.Fatalf("state %+v", first)
	}
	same, err := w.store.LoadEdge(w.ctx, first.Routes, first.Certificates, first.Usage)
	w.must(err)
	if same.RouteList != nil || same.CertificateList != nil || same.UsageList != nil {
		t.Fatalf("reloaded %+v", same)
	}
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{MediaBytes: 7}))
	moved, err := w.store.LoadEdge(w.ctx, first.Routes, first.Certificates, first.Usage)
	w.must(err)
	if moved.RouteList != nil || len(moved.UsageList) != 1 || moved.UsageList[0].Bytes != 7 {
		t.Fatalf("moved %+v", moved)
	}
	w.exec(`update certificates set host = 'berta.hafen.test'`)
	damaged, err := w.store.LoadEdge(w.ctx, "", "", "")
	w.must(err)
	if len(damaged.RouteList) != 1 || len(damaged.CertificateList) != 1 || damaged.CertificateList[0].KeyPEM != nil {
		t.Fatalf("a key moved to another host was opened, or took the rest with it: %+v", damaged)
	}
}

func TestSecretsAreAddedNeverChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	secrets := w.store.Secrets()
	w.must(secrets.Store(w.ctx, id, map[string][]byte{"a": []byte("1")}))
	w.must(secrets.Store(w.ctx, id, map[string][]byte{"a": []byte("2"), "b": []byte("3")}))
	got, err := secrets.Load(w.ctx, id)
	w.must(err)
	if string(got["a"]) != "1" || string(got["b"]) != "3" {
		t.Fatalf("secrets %q", got)
	}
	w.must(secrets.Delete(w.ctx, id))
	if got, err = secrets.Load(w.ctx, id); err != nil || len(got) != 0 {
		t.Fatalf("left %q, %v", got, err)
	}
}

func TestHintsReachWhoWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	hints := w.store.Watch(w.ctx, id)
	go w.store.Listen(w.ctx)
	<-hints // the listener is up: everybody is told to look
	w.must(w.store.Wake(w.ctx, w.anna, id))
	run, err := w.store.BeginStep(w.ctx, id, 1, tenant.CreateSecrets)
	w.must(err)
	<-hints
	w.must(w.store.EndStep(w.ctx, run, &tenant.Failure{Code: "x", Err: errors.New("why")}))
	<-hints
	runs, err := w.store.ListStepRuns(w.ctx, id, 9)
	w.must(err)
	if len(runs) != 1 || runs[0].Code != "x" || runs[0].FinishedAt == nil {
		t.Fatalf("runs %+v", runs)
	}
}
