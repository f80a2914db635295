package postgres_test

import (
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

var provenDomain = tenant.DomainReport{Verified: true, HostReady: true, Issuable: true}

func (w *world) servers() *controlplane.Servers {
	return controlplane.NewServers(controlplane.ServersConfig{Store: w.store})
}

func (w *world) operators() *controlplane.Operators {
	return controlplane.NewOperators(controlplane.OperatorsConfig{Store: w.store, Servers: w.servers()})
}

func (w *world) operator() controlplane.Actor {
	w.Helper()
	a := w.account("staff@example.org")
	a.Operator = true
	return a
}

// A tenant that only waits for its domain holds nothing outside. Its deletion must neither fail because another one serves
// under the name, nor remove what is the other's.
func TestWhoLostADomainCanDeleteTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bert := w.account("bert@example.org")
	hers, his := w.orderOwn(w.anna, "example.com"), w.orderOwn(bert, "example.com")
	w.must(w.store.RecordDomain(w.ctx, his, provenDomain))
	w.reconcile(his)
	jobs := w.jobs("reconcile")
	w.must(w.servers().Delete(w.ctx, w.anna, hers, "example.com"))
	w.wantStatus(hers, tenant.Deleted)
	w.wantStatus(his, tenant.Active)
	if w.jobs("reconcile") != jobs {
		t.Fatal("a tenant of which nothing exists is reconciled")
	}
	if w.count(`select count(*) from tombstones`) != 0 {
		t.Fatal("a name that never served has a tombstone")
	}
}

func TestAServedNameIsGoneForWhoStillWaitsForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bert := w.account("bert@example.org")
	hers, his := w.orderOwn(w.anna, "example.com"), w.orderOwn(bert, "example.com")
	w.must(w.store.RecordDomain(w.ctx, his, provenDomain))
	w.exec(`update tenants set image = 'sha256:1' where id = $1`, his)
	w.reconcile(his)
	w.must(w.servers().Delete(w.ctx, bert, his, "example.com"))
	w.exec(`update tenants set delete_after = now(), requested_at = now() - interval '1 minute' where id = $1`, his)
	if _, err := w.store.WakeDue(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.reconcile(his)
	w.wantStatus(his, tenant.Deleted)
	w.must(w.store.RecordDomain(w.ctx, hers, provenDomain))
	w.wantStatus(hers, tenant.AwaitingDomain)
}

// x.de answers at matrix.x.de, which is also a name of its own that somebody may order.
func TestAHostIsNobodyElsesName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bert := w.account("bert@example.org")
	hers, his := w.orderOwn(w.anna, "x.de"), w.orderOwn(bert, "matrix.x.de")
	w.must(w.store.RecordDomain(w.ctx, hers, provenDomain))
	w.wantStatus(hers, tenant.Provisioning)
	w.must(w.store.RecordDomain(w.ctx, his, provenDomain))
	w.wantStatus(his, tenant.AwaitingDomain)

	taken := w.orderOwn(bert, "matrix.y.de")
	w.must(w.store.RecordDomain(w.ctx, taken, provenDomain))
	w.wantStatus(taken, tenant.Provisioning)
	_, err := w.orders.CheckName(w.ctx, controlplane.OrderRequest{Domain: "y.de"})
	w.wantFault(err, "domain.taken")
	if _, err := w.orders.CheckName(w.ctx, controlplane.OrderRequest{Domain: "y.de", WholeDomain: true}); err != nil {
		t.Fatalf("the domain itself is free: %v", err)
	}
}

func TestTheWebsitesNameIsNobodysHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orders.Base = "matrix.hoster.test"
	_, err := w.orders.CheckName(w.ctx, controlplane.OrderRequest{Domain: "hoster.test"})
	w.wantFault(err, "domain.ours")
}

func TestASuspensionProvesNoDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	staff, operators := w.operator(), w.operators()
	id := w.orderOwn(w.anna, "example.com")
	w.must(operators.Suspend(w.ctx, staff, id, "abuse", ""))
	w.wantStatus(id, tenant.Suspended)
	w.must(operators.Resume(w.ctx, staff, id))
	w.wantStatus(id, tenant.AwaitingDomain)
	if claims, err := w.store.ClaimDomains(w.ctx, 9); err != nil || len(claims) != 1 {
		t.Fatalf("its records are not looked at: %v %v", claims, err)
	}
}

func TestOnlyWhatIsSuspendedResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	staff, operators := w.operator(), w.operators()
	unpaid, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	w.wantFault(operators.Resume(w.ctx, staff, unpaid), "status.conflict")
	unproven := w.orderOwn(w.anna, "example.com")
	w.wantFault(operators.Resume(w.ctx, staff, unproven), "status.conflict")
	gone := w.active("berta")
	w.must(w.store.Transition(w.ctx, controlplane.Transition{Actor: staff, Tenant: gone, To: tenant.Deleting, DeleteAfter: -time.Hour, Action: "server.delete"}))
	w.wantFault(operators.Resume(w.ctx, staff, gone), "status.conflict")
}

// An open order has its price. Whoever pays for the small plan must not have the large one by then.
func TestAnUnpaidPlanIsNotChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
	w.must(err)
	change := controlplane.Change{Key: "6f1c8a51-0f0e-4a53-9d0a-3a1f8f6c2f10", Choice: controlplane.Choice{Plan: "all-in"}, Before: controlplane.Choice{Plan: "basic"}}
	w.wantFault(w.store.BeginChange(w.ctx, id, change), "status.conflict")
	order, err := w.store.FindOrder(w.ctx, id)
	w.must(err)
	w.must(w.store.SettleOrder(w.ctx, w.anna, order.ID))
	w.must(w.store.BeginChange(w.ctx, id, change))
}
