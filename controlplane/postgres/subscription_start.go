package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/tenant"
)

const soldAddons = `
select ` + addonColumns + ` from addons d
where d.visible and d.version = (select max(n.version) from addons n where n.slug = d.slug) order by d.position, d.slug`

// ListOffers lists what an account can buy now.
func (s *Store) ListOffers(ctx context.Context, account string) ([]tenant.Plan, []tenant.Addon, error) {
	plans, err := s.ListPlans(ctx, account)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.pool.Query(ctx, soldAddons)
	if err != nil {
		return nil, nil, fmt.Errorf("list add-ons: %w", translate(err))
	}
	addons, err := collect(rows, scanAddon, "list add-ons")
	return plans, addons, err
}

const (
	findCoupon = `
select code, coalesce(percent, 0), coalesce(amount_cents, 0), coalesce(currency, ''), periods, plans, most, redeem_by,
	withdrawn_at is not null from coupons where code = $1`
	// An order that was given up before it began redeems nothing.
	countRedeemed = `select count(*) from subscriptions where coupon = $1 and not (state = 'ended' and period_start is null)`
	hadTrial      = `
select exists (select from subscriptions where account_id = $1 and trial_end is not null and not (state = 'ended' and period_start is null))`
)

// FindCoupon finds a coupon that can be redeemed.
func (s *Store) FindCoupon(ctx context.Context, code string, plan tenant.Plan, now time.Time) (billing.Coupon, error) {
	coupon, err := redeemable(ctx, s.pool, findCoupon, code, plan, now)
	if err != nil {
		return coupon, fmt.Errorf("find coupon: %w", translate(err))
	}
	return coupon, nil
}

// redeemable reads a coupon with a statement that may lock it, and refuses one that cannot be redeemed.
func redeemable(ctx context.Context, q reader, statement, code string, plan tenant.Plan, now time.Time) (billing.Coupon, error) {
	var (
		coupon    billing.Coupon
		plans     []string
		most      *int
		redeemed  int
		by        *time.Time
		withdrawn bool
	)
	refuse := func(code string) (billing.Coupon, error) {
		return billing.Coupon{}, &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: "coupon"}
	}
	err := q.QueryRow(ctx, statement, code).Scan(&coupon.Code, &coupon.Percent, &coupon.Amount.Cents, &coupon.Amount.Currency, &coupon.Left,
		&plans, &most, &by, &withdrawn)
	if errors.Is(err, pgx.ErrNoRows) {
		return refuse("coupon.unknown")
	}
	if err != nil {
		return coupon, err
	}
	switch {
	case withdrawn, by != nil && now.After(*by):
		return refuse("coupon.expired")
	case len(plans) > 0 && !slices.Contains(plans, plan.Slug):
		return refuse("coupon.not_for_plan")
	case coupon.Amount.Currency != "" && coupon.Amount.Currency != plan.Price.Currency:
		return refuse("coupon.currency")
	case most == nil:
		return coupon, nil
	}
	// Counted by a statement of its own: one that waited for the lock still sees the other rows of before its wait.
	if err := q.QueryRow(ctx, countRedeemed, code).Scan(&redeemed); err != nil {
		return coupon, err
	}
	if redeemed >= *most {
		return refuse("coupon.used_up")
	}
	return coupon, nil
}

// HadTrial reports whether an account has tried out a server before.
func (s *Store) HadTrial(ctx context.Context, account string) (had bool, err error) {
	if err := s.pool.QueryRow(ctx, hadTrial, account).Scan(&had); err != nil {
		return false, fmt.Errorf("find trials: %w", translate(err))
	}
	return had, nil
}

const (
	insertSubscription = `
insert into subscriptions (tenant_id, account_id, provider, trial_end, coupon, coupon_left, created_at) values ($1, $2, $3, $4, nullif($5, ''), $6, $7)`
	setAddons = `update tenants set extra_seats = $2, extra_storage_bytes = $3 where id = $1`
	addPacks  = `insert into tenant_addons (tenant_id, addon_id, quantity) values ($1, $2, $3)`
)

// createSubscription records what an order is for. The account's row is locked, which keeps its trials in line; the coupon's is
// locked here, so that of a hundred who redeem the last one a single one gets it.
func (s *Store) createSubscription(ctx context.Context, tx pgx.Tx, o controlplane.NewOrder) error {
	var (
		trial *time.Time
		code  string
		left  *int
	)
	if days := o.Order.Plan.TrialDays; days > 0 {
		var had bool
		if err := tx.QueryRow(ctx, hadTrial, o.Actor.Account).Scan(&had); err != nil {
			return err
		}
		if had {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "trial.used", Field: "plan"}
		}
		end := o.Now.AddDate(0, 0, days)
		trial = &end
	}
	if o.Order.Coupon != nil {
		coupon, err := redeemable(ctx, tx, findCoupon+` for no key update`, o.Order.Coupon.Code, o.Offer.Plan, o.Now)
		if err != nil {
			return err
		}
		code, left = coupon.Code, coupon.Left
	}
	if _, err := tx.Exec(ctx, insertSubscription, o.Tenant, o.Actor.Account, o.Provider, trial, code, left, o.Now); err != nil {
		return err
	}
	return s.setPacks(ctx, tx, o.Tenant, o.Offer)
}

// setPacks makes a server's add-ons those of an offer, and its quota with them.
func (s *Store) setPacks(ctx context.Context, tx pgx.Tx, id tenant.ID, o controlplane.Offer) error {
	for _, pack := range o.Packs {
		if _, err := tx.Exec(ctx, addPacks, id, pack.Addon.ID, pack.Quantity); err != nil {
			return err
		}
	}
	quota := o.Quota()
	_, err := tx.Exec(ctx, setAddons, id, quota.Seats-o.Plan.Quota.Seats, quota.StorageBytes-o.Plan.Quota.StorageBytes)
	return err
}

const (
	startSubscription = `
update subscriptions set state = $2, anchor = $3, period_start = $4, period_end = $5 where tenant_id = $1`
	orderPaid = `
select number, net_cents + vat_cents, currency from orders where tenant_id = $1 and status = 'paid' order by number desc limit 1`
	// An order of before there were subscriptions.
	insertLateSubscription = `
insert into subscriptions (tenant_id, account_id, provider) select id, account_id, 'invoice' from tenants where id = $1`
)

// startSubscription begins the first period, or the trial, in the transaction that settles the order. What was paid for it gets
// its invoice; of a provider outside that is the provider's. told says that its mail is a receipt of the payment too.
func (s *Store) startSubscription(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, id tenant.ID, now time.Time) (told bool, err error) {
	now = now.UTC().Truncate(time.Second)
	subscription, _, err := s.holdSubscription(ctx, tx, id)
	if tenant.FaultOf(err).Code == "subscription.unknown" {
		if _, err := tx.Exec(ctx, insertLateSubscription, id); err != nil {
			return false, err
		}
		subscription, _, err = s.holdSubscription(ctx, tx, id)
	}
	if err != nil || subscription.State != billing.Pending {
		return false, err
	}
	if subscription.TrialEnd.After(now) {
		end := subscription.TrialEnd
		if _, err := tx.Exec(ctx, startSubscription, id, billing.Trialing, end, now, end); err != nil {
			return false, err
		}
		return false, s.audit(ctx, tx, actor, "subscription.trial", id, map[string]any{"until": end, "after": accountOf(subscription.Now)})
	}
	until := subscription.Period.After(now, 1)
	if _, err := tx.Exec(ctx, startSubscription, id, billing.Active, now, now, until); err != nil {
		return false, err
	}
	bill := billing.Sum(subscription.Now.Plan.Price.Currency, billing.Lines(subscription.Language, subscription.Items, subscription.Coupon, now, until)).Under(subscription.VATNote)
	if subscription.Provider == ours && bill.Gross.Cents > 0 {
		told, err = s.issuePaid(ctx, tx, actor, newInvoice{id, bill, now, until, now, controlplane.MailInvoiceReceipt})
		if err != nil {
			return false, err
		}
	}
	return told, s.audit(ctx, tx, actor, "subscription.start", id, map[string]any{
		"until": until, "after": accountOf(subscription.Now), "gross_cents": bill.Gross.Cents,
	})
}

// issuePaid writes the invoice of an order down with the money that came for it before. Where it has come to be taxed otherwise since
// it was ordered, what is missing stays open, and what is too much is for an operator to return: the payment says what came. receipt
// says that all is paid.
func (s *Store) issuePaid(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, n newInvoice) (receipt bool, err error) {
	var (
		order    int64
		came     tenant.Money
		note, by string
	)
	if err := tx.QueryRow(ctx, orderPaid, n.tenant).Scan(&order, &came.Cents, &came.Currency); err != nil {
		return false, fmt.Errorf("find what was paid for %s: %w", n.tenant, err)
	}
	due := n.bill.Gross
	if came != due {
		note = fmt.Sprintf("order %d: %s %s", order, tenant.FormatCents(came.Cents), came.Currency)
	}
	paid := min(came.Cents, due.Cents)
	if receipt = paid == due.Cents; !receipt {
		n.mail = controlplane.MailInvoiceIssued
	}
	invoice, err := s.issueInvoice(ctx, tx, n)
	if err != nil || paid == 0 {
		return receipt, err
	}
	if by = actor.Email; !actor.Operator {
		by = controlplane.Hafen.Email
	}
	return receipt, s.enterPayment(ctx, tx, actor, entry{
		Payment: controlplane.Payment{Invoice: invoice, Amount: tenant.Money{Cents: paid, Currency: due.Currency}, On: n.now, Note: note, BookedBy: by, BookedAt: n.now},
		tenant:  n.tenant, gross: due,
	})
}

// ours is the provider whose bills are our own.
var ours = billing.Invoices{}.Name()

// accountOf is what the audit log keeps of an offer.
func accountOf(o controlplane.Offer) map[string]any {
	return map[string]any{"choice": o.Choice(), "net_cents": o.Net().Cents, "period": o.Plan.Period}
}
