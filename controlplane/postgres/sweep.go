package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// Work that was under a lease is overdue at once: nobody else will do it.
const releaseLeases = `
update tenants set lease_owner = '', lease_until = '-infinity', requested_at = least(requested_at, now() - interval '5 seconds')
where starts_with(lease_owner, $1 || ' #')`

// What was asked for a moment ago counts as no look: the order may be younger than the restart is long.
const expireChecks = `
update tenants set checked_at = '-infinity', requested_at = least(requested_at, now() - interval '5 minutes 1 second') where status <> 'deleted'`

// A job that was begun is nobody's else either. Left to the queue it would be found much later: whoever has paid waits for a look.
const releaseJobs = `
update river_job set state = 'available', scheduled_at = now()
where state = 'running' and starts_with(attempted_by[cardinality(attempted_by)], $1)`

// StartOver gives up the leases and jobs of a process that has just started, and makes every tenant due for a look: the machine may
// have been restarted meanwhile, and its containers with it or not.
func (s *Store) StartOver(ctx context.Context, process string) error {
	return s.inTx(ctx, "start over", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, releaseLeases, process); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, releaseJobs, controlplane.JobsOf(process)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, expireChecks)
		return err
	})
}

// Due is, with a free lease: work whose job should have come by now; a retry; the end of a grace period; and a look for
// drift every five minutes. Rows another sweep holds are skipped, so any number of sweeps may run.
const wakeDue = `
select id from tenants
where status not in ('awaiting_payment', 'awaiting_domain', 'deleted') and lease_until < now() and (
	retry_at <= now()
	or retry_at is null and (
		reconciled < wanted and requested_at <= now() - interval '5 seconds'
		or status = 'deleting' and delete_after <= now() and requested_at < now() - interval '5 seconds'
		or greatest(checked_at, requested_at) < now() - interval '5 minutes'))
order by requested_at limit 200
for update skip locked`

// WakeDue enqueues tenants that nobody works on and somebody should.
func (s *Store) WakeDue(ctx context.Context) (woken int, err error) {
	err = s.inTx(ctx, "wake due tenants", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, wakeDue)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[tenant.ID])
		if err != nil {
			return err
		}
		woken = len(ids)
		for _, id := range ids {
			if err := s.wake(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	return woken, err
}

// A server that does not run cannot answer: what is asked of it waits until it does. Of an import only what is in the queue
// already: each row that ends brings the next one. What is parked is brought by the one that is at work, if any is.
const wakeOperations = `
select o.id::text from operations o join tenants t on t.id = o.tenant_id
where o.finished_at is null and o.claimed_until < now() and o.created_at < now() - interval '10 seconds' and t.status = 'active'
	and (o.import_id is null or o.claimed_until > '-infinity' or o.parked)
	and not (o.parked and exists (
		select from operations w where w.tenant_id = o.tenant_id and w.working and w.finished_at is null and w.claimed_until > now()))
order by o.created_at limit 200 for update of o skip locked`

// WakeOperations enqueues operations whose worker was lost, or whose server was silent.
func (s *Store) WakeOperations(ctx context.Context) (woken int, err error) {
	err = s.inTx(ctx, "wake operations", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, wakeOperations)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		woken = len(ids)
		for _, id := range ids {
			if err := s.enqueue(ctx, tx, controlplane.OperationArgs{Operation: id}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	return woken, err
}
