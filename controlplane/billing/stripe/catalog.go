package stripe

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/coupon"
	"github.com/stripe/stripe-go/v76/price"
	"github.com/stripe/stripe-go/v76/product"
	"github.com/stripe/stripe-go/v76/taxrate"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// remembered gives what was made or found before by a name of ours.
func (p *Provider) remembered(name string, find func() (id string, err error)) (string, error) {
	if id, known := p.known.Load(name); known {
		return id.(string), nil
	}
	id, err := find()
	if err == nil {
		p.known.Store(name, id)
	}
	return id, err
}

// lookupKey names a price for ever: whatever would make it another price is in it.
func (p *Provider) lookupKey(item billing.Item, period tenant.Period) string {
	return fmt.Sprintf("hafen:%s:%s:%s:%s:%d:%s", p.Installation, item.Kind, item.Ref, period, item.Unit.Cents, strings.ToLower(item.Unit.Currency))
}

// price finds or makes the price of an item.
func (p *Provider) price(ctx context.Context, item billing.Item, period tenant.Period) (string, error) {
	key := p.lookupKey(item, period)
	return p.remembered(key, func() (string, error) {
		if id, err := p.findPrice(ctx, key); err != nil || id != "" {
			return id, err
		}
		of, err := p.product(ctx, item)
		if err != nil {
			return "", err
		}
		made, err := price.Client{B: p.backend, Key: p.Key}.New(&stripe.PriceParams{
			Params: params(ctx, p.once("price", key)), Product: stripe.String(of), LookupKey: stripe.String(key),
			Currency: stripe.String(strings.ToLower(item.Unit.Currency)), UnitAmount: stripe.Int64(item.Unit.Cents),
			Recurring:   &stripe.PriceRecurringParams{Interval: stripe.String(string(period))},
			TaxBehavior: stripe.String(string(stripe.PriceTaxBehaviorExclusive)),
			Metadata:    p.meta(metaRef, item.Ref, metaKind, string(item.Kind)),
		})
		if is(err, stripe.ErrorCodeResourceAlreadyExists) { // somebody was quicker
			return p.findPrice(ctx, key)
		}
		if err != nil {
			return "", p.failed("make the price of "+item.Ref, err)
		}
		return made.ID, nil
	})
}

func (p *Provider) findPrice(ctx context.Context, key string) (string, error) {
	found := price.Client{B: p.backend, Key: p.Key}.List(&stripe.PriceListParams{
		ListParams: list(ctx), LookupKeys: []*string{stripe.String(key)},
	})
	if found.Next() {
		return found.Price().ID, nil
	}
	return "", p.failed("find a price", found.Err())
}

// product makes the product of an item's slug, under an id of our choice.
func (p *Provider) product(ctx context.Context, item billing.Item) (string, error) {
	slug, _, _ := strings.Cut(item.Ref, ".")
	id := fmt.Sprintf("hafen-%s-%s-%s", p.Installation, item.Kind, slug)
	return p.remembered(id, func() (string, error) {
		_, err := product.Client{B: p.backend, Key: p.Key}.New(&stripe.ProductParams{
			Params: params(ctx, p.once("product", id, item.Text.In(p.Language))), ID: stripe.String(id),
			Name: stripe.String(item.Text.In(p.Language)), Metadata: p.meta(),
		})
		if err != nil && !is(err, stripe.ErrorCodeResourceAlreadyExists) {
			return "", p.failed("make the product "+id, err)
		}
		return id, nil
	})
}

// taxRate finds or makes the rate of a percentage, on top of net prices.
func (p *Provider) taxRate(ctx context.Context, percent int) (string, error) {
	return p.remembered("rate:"+strconv.Itoa(percent), func() (string, error) {
		id := ""
		if err := p.readRates(ctx, func(rate *stripe.TaxRate) {
			if p.ours(rate.Metadata) && rate.Metadata[metaRate] == strconv.Itoa(percent) && rate.Active {
				id = rate.ID
			}
		}); err != nil || id != "" {
			return id, err
		}
		name := "VAT"
		if p.Language == "de" {
			name = "USt."
		}
		made, err := taxrate.Client{B: p.backend, Key: p.Key}.New(&stripe.TaxRateParams{
			Params: params(ctx, p.once("rate", p.Installation, percent)), DisplayName: stripe.String(name),
			Percentage: stripe.Float64(float64(percent)), Inclusive: stripe.Bool(false), Metadata: p.meta(metaRate, strconv.Itoa(percent)),
		})
		if err != nil {
			return "", p.failed("make a tax rate", err)
		}
		p.rates.Store(made.ID, percent)
		return made.ID, nil
	})
}

func (p *Provider) readRates(ctx context.Context, see func(*stripe.TaxRate)) error {
	rates := taxrate.Client{B: p.backend, Key: p.Key}.List(&stripe.TaxRateListParams{ListParams: list(ctx)})
	for rates.Next() {
		p.rates.Store(rates.TaxRate().ID, int(rates.TaxRate().Percentage))
		see(rates.TaxRate())
	}
	return p.failed("list tax rates", rates.Err())
}

// percentage is what a tax rate is of. One that nobody listed yet is looked for.
func (p *Provider) percentage(ctx context.Context, rate *stripe.TaxRate) (int, error) {
	if rate == nil {
		return 0, nil
	}
	if percent, known := p.rates.Load(rate.ID); known {
		return percent.(int), nil
	}
	if err := p.readRates(ctx, func(*stripe.TaxRate) {}); err != nil {
		return 0, err
	}
	percent, known := p.rates.Load(rate.ID)
	if !known {
		return 0, fmt.Errorf("stripe: the tax rate %s is not listed", rate.ID)
	}
	return percent.(int), nil
}

// coupon makes Stripe's coupon for what ours still takes off. Stripe counts its use in months, we in bills: for a monthly or
// yearly price that is the same.
func (p *Provider) coupon(ctx context.Context, c billing.Coupon, period tenant.Period) (string, error) {
	asked := &stripe.CouponParams{Duration: stripe.String(string(stripe.CouponDurationForever)), Name: stripe.String(c.Code), Metadata: p.meta()}
	worth := strconv.Itoa(c.Percent)
	if c.Percent > 0 {
		asked.PercentOff = stripe.Float64(float64(c.Percent))
	} else {
		asked.AmountOff, asked.Currency = stripe.Int64(c.Amount.Cents), stripe.String(strings.ToLower(c.Amount.Currency))
		worth = fmt.Sprintf("%d%s", c.Amount.Cents, *asked.Currency)
	}
	length := "ever"
	if c.Left != nil {
		length = strconv.Itoa(*c.Left * period.Months())
		asked.Duration, asked.DurationInMonths = stripe.String(string(stripe.CouponDurationRepeating)), stripe.Int64(int64(*c.Left*period.Months()))
		if *c.Left == 1 {
			length, asked.DurationInMonths = "once", nil
			asked.Duration = stripe.String(string(stripe.CouponDurationOnce))
		}
	}
	id := fmt.Sprintf("hafen-%s-%s-%s-%s", p.Installation, c.Code, worth, length)
	return p.remembered(id, func() (string, error) {
		asked.Params, asked.ID = params(ctx, p.once("coupon", id)), stripe.String(id)
		_, err := coupon.Client{B: p.backend, Key: p.Key}.New(asked)
		if err != nil && !is(err, stripe.ErrorCodeResourceAlreadyExists) {
			return "", p.failed("make the coupon "+c.Code, err)
		}
		return id, nil
	})
}
