package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
)

const (
	// The lock makes counting and taking one act per key; it ends with the transaction.
	lockAttempts = `select pg_advisory_xact_lock(hashtextextended($1, 0))`

	// The attempt that must leave the window before there is room again: the most-th newest. None: there is room.
	attemptInTheWay = `
select extract(epoch from at + $3 - clock_timestamp())::float8 from attempts
where key = $1 and at > clock_timestamp() - $3 order by at desc offset $2 limit 1`

	insertAttempt = `insert into attempts (key, at) values ($1, clock_timestamp())`
)

// TakeAttempts implements controlplane.AttemptStore.
func (s *Store) TakeAttempts(ctx context.Context, limits ...controlplane.Limit) (time.Duration, error) {
	// One order for all, so that two callers never wait for each other.
	ordered := slices.SortedFunc(slices.Values(limits), func(a, b controlplane.Limit) int { return strings.Compare(a.Key, b.Key) })
	var wait time.Duration
	err := s.inTx(ctx, "count an attempt", func(tx pgx.Tx) error {
		wait = 0
		for _, l := range ordered {
			if _, err := tx.Exec(ctx, lockAttempts, l.Key); err != nil {
				return err
			}
			var seconds float64
			err := tx.QueryRow(ctx, attemptInTheWay, l.Key, l.Most-1, l.Window).Scan(&seconds)
			if errors.Is(err, pgx.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			wait = max(wait, time.Duration(seconds*float64(time.Second)), time.Millisecond)
		}
		if wait > 0 {
			return nil
		}
		for _, l := range ordered {
			if _, err := tx.Exec(ctx, insertAttempt, l.Key); err != nil {
				return err
			}
		}
		return nil
	})
	return wait, err
}

const deleteAttempts = `delete from attempts where key = any($1)`

func forgetAttempts(ctx context.Context, tx pgx.Tx, limits []controlplane.Limit) error {
	keys := make([]string, len(limits))
	for i, l := range limits {
		keys[i] = l.Key
	}
	if _, err := tx.Exec(ctx, deleteAttempts, keys); err != nil {
		return fmt.Errorf("forget attempts: %w", err)
	}
	return nil
}

// Rows of one key are alike, so it does not matter which of those made at the same moment goes.
const deleteAttempt = `
delete from attempts where ctid = (select ctid from attempts where key = $1 order by at desc limit 1 for update skip locked)`

func returnAttempts(ctx context.Context, tx pgx.Tx, limits []controlplane.Limit) error {
	for _, l := range limits {
		if _, err := tx.Exec(ctx, deleteAttempt, l.Key); err != nil {
			return fmt.Errorf("give an attempt back: %w", err)
		}
	}
	return nil
}
