package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

const specColumns = `
	t.id, t.number, t.server_name, t.host, t.engine, t.image, t.first_admin, t.status, t.wanted, t.failures,
	t.status = 'deleting' and t.delete_after <= now(), t.settings, t.extra_seats, t.extra_storage_bytes, t.restricted, ` + planColumns

func specFields(c *controlplane.Claim, over **bool, settings *[]byte, extra *tenant.Quota, plan *tenant.Plan) []any {
	return append([]any{
		&c.Spec.ID, &c.Spec.Number, &c.Spec.ServerName, &c.Spec.Host, &c.Spec.Engine, &c.Spec.Image, &c.Spec.FirstAdmin,
		&c.Status, &c.Wanted, &c.Failures, over, settings, &extra.Seats, &extra.StorageBytes, &c.Spec.Restricted,
	}, planFields(plan)...)
}

func scanClaim(row pgx.CollectableRow) (controlplane.Claim, error) {
	var (
		c        controlplane.Claim
		over     *bool
		settings []byte
		extra    tenant.Quota
		plan     tenant.Plan
	)
	err := row.Scan(specFields(&c, &over, &settings, &extra, &plan)...)
	if err != nil {
		return c, err
	}
	c.Spec.Limits, c.Spec.Quota = plan.Limits, plan.Quota.Plus(extra)
	c.Spec.Limits.DiskBytes = c.Spec.Quota.Floor()
	if c.Spec.Settings, err = readSettings(settings, c.Spec.Quota); err != nil {
		return c, err
	}
	c.Spec.Goal = c.Status.Goal(over != nil && *over)
	return c, nil
}

const claimTenant = `
update tenants t set lease_owner = $2, lease_until = now() + $3::interval
from plans p
where t.id = $1 and p.id = t.plan_id and t.status <> 'deleted' and t.reconciled < t.wanted
	and (t.lease_until < now() or t.lease_owner = '')
returning ` + specColumns

// ClaimTenant takes a tenant's lease, if nobody has it and something is wanted that is not true yet.
func (s *Store) ClaimTenant(ctx context.Context, id tenant.ID, owner string, lease time.Duration) (controlplane.Claim, bool, error) {
	rows, err := s.pool.Query(ctx, claimTenant, id, owner, lease)
	if err != nil {
		return controlplane.Claim{}, false, fmt.Errorf("claim %s: %w", id, err)
	}
	claim, err := pgx.CollectExactlyOneRow(rows, scanClaim)
	if errors.Is(err, pgx.ErrNoRows) {
		return claim, false, nil
	}
	if err != nil {
		return claim, false, fmt.Errorf("claim %s: %w", id, err)
	}
	return claim, true, nil
}

const extendLease = `
update tenants set lease_until = now() + $3::interval where id = $1 and lease_owner = $2 and lease_until >= now()`

// ExtendLease is false when the lease was lost.
func (s *Store) ExtendLease(ctx context.Context, id tenant.ID, owner string, lease time.Duration) (bool, error) {
	tag, err := s.pool.Exec(ctx, extendLease, id, owner, lease)
	if err != nil {
		return false, fmt.Errorf("extend lease of %s: %w", id, err)
	}
	return tag.RowsAffected() == 1, nil
}

const setImage = `update tenants set image = $2 where id = $1`

// SetImage records the image a tenant runs.
func (s *Store) SetImage(ctx context.Context, id tenant.ID, image string) error {
	if _, err := s.pool.Exec(ctx, setImage, id, image); err != nil {
		return fmt.Errorf("set image of %s: %w", id, err)
	}
	return nil
}

const (
	beginStep = `insert into steps (tenant_id, wanted, step) values ($1, $2, $3) returning id`
	endStep   = `update steps set finished_at = clock_timestamp(), code = $2, detail = $3 where id = $1`
	// A run left open by a killed process is closed by the next one of the tenant, so that no page shows it running for ever.
	closeLostSteps = `update steps set finished_at = clock_timestamp(), code = 'interrupted' where tenant_id = $1 and finished_at is null`
)

// BeginStep and EndStep do not wait for the disk: they are a history for people, and what is true is observed, not read here.
const lazily = `set local synchronous_commit = off`

// BeginStep records that a step begins.
func (s *Store) BeginStep(ctx context.Context, id tenant.ID, wanted int64, step tenant.Step) (run int64, err error) {
	err = s.inTx(ctx, "begin step", func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(lazily)
		batch.Queue(closeLostSteps, id)
		batch.Queue(beginStep, id, wanted, step).QueryRow(func(row pgx.Row) error { return row.Scan(&run) })
		return tx.SendBatch(ctx, &batch).Close()
	})
	return run, err
}

// EndStep records how a step ended.
func (s *Store) EndStep(ctx context.Context, run int64, failure *tenant.Failure) error {
	code, detail := "", ""
	if failure != nil {
		code, detail = failure.Code, legible(failure)
	}
	return s.inTx(ctx, "end step", func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(lazily)
		batch.Queue(endStep, run, code, detail)
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// legible is a failure's text as a row can hold it. It quotes the outside world: PostgreSQL takes neither a zero byte nor broken
// UTF-8, and a failure that cannot be recorded would be met again and again.
func legible(f *tenant.Failure) string {
	const most = 4000 // more than anybody reads
	text := f.Error()
	return strings.ReplaceAll(strings.ToValidUTF8(text[:min(len(text), most)], "?"), "\x00", "?")
}

const recordCondition = `
insert into conditions (tenant_id, kind, ok, code) values ($1, $2, $3, $4)
on conflict (tenant_id, kind) do update set ok = excluded.ok, code = excluded.code,
	since = case when conditions.ok = excluded.ok then conditions.since else now() end
where (conditions.ok, conditions.code) is distinct from (excluded.ok, excluded.code)`

// RecordConditions keeps conditions; one that did not change keeps its since.
func (s *Store) RecordConditions(ctx context.Context, id tenant.ID, conditions []tenant.Condition) error {
	return s.inTx(ctx, "record conditions", func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(lazily)
		for _, c := range conditions {
			batch.Queue(recordCondition, id, c.Kind, c.OK, c.Code)
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}

const (
	lockLease = `
select wanted, status, active_at is null from tenants where id = $1 and lease_owner = $2 for update`
	finishReconcile = `
update tenants set reconciled = greatest(reconciled, $2), failures = 0, failure_code = '', failure_detail = '', retry_at = null, checked_at = now(),
	lease_owner = '', lease_until = '-infinity'
where id = $1`
	activate         = `update tenants set status = 'active', active_at = coalesce(active_at, now()) where id = $1`
	activateFirst    = `update members set state = 'active' where tenant_id = $1 and localpart = $2 and state = 'reserved'`
	markDomainProven = `
insert into conditions (tenant_id, kind, ok) select tenant_id, 'domain_verified', true from domains where tenant_id = $1
on conflict (tenant_id, kind) do nothing`
)

// FinishReconcile records success, moves the status on unless something newer is wanted, and releases the lease.
func (s *Store) FinishReconcile(ctx context.Context, id tenant.ID, owner string, claim controlplane.Claim) (again bool, err error) {
	err = s.inTx(ctx, "finish reconcile", func(tx pgx.Tx) error {
		var (
			wanted int64
			status tenant.Status
			first  bool
		)
		err := tx.QueryRow(ctx, lockLease, id, owner).Scan(&wanted, &status, &first)
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.New("the lease is somebody else's")
		}
		if err != nil {
			return err
		}
		again = wanted != claim.Wanted
		if _, err := tx.Exec(ctx, finishReconcile, id, claim.Wanted); err != nil {
			return err
		}
		switch {
		case again: // what was reached may not be what is wanted now
			return nil
		case status == tenant.Active && claim.Spec.Goal == tenant.GoalRun:
			return s.proveSettings(ctx, tx, id)
		case status == tenant.Provisioning && claim.Spec.Goal == tenant.GoalRun:
			return s.activate(ctx, tx, claim, first)
		case status == tenant.Deleting && claim.Spec.Goal == tenant.GoalRemove:
			return s.finishDeletion(ctx, tx, id)
		}
		return nil
	})
	return again, err
}

func (s *Store) activate(ctx context.Context, tx pgx.Tx, claim controlplane.Claim, first bool) error {
	id := claim.Spec.ID
	if _, err := tx.Exec(ctx, activate, id); err != nil {
		return err
	}
	if err := s.proveSettings(ctx, tx, id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, activateFirst, id, claim.Spec.FirstAdmin); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, markDomainProven, id); err != nil {
		return err
	}
	if err := s.audit(ctx, tx, controlplane.Hafen, "server.active", id, nil); err != nil {
		return err
	}
	if !first {
		return nil
	}
	return s.tell(ctx, tx, id, controlplane.MailServerReady)
}

const setDeleted = `update tenants set status = 'deleted' where id = $1`

func (s *Store) finishDeletion(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	if _, err := tx.Exec(ctx, setDeleted, id); err != nil {
		return err
	}
	if err := s.bury(ctx, tx, id); err != nil {
		return err
	}
	if err := s.audit(ctx, tx, controlplane.Hafen, "server.deleted", id, nil); err != nil {
		return err
	}
	return s.tell(ctx, tx, id, controlplane.MailServerDeleted)
}

const failReconcile = `
update tenants set failures = failures + 1, failure_code = $3, failure_detail = $4,
	retry_at = case when wanted <> $6 then null when $5::interval is null then 'infinity' else now() + $5::interval end,
	lease_owner = '', lease_until = '-infinity'
where id = $1 and lease_owner = $2
returning wanted <> $6`

// FailReconcile records a failure and releases the lease.
func (s *Store) FailReconcile(ctx context.Context, owner string, claim controlplane.Claim, f *tenant.Failure, retryAfter time.Duration) (again bool, err error) {
	wait := &retryAfter
	if retryAfter < 0 {
		wait = nil
	}
	id := claim.Spec.ID
	err = s.inTx(ctx, "record failure of "+string(id), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, failReconcile, id, owner, f.Code, legible(f), wait, claim.Wanted).Scan(&again)
		if errors.Is(err, pgx.ErrNoRows) {
			again = false
			return nil // the lease is somebody else's, and so is the outcome
		}
		if err != nil || again || !controlplane.BlamesSettings(claim, f) {
			return err
		}
		again, err = s.rollBack(ctx, tx, claim, f)
		return err
	})
	return again, err
}
