package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

const adoptServers = `select adopt_servers($1)`

// AdoptServers gives servers of before there were subscriptions one.
func (s *Store) AdoptServers(ctx context.Context, now time.Time) (adopted int, err error) {
	if err := s.pool.QueryRow(ctx, adoptServers, now).Scan(&adopted); err != nil {
		return 0, fmt.Errorf("adopt servers without a subscription: %w", translate(err))
	}
	return adopted, nil
}

const (
	listDue = `
select s.tenant_id from subscriptions s join tenants t on t.id = s.tenant_id
where s.provider = 'invoice' and s.state in ('trialing', 'active') and s.period_end <= $1 and s.change_key is null
	and t.status not in ('deleting', 'deleted')
order by s.period_end limit $2`
	listStranded = `select tenant_id from subscriptions where change_key is not null and changed_at < $1 order by changed_at limit $2`
	listTurning  = `
select s.tenant_id from subscriptions s
where s.provider <> 'invoice' and s.state in ('trialing', 'active') and s.period_end < $1 and s.change_key is null
	and (s.booked_plan is not null or exists (select from tenant_addons n where n.tenant_id = s.tenant_id and n.booked is not null))
order by s.period_end limit $2`
)

// ListDue lists subscriptions whose period is over.
func (s *Store) ListDue(ctx context.Context, now time.Time, most int) ([]tenant.ID, error) {
	return s.listTenants(ctx, "list due subscriptions", listDue, now, most)
}

// ListStranded lists subscriptions whose change has been pending for a while.
func (s *Store) ListStranded(ctx context.Context, before time.Time, most int) ([]tenant.ID, error) {
	return s.listTenants(ctx, "list stranded changes", listStranded, before, most)
}

// ListTurning lists subscriptions outside whose booked change begins soon.
func (s *Store) ListTurning(ctx context.Context, before time.Time, most int) ([]tenant.ID, error) {
	return s.listTenants(ctx, "list booked changes", listTurning, before, most)
}

func (s *Store) listTenants(ctx context.Context, doing, statement string, args ...any) ([]tenant.ID, error) {
	rows, err := s.pool.Query(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, translate(err))
	}
	return collect(rows, pgx.RowTo[tenant.ID], doing)
}

const (
	renewSubscription = `
update subscriptions set state = 'active', anchor = $2, period_start = $3, period_end = $4, coupon_left = $5 where tenant_id = $1`
	endSubscription = `
update subscriptions set state = 'ended', booked_plan = null, change = null, change_key = null, changed_at = null
where tenant_id = $1 and state <> 'ended' returning provider`
)

// Renew bills the period after one that is over.
func (s *Store) Renew(ctx context.Context, id tenant.ID, now time.Time) (more bool, err error) {
	err = s.inTx(ctx, "renew "+string(id), func(tx pgx.Tx) error {
		more = false
		subscription, status, err := s.holdSubscription(ctx, tx, id)
		if err != nil || !due(subscription, status, now) {
			return err
		}
		if subscription.Cancelled {
			return s.endWithPeriod(ctx, tx, subscription)
		}
		more, err = s.renew(ctx, tx, subscription, now)
		return err
	})
	return more, err
}

// due reports whether a period is to be billed. What was asked for and not yet made comes first: it may be that there is none.
func due(s controlplane.Subscription, status tenant.Status, now time.Time) bool {
	return s.Provider == ours && s.Change == nil && (s.State == billing.Active || s.State == billing.Trialing) && !s.End.After(now) &&
		status != tenant.Deleting && status != tenant.Deleted
}

func (s *Store) renew(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription, now time.Time) (more bool, err error) {
	id := sub.Tenant
	offer, err := s.turn(ctx, tx, sub)
	if err != nil {
		return false, err
	}
	anchor := sub.Anchor
	if offer.Plan.Period != sub.Period {
		anchor = sub.End // periods of another length are counted anew
	}
	from, until := sub.End, periodAfter(offer.Plan.Period, anchor, sub.End)
	coupon := sub.Coupon.After(sub.State)
	var left *int
	if coupon != nil {
		left = coupon.Left
	}
	if _, err := tx.Exec(ctx, renewSubscription, id, anchor, from, until, left); err != nil {
		return false, err
	}
	bill := billing.Sum(offer.Plan.Price.Currency, billing.Lines(sub.Language, offer.Items(), coupon, from, until)).Under(sub.VATNote)
	detail := map[string]any{
		"before": accountOf(sub.Now), "after": accountOf(offer), "from": from, "until": until, "gross_cents": bill.Gross.Cents,
	}
	if bill.Gross.Cents > 0 {
		if detail["invoice"], err = s.issueInvoice(ctx, tx, newInvoice{id, bill, from, until, now, controlplane.MailInvoiceIssued}); err != nil {
			return false, err
		}
	}
	if err := s.audit(ctx, tx, controlplane.Hafen, "subscription.renew", id, detail); err != nil {
		return false, err
	}
	return !until.After(now), nil
}

// adrift is by how much the end of a period may miss the anchor's count: it was reckoned in another zone before (see adopt_servers).
const adrift = 48 * time.Hour

// periodAfter is the first end of a period after a moment, which is itself an end, give or take adrift: nobody pays a month's price
// for an hour.
func periodAfter(p tenant.Period, anchor, from time.Time) time.Time {
	n := 1
	for !p.After(anchor, n).After(from.Add(adrift)) {
		n++
	}
	return p.After(anchor, n)
}

// turn begins what was booked, if what is used fits; otherwise the owner is told, and the old plan goes on. It returns what the new
// period is for.
func (s *Store) turn(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription) (controlplane.Offer, error) {
	if sub.Next == nil {
		return sub.Now, nil
	}
	next, id := *sub.Next, sub.Tenant
	fits, err := fitsUsage(ctx, tx, id, next)
	if err != nil {
		return next, err
	}
	if !fits && sub.Now.Shrinks(next) {
		if err := s.book(ctx, tx, sub, sub.Now, sub.Cancelled); err != nil {
			return next, err
		}
		if err := s.tell(ctx, tx, id, controlplane.MailPlanKept); err != nil {
			return next, err
		}
		return sub.Now, s.audit(ctx, tx, controlplane.Hafen, "subscription.booking.unfit", id, map[string]any{
			"before": map[string]any{"next": accountOf(next)}, "after": map[string]any{"next": accountOf(sub.Now)},
		})
	}
	if err := s.applyOffer(ctx, tx, id, next); err != nil {
		return next, err
	}
	return next, s.wake(ctx, tx, id)
}

// endWithPeriod ends a subscription that was cancelled. Its server is deleted after the grace in which it can be taken back.
func (s *Store) endWithPeriod(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription) error {
	id := sub.Tenant
	if _, err := tx.Exec(ctx, endSubscription, id); err != nil {
		return err
	}
	if err := s.audit(ctx, tx, controlplane.Hafen, "subscription.end", id, map[string]any{"before": accountOf(sub.Now), "at": sub.End}); err != nil {
		return err
	}
	return s.deleteUnpaid(ctx, tx, id)
}

// deleteUnpaid begins the deletion of a server that nobody pays for any more.
func (s *Store) deleteUnpaid(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	t := controlplane.Transition{
		Actor: controlplane.Hafen, Tenant: id, To: tenant.Deleting, Action: "server.delete", Reason: "payment", DeleteAfter: controlplane.GracePeriod,
	}
	to, err := s.move(ctx, tx, t)
	if err != nil {
		if tenant.FaultOf(err).Code == "status.conflict" {
			return nil // it is being deleted already
		}
		return err
	}
	if which := occasion(t, to); which != "" {
		if err := s.tell(ctx, tx, id, which); err != nil {
			return err
		}
	}
	return s.audit(ctx, tx, t.Actor, t.Action, id, map[string]any{"reason": "subscription.end"})
}

// closeSubscription ends what is paid for a server that is gone. A provider outside is told.
func (s *Store) closeSubscription(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	rows, err := tx.Query(ctx, endSubscription, id)
	if err != nil {
		return err
	}
	providers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(providers) == 0 || providers[0] == ours {
		return err
	}
	return s.enqueue(ctx, tx, controlplane.BillingEndArgs{Tenant: id}, nil)
}

const (
	// Kept in the row, since the job may be lost or given up: until the provider has been told, its items are old news.
	setUntold = `
update subscriptions set untold_since = greatest($2, untold_since + interval '1 microsecond')
where tenant_id = $1 and provider <> 'invoice' and state in ('trialing', 'active')`
	setTold = `update subscriptions set untold_since = null where tenant_id = $1 and untold_since is not distinct from $2`
)

// tellOutside has a provider outside told what has changed about a server's next period. Nothing is told of where bills are ours.
func (s *Store) tellOutside(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	tag, err := tx.Exec(ctx, setUntold, id, s.config.Now())
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	return s.enqueue(ctx, tx, controlplane.BillingTellArgs{Tenant: id}, nil)
}

// MarkTold records that a provider outside was told.
func (s *Store) MarkTold(ctx context.Context, id tenant.ID, untold, now time.Time) error {
	return s.inTx(ctx, "record that the provider of "+string(id)+" was told", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, setTold, id, utcOrNull(untold))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 { // more has changed, or another has told it more: which it heard last nobody knows
			return s.tellOutside(ctx, tx, id)
		}
		_, err = tx.Exec(ctx, distrust, id, now)
		return err
	})
}
