package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
		Store: store, Billing: billing.Invoice{AcceptAtOnce: true}, Base: "hafen.test",
		Registrable: func(tenant.Domain) error { return nil },
		Records:     func(controlplane.DomainClaim) []tenant.Record { return []tenant.Record{{Kind: tenant.RecordTXT}} },
	}
	w.orders = controlplane.NewOrders(config)
	config.Billing = billing.Invoice{}
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
	members, err := w.store.ListMembers(w.ctx, id)
	w.must(err)
	if len(members) != 1 || members[0].State != "active" || !members[0].Admin || members[0].UserID != "@anna:anna.hafen.test" {
		t.Fatalf("members %+v", members)
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

func TestAnUnpaidOrderWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, terms, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "all-in", Name: "anna", FirstAdmin: "anna", Language: "en"})
	w.must(err)
	if terms.Settled || w.jobs("reconcile") != 0 {
		t.Fatal("an unpaid order was begun")
	}
	w.wantStatus(id, tenant.AwaitingPayment)
	order, err := w.store.FindOrder(w.ctx, id)
	w.must(err)
	if order.Net.Cents != 1400 || order.VAT.Cents != 266 || order.Status != "open" {
		t.Fatalf("order %+v", order)
	}
	w.must(w.store.SettleOrder(w.ctx, w.anna, order.ID))
	w.wantStatus(id, tenant.Provisioning)
	w.wantFault(w.store.SettleOrder(w.ctx, w.anna, order.ID), "order.settled")
	w.wantFault(w.store.CancelOrder(w.ctx, w.anna, order.ID), "order.settled")
	w.wantFault(w.store.SettleOrder(w.ctx, w.anna, "x' or 'x"), "order.unknown")
}

func TestACancelledOrderFreesItsName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "en"}
	id, _, err := w.unpaid.Order(w.ctx, w.anna, request)
	w.must(err)
	_, _, err = w.unpaid.Order(w.ctx, w.anna, request)
	w.wantFault(err, "name.taken")
	order, err := w.store.FindOrder(w.ctx, id)
	w.must(err)
	w.must(w.store.CancelOrder(w.ctx, w.anna, order.ID))
	w.wantStatus(id, tenant.Deleted)
	w.order("anna")
}

// Each order holds a name before it is paid: nobody may take them all. Those that came to serve do not count.
func TestAnAccountHasOnlySoManyOpenOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.active("served")
	var wait sync.WaitGroup
	refused := make(chan error, controlplane.MostOpenOrders+5)
	for i := range cap(refused) {
		wait.Go(func() {
			_, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{
				Plan: "basic", Name: fmt.Sprintf("name%d", i), FirstAdmin: "anna", Language: "de",
			})
			if err != nil {
				refused <- err
			}
		})
	}
	wait.Wait()
	close(refused)
	if len(refused) != 5 {
		t.Fatalf("%d orders refused, want 5", len(refused))
	}
	for err := range refused {
		w.wantFault(err, "order.too_many")
	}
	bert := w.account("bert@example.org")
	w.orderOwn(bert, "example.com")
}

func TestOfManyOrdersForANameOneWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		won  int
	)
	for range 20 {
		wait.Go(func() {
			_, _, err := w.orders.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if tenant.FaultOf(err).Code != "name.taken" {
				t.Errorf("refused with %v", err)
			}
		})
	}
	wait.Wait()
	if won != 1 || w.count(`select count(*) from tenants`) != 1 || w.count(`select count(*) from orders`) != 1 {
		t.Fatalf("%d orders won, %d tenants", won, w.count(`select count(*) from tenants`))
	}
}

func TestWhoProvesADomainFirstGetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bert := w.account("bert@example.org")
	hers, his := w.orderOwn(w.anna, "example.com"), w.orderOwn(bert, "example.com")
	w.wantStatus(hers, tenant.AwaitingDomain)
	missing := tenant.DomainReport{HostReady: true, Issuable: true}
	proven := tenant.DomainReport{Verified: true, HostReady: true, Issuable: true}

	w.must(w.store.RecordDomain(w.ctx, his, missing))
	w.wantStatus(his, tenant.AwaitingDomain)
	w.must(w.store.RecordDomain(w.ctx, his, proven))
	w.wantStatus(his, tenant.Provisioning)
	w.must(w.store.RecordDomain(w.ctx, hers, proven))
	w.wantStatus(hers, tenant.AwaitingDomain)
	server, err := w.store.FindServer(w.ctx, "", hers)
	w.must(err)
	if server.FailureCode != "domain_taken" {
		t.Fatalf("the loser is told %q", server.FailureCode)
	}
	_, err = w.orders.CheckName(w.ctx, controlplane.OrderRequest{Domain: "example.com"})
	w.wantFault(err, "domain.taken")
}

func TestDomainsAreClaimedWhenDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.orderOwn(w.anna, "example.com")
	claims, err := w.store.ClaimDomains(w.ctx, 9)
	w.must(err)
	if len(claims) != 1 || claims[0].ServerName != "example.com" || claims[0].Host != "matrix.example.com" || claims[0].Token == "" {
		t.Fatalf("claims %+v", claims)
	}
	claims, err = w.store.ClaimDomains(w.ctx, 9)
	w.must(err)
	if len(claims) != 0 {
		t.Fatal("a domain was claimed twice")
	}
	w.must(w.store.RequestDomainCheck(w.ctx, id))
	if claims, err = w.store.ClaimDomains(w.ctx, 9); err != nil || len(claims) != 1 {
		t.Fatalf("a requested check is not due: %v %v", claims, err)
	}
}

func TestOneLeaseATenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	claim, ok, err := w.store.ClaimTenant(w.ctx, id, "one", time.Minute)
	w.must(err)
	if !ok {
		t.Fatal("not claimed")
	}
	if _, ok, _ := w.store.ClaimTenant(w.ctx, id, "two", time.Minute); ok {
		t.Fatal("claimed twice")
	}
	if ok, _ := w.store.ExtendLease(w.ctx, id, "two", time.Minute); ok {
		t.Fatal("extended by another")
	}
	// A wish that comes during the pass is seen by its holder.
	w.must(w.store.Wake(w.ctx, w.anna, id))
	again, err := w.store.FinishReconcile(w.ctx, id, "one", claim)
	w.must(err)
	if !again {
		t.Fatal("the newer wish was lost")
	}
	w.wantStatus(id, tenant.Provisioning)
	// Its own job has met the lease and is gone: whoever held it must be able to go on at once.
	claim = w.claim(id)
	w.exec(`update tenants set lease_until = now() - interval '1 second'`)
	if ok, _ := w.store.ExtendLease(w.ctx, id, "one", time.Minute); ok {
		t.Fatal("an expired lease was extended")
	}
	if _, ok, _ := w.store.ClaimTenant(w.ctx, id, "two", time.Minute); !ok {
		t.Fatal("an expired lease holds")
	}
	if _, err := w.store.FinishReconcile(w.ctx, id, "one", claim); err == nil {
		t.Fatal("finished without the lease")
	}
}

// A wish that comes while a pass fails waits neither for its backoff nor for an operator.
func TestANewerWishOutlivesAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	claim := w.claim(id)
	w.must(w.store.Wake(w.ctx, w.anna, id))
	again, err := w.store.FailReconcile(w.ctx, "one", claim, &tenant.Failure{Disposition: tenant.Stop, Code: "x", Err: errors.New("y")}, -1)
	w.must(err)
	if !again {
		t.Fatal("the newer wish was lost")
	}
	w.exec(`update tenants set requested_at = now() - interval '6 seconds'`)
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("the sweep does not find it: %d, %v", n, err)
	}
	w.reconcile(id)
	w.wantStatus(id, tenant.Active)
}

// claim takes a tenant's lease as "one".
func (w *world) claim(id tenant.ID) controlplane.Claim {
	w.Helper()
	claim, ok, err := w.store.ClaimTenant(w.ctx, id, "one", time.Minute)
	w.must(err)
	if !ok {
		w.Fatalf("%s cannot be claimed", id)
	}
	return claim
}

// fail ends a claimed pass with a failure, nothing newer being wanted.
func (w *world) fail(claim controlplane.Claim, f *tenant.Failure, retryAfter time.Duration) {
	w.Helper()
	again, err := w.store.FailReconcile(w.ctx, "one", claim, f, retryAfter)
	w.must(err)
	if again {
		w.Fatal("something newer is wanted")
	}
}

func TestTheSweepFindsWhatWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	sweep := func() int {
		t.Helper()
		n, err := w.store.WakeDue(w.ctx)
		w.must(err)
		return n
	}
	if sweep() != 0 {
		t.Fatal("swept what has just been enqueued")
	}
	w.exec(`update tenants set requested_at = now() - interval '6 seconds'`)
	_, ok, err := w.store.ClaimTenant(w.ctx, id, "one", time.Minute)
	w.must(err)
	if !ok || sweep() != 0 {
		t.Fatal("swept what somebody works on")
	}
	w.exec(`update tenants set lease_until = now() - interval '1 second'`)
	if sweep() != 1 {
		t.Fatal("a killed worker's tenant was not found")
	}
	w.exec(`update tenants set requested_at = now() - interval '6 seconds'`)
	w.fail(w.claim(id), &tenant.Failure{Code: "docker_absent"}, time.Hour)
	if sweep() != 0 {
		t.Fatal("swept before its time to retry")
	}
	w.exec(`update tenants set retry_at = now()`)
	if sweep() != 1 {
		t.Fatal("a due retry was not found")
	}
	w.reconcile(id)
	w.exec(`update tenants set requested_at = now() - interval '6 minutes'`)
	if sweep() != 0 {
		t.Fatal("swept although just found in order")
	}
	w.exec(`update tenants set checked_at = now() - interval '6 minutes'`)
	if sweep() != 1 {
		t.Fatal("not looked at for drift")
	}
}

func TestAStartedProcessTakesItsOwnWorkUpAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	_, _, err := w.store.ClaimTenant(w.ctx, id, controlplane.LeaseOwner("one", 7), time.Minute)
	w.must(err)
	w.must(w.store.StartOver(w.ctx, "two"))
	w.must(w.store.StartOver(w.ctx, "on"))
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 0 {
		t.Fatalf("another's work was taken: %d %v", n, err)
	}
	w.must(w.store.StartOver(w.ctx, "one"))
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("own work was not taken up: %d %v", n, err)
	}
	w.reconcile(id)
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 0 {
		t.Fatalf("a tenant that was just looked at is due: %d %v", n, err)
	}
	w.must(w.store.StartOver(w.ctx, "one"))
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 1 {
		t.Fatalf("after a restart a tenant was not looked at: %d %v", n, err)
	}
}

func TestAFailureThatStopsIsNotRetriedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.order("anna")
	w.fail(w.claim(id), &tenant.Failure{Disposition: tenant.Stop, Code: "x", Err: errors.New("y")}, -1)
	w.exec(`update tenants set requested_at = now() - interval '1 day', checked_at = now() - interval '1 day'`)
	if n, err := w.store.WakeDue(w.ctx); err != nil || n != 0 {
		t.Fatalf("woken: %d, %v", n, err)
	}
	w.must(w.store.Wake(w.ctx, w.anna, id))
	w.reconcile(id)
	w.wantStatus(id, tenant.Active)
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
	for _, table := range []string{"members", "member_operations", "conditions", "usage", "reserved_names", "domains"} {
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

func TestAPlanMustHoldWhatIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	w.must(w.store.ChangePlan(w.ctx, w.anna, id, "all-in"))
	w.must(w.store.RecordUsage(w.ctx, id, time.Now(), tenant.Usage{DatabaseBytes: 1e9, MediaBytes: 20e9}))
	w.wantFault(w.store.ChangePlan(w.ctx, w.anna, id, "basic"), "plan.too_small")
	w.wantFault(w.store.ChangePlan(w.ctx, w.anna, id, "all-in"), "plan.same")
	w.wantFault(w.store.ChangePlan(w.ctx, w.anna, id, "platin"), "plan.unknown")
	w.must(w.store.ChangePlan(w.ctx, w.anna, id, "advanced"))
	if n := w.count(`select count(*) from audit where action = 'server.change_plan'`); n != 2 {
		t.Fatalf("%d audit rows", n)
	}
}

func TestTheEdgeReloadsOnlyWhatMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	route := tenant.Route{Tenant: id, ServerName: "anna.hafen.test", Host: "anna.hafen.test", Backend: "unix:/x", Mode: tenant.RouteOpen}
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
