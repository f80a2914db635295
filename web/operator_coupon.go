package web

import (
	"hafen/templates"
	"hafen/tenant"
)

// showCoupons lists the coupons.
func (s *Server) showCoupons(r *request) error {
	coupons, err := s.Plans.Coupons(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	vm := templates.OperatorCoupons{Now: s.Now()}
	for _, c := range coupons {
		vm.Rows = append(vm.Rows, templates.OperatorCoupon{
			Code: c.Code, Note: c.Note, Percent: c.Percent, Amount: c.Amount.Cents, Currency: c.Amount.Currency, Periods: c.Periods,
			Plans: c.Plans, Redeemed: c.Redeemed, Most: c.Most, RedeemBy: moment(c.RedeemBy), Withdrawn: c.Withdrawn,
		})
	}
	return r.ok(templates.OperatorCouponsPage(s.page(r), vm))
}

func (s *Server) showNewCoupon(r *request) error {
	return r.ok(templates.OperatorCouponPage(s.page(r), templates.OperatorCouponForm{}))
}

func (s *Server) createCoupon(r *request) error {
	in, err := r.form(fieldNames(tenant.CouponFields)...)
	if err != nil {
		return err
	}
	var coupon tenant.Coupon
	err = tenant.Fill(tenant.CouponFields, &coupon, fieldTexts(r, in.values))
	if err == nil {
		err = s.Plans.CreateCoupon(r.ctx(), r.actor(), coupon)
	}
	if form, wrong := in.wrong(err); wrong {
		return r.mistake(templates.OperatorCouponPage(s.page(r), templates.OperatorCouponForm{Form: form}))
	}
	if err != nil {
		return err
	}
	return r.done("/operator/coupons", flashCouponSaved)
}

func (s *Server) withdrawCoupon(r *request) error {
	if err := s.Plans.WithdrawCoupon(r.ctx(), r.actor(), r.Param("code")); err != nil {
		return err
	}
	return r.done("/operator/coupons", flashCouponWithdrawn)
}
