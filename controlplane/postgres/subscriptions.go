package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const (
	findSubscription = `
select s.account_id::text, a.email, a.language, t.server_name, s.provider, s.state, s.anchor, s.period_start, s.period_end, s.trial_end,
	s.cancel_at_end, coalesce(s.external_id, ''), coalesce(b.stripe_customer, ''), s.booked_plan, s.change, s.change_key::text, s.changed_at,
	s.stage, nullif(s.checked_at, '-infinity'), s.untold_since, coalesce((select o.id::text from orders o where o.tenant_id = s.tenant_id and o.status = 'open'), ''),
	coalesce(s.coupon, ''), s.coupon_left, coalesce(c.percent, 0), coalesce(c.amount_cents, 0), coalesce(c.currency, ''), ` + planColumns + `
from subscriptions s join tenants t on t.id = s.tenant_id join plans p on p.id = t.plan_id join accounts a on a.id = s.account_id
	left join billing_profiles b on b.account_id = s.account_id left join coupons c on c.code = s.coupon
where s.tenant_id = $1`
	lockPaidServer   = `select status from tenants where id = $1 for update`
	lockSubscription = `select from subscriptions where tenant_id = $1 for update`
)

// FindSubscription finds what is paid for a server.
func (s *Store) FindSubscription(ctx context.Context, id tenant.ID) (controlplane.Subscription, error) {
	// Several statements, one view of the rows.
	var subscription controlplane.Subscription
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		subscription, err = readSubscription(ctx, tx, id)
		return err
	})
	if err != nil {
		return subscription, fmt.Errorf("find subscription of %s: %w", id, translate(err))
	}
	return subscription, nil
}

// holdSubscription locks a server and its subscription, in this order everywhere, and reads both.
func (s *Store) holdSubscription(ctx context.Context, tx pgx.Tx, id tenant.ID) (controlplane.Subscription, tenant.Status, error) {
	var status tenant.Status
	err := tx.QueryRow(ctx, lockPaidServer, id).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		return controlplane.Subscription{}, "", &tenant.Fault{Kind: tenant.NotFound, Code: "tenant.unknown"}
	}
	if err != nil {
		return controlplane.Subscription{}, "", err
	}
	if _, err := tx.Exec(ctx, lockSubscription, id); err != nil {
		return controlplane.Subscription{}, "", err
	}
	subscription, err := readSubscription(ctx, tx, id)
	return subscription, status, err
}

func readSubscription(ctx context.Context, q reader, id tenant.ID) (controlplane.Subscription, error) {
	var (
		s                         = controlplane.Subscription{Subscription: billing.Subscription{Tenant: id}}
		anchor, start, end, trial *time.Time
		changed, checked, untold  *time.Time
		booked                    *tenant.PlanID
		change                    []byte
		key                       *string
		coupon                    billing.Coupon
	)
	err := q.QueryRow(ctx, findSubscription, id).Scan(append([]any{
		&s.Account, &s.Email, &s.Language, &s.ServerName, &s.Provider, &s.State, &anchor, &start, &end, &trial,
		&s.Cancelled, &s.ExternalID, &s.Customer, &booked, &change, &key, &changed,
		&s.Stage, &checked, &untold, &s.Order,
		&coupon.Code, &coupon.Left, &coupon.Percent, &coupon.Amount.Cents, &coupon.Amount.Currency,
	}, planFields(&s.Now.Plan)...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, &tenant.Fault{Kind: tenant.NotFound, Code: "subscription.unknown"}
	}
	if err != nil {
		return s, err
	}
	if s.VATNote, err = vatNote(ctx, q, s.Account); err != nil {
		return s, err
	}
	s.CheckedAt, s.Untold = utc(checked), utc(untold)
	s.Anchor, s.Start, s.End, s.TrialEnd = utc(anchor), utc(start), utc(end), utc(trial)
	if coupon.Code != "" {
		s.Coupon = &coupon
	}
	if err := readPacks(ctx, q, &s, booked); err != nil {
		return s, err
	}
	s.Period, s.Items = s.Now.Plan.Period, s.Now.Items()
	if key == nil {
		return s, nil
	}
	s.Change = &controlplane.Change{Key: *key, Asked: utc(changed)}
	if err := json.Unmarshal(change, s.Change); err != nil {
		return s, fmt.Errorf("read the pending change of %s: %w", id, err)
	}
	s.Change.Offer, err = readOffer(ctx, q, s.Change.Choice)
	return s, err
}

const listPacks = `
select n.quantity, coalesce(n.booked, n.quantity), ` + addonColumns + `
from tenant_addons n join addons d on d.id = n.addon_id where n.tenant_id = $1 order by d.position, d.id`

// readPacks reads the add-ons that a server has, and with the booked plan what it is to have next.
func readPacks(ctx context.Context, q reader, s *controlplane.Subscription, booked *tenant.PlanID) error {
	rows, err := q.Query(ctx, listPacks, s.Tenant)
	if err != nil {
		return err
	}
	next := controlplane.Offer{Plan: s.Now.Plan}
	var (
		now, then int
		addon     tenant.Addon
	)
	if _, err := pgx.ForEachRow(rows, append([]any{&now, &then}, addonFields(&addon)...), func() error {
		if now > 0 {
			s.Now.Packs = append(s.Now.Packs, controlplane.Pack{Addon: addon, Quantity: now})
		}
		if then > 0 {
			next.Packs = append(next.Packs, controlplane.Pack{Addon: addon, Quantity: then})
		}
		addon = tenant.Addon{} // its slices are the packs'
		return nil
	}); err != nil {
		return err
	}
	if booked != nil {
		if next.Plan, err = readPlan(ctx, q, *booked); err != nil {
			return err
		}
	}
	if !next.Choice().Same(s.Now.Choice()) {
		s.Next = &next
	}
	return nil
}

const (
	findAnyPlan  = `select ` + planColumns + ` from plans p where p.id = $1`
	findAnyAddon = `select ` + addonColumns + ` from addons d where d.id = any($1) order by d.position, d.id`
)

// readPlan finds a plan, sold or not.
func readPlan(ctx context.Context, q reader, id tenant.PlanID) (plan tenant.Plan, err error) {
	err = q.QueryRow(ctx, findAnyPlan, id).Scan(planFields(&plan)...)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &tenant.Fault{Kind: tenant.NotFound, Code: "plan.unknown", Field: "plan"}
	}
	return plan, err
}

// readOffer finds what a choice names, sold or not.
func readOffer(ctx context.Context, q reader, c controlplane.Choice) (controlplane.Offer, error) {
	plan, err := readPlan(ctx, q, c.Plan)
	if err != nil {
		return controlplane.Offer{}, err
	}
	offer := controlplane.Offer{Plan: plan}
	if len(c.Packs) == 0 {
		return offer, nil
	}
	ids := make([]string, 0, len(c.Packs))
	for id := range c.Packs {
		ids = append(ids, string(id))
	}
	rows, err := q.Query(ctx, findAnyAddon, ids)
	if err != nil {
		return offer, err
	}
	addons, err := pgx.CollectRows(rows, scanAddon)
	if err != nil {
		return offer, err
	}
	for _, addon := range addons {
		offer.Packs = append(offer.Packs, controlplane.Pack{Addon: addon, Quantity: c.Packs[addon.ID]})
	}
	if len(offer.Packs) != len(c.Packs) {
		return offer, &tenant.Fault{Kind: tenant.NotFound, Code: "addon.unknown"}
	}
	return offer, nil
}

func scanAddon(row pgx.CollectableRow) (a tenant.Addon, err error) {
	err = row.Scan(addonFields(&a)...)
	return a, err
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
