package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

const (
	beginChange = `update subscriptions set change = $2, change_key = $3, changed_at = $4 where tenant_id = $1`
	clearChange = `update subscriptions set change = null, change_key = null, changed_at = null where tenant_id = $1`
	// What a provider was asked before it was told of a change says nothing of it.
	distrust = `update subscriptions set checked_at = greatest(checked_at, $2) where tenant_id = $1`
)

// BeginChange records a change as pending.
func (s *Store) BeginChange(ctx context.Context, id tenant.ID, c controlplane.Change) error {
	document, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write the change of %s: %w", id, err)
	}
	return s.inTx(ctx, "begin a change of "+string(id), func(tx pgx.Tx) error {
		subscription, status, err := s.holdSubscription(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := changeable(subscription, status, c); err != nil {
			return err
		}
		if !c.Later {
			next, err := readOffer(ctx, tx, c.Choice)
			if err != nil {
				return err
			}
			if fits, err := fitsUsage(ctx, tx, id, next); err != nil || !fits && subscription.Now.Shrinks(next) {
				return cmpErr(err, &tenant.Fault{Kind: tenant.OverQuota, Code: "plan.too_small", Field: "plan"})
			}
		}
		_, err = tx.Exec(ctx, beginChange, id, document, c.Key, c.Asked)
		return err
	})
}

const giveUpChange = `update subscriptions set change = change || '{"given": true}' where tenant_id = $1`

// GiveUpChange records that a pending change is given up.
func (s *Store) GiveUpChange(ctx context.Context, actor controlplane.Actor, id tenant.ID, key string) error {
	return s.inTx(ctx, "give up a change of "+string(id), func(tx pgx.Tx) error {
		subscription, _, err := s.holdSubscription(ctx, tx, id)
		if err != nil {
			return err
		}
		c := subscription.Change
		if c == nil || c.Key != key || c.Later {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "subscription.changed"}
		}
		if c.Given {
			return nil
		}
		if _, err := tx.Exec(ctx, giveUpChange, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "subscription.change.given_up", id, map[string]any{"asked": accountOf(c.Offer)})
	})
}

// changeable is why a change cannot begin now.
func changeable(s controlplane.Subscription, status tenant.Status, c controlplane.Change) error {
	conflict := func(code string) error { return &tenant.Fault{Kind: tenant.Conflict, Code: code} }
	switch {
	case status == tenant.AwaitingPayment, status == tenant.Deleting, status == tenant.Deleted:
		return statusConflict()
	case s.State != billing.Active && s.State != billing.Trialing:
		return conflict("subscription.not_running")
	case s.Change != nil:
		return conflict("subscription.busy")
	case !c.Before.Same(s.Now.Choice()):
		return conflict("subscription.changed")
	case !c.Later && s.Stage != "paid":
		return conflict("billing.unpaid")
	}
	return nil
}

// fitsUsage reports whether what a server uses fits an offer. The lock on the tenant also holds off new seats.
func fitsUsage(ctx context.Context, tx pgx.Tx, id tenant.ID, o controlplane.Offer) (bool, error) {
	var usage tenant.Usage
	if err := tx.QueryRow(ctx, currentUsage, id).Scan(&usage.Seats, &usage.DatabaseBytes, &usage.MediaBytes); err != nil {
		return false, err
	}
	return len(usage.Exceeds(o.Quota())) == 0, nil
}

// FinishChange makes the pending change of a key true.
func (s *Store) FinishChange(ctx context.Context, id tenant.ID, key string, now time.Time) error {
	return s.inTx(ctx, "finish a change of "+string(id), func(tx pgx.Tx) error {
		subscription, status, err := s.holdSubscription(ctx, tx, id)
		if err != nil {
			return err
		}
		if subscription.Change == nil || subscription.Change.Key != key {
			return nil // somebody else has finished it
		}
		return s.finishChange(ctx, tx, subscription, status, now)
	})
}

func (s *Store) finishChange(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription, status tenant.Status, now time.Time) error {
	c, id := sub.Change, sub.Tenant
	if _, err := tx.Exec(ctx, clearChange, id); err != nil {
		return err
	}
	if status == tenant.Deleting || status == tenant.Deleted {
		return s.audit(ctx, tx, c.Actor, "subscription.change.dropped", id, map[string]any{"why": "status.conflict", "asked": c.Choice})
	}
	if c.Later {
		return s.bookChange(ctx, tx, sub)
	}
	if _, err := tx.Exec(ctx, distrust, id, now); err != nil {
		return err
	}
	detail := map[string]any{"before": accountOf(sub.Now), "after": accountOf(c.Offer)}
	if c.Bill != nil {
		detail["gross_cents"] = c.Bill.Gross.Cents
	}
	if c.Bill != nil && c.Bill.Gross.Cents != 0 && sub.Provider == ours {
		invoice, err := s.issueInvoice(ctx, tx, newInvoice{id, *c.Bill, c.At, sub.End, now, controlplane.MailInvoiceIssued})
		if err != nil {
			return err
		}
		detail["invoice"] = invoice
	}
	if err := s.applyOffer(ctx, tx, id, c.Offer); err != nil {
		return err
	}
	if err := s.audit(ctx, tx, c.Actor, "subscription.change", id, detail); err != nil {
		return err
	}
	return s.wake(ctx, tx, id)
}

const (
	bookPlan    = `update subscriptions set booked_plan = $2, cancel_at_end = $3 where tenant_id = $1`
	unbookPacks = `update tenant_addons set booked = case when quantity = 0 then 0 end where tenant_id = $1`
	bookPacks   = `
insert into tenant_addons (tenant_id, addon_id, quantity, booked) values ($1, $2, 0, $3)
on conflict (tenant_id, addon_id) do update set booked = nullif(excluded.booked, tenant_addons.quantity)`
)

// bookChange sets what the next period is for, and whether there is one.
func (s *Store) bookChange(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription) error {
	c, id := sub.Change, sub.Tenant
	next := c.Offer
	if err := s.book(ctx, tx, sub, next, c.Cancel); err != nil {
		return err
	}
	was := sub.Now
	if sub.Next != nil {
		was = *sub.Next
	}
	if c.Unfit {
		if err := s.tell(ctx, tx, id, controlplane.MailPlanKept); err != nil {
			return err
		}
	}
	return s.audit(ctx, tx, c.Actor, bookingAction(sub), id, map[string]any{
		"before": map[string]any{"next": accountOf(was), "cancelled": sub.Cancelled},
		"after":  map[string]any{"next": accountOf(next), "cancelled": c.Cancel}, "from": sub.End,
	})
}

// bookingAction says in the audit log's words what a booking is.
func bookingAction(s controlplane.Subscription) string {
	switch c := s.Change; {
	case c.Unfit:
		return "subscription.booking.unfit"
	case c.Cancel && !s.Cancelled:
		return "subscription.cancel"
	case !c.Cancel && s.Cancelled:
		return "subscription.resume"
	case c.Choice.Same(s.Now.Choice()):
		return "subscription.unbook"
	default:
		return "subscription.book"
	}
}

func (s *Store) book(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription, next controlplane.Offer, cancel bool) error {
	var plan *tenant.PlanID
	if next.Plan.ID != sub.Now.Plan.ID {
		plan = &next.Plan.ID
	}
	if _, err := tx.Exec(ctx, bookPlan, sub.Tenant, plan, cancel); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, unbookPacks, sub.Tenant); err != nil {
		return err
	}
	wanted := next.Choice().Packs
	for _, pack := range sub.Now.Packs {
		if _, stays := wanted[pack.Addon.ID]; !stays {
			if _, err := tx.Exec(ctx, bookPacks, sub.Tenant, pack.Addon.ID, 0); err != nil {
				return err
			}
		}
	}
	for addon, quantity := range wanted {
		if _, err := tx.Exec(ctx, bookPacks, sub.Tenant, addon, quantity); err != nil {
			return err
		}
	}
	return nil
}

const (
	dropPacks  = `delete from tenant_addons where tenant_id = $1`
	unbookPlan = `update subscriptions set booked_plan = null where tenant_id = $1`
)

// applyOffer gives a server another plan and other add-ons, its quota with them. What was booked is gone.
func (s *Store) applyOffer(ctx context.Context, tx pgx.Tx, id tenant.ID, o controlplane.Offer) error {
	if err := s.setPlan(ctx, tx, id, o.Plan.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, dropPacks, id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, unbookPlan, id); err != nil {
		return err
	}
	return s.setPacks(ctx, tx, id, o)
}

const (
	plansOf = `
select t.settings, was.federation_mode, will.federation_mode from tenants t join plans was on was.id = t.plan_id join plans will on will.id = $2
where t.id = $1`
	setPlan = `
update tenants set plan_id = $2, settings = settings || $3, proven_settings = proven_settings || $3 where id = $1`
)

// setPlan puts a server on another version of a plan. A homeserver reads with whom it federates when it starts. Where the new plan
// allows more of what the customer once asked for, or never said, it stays as it is until they ask for it: so an upgrade begins
// without a restart under those who are using the server, and no island is opened to the world by a click on a price.
func (s *Store) setPlan(ctx context.Context, tx pgx.Tx, id tenant.ID, plan tenant.PlanID) error {
	var (
		document  []byte
		was, will tenant.Quota
	)
	if err := tx.QueryRow(ctx, plansOf, id, plan).Scan(&document, &was.Federation, &will.Federation); err != nil {
		return err
	}
	before, err := readSettings(document, was)
	if err != nil {
		return err
	}
	after, err := readSettings(document, will)
	if err != nil {
		return err
	}
	stays := map[string]any{}
	if !before.Federation.Allows(after.Federation) {
		stays["federation"] = before.Federation
	}
	_, err = tx.Exec(ctx, setPlan, id, plan, stays)
	return err
}

// DropChange gives the pending change of a key up.
func (s *Store) DropChange(ctx context.Context, id tenant.ID, key, why string) error {
	return s.inTx(ctx, "drop a change of "+string(id), func(tx pgx.Tx) error {
		subscription, _, err := s.holdSubscription(ctx, tx, id)
		if err != nil || subscription.Change == nil || subscription.Change.Key != key {
			return err
		}
		if _, err := tx.Exec(ctx, clearChange, id); err != nil {
			return err
		}
		// It may have been told: what was booked before was taken back for it.
		if err := s.tellOutside(ctx, tx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, subscription.Change.Actor, "subscription.change.dropped", id, map[string]any{
			"why": why, "before": accountOf(subscription.Now), "asked": accountOf(subscription.Change.Offer),
		})
	})
}

// cmpErr is the first error that is one.
func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
