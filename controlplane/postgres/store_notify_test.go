package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
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
