package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

const (
	insertEvent = `insert into webhook_events (id, kind) values ($1, $2) on conflict do nothing`
	// An event names a subscription; one that does not is about all of its customer.
	findAbout = `
select tenant_id from subscriptions where provider <> 'invoice' and ($1 <> '' and external_id = $1 or $2 <> '' and tenant_id = $2)
union
select s.tenant_id from subscriptions s join billing_profiles b on b.account_id = s.account_id
where s.provider <> 'invoice' and s.state <> 'ended' and $3 <> '' and b.stripe_customer = $3 and not exists (
	select from subscriptions where provider <> 'invoice' and ($1 <> '' and external_id = $1 or $2 <> '' and tenant_id = $2))`
)

// RecordEvent enqueues a look at whom an event is about, once.
func (s *Store) RecordEvent(ctx context.Context, e controlplane.Event) error {
	return s.inTx(ctx, "record event", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, insertEvent, e.ID, e.Kind)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		rows, err := tx.Query(ctx, findAbout, e.ExternalID, e.Tenant, e.Customer)
		if err != nil {
			return err
		}
		about, err := pgx.CollectRows(rows, pgx.RowTo[tenant.ID])
		if err != nil {
			return err
		}
		for _, id := range about {
			if err := s.enqueue(ctx, tx, controlplane.BillingLookArgs{Tenant: id}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	mirrorSubscription = `
update subscriptions set external_id = coalesce(nullif($2, ''), external_id), state = $3, period_start = coalesce($4, period_start),
	period_end = coalesce($5, period_end), anchor = coalesce(anchor, $4), cancel_at_end = $6, checked_at = $7,
	trial_end = case when $3 = 'trialing' then coalesce($5, trial_end) else trial_end end,
	coupon_left = greatest(coupon_left - $8, 0)
where tenant_id = $1`
	mirrorCustomer = `
insert into billing_profiles (account_id, stripe_customer) values ($1, $2)
on conflict (account_id) do update set stripe_customer = excluded.stripe_customer`
)

// RecordOutside makes the rows what a provider outside has said.
func (s *Store) RecordOutside(ctx context.Context, id tenant.ID, out billing.Outside, asked time.Time) error {
	return s.inTx(ctx, "record what is outside of "+string(id), func(tx pgx.Tx) error {
		sub, status, err := s.holdSubscription(ctx, tx, id)
		if err != nil || sub.Provider == ours {
			return err
		}
		if sub.CheckedAt.After(asked) { // something has happened since: asked anew, so that nothing is missed
			return s.enqueue(ctx, tx, controlplane.BillingLookArgs{Tenant: id}, nil)
		}
		if sub.State == billing.Pending && (out.State == billing.Active || out.State == billing.Trialing) {
			if err := s.settleOutside(ctx, tx, sub); err != nil {
				return err
			}
		}
		state := out.State
		if state == "" || state == billing.Pending {
			state = sub.State // what runs does not become pending again
		}
		cancelled := out.Cancelled
		if status == tenant.Deleting {
			cancelled = sub.Cancelled // taken for it is nothing any more, whether it had been cancelled or not
		}
		if _, err := tx.Exec(ctx, mirrorSubscription, id, out.ExternalID, state, utcOrNull(out.Start), utcOrNull(out.End), cancelled, asked,
			periodsBilled(sub, out)); err != nil {
			return err
		}
		if out.Customer != "" && out.Customer != sub.Customer {
			if _, err := tx.Exec(ctx, mirrorCustomer, sub.Account, out.Customer); err != nil {
				return err
			}
		}
		if err := s.mirrorInvoices(ctx, tx, sub, out.Invoices, asked); err != nil {
			return err
		}
		if err := s.dun(ctx, tx, id, asked); err != nil { // what was paid there gives back at once
			return err
		}
		if state == billing.Ended {
			return s.endOutside(ctx, tx, sub)
		}
		return s.followItems(ctx, tx, sub, status, out, asked)
	})
}

// periodsBilled is how many periods have begun since we knew last: a coupon is good for so many bills less. A trial has none. To the
// nearest whole, since months differ, and one may begin a little before the last one's end.
func periodsBilled(sub controlplane.Subscription, out billing.Outside) int {
	length := sub.End.Sub(sub.Start)
	if sub.State != billing.Active || length <= 0 || !out.Start.After(sub.Start) {
		return 0
	}
	return int((out.Start.Sub(sub.Start) + length/2) / length)
}

// settleOutside marks the order paid that the provider has the money for.
func (s *Store) settleOutside(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription) error {
	if sub.Order == "" {
		return nil
	}
	return s.closeOrderIn(ctx, tx, controlplane.Hafen, sub.Order, "paid")
}

// endOutside deletes the server of a subscription that has ended outside.
func (s *Store) endOutside(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription) error {
	if sub.State == billing.Ended {
		return nil
	}
	if err := s.audit(ctx, tx, controlplane.Hafen, "subscription.end", sub.Tenant, map[string]any{"before": accountOf(sub.Now)}); err != nil {
		return err
	}
	if sub.State == billing.Pending {
		return nil // its order goes on waiting, for another payment or for being cancelled
	}
	return s.deleteUnpaid(ctx, tx, sub.Tenant)
}

// followItems makes plan and add-ons what money is taken for: a pending change that is now paid, a booked one that has begun, or
// one that was made outside. What is used and would not fit any more stays as it is, and the nightly report says so.
func (s *Store) followItems(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription, status tenant.Status, out billing.Outside, now time.Time) error {
	if len(out.Items) == 0 || status == tenant.Deleting || status == tenant.Deleted {
		return nil
	}
	if !sub.Untold.IsZero() {
		return nil // it does not know yet what we have changed
	}
	paid := controlplane.ChoiceOf(out.Items)
	if c := sub.Change; c != nil && !c.Later && paid.Same(c.Choice) {
		return s.finishChange(ctx, tx, sub, status, now)
	}
	if paid.Same(sub.Now.Choice()) {
		return nil
	}
	next, err := readOffer(ctx, tx, paid)
	if tenant.FaultOf(err).Kind == tenant.NotFound {
		return nil // prices that were never ours
	}
	if err != nil {
		return err
	}
	if fits, err := fitsUsage(ctx, tx, sub.Tenant, next); err != nil || !fits && sub.Now.Shrinks(next) {
		return err
	}
	if err := s.applyOffer(ctx, tx, sub.Tenant, next); err != nil {
		return err
	}
	if err := s.audit(ctx, tx, controlplane.Hafen, "subscription.change", sub.Tenant, map[string]any{
		"before": accountOf(sub.Now), "after": accountOf(next), "by": sub.Provider,
	}); err != nil {
		return err
	}
	return s.wake(ctx, tx, sub.Tenant)
}

const (
	findMirrored = `select status, paid_cents, dispute_status from invoices where external_id = $1 for update`
	// A bill that a bank took back is due anew, by the days that every bill has. What was booked here for it counts.
	mirrorInvoice = `
insert into invoices (kind, number, provider, external_id, account_id, tenant_id, status, language, currency, net_cents, vat_cents, gross_cents,
	paid_cents, seller, buyer, period_start, period_end, issued_at, due_at, paid_at, url,
	dispute_status, dispute_reason, dispute_cents, respond_by, vat_note)
select case when $6 < 0 then 'credit_note' else 'invoice' end, $2, s.provider, $3, s.account_id, s.tenant_id, $4, a.language, $5, $6, $7, $8, $9,
	b.seller, jsonb_build_object('email', a.email), $10, $11, $12,
	case when $16 = 'lost' then greatest($13, $20::timestamptz + make_interval(days => b.due_days)) else $13 end, $14, $15, $16, $17, $18, $19, $21
from subscriptions s join accounts a on a.id = s.account_id cross join billing_settings b where s.tenant_id = $1
on conflict (external_id) do update set paid_at = excluded.paid_at, url = excluded.url,
	paid_cents = excluded.paid_cents + booked_for(invoices.id),
	status = case when excluded.dispute_status = 'lost' and excluded.paid_cents + booked_for(invoices.id) >= invoices.gross_cents
		then 'paid' else excluded.status end,
	due_at = case when excluded.dispute_status = 'lost' and invoices.dispute_status <> 'lost' then excluded.due_at else invoices.due_at end,
	dispute_status = excluded.dispute_status, dispute_reason = excluded.dispute_reason, dispute_cents = excluded.dispute_cents,
	respond_by = excluded.respond_by
returning id::text, status, paid_cents`
)

// mirrored is what may change of a bill that a provider has written.
type mirrored struct {
	Status  billing.InvoiceStatus `json:"status"`
	Paid    int64                 `json:"paid_cents"`
	Dispute string                `json:"dispute,omitempty"`
}

// mirrorInvoices keeps the bills that a provider has written. Drafts, which have no number yet, are not bills.
func (s *Store) mirrorInvoices(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription, invoices []billing.Invoice, asked time.Time) error {
	for _, i := range invoices {
		if i.Number == "" || i.External == "" {
			continue
		}
		if err := s.mirrorInvoice(ctx, tx, sub, i, asked); err != nil {
			return fmt.Errorf("keep the bill %s: %w", i.External, err)
		}
	}
	return nil
}

func (s *Store) mirrorInvoice(ctx context.Context, tx pgx.Tx, sub controlplane.Subscription, i billing.Invoice, asked time.Time) error {
	var before mirrored
	err := tx.QueryRow(ctx, findMirrored, i.External).Scan(&before.Status, &before.Paid, &before.Dispute)
	fresh := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !fresh {
		return err
	}
	id, after := "", mirrored{Dispute: i.Dispute.Status}
	err = tx.QueryRow(ctx, mirrorInvoice, sub.Tenant, i.Number, i.External, i.Status, i.Net.Currency, i.Net.Cents, i.VAT.Cents, i.Gross.Cents,
		i.Paid.Cents, utcOrNull(i.Start), utcOrNull(i.End), i.Issued, later(i.Due, i.Issued), utcOrNull(i.PaidAt), i.URL,
		i.Dispute.Status, i.Dispute.Reason, i.Dispute.Amount.Cents, utcOrNull(i.Dispute.RespondBy), asked, i.Note).Scan(&id, &after.Status, &after.Paid)
	if err != nil {
		return err
	}
	if fresh {
		if err := insertLines(ctx, tx, id, i.Lines); err != nil {
			return err
		}
	}
	detail := map[string]any{"invoice": i.Number, "gross_cents": i.Gross.Cents, "currency": i.Gross.Currency, "by": sub.Provider, "after": after}
	switch {
	case fresh && after.Dispute == "":
		return s.audit(ctx, tx, controlplane.Hafen, "invoice.issue", sub.Tenant, detail)
	case before == after:
		return nil
	case before.Dispute != after.Dispute:
		detail["disputed_cents"], detail["reason"] = i.Dispute.Amount.Cents, i.Dispute.Reason
		detail["before"] = before
		return s.audit(ctx, tx, controlplane.Hafen, "invoice.dispute", sub.Tenant, detail)
	default:
		detail["before"] = before
		return s.audit(ctx, tx, controlplane.Hafen, "invoice.change", sub.Tenant, detail)
	}
}

// later is the later of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// utcOrNull is a moment as a column keeps it: null for none.
func utcOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
