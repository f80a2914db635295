package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

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
	_, _, err = w.unpaid.Order(w.ctx, w.account("ben@example.org"), request)
	w.wantFault(err, "name.taken")
	order, err := w.store.FindOrder(w.ctx, id)
	w.must(err)
	w.must(w.store.CancelOrder(w.ctx, w.anna, order.ID))
	w.wantStatus(id, tenant.Deleted)
	w.order("anna")
}

// Whoever got no answer, or clicked twice, sends the same form again.
func TestTheSameOrderAgainIsTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, request := range []controlplane.OrderRequest{
		{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "en"},
		{Plan: "basic", Domain: "anna.example", FirstAdmin: "anna", Language: "en"},
	} {
		first, _, err := w.unpaid.Order(w.ctx, w.anna, request)
		w.must(err)
		again, terms, err := w.unpaid.Order(w.ctx, w.anna, request)
		w.must(err)
		if again != first || terms.Settled || terms.CheckoutURL != "" {
			t.Fatalf("%s again is %s, %+v", first, again, terms)
		}
		other := request
		other.FirstAdmin = "ben"
		if id, _, err := w.unpaid.Order(w.ctx, w.anna, other); id == first {
			t.Fatalf("another order is %s too: %v", first, err)
		}
		order, err := w.store.FindOrder(w.ctx, first)
		w.must(err)
		w.must(w.store.SettleOrder(w.ctx, w.anna, order.ID))
		again, terms, err = w.unpaid.Order(w.ctx, w.anna, request)
		w.must(err)
		if again != first || !terms.Settled {
			t.Fatalf("paid, %s again is %s, %+v", first, again, terms)
		}
	}
	served := w.active("served")
	if id, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "served", FirstAdmin: "anna", Language: "en"}); id == served {
		t.Fatalf("a server that serves was ordered again: %v", err)
	}
	// At once, none has seen another.
	orders := make(chan tenant.ID, 8)
	var wait sync.WaitGroup
	for range cap(orders) {
		wait.Go(func() {
			id, _, err := w.unpaid.Order(w.ctx, w.anna, controlplane.OrderRequest{Plan: "basic", Name: "twice", FirstAdmin: "anna", Language: "en"})
			if err != nil {
				t.Error(err)
			}
			orders <- id
		})
	}
	wait.Wait()
	close(orders)
	one := <-orders
	for id := range orders {
		if id != one {
			t.Errorf("one click is %s and %s", one, id)
		}
	}
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
	for i := range 20 {
		who := w.account(fmt.Sprintf("anna%d@example.org", i))
		wait.Go(func() {
			_, _, err := w.orders.Order(w.ctx, who, controlplane.OrderRequest{Plan: "basic", Name: "anna", FirstAdmin: "anna", Language: "de"})
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

// What is taken at once is what was shown: a trial that went to another server meanwhile is not a bill that nobody has seen.
func TestAnOrderCostsWhatWasAgreedTo(t *testing.T) {
	t.Parallel()
	w := newTill(t, day(2027, 4, 1))
	free := int64(0)
	request := controlplane.OrderRequest{Plan: "try", Name: "eins", FirstAdmin: "anna", Language: "de", Agreed: &free}
	_, _, err := w.sales.Order(w.ctx, w.anna, request)
	w.must(err)
	request.Name = "zwei"
	_, _, err = w.sales.Order(w.ctx, w.anna, request)
	w.wantFault(err, "quote.changed")
	price := int64(595)
	request.Agreed = &price
	_, _, err = w.sales.Order(w.ctx, w.anna, request)
	w.must(err)
}
