package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/controlplane/billing/stripe"
	"hafen/controlplane/postgres"
	"hafen/web"
)

// billingSettings say how money comes. The website and the control plane need them, each with a key of its own: a page that waits
// for a click (Checkout, "what would this cost today", the portal) asks Stripe itself, so the website's key is a restricted one
// that can sell and change, but neither refund, nor pay out, nor see a card.
type billingSettings struct {
	Billing                  string   `help:"How new orders are paid: invoice, ours by bank transfer, or stripe." enum:"invoice,stripe" default:"invoice" env:"HAFEN_BILLING"`
	StripeKeyFile            string   `help:"File with the restricted key of Stripe's API. Also needed after going back to invoices, while there are subscriptions at Stripe." env:"HAFEN_STRIPE_KEY_FILE" type:"path"`
	StripeWebhookSecretFiles []string `help:"Files with the secret of the webhook endpoint; two while it is rotated. The website's alone." env:"HAFEN_STRIPE_WEBHOOK_SECRET_FILES" type:"path"`
	StripeURL                string   `name:"stripe-url" help:"Address of the API, for trying out." env:"HAFEN_STRIPE_URL" hidden:""`
}

// money is how money comes, put together.
type money struct {
	subscriptions *controlplane.Subscriptions
	orders        billing.Provider // of new orders
	stripe        *stripe.Provider // nil without Stripe
}

func (b billingSettings) money(ctx context.Context, s settings, store *postgres.Store, log *slog.Logger) (money, error) {
	invoices := billing.Invoices{AcceptAtOnce: !s.Production}
	m := money{orders: invoices}
	providers := map[string]billing.Provider{invoices.Name(): invoices}
	var err error
	if m.stripe, err = b.stripe(ctx, store); err != nil {
		return m, err
	}
	if m.stripe != nil {
		providers[m.stripe.Name()] = m.stripe
	}
	if b.Billing == "stripe" {
		m.orders = m.stripe
	}
	m.subscriptions = controlplane.NewSubscriptions(controlplane.SubscriptionsConfig{Store: store, Providers: providers, Log: log})
	return m, nil
}

// stripe is the provider, nil without a key.
func (b billingSettings) stripe(ctx context.Context, store *postgres.Store) (*stripe.Provider, error) {
	if b.StripeKeyFile == "" {
		if b.Billing == "stripe" {
			return nil, errors.New("--billing=stripe needs --stripe-key-file")
		}
		return nil, nil
	}
	key, err := stripeKey(b.StripeKeyFile)
	if err != nil {
		return nil, err
	}
	installation, err := store.Installation(ctx)
	if err != nil {
		return nil, err
	}
	return stripe.New(stripe.Config{Key: key, URL: b.StripeURL, Installation: installation, Customers: store, Transport: atRequest})
}

func stripeKey(file string) (string, error) {
	return secretIn(file, "Stripe's key", "rk_", "sk_")
}

// secretIn reads a file with one word that begins as it should. What is in it is in no error.
func secretIn(file, what string, begins ...string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	secret := strings.TrimSpace(string(content))
	for _, begin := range begins {
		if strings.HasPrefix(secret, begin) && !strings.ContainsAny(secret, " \t\r\n") {
			return secret, nil
		}
	}
	return "", fmt.Errorf("%s in %s does not begin with %s, or is more than one word", what, file, strings.Join(begins, " or "))
}

// webhook takes Stripe's events; nil without Stripe.
func (b billingSettings) webhook(m money) (func(context.Context, []byte, string) error, error) {
	if m.stripe == nil {
		return nil, nil
	}
	var secrets []string
	for _, file := range b.StripeWebhookSecretFiles {
		secret, err := secretIn(file, "a webhook secret of Stripe's", "whsec_")
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, errors.New("payment through Stripe needs --stripe-webhook-secret-files: without it nobody learns who has paid")
	}
	return stripe.Receiver{
		Webhooks: stripe.Webhooks{Secrets: secrets}, Provider: m.stripe, Record: m.subscriptions.Receive,
	}.Receive, nil
}

// payHere adds payment to the website.
func (b billingSettings) payHere(m money, config *web.Config) (err error) {
	if config.Webhook, err = b.webhook(m); err != nil {
		return err
	}
	config.Subscriptions = m.subscriptions
	config.Orders.Billing = m.orders
	if m.stripe != nil {
		config.PaymentOrigins = stripeOrigins
		if b.StripeURL != "" {
			config.PaymentOrigins = []string{b.StripeURL}
		}
	}
	return nil
}

// stripeOrigins are where Stripe's own pages are: Checkout, bills and the portal.
var stripeOrigins = []string{"https://checkout.stripe.com", "https://invoice.stripe.com", "https://billing.stripe.com"}

// payers tells Stripe who pays; it does nothing without.
func (m money) payers() *controlplane.BillingPayerWorker {
	if m.stripe == nil {
		return &controlplane.BillingPayerWorker{}
	}
	return &controlplane.BillingPayerWorker{Outside: m.stripe}
}

// check compares with Stripe every night; it does nothing without.
func (m money) check(store *postgres.Store, log *slog.Logger) func(context.Context) error {
	if m.stripe == nil {
		return func(ctx context.Context) error { <-ctx.Done(); return nil }
	}
	return (&controlplane.BillingCheck{
		Store: store, Outside: m.stripe, Provider: m.stripe.Name(), Refresh: m.subscriptions.Refresh,
		Tell: m.subscriptions.Tell, End: m.subscriptions.End, Work: store, Log: log,
	}).Run
}
