package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// street is several servers, of which one hangs: whoever asks it for something waits until the test lets go.
type street struct {
	hangs   tenant.ID
	arrived chan struct{}
	release chan struct{}
}

type door struct {
	homeserver.Server
	street *street
	hangs  bool
}

func (s *street) Server(_ context.Context, spec tenant.Spec) (homeserver.Server, error) {
	return door{street: s, hangs: spec.ID == s.hangs}, nil
}

func (d door) Deactivate(ctx context.Context, _ tenant.Localpart, _ bool) error {
	if !d.hangs {
		return nil
	}
	d.street.arrived <- struct{}{}
	select {
	case <-d.street.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// queue takes what is in River's table, as its workers would.
func (w *world) queue() (operations []string) {
	w.Helper()
	rows, err := w.pool.Query(w.ctx, `delete from river_job where kind = 'operation' returning args->>'operation'`)
	w.must(err)
	defer rows.Close()
	for rows.Next() {
		var id string
		w.must(rows.Scan(&id))
		operations = append(operations, id)
	}
	w.must(rows.Err())
	return operations
}

// A server that hangs holds its share of the workers and no more, the others' members are changed meanwhile, and nothing of what
// was asked of it is forgotten.
func TestAServerThatHangsHoldsItsShareOfWorkers(t *testing.T) {
	t.Parallel()
	const workers, asked = 8, 20
	w := newWorld(t)
	w.exec(`update plans set seats = 100`)
	hanging, healthy := w.active("hanging"), w.active("healthy")
	s := &street{hangs: hanging, arrived: make(chan struct{}, asked), release: make(chan struct{})}
	worker := &controlplane.OperationWorker{Store: w.store, Homeservers: s, Log: slog.New(slog.DiscardHandler)}
	work := func(id string) {
		if err := worker.Work(w.ctx, &river.Job[controlplane.OperationArgs]{Args: controlplane.OperationArgs{Operation: id}}); err != nil {
			t.Error(err)
		}
	}
	ask := func(id tenant.ID, n int) {
		w.exec(`insert into members (tenant_id, localpart, state) select $1, 'm' || n, 'active' from generate_series(1, $2::int) n`, id, n)
		for i := range n {
			_, err := w.request(id, tenant.Localpart(fmt.Sprintf("m%d", i+1)), controlplane.OperationDeactivate)
			w.must(err)
		}
	}
	finished := func(id tenant.ID) int {
		return w.count(`select count(*) from operations where tenant_id = $1 and finished_at is not null and code = ''`, id)
	}
	w.queue()
	ask(hanging, asked)

	// Eight workers take what the hanging server was asked. All but its share are free at once: their turn ends.
	jobs, free := make(chan string, asked), make(chan struct{}, asked)
	for _, id := range w.queue() {
		jobs <- id
	}
	close(jobs)
	var busy sync.WaitGroup
	for range workers {
		busy.Go(func() {
			for id := range jobs {
				work(id)
				free <- struct{}{}
			}
		})
	}
	within := time.After(time.Minute)
	for i := range asked - controlplane.OperationShare {
		select {
		case <-free:
		case <-within:
			t.Fatalf("%d operations of a server that hangs hold a worker each", asked-i)
		}
	}
	for range controlplane.OperationShare {
		<-s.arrived
	}
	if len(s.arrived) > 0 || len(free) > 0 {
		t.Fatal("more than its share asks the server that hangs")
	}

	// The sweep leaves them where they are, and the other server's members need not wait.
	w.exec(`update operations set created_at = created_at - interval '1 minute'`)
	if woken, err := w.store.WakeOperations(w.ctx); err != nil || woken != 0 {
		t.Errorf("%d were woken that nobody could work on, %v", woken, err)
	}
	ask(healthy, 5)
	for _, id := range w.queue() {
		work(id)
	}
	if n := finished(healthy); n != 5 {
		t.Errorf("%d of 5 are done beside a server that hangs", n)
	}

	// The server wakes up. Each end brings the next one, until nothing is left.
	close(s.release)
	busy.Wait()
	for rounds := 0; finished(hanging) < asked; rounds++ {
		next := w.queue()
		if len(next) == 0 || rounds > asked {
			t.Fatalf("%d of %d are done, and nothing is in the queue", finished(hanging), asked)
		}
		for _, id := range next {
			work(id)
		}
	}
}

// A worker that was killed keeps no share, and what it left parked comes back.
func TestAKilledWorkerHoldsNoShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`update plans set seats = 100`)
	id := w.active("anna")
	var operations []string
	for i := range controlplane.OperationShare + 1 {
		operation, err := w.request(id, tenant.Localpart(fmt.Sprintf("m%d", i)), controlplane.OperationCreate)
		w.must(err)
		_, ok, err := w.store.ClaimOperation(w.ctx, operation)
		if err != nil || ok != (i < controlplane.OperationShare) {
			t.Fatalf("claim %d: %t %v", i, ok, err)
		}
		operations = append(operations, operation)
	}
	w.exec(`update operations set claimed_until = now() - interval '1 second', created_at = now() - interval '1 minute' where working`)
	w.exec(`update operations set created_at = now() - interval '1 minute'`)
	if woken, err := w.store.WakeOperations(w.ctx); err != nil || woken != len(operations) {
		t.Errorf("%d of %d were woken, %v", woken, len(operations), err)
	}
	w.carryOut(operations[len(operations)-1], "")
}
