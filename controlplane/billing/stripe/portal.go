package stripe

import (
	"context"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/billingportal/configuration"
	"github.com/stripe/stripe-go/v76/billingportal/session"

	"hafen/controlplane/billing"
)

// Portal opens Stripe's portal for cards and bills. Plans are changed and ended with us, where quotas are looked at first, so the
// portal is configured not to.
func (p *Provider) Portal(ctx context.Context, s billing.Subscription, returnURL string) (string, error) {
	customer, err := p.customerOf(ctx, s)
	if err != nil || customer == "" {
		return "", err
	}
	config, err := p.portal(ctx)
	if err != nil {
		return "", err
	}
	made, err := session.Client{B: p.backend, Key: p.Key}.New(&stripe.BillingPortalSessionParams{
		Params: params(ctx, ""), Customer: stripe.String(customer), ReturnURL: stripe.String(returnURL), Configuration: stripe.String(config),
	})
	if err != nil {
		return "", p.failed("open the portal", err)
	}
	return made.URL, nil
}

const portalVersion = "1" // of what it lets customers do

func (p *Provider) portal(ctx context.Context) (string, error) {
	return p.remembered("portal", func() (string, error) {
		client := configuration.Client{B: p.backend, Key: p.Key}
		had := client.List(&stripe.BillingPortalConfigurationListParams{ListParams: list(ctx), Active: stripe.Bool(true)})
		for had.Next() {
			if c := had.BillingPortalConfiguration(); p.ours(c.Metadata) && c.Metadata["hafen_portal"] == portalVersion {
				return c.ID, nil
			}
		}
		if err := had.Err(); err != nil {
			return "", p.failed("list the portal's configurations", err)
		}
		made, err := client.New(&stripe.BillingPortalConfigurationParams{
			Params:          params(ctx, p.once("portal", p.Installation, portalVersion)),
			BusinessProfile: &stripe.BillingPortalConfigurationBusinessProfileParams{},
			Features: &stripe.BillingPortalConfigurationFeaturesParams{
				InvoiceHistory:      &stripe.BillingPortalConfigurationFeaturesInvoiceHistoryParams{Enabled: stripe.Bool(true)},
				PaymentMethodUpdate: &stripe.BillingPortalConfigurationFeaturesPaymentMethodUpdateParams{Enabled: stripe.Bool(true)},
			},
			Metadata: p.meta("hafen_portal", portalVersion),
		})
		if err != nil {
			return "", p.failed("configure the portal", err)
		}
		return made.ID, nil
	})
}
