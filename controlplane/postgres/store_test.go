package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hafen/controlplane"
	"hafen/internal/pgtest"
	"hafen/tenant"
)

func newStore(t *testing.T) (*Store, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.New(t)
	s, err := New(pool, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s, pool
}

func TestTransactionsThatLoseAgainstAnotherAreRunAgain(t *testing.T) {
	t.Parallel()
	s, pool := newStore(t)
	if _, err := pool.Exec(t.Context(), `create table counters (id int primary key, n int not null); insert into counters values (1, 0), (2, 0)`); err != nil {
		t.Fatal(err)
	}
	// Each locks the two rows in the other's order, and waits until the other has its first: a deadlock is certain.
	var once [2]sync.Once
	var first [2]chan struct{}
	first[0], first[1] = make(chan struct{}), make(chan struct{})
	tries := make([]int, 2)
	errs := make([]error, 2)
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			errs[i] = s.inTx(t.Context(), "count", func(tx pgx.Tx) error {
				tries[i]++
				const add = `update counters set n = n + 1 where id = $1`
				if _, err := tx.Exec(t.Context(), add, 1+i); err != nil {
					return err
				}
				once[i].Do(func() { close(first[i]) })
				<-first[1-i]
				_, err := tx.Exec(t.Context(), add, 2-i)
				return err
			})
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if tries[0]+tries[1] != 3 {
		t.Errorf("%v tries: no deadlock, or too many", tries)
	}
	var sum int
	if err := pool.QueryRow(t.Context(), `select sum(n) from counters`).Scan(&sum); err != nil || sum != 4 {
		t.Errorf("sum %d, %v", sum, err)
	}
}

func TestATransactionThatAlwaysLosesEnds(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	tries := 0
	err := s.inTx(t.Context(), "lose", func(tx pgx.Tx) error {
		tries++
		_, err := tx.Exec(t.Context(), `do $$ begin raise exception 'lost' using errcode = 'serialization_failure'; end $$`)
		return err
	})
	if err == nil || tries != maxTries || !strings.HasPrefix(err.Error(), "lose: ") {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestDriverErrorsAreTranslated(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	insert := func() error {
		return s.inTx(t.Context(), "make a plan", func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into tombstones (server_name, tenant_id) values ('a.example', 't')`)
			return err
		})
	}
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	err := insert()
	if !errors.Is(err, controlplane.ErrTaken) || !duplicateOf(err, "tombstones_pkey") || duplicateOf(err, "other") {
		t.Errorf("duplicate: %v", err)
	}
	// A Fault goes through as it is.
	fault := &tenant.Fault{Kind: tenant.Conflict, Code: "x"}
	err = s.inTx(t.Context(), "fail", func(pgx.Tx) error { return fmt.Errorf("y: %w", fault) })
	if tenant.FaultOf(err) != fault {
		t.Errorf("fault: %v", err)
	}
	err = s.inTx(t.Context(), "end the session", func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `select pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if tenant.FaultOf(err).Kind != tenant.Unavailable {
		t.Errorf("ended session: %v", err)
	}
}

func TestADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "postgres://hafen:geheim-9431@127.0.0.1:1/hafen?sslmode=disable&connect_timeout=5", Config{})
	if tenant.FaultOf(err).Kind != tenant.Unavailable {
		t.Errorf("away: %v", err)
	}
	if strings.Contains(fmt.Sprint(err), "geheim-9431") {
		t.Errorf("the password is in the error: %v", err)
	}
	_, err = Open(t.Context(), "postgres://hafen:geheim-9431@:x/ %", Config{})
	if err == nil || strings.Contains(err.Error(), "geheim-9431") {
		t.Errorf("a broken address: %v", err)
	}
	s, err := Open(t.Context(), pgtest.DSN(t), Config{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.HasOperator(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was given up: %v", err)
	}
}
