package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const (
	owedColumns = `
	s.stage, s.stage_since, s.paused_until, s.pause_note, b.remind_days, b.restrict_days, b.suspend_days, b.announce_days, b.delete_days,
	coalesce(o.cents, 0), coalesce(o.bills, 0), coalesce(o.currency, ''), o.due, coalesce(o.id, ''), coalesce(o.number, ''), coalesce(o.url, '')`
	// What is owed in one currency: that of the oldest bill.
	owedTables = `
from subscriptions s join tenants t on t.id = s.tenant_id cross join billing_settings b
	left join lateral (select sum(i.gross_cents - i.paid_cents)::bigint as cents, count(*) as bills, i.currency, min(i.due_at) as due,
		(array_agg(i.id::text order by i.due_at, i.number))[1] as id, (array_agg(i.number order by i.due_at, i.number))[1] as number,
		-- The provider takes no money again for what a bank has taken back.
		(array_agg(case i.dispute_status when 'lost' then '' else i.url end order by i.due_at, i.number))[1] as url
		from invoices i where i.tenant_id = s.tenant_id and i.status = 'open' and i.kind = 'invoice' and i.gross_cents > i.paid_cents
		group by i.currency order by min(i.due_at) limit 1) o on true `
	findOwed = `select ` + owedColumns + owedTables + ` where s.tenant_id = $1`
	// One that was never paid for at all has its order to answer, and what is gone or going by its owner's wish no more to lose.
	listDunning = `select s.tenant_id, ` + owedColumns + owedTables + `
where t.status not in ('awaiting_payment', 'deleted') and (s.stage <> 'deleted' or t.status = 'deleting')
	and (t.status <> 'deleting' or s.stage = 'deleted') and (s.stage <> 'paid' or o.due <= $1)`
)

// owedFields is where a row of owedColumns goes; finish puts the rest in place.
func owedFields(o *controlplane.Owed, schedule *tenant.Schedule) (fields []any, finish func() tenant.Owing) {
	var paused, due *time.Time
	fields = []any{
		&o.Stage, &o.Since, &paused, &o.PauseNote, &schedule.Remind, &schedule.Restrict, &schedule.Suspend, &schedule.Announce, &schedule.Delete,
		&o.Amount.Cents, &o.Bills, &o.Amount.Currency, &due, &o.Invoice, &o.Number, &o.URL,
	}
	return fields, func() tenant.Owing {
		o.PausedUntil, o.Due = fromMoment(paused), fromMoment(due)
		owing := tenant.Owing{Due: o.Due, PausedUntil: o.PausedUntil}
		if !o.Due.IsZero() {
			o.DeleteAt = schedule.Deletion(o.Stage, o.Since, owing)
		}
		return owing
	}
}

// FindOwed says how a server stands with its bills. One that nobody pays for owes nothing.
func (s *Store) FindOwed(ctx context.Context, id tenant.ID) (controlplane.Owed, error) {
	var (
		owed     controlplane.Owed
		schedule tenant.Schedule
	)
	fields, finish := owedFields(&owed, &schedule)
	err := s.pool.QueryRow(ctx, findOwed, id).Scan(fields...)
	if errors.Is(err, pgx.ErrNoRows) {
		return controlplane.Owed{Stage: tenant.StagePaid}, nil
	}
	if err != nil {
		return owed, fmt.Errorf("find what %s owes: %w", id, translate(err))
	}
	finish()
	return owed, nil
}

// ListDunning lists servers whose stage is not what the days say.
func (s *Store) ListDunning(ctx context.Context, now time.Time) ([]tenant.ID, error) {
	rows, err := s.pool.Query(ctx, listDunning, now)
	if err != nil {
		return nil, fmt.Errorf("list unpaid servers: %w", translate(err))
	}
	var list []tenant.ID
	_, err = collect(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
		var (
			id       tenant.ID
			owed     controlplane.Owed
			schedule tenant.Schedule
		)
		fields, finish := owedFields(&owed, &schedule)
		if err := row.Scan(append([]any{&id}, fields...)...); err != nil {
			return none, err
		}
		if schedule.Next(owed.Stage, owed.Since, finish(), now) != owed.Stage {
			list = append(list, id)
		}
		return none, nil
	}, "list unpaid servers")
	return list, err
}

// Dun moves a server to the stage that the days say.
func (s *Store) Dun(ctx context.Context, id tenant.ID, now time.Time) error {
	return s.inTx(ctx, "move a server in dunning", func(tx pgx.Tx) error { return s.dun(ctx, tx, id, now) })
}

const (
	// The tenant first, as everywhere: whoever holds it decides about its status.
	lockStanding  = `select status, coalesce(suspended_for, '') from tenants where id = $1 for update`
	holdStage     = `select from subscriptions where tenant_id = $1 for update`
	setStage      = `update subscriptions set stage = $2, stage_since = $3 where tenant_id = $1`
	setReminded   = `update invoices set reminded_at = $2 where tenant_id = $1 and status = 'open' and kind = 'invoice' and due_at <= $2 and provider = 'invoice'`
	setRestricted = `update tenants set restricted = $2 where id = $1 and restricted <> $2`
)

// dun is Dun within a transaction: to be called wherever bills are paid, void, or waited for. A server that nobody pays for has
// no stage.
func (s *Store) dun(ctx context.Context, tx pgx.Tx, id tenant.ID, now time.Time) error {
	var (
		at       standing
		owed     controlplane.Owed
		schedule tenant.Schedule
	)
	if err := tx.QueryRow(ctx, lockStanding, id).Scan(&at.status, &at.suspendedFor); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, holdStage, id); err != nil {
		return err
	}
	fields, finish := owedFields(&owed, &schedule)
	err := tx.QueryRow(ctx, findOwed, id).Scan(fields...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	next := schedule.Next(owed.Stage, owed.Since, finish(), now)
	gone := at.status == tenant.Deleted || at.status == tenant.Deleting && owed.Stage != tenant.StageDeleted
	if next == owed.Stage || gone && next != tenant.StagePaid || at.status == tenant.AwaitingPayment {
		return nil
	}
	if _, err := tx.Exec(ctx, setStage, id, next, now); err != nil {
		return err
	}
	err = s.audit(ctx, tx, controlplane.Hafen, "dunning.stage", id, map[string]any{
		"before": owed.Stage, "after": next, "owed_cents": owed.Amount.Cents, "currency": owed.Amount.Currency, "due": moment(owed.Due),
	})
	if err != nil || gone {
		return err
	}
	if !owed.Stage.Reached(next) {
		return s.harden(ctx, tx, id, at, next, now)
	}
	return s.soften(ctx, tx, id, at, owed.Stage, next)
}

// harden makes a stage true that is worse than the last, and has it told.
func (s *Store) harden(ctx context.Context, tx pgx.Tx, id tenant.ID, at standing, next tenant.Stage, now time.Time) error {
	if _, err := tx.Exec(ctx, setReminded, id, now); err != nil {
		return err
	}
	if next.Reached(tenant.StageRestricted) {
		if err := s.restrict(ctx, tx, id, true); err != nil {
			return err
		}
	}
	if next.Reached(tenant.StageSuspended) && at.status.CanBecome(tenant.Suspended) && at.status != tenant.Deleting {
		if _, err := s.move(ctx, tx, controlplane.Transition{Tenant: id, To: tenant.Suspended, Reason: "payment"}); err != nil {
			return err
		}
		at.status = tenant.Suspended
	}
	if next == tenant.StageDeleted && at.status.CanBecome(tenant.Deleting) {
		if _, err := s.move(ctx, tx, controlplane.Transition{Tenant: id, To: tenant.Deleting, DeleteAfter: controlplane.GracePeriod}); err != nil {
			return err
		}
	}
	return s.enqueue(ctx, tx, controlplane.DunningMailArgs{Tenant: id, Stage: next, Since: now}, nil)
}

// soften gives back what a worse stage took. A server that stands still for another reason goes on doing so.
func (s *Store) soften(ctx context.Context, tx pgx.Tx, id tenant.ID, at standing, last, next tenant.Stage) error {
	if !next.Reached(tenant.StageRestricted) {
		if err := s.restrict(ctx, tx, id, false); err != nil {
			return err
		}
	}
	if next.Reached(tenant.StageDeleted) {
		return nil
	}
	if last == tenant.StageDeleted && at.status == tenant.Deleting {
		to, err := s.move(ctx, tx, controlplane.Transition{Tenant: id, Back: true})
		if tenant.FaultOf(err).Code == "status.conflict" {
			return nil // too late: its removal may have begun, and the money is a matter between people
		}
		if err != nil {
			return err
		}
		at.status = to
		if err := tx.QueryRow(ctx, lockStanding, id).Scan(&at.status, &at.suspendedFor); err != nil {
			return err
		}
	}
	if next.Reached(tenant.StageSuspended) || at.status != tenant.Suspended || at.suspendedFor != "payment" {
		return nil
	}
	to, err := s.move(ctx, tx, controlplane.Transition{Tenant: id, To: tenant.Provisioning})
	if err != nil || to != tenant.Provisioning {
		return err
	}
	return s.tell(ctx, tx, id, controlplane.MailServerResumed)
}

// restrict opens or closes a server for what is new. Only its route changes.
func (s *Store) restrict(ctx context.Context, tx pgx.Tx, id tenant.ID, restricted bool) error {
	tag, err := tx.Exec(ctx, setRestricted, id, restricted)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	return s.wake(ctx, tx, id)
}
