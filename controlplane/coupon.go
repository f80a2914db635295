package controlplane

import (
	"context"
	"errors"
	"slices"
	"time"

	"hafen/tenant"
)

// CouponView is a coupon with what operators know of it.
type CouponView struct {
	tenant.Coupon
	Redeemed  int // servers that were ordered with it, or have it
	CreatedAt time.Time
	CreatedBy string
}

// Coupons lists all coupons, the newest first.
func (p *Plans) Coupons(ctx context.Context, actor Actor) ([]CouponView, error) {
	if !actor.Operator {
		return nil, errOperator()
	}
	return p.Store.ListCoupons(ctx)
}

// CreateCoupon makes a coupon. What it gives can never be changed: whoever was promised it keeps it. Faults: coupon.taken,
// plans.unknown, currency.differs, and those of its Check.
func (p *Plans) CreateCoupon(ctx context.Context, actor Actor, coupon tenant.Coupon) error {
	coupons, err := p.Coupons(ctx, actor)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(coupons, func(c CouponView) bool { return c.Code == coupon.Code }) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "coupon.taken", Field: "code"}
	}
	sold, err := p.sold(ctx, actor)
	if err != nil {
		return err
	}
	coupon = plainCoupon(coupon)
	if err := p.checkCoupon(coupon, sold); err != nil {
		return err
	}
	return p.Store.SaveCatalogue(ctx, actor, CatalogueChange{Coupons: []tenant.Coupon{coupon}})
}

// WithdrawCoupon lets nobody new have a coupon. Fault: coupon.unknown.
func (p *Plans) WithdrawCoupon(ctx context.Context, actor Actor, code string) error {
	coupons, err := p.Coupons(ctx, actor)
	if err != nil {
		return err
	}
	for _, c := range coupons {
		if c.Code != code {
			continue
		}
		if c.Withdrawn {
			return nil
		}
		return p.Store.SaveCatalogue(ctx, actor, CatalogueChange{Withdrawn: []string{code}})
	}
	return &tenant.Fault{Kind: tenant.NotFound, Code: "coupon.unknown"}
}

// plainCoupon takes the currency from one that is per cent: it has none.
func plainCoupon(c tenant.Coupon) tenant.Coupon {
	if c.Amount.Cents == 0 {
		c.Amount.Currency = ""
	}
	return c
}

func (p *Plans) checkCoupon(coupon tenant.Coupon, sold currencies) error {
	return errors.Join(coupon.Check(p.Now()), sold.check(coupon.Plans, coupon.Amount.Currency))
}
