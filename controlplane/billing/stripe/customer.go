package stripe

import (
	"context"
	"fmt"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/customer"
	"github.com/stripe/stripe-go/v76/taxid"

	"hafen/controlplane/billing"
)

// customer finds or makes Stripe's customer of an account and tells it what is known of who pays, which is the answer.
func (p *Provider) customer(ctx context.Context, account, email string) (billing.Payer, error) {
	c, err := p.Customers.FindPayer(ctx, account)
	if err != nil {
		return c, fmt.Errorf("find who pays for account %s: %w", account, err)
	}
	if c.Email == "" {
		c.Email = email
	}
	if c.Customer == "" {
		// Made before, and the answer or our row was lost.
		if c.Customer, err = p.findCustomer(ctx, account, c.Email); err != nil {
			return c, err
		}
	}
	client := customer.Client{B: p.backend, Key: p.Key}
	asked := p.customerParams(c, account)
	if c.Customer == "" {
		if c.VATID != "" {
			asked.TaxIDData = []*stripe.CustomerTaxIDDataParams{{Type: stripe.String(string(stripe.TaxIDTypeEUVAT)), Value: stripe.String(c.VATID)}}
		}
		asked.Params = params(ctx, p.once("customer", p.Installation, account, c))
		made, err := client.New(asked)
		if err != nil {
			return c, p.failed("make a customer", err)
		}
		c.Customer = made.ID
		return c, p.remember(ctx, account, made.ID)
	}
	asked.Params = params(ctx, "")
	if _, err := client.Update(c.Customer, asked); err != nil {
		return c, p.failed("tell who a customer is", err)
	}
	if err := p.setVATID(ctx, c.Customer, c.VATID); err != nil {
		return c, err
	}
	return c, p.remember(ctx, account, c.Customer)
}

func (p *Provider) remember(ctx context.Context, account, id string) error {
	if err := p.Customers.RememberPayer(ctx, account, id); err != nil {
		return fmt.Errorf("keep Stripe's name of account %s: %w", account, err)
	}
	return nil
}

func (p *Provider) customerParams(c billing.Payer, account string) *stripe.CustomerParams {
	asked := &stripe.CustomerParams{
		Email: stripe.String(c.Email), TaxExempt: stripe.String(string(exempt(c.VATNote))), Metadata: p.meta(metaAccount, account),
	}
	if c.Name != "" {
		asked.Name = stripe.String(c.Name)
	}
	if c.Language != "" {
		asked.PreferredLocales = []*string{stripe.String(c.Language)}
	}
	if c.City != "" {
		asked.Address = &stripe.AddressParams{
			Line1: stripe.String(c.Street), PostalCode: stripe.String(c.Postcode), City: stripe.String(c.City), Country: stripe.String(c.Country),
		}
	}
	return asked
}

// exempt is Stripe's word for how a customer is taxed. It takes no tax from one who is exempt, or who owes it themselves, whatever the
// rates of a subscription say (https://docs.stripe.com/billing/taxes/tax-rates). So the rates may always be there, and tax comes
// back with the next bill: of a seller who was a small business too.
func exempt(note billing.VATNote) stripe.CustomerTaxExempt {
	switch note {
	case "":
		return stripe.CustomerTaxExemptNone
	case billing.ReverseCharge:
		return stripe.CustomerTaxExemptReverse
	default:
		return stripe.CustomerTaxExemptExempt
	}
}

// noteOf is why a bill of Stripe's has no tax. Its word for two of the reasons is one: which it is, the seller says.
func noteOf(in *stripe.Invoice, now billing.VATNote) billing.VATNote {
	switch {
	case in.CustomerTaxExempt == nil || *in.CustomerTaxExempt == stripe.CustomerTaxExemptNone:
		return ""
	case *in.CustomerTaxExempt == stripe.CustomerTaxExemptReverse:
		return billing.ReverseCharge
	case now == billing.SmallBusiness:
		return now
	default:
		return billing.OutsideEU
	}
}

// agree has Stripe tax a customer as our rows say, before it reckons anything: the job that tells it of a changed profile may not have
// come yet.
func (p *Provider) agree(ctx context.Context, now *stripe.Subscription, s billing.Subscription) error {
	if now.Customer == nil || now.Customer.TaxExempt == exempt(s.VATNote) {
		return nil
	}
	_, err := p.customer(ctx, s.Account, s.Email)
	return err
}

// findCustomer looks for an account's customer by what Stripe lists at once (its search lags behind); "" when there is none.
func (p *Provider) findCustomer(ctx context.Context, account, email string) (string, error) {
	if email == "" {
		return "", nil
	}
	found := customer.Client{B: p.backend, Key: p.Key}.List(&stripe.CustomerListParams{ListParams: list(ctx), Email: stripe.String(email)})
	id := ""
	for found.Next() { // the last one is the oldest: the first that was made
		if c := found.Customer(); p.ours(c.Metadata) && c.Metadata[metaAccount] == account {
			id = c.ID
		}
	}
	return id, p.failed("find a customer", found.Err())
}

// TellPayer tells Stripe who pays for an account's servers now, which is on its bills from the next one on. One that Stripe does not
// know yet is told of with its first order.
func (p *Provider) TellPayer(ctx context.Context, account string) error {
	c, err := p.Customers.FindPayer(ctx, account)
	if err != nil {
		return fmt.Errorf("find who pays for account %s: %w", account, err)
	}
	if c.Customer == "" {
		return nil
	}
	_, err = p.customer(ctx, account, c.Email)
	return err
}

// setVATID makes a VAT id the only one that a customer has, or leaves none. Bills that were written keep the one they had.
func (p *Provider) setVATID(ctx context.Context, id, vat string) error {
	client := taxid.Client{B: p.backend, Key: p.Key}
	had := client.List(&stripe.TaxIDListParams{ListParams: list(ctx), Customer: stripe.String(id)})
	var former []string
	has := vat == ""
	for had.Next() {
		switch one := had.TaxID(); {
		case one.Type != stripe.TaxIDTypeEUVAT: // an operator's
		case one.Value == vat:
			has = true
		default:
			former = append(former, one.ID)
		}
	}
	if err := had.Err(); err != nil {
		return p.failed("list a customer's VAT ids", err)
	}
	if !has {
		_, err := client.New(&stripe.TaxIDParams{
			Params: params(ctx, p.once("vat", id, vat, len(former))), Customer: stripe.String(id), Type: stripe.String(string(stripe.TaxIDTypeEUVAT)), Value: stripe.String(vat),
		})
		if err != nil {
			return p.failed("add a VAT id", err)
		}
	}
	for _, one := range former {
		_, err := client.Del(one, &stripe.TaxIDParams{Params: params(ctx, ""), Customer: stripe.String(id)})
		if err != nil && !is(err, stripe.ErrorCodeResourceMissing) {
			return p.failed("remove a VAT id", err)
		}
	}
	return nil
}

// customerOf is who pays for a subscription, when Stripe knows them already.
func (p *Provider) customerOf(ctx context.Context, s billing.Subscription) (string, error) {
	if s.Customer != "" {
		return s.Customer, nil
	}
	c, err := p.Customers.FindPayer(ctx, s.Account)
	if err != nil {
		return "", fmt.Errorf("find who pays for %s: %w", s.Tenant, err)
	}
	if c.Customer != "" {
		return c.Customer, nil
	}
	if c.Email == "" {
		c.Email = s.Email
	}
	return p.findCustomer(ctx, s.Account, c.Email)
}
