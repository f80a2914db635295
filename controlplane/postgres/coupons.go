package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"hafen/controlplane"
	"hafen/tenant"
)

// A coupon is redeemed by a server: with its order, or with what it pays now. An order that came to nothing gives it back.
const listCoupons = `
select c.code, coalesce(c.percent, 0), coalesce(c.amount_cents, 0), coalesce(c.currency, ''), coalesce(c.periods, 0), c.plans,
	coalesce(c.most, 0), c.redeem_by, c.note, c.withdrawn_at is not null, c.created_at, c.created_by,
	(select count(*) from (select tenant_id from orders where coupon = c.code and status <> 'cancelled'
		union select tenant_id from subscriptions where coupon = c.code) redeemed)
from coupons c order by c.created_at desc, c.code`

// ListCoupons lists all coupons, the newest first.
func (s *Store) ListCoupons(ctx context.Context) ([]controlplane.CouponView, error) {
	rows, err := s.pool.Query(ctx, listCoupons)
	if err != nil {
		return nil, fmt.Errorf("list coupons: %w", translate(err))
	}
	return collect(rows, func(row pgx.CollectableRow) (c controlplane.CouponView, err error) {
		err = row.Scan(&c.Code, &c.Percent, &c.Amount.Cents, &c.Amount.Currency, &c.Periods, &c.Plans, &c.Most, &c.RedeemBy, &c.Note,
			&c.Withdrawn, &c.CreatedAt, &c.CreatedBy, &c.Redeemed)
		return c, err
	}, "list coupons")
}

const insertCoupon = `
insert into coupons (code, percent, amount_cents, currency, periods, plans, most, redeem_by, note, withdrawn_at, created_by)
values ($1, nullif($2, 0), nullif($3, 0::bigint), nullif($4, ''), nullif($5, 0), coalesce($6::text[], '{}'), nullif($7, 0), $8, $9,
	case when $10 then now() end, $11)`

func (s *Store) insertCoupon(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, c tenant.Coupon) error {
	_, err := tx.Exec(ctx, insertCoupon, c.Code, c.Percent, c.Amount.Cents, c.Amount.Currency, c.Periods, c.Plans, c.Most, c.RedeemBy, c.Note,
		c.Withdrawn, actor.Email)
	if duplicateOf(err, "coupons_pkey") {
		return catalogueChanged()
	}
	if err != nil {
		return fmt.Errorf("insert coupon %s: %w", c.Code, err)
	}
	return s.audit(ctx, tx, actor, "coupon.create", "", changesDetail(c.Code, tenant.Changed(tenant.CouponFields, tenant.Coupon{}, c)))
}

const withdrawCoupon = `update coupons set withdrawn_at = now() where code = $1 and withdrawn_at is null`

func (s *Store) withdrawCoupon(ctx context.Context, tx pgx.Tx, actor controlplane.Actor, code string) error {
	done, err := tx.Exec(ctx, withdrawCoupon, code)
	if err != nil || done.RowsAffected() == 0 {
		return err
	}
	return s.audit(ctx, tx, actor, "coupon.withdraw", "", map[string]any{"id": code})
}
