package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// Transition moves a tenant in the status table, with job and audit entry.
func (s *Store) Transition(ctx context.Context, t controlplane.Transition) error {
	return s.inTx(ctx, "move tenant", func(tx pgx.Tx) error {
		if err := s.refuseUnpaid(ctx, tx, t); err != nil {
			return err
		}
		to, err := s.move(ctx, tx, t)
		if err != nil {
			return err
		}
		if which := occasion(t, to); which != "" {
			if err := s.tell(ctx, tx, t.Tenant, which); err != nil {
				return err
			}
		}
		detail := map[string]any{}
		if t.Reason != "" {
			detail["reason"] = t.Reason
		}
		if t.Note != "" {
			detail["note"] = t.Note
		}
		return s.audit(ctx, tx, t.Actor, t.Action, t.Tenant, detail)
	})
}

const deletedUnpaid = `select exists (select from subscriptions where tenant_id = $1 and stage = 'deleted')`

// refuseUnpaid keeps a customer from taking a deletion back that only paying does.
func (s *Store) refuseUnpaid(ctx context.Context, tx pgx.Tx, t controlplane.Transition) error {
	if !t.Back || t.Actor.Operator {
		return nil
	}
	var unpaid bool
	if err := tx.QueryRow(ctx, deletedUnpaid, t.Tenant).Scan(&unpaid); err != nil || !unpaid {
		return err
	}
	return &tenant.Fault{Kind: tenant.PaymentRequired, Code: "payment.first"}
}

// occasion is the mail a transition is worth that led to a status; "" for none.
func occasion(t controlplane.Transition, to tenant.Status) controlplane.TenantMail {
	switch {
	case to == tenant.Deleted:
		return controlplane.MailServerDeleted
	case t.To != to:
		return ""
	case to == tenant.Deleting && t.DeleteAfter > 0:
		return controlplane.MailServerDeleting
	case to == tenant.Suspended:
		return controlplane.MailServerSuspended
	case to == tenant.Provisioning:
		return controlplane.MailServerResumed
	default:
		return ""
	}
}

// tell has a mail written to the owner, if tx commits.
func (s *Store) tell(ctx context.Context, tx pgx.Tx, id tenant.ID, which controlplane.TenantMail) error {
	return s.enqueue(ctx, tx, controlplane.TenantMailArgs{Tenant: id, Which: which}, nil)
}

const (
	lockStatus = `
select status, coalesce(before_deleting, ''), coalesce(suspended_for, ''), delete_after <= now() is true, image <> '',
	exists (select from domains d where d.tenant_id = tenants.id)
from tenants where id = $1 for update`
	setStatus = `
update tenants set status = $2, before_deleting = nullif($3, ''), suspended_for = nullif($4, ''),
	delete_after = case when $2 = 'deleting' then now() + $5::interval end,
	failures = 0, failure_code = '', failure_detail = '', retry_at = null
where id = $1`
	// Two that await their proof may want the same name. The unique indexes know of equal names and equal hosts; this knows of
	// one's name that is another's host, and of a name whose first holder has come and gone meanwhile.
	nameGone = `
select exists (select from tombstones b where b.server_name = t.server_name)
	or exists (select from tenants o where o.id <> t.id and (o.host = t.server_name or o.server_name = t.host)
		and o.status not in ('awaiting_payment', 'awaiting_domain', 'deleted'))
from tenants t where t.id = $1`
)

// standing is what decides where a tenant may go.
type standing struct {
	status, before tenant.Status
	suspendedFor   string
	over           bool // the grace period of its deletion
	begun          bool // it was provisioned once, so something of it may exist outside
	own            bool // its domain is the customer's, and was not proven unless begun
}

// destination is the status that a transition leads to from here.
func (at standing) destination(t controlplane.Transition) (tenant.Status, error) {
	to := t.To
	switch {
	case t.From != "" && t.From != at.status, t.Back && at.over: // in the latter case its removal may have begun
		return "", statusConflict()
	case t.Back:
		if to = at.before; to == tenant.Active || to == tenant.Asleep {
			to = tenant.Provisioning // it must be proven healthy again
		}
	case to == tenant.Deleting && !at.begun && (at.status == tenant.AwaitingPayment || at.status == tenant.AwaitingDomain):
		// Nothing is to be removed, and what stands outside under an unproven name belongs to somebody else.
		to = tenant.Deleted
	case to == tenant.Provisioning && at.status == tenant.Suspended && at.own && !at.begun:
		to = tenant.AwaitingDomain // a suspension proves no domain
	}
	if !at.status.CanBecome(to) {
		return "", statusConflict()
	}
	return to, nil
}

// move is a transition within a transaction, without its audit entry. It returns where it led.
func (s *Store) move(ctx context.Context, tx pgx.Tx, t controlplane.Transition) (tenant.Status, error) {
	var at standing
	err := tx.QueryRow(ctx, lockStatus, t.Tenant).Scan(&at.status, &at.before, &at.suspendedFor, &at.over, &at.begun, &at.own)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", &tenant.Fault{Kind: tenant.NotFound, Code: "tenant.unknown"}
	}
	if err != nil {
		return "", err
	}
	to, err := at.destination(t)
	if err != nil {
		return "", err
	}
	before, suspended := tenant.Status(""), ""
	switch to {
	case tenant.Deleting:
		before, suspended = at.status, at.suspendedFor
	case tenant.Suspended:
		suspended = suspendedFor(t.Reason, at.suspendedFor)
	}
	if to == tenant.Provisioning && at.own && !at.begun {
		var gone bool
		if err := tx.QueryRow(ctx, nameGone, t.Tenant).Scan(&gone); err != nil {
			return "", err
		}
		if gone {
			return "", domainTaken()
		}
	}
	_, err = tx.Exec(ctx, setStatus, t.Tenant, to, before, suspended, t.DeleteAfter)
	if taken(err) {
		return "", domainTaken()
	}
	if err != nil {
		return "", err
	}
	if (to == tenant.Deleting) != (at.status == tenant.Deleting) {
		if err := s.tellOutside(ctx, tx, t.Tenant); err != nil {
			return "", err
		}
	}
	switch to {
	case tenant.Deleted:
		return to, s.bury(ctx, tx, t.Tenant)
	case tenant.AwaitingDomain:
		_, err := tx.Exec(ctx, requestDomainCheck, t.Tenant)
		return to, err
	default:
		return to, s.wake(ctx, tx, t.Tenant)
	}
}

func domainTaken() error { return &tenant.Fault{Kind: tenant.Conflict, Code: "domain.taken"} }

func suspendedFor(reason, before string) string {
	if reason != "" {
		return reason
	}
	return before // a deletion taken back returns to the suspension it began in
}

func statusConflict() error { return &tenant.Fault{Kind: tenant.Conflict, Code: "status.conflict"} }

const (
	buryTombstone = `
insert into tombstones (server_name, tenant_id) select server_name, id from tenants where id = $1 and active_at is not null
on conflict do nothing`
	buryTenant = `update tenants set deleted_at = now(), lease_owner = '', lease_until = '-infinity', reconciled = wanted where id = $1`
)

// What is forgotten of a deleted tenant: everything about its people. The row itself, orders and audit stay, as books must.
var buryRest = []string{
	`update orders set status = 'cancelled', settled_at = now() where tenant_id = $1 and status = 'open'`,
	`delete from reserved_names where tenant_id = $1`,
	`delete from tokens where tenant_id = $1`,
	`delete from announcements where tenant_id = $1`, // before the operations they refer to
	`delete from operations where tenant_id = $1`,
	`delete from imports where tenant_id = $1`,
	`delete from import_previews where tenant_id = $1`,
	`delete from invites where tenant_id = $1`,
	`delete from member_syncs where tenant_id = $1`,
	`delete from members where tenant_id = $1`,
	`delete from domains where tenant_id = $1`,
	`delete from conditions where tenant_id = $1`,
	`delete from usage where tenant_id = $1`,
	`delete from usage_days where tenant_id = $1`,
	`delete from orphans where tenant_id = $1`,
	`delete from quota_levels where tenant_id = $1`,
	`delete from quota_warnings where tenant_id = $1`,
	`delete from colleagues where tenant_id = $1`,
	`delete from colleague_invites where tenant_id = $1`,
	`delete from settings_changes where tenant_id = $1`,
	`update tenants set settings = '{}', proven_settings = null, logo = null, logo_type = '' where id = $1`,
}

// bury ends a tenant's life. A name that was ever served gets its tombstone.
func (s *Store) bury(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	for _, sql := range append([]string{buryTombstone, buryTenant}, buryRest...) {
		if _, err := tx.Exec(ctx, sql, id); err != nil {
			return fmt.Errorf("bury %s: %w", id, err)
		}
	}
	if err := s.closeSubscription(ctx, tx, id); err != nil {
		return fmt.Errorf("bury %s: %w", id, err)
	}
	return nil
}

const raiseWanted = `
update tenants set wanted = wanted + 1, requested_at = now(), retry_at = null
where id = $1 and status not in ('awaiting_payment', 'awaiting_domain', 'deleted')
returning wanted`

// wake asks for a reconcile, in the transaction of the change that needs it.
func (s *Store) wake(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	var wanted int64
	err := tx.QueryRow(ctx, raiseWanted, id).Scan(&wanted)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // nothing of it exists outside
	}
	if err != nil {
		return fmt.Errorf("wake %s: %w", id, err)
	}
	return s.enqueue(ctx, tx, controlplane.ReconcileArgs{Tenant: id, Wanted: wanted}, nil)
}

const (
	nudgeable = `select retry_at is null from tenants where id = $1 and lease_until < now() for update`
	// What failed may be something else than what has just ended, a certificate's renewal an hour from now.
	retrySoon = `update tenants set retry_at = least(retry_at, now() + interval '1 minute') where id = $1 and retry_at < 'infinity'`
)

// Nudge asks for a look at a tenant of which something outside has changed. One that is being worked on is left alone, and one
// that waits for its time to retry is looked at within a minute, no sooner: a server that crashes as soon as it starts must not
// make the loop run hot.
func (s *Store) Nudge(ctx context.Context, id tenant.ID) error {
	return s.inTx(ctx, "nudge tenant", func(tx pgx.Tx) error {
		var now bool
		err := tx.QueryRow(ctx, nudgeable, id).Scan(&now)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return err
		case now:
			return s.wake(ctx, tx, id)
		}
		_, err = tx.Exec(ctx, retrySoon, id)
		return err
	})
}

// Wake reconciles a tenant now.
func (s *Store) Wake(ctx context.Context, actor controlplane.Actor, id tenant.ID) error {
	return s.inTx(ctx, "wake tenant", func(tx pgx.Tx) error {
		if err := s.wake(ctx, tx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "server.retry", id, nil)
	})
}

const (
	currentUsage = `
select seats_used($1), coalesce(u.database_bytes, 0), coalesce(u.media_bytes, 0)
from (select) one left join lateral
	(select database_bytes, media_bytes from usage where tenant_id = $1 order by measured_at desc limit 1) u on true`
)

// taken reports whether a statement met a row that must be unique.
func taken(err error) bool { return errors.Is(translate(err), controlplane.ErrTaken) }
