package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

// A job whose notification is not sent waits for the queue's poll, which is not what somebody who has just ordered should wait for.
func TestOrdersInARowAreEachAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, err := w.pool.Acquire(w.ctx)
	w.must(err)
	defer conn.Release()
	// The topic is River's, with the schema before it.
	var listen string
	w.must(conn.QueryRow(w.ctx, `select format('listen %I', current_schema() || '.river_insert')`).Scan(&listen))
	_, err = conn.Exec(w.ctx, listen)
	w.must(err)

	const orders = 10
	for i := range orders {
		w.order(fmt.Sprintf("anna%d", i))
	}
	announced := 0
	for {
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		n, err := conn.Conn().WaitForNotification(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		w.must(err)
		if strings.Contains(n.Payload, controlplane.QueueReconcile) {
			announced++
		}
	}
	// Two orders within a millisecond, River's least, may share one.
	if announced <= orders/2 {
		t.Errorf("%d orders were announced by %d notifications", orders, announced)
	}
}

// The edge reads every tenant's measurement whenever one has moved, so they must not make it look.
func TestMeasurementsGiveTheEdgeNoHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.active("anna")
	route := tenant.Route{Tenant: id, ServerName: "anna.test", Host: "anna.test", Mode: tenant.RouteOpen, Federation: tenant.FederationOff}
	w.must(w.store.Routes().Publish(w.ctx, route))
	conn, err := w.pool.Acquire(w.ctx)
	w.must(err)
	defer conn.Release()
	_, err = conn.Exec(w.ctx, "listen hafen_edge; listen after")
	w.must(err)
	before, err := w.store.LoadEdge(w.ctx, "", "", "")
	w.must(err)
	w.measure(id, time.Now())
	_, err = w.pool.Exec(w.ctx, "notify after")
	w.must(err)
	if n, err := conn.Conn().WaitForNotification(w.ctx); err != nil || n.Channel != "after" {
		t.Errorf("a measurement: %v, %v", n, err)
	}
	if after, err := w.store.LoadEdge(w.ctx, before.Routes, before.Certificates, before.Usage); err != nil || after.Usage == before.Usage || len(after.UsageList) != 1 {
		t.Errorf("the measurement is not found by looking: %+v, %v", after, err)
	}
	route.Mode = tenant.RouteSuspended
	w.must(w.store.Routes().Publish(w.ctx, route))
	if n, err := conn.Conn().WaitForNotification(w.ctx); err != nil || n.Channel != "hafen_edge" {
		t.Errorf("a route: %v, %v", n, err)
	}
}
