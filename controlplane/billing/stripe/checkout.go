package stripe

import (
	"context"
	"fmt"
	"slices"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/checkout/session"

	"hafen/controlplane/billing"
)

// Begin makes the Checkout page of an order, or finds the one that was made: one that is open is used again, one that was paid
// leads back to us, and only when all before have expired there is another. One whose customer is taxed otherwise by now says another
// sum than we do, so it is closed.
func (p *Provider) Begin(ctx context.Context, order billing.Order) (billing.Terms, error) {
	if len(order.Items) == 0 {
		return billing.Terms{}, fmt.Errorf("stripe: order %s has no items", order.ID)
	}
	payer, err := p.customer(ctx, order.Account, order.Email)
	if err != nil {
		return billing.Terms{}, err
	}
	taxed := string(exempt(payer.VATNote))
	before, err := p.sessions(ctx, payer.Customer, metaOrder, order.ID)
	if err != nil {
		return billing.Terms{}, err
	}
	for _, s := range before {
		switch s.Status {
		case stripe.CheckoutSessionStatusOpen:
			if s.Metadata[metaTaxed] == taxed {
				return billing.Terms{CheckoutURL: s.URL}, nil
			}
			if err := p.close(ctx, s); err != nil {
				return billing.Terms{}, err
			}
		case stripe.CheckoutSessionStatusComplete:
			return billing.Terms{CheckoutURL: order.ReturnURL}, nil
		}
	}
	asked, err := p.sessionParams(ctx, order, payer.Customer)
	if err != nil {
		return billing.Terms{}, err
	}
	asked.Params = params(ctx, p.once("checkout", order.ID, len(before)))
	asked.Metadata = p.meta(metaTenant, string(order.Tenant), metaOrder, order.ID, metaTaxed, taxed)
	made, err := session.Client{B: p.backend, Key: p.Key}.New(asked)
	if err != nil {
		return billing.Terms{}, p.failed("begin a Checkout", err)
	}
	return billing.Terms{CheckoutURL: made.URL}, nil
}

func (p *Provider) sessionParams(ctx context.Context, order billing.Order, customer string) (*stripe.CheckoutSessionParams, error) {
	period := order.Plan.Period
	asked := &stripe.CheckoutSessionParams{
		Mode: stripe.String(string(stripe.CheckoutSessionModeSubscription)), Customer: stripe.String(customer),
		ClientReferenceID: stripe.String(order.ID), SuccessURL: stripe.String(order.ReturnURL), CancelURL: stripe.String(order.CancelURL),
		// A card is asked for in a trial too: the day it ends nobody has to remember to pay.
		PaymentMethodCollection: stripe.String(string(stripe.CheckoutSessionPaymentMethodCollectionAlways)),
		SubscriptionData: &stripe.CheckoutSessionSubscriptionDataParams{
			Metadata: p.meta(metaTenant, string(order.Tenant), metaOrder, order.ID),
		},
	}
	if slices.Contains([]string{"de", "en"}, order.Language) {
		asked.Locale = stripe.String(order.Language)
	}
	if order.Plan.TrialDays > 0 {
		asked.SubscriptionData.TrialPeriodDays = stripe.Int64(int64(order.Plan.TrialDays))
	}
	usual, err := p.taxRate(ctx, order.Items[0].VATRate)
	if err != nil {
		return nil, err
	}
	asked.SubscriptionData.DefaultTaxRates = []*string{stripe.String(usual)}
	for _, item := range order.Items {
		line := &stripe.CheckoutSessionLineItemParams{Quantity: stripe.Int64(int64(item.Quantity))}
		id, err := p.price(ctx, item, period)
		if err != nil {
			return nil, err
		}
		line.Price = stripe.String(id)
		if item.VATRate != order.Items[0].VATRate {
			rate, err := p.taxRate(ctx, item.VATRate)
			if err != nil {
				return nil, err
			}
			line.TaxRates = []*string{stripe.String(rate)}
		}
		asked.LineItems = append(asked.LineItems, line)
	}
	if order.Coupon != nil {
		id, err := p.coupon(ctx, *order.Coupon, period)
		if err != nil {
			return nil, err
		}
		asked.Discounts = []*stripe.CheckoutSessionDiscountParams{{Coupon: stripe.String(id)}}
	}
	return asked, nil
}

// sessions lists a customer's Checkouts that have a value in their metadata, newest first.
func (p *Provider) sessions(ctx context.Context, customer, key, value string) ([]*stripe.CheckoutSession, error) {
	var all []*stripe.CheckoutSession
	found := session.Client{B: p.backend, Key: p.Key}.List(&stripe.CheckoutSessionListParams{ListParams: list(ctx), Customer: stripe.String(customer)})
	for found.Next() {
		if s := found.CheckoutSession(); p.ours(s.Metadata) && s.Metadata[key] == value {
			all = append(all, s)
		}
	}
	return all, p.failed("list Checkouts", found.Err())
}

// expire closes the Checkouts of a server that are still open.
func (p *Provider) expire(ctx context.Context, customer, tenantID string) error {
	open, err := p.sessions(ctx, customer, metaTenant, tenantID)
	if err != nil {
		return err
	}
	for _, s := range open {
		if s.Status != stripe.CheckoutSessionStatusOpen {
			continue
		}
		if err := p.close(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) close(ctx context.Context, s *stripe.CheckoutSession) error {
	_, err := session.Client{B: p.backend, Key: p.Key}.Expire(s.ID, &stripe.CheckoutSessionExpireParams{Params: params(ctx, p.once("expire", s.ID))})
	return p.failed("close a Checkout", err)
}
