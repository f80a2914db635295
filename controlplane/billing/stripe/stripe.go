// Package stripe is the billing provider that takes money through Stripe: Checkout for the first order, a subscription with an
// item for the plan and each add-on, proration by Stripe, its portal for cards and bills. No card data ever comes here.
//
// What we make at Stripe is named after our own rows, so it is made once however often it is asked for: a product for a slug,
// a price for a version, period and amount (its lookup key), a coupon for what ours says, a tax rate for a percentage, a
// customer for an account. Every write carries an idempotency key, and looks first where Stripe's key would have expired
// (24 hours). Everything carries the installation and, where it has one, the tenant in its metadata: that is how it is found
// again when an answer was lost.
//
// A key that leaks must do little: see the table of permissions in the README. It is in no error, no log and no URL.
package stripe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Config is what the provider needs.
type Config struct {
	Key          string // secret or restricted
	URL          string // of the API; Stripe's own when empty
	Installation string // names ours in an account that has more
	Language     string // of what Stripe names only once: products, tax rates; "de" when empty
	Customers    Customers
	Transport    http.RoundTripper // optional, for tests
	Now          func() time.Time  // time.Now when nil
}

// Customers are the accounts as Stripe shall know them.
type Customers interface {
	// FindPayer is an account with what it has told about who pays.
	FindPayer(ctx context.Context, account string) (billing.Payer, error)
	// RememberPayer keeps Stripe's name of an account.
	RememberPayer(ctx context.Context, account, customer string) error
}

// Provider is billing.Provider. Safe for concurrent use.
type Provider struct {
	Config
	backend stripe.Backend
	known   sync.Map // what was made or found, by our own name: prices, products, coupons, tax rates, the portal
	rates   sync.Map // tax rates' percentages by Stripe's name
}

// attempt ends one request that Stripe does not answer. Its own slowest, making a subscription's payment, takes some seconds.
const attempt = 20 * time.Second

// New makes a provider. It asks nothing of Stripe.
func New(c Config) (*Provider, error) {
	if c.Key == "" || c.Installation == "" || c.Customers == nil {
		return nil, errors.New("stripe: key, installation and customers are needed")
	}
	if c.Language == "" {
		c.Language = "de"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Provider{Config: c}
	config := &stripe.BackendConfig{
		HTTPClient: &http.Client{Timeout: attempt, Transport: c.Transport},
		// With the same idempotency key; a request that was answered is not made twice.
		MaxNetworkRetries: stripe.Int64(2),
		// What it would log is in the error, or is nobody's business.
		LeveledLogger:   &stripe.LeveledLogger{Level: stripe.LevelNull},
		EnableTelemetry: stripe.Bool(false),
	}
	if c.URL != "" {
		config.URL = stripe.String(strings.TrimSuffix(c.URL, "/"))
	}
	p.backend = stripe.GetBackendWithConfig(stripe.APIBackend, config)
	return p, nil
}

// Name is "stripe".
func (*Provider) Name() string { return "stripe" }

// The metadata that say whose something is.
const (
	metaInstallation = "hafen_installation"
	metaTenant       = "hafen_tenant"
	metaOrder        = "hafen_order"
	metaAccount      = "hafen_account"
	metaRef          = "hafen_ref"   // of a price: our plan's or add-on's version
	metaKind         = "hafen_kind"  // of a price: the kind of line
	metaRate         = "hafen_vat"   // of a tax rate
	metaTaxed        = "hafen_taxed" // of a Checkout: how its customer was taxed when it was made
	metaPaid         = "hafen_paid"  // of a subscription whose next period is booked otherwise: what this one was paid for
	metaPaidUntil    = "hafen_paid_until"
)

// meta is our mark with more keys and values.
func (p *Provider) meta(more ...string) map[string]string {
	m := map[string]string{metaInstallation: p.Installation}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func (p *Provider) ours(metadata map[string]string) bool {
	return metadata[metaInstallation] == p.Installation
}

// params are what every request carries; key, when there is one, makes a write happen once.
func params(ctx context.Context, key string) stripe.Params {
	params := stripe.Params{Context: ctx}
	if key != "" {
		params.IdempotencyKey = stripe.String(key)
	}
	return params
}

// list are the parameters of a list that is read whole.
func list(ctx context.Context) stripe.ListParams {
	return stripe.ListParams{Context: ctx, Limit: stripe.Int64(100)}
}

// once is an idempotency key that differs when anything that is asked for does: Stripe refuses a key with other parameters. And
// it differs from one hour to the next, since Stripe keeps answers of failure under a key too, for a day. What was done in an
// hour before is not done again because it is looked for first.
func (p *Provider) once(parts ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %q", p.Now().Unix()/3600, parts))
	return "hafen-" + hex.EncodeToString(sum[:16])
}

// failed translates an error of Stripe's, once. What a customer can mend is a Fault; the rest says what we were doing, and
// Stripe's request id, by which the operator finds the whole story in Stripe's own log.
func (p *Provider) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*stripe.Error](err)
	if !ok {
		// The wire: Go's error names the URL, which holds an object's id at most.
		return &tenant.Fault{Kind: tenant.Unavailable, Code: "payment.unavailable", Err: fmt.Errorf("stripe: %s: %s", doing, p.clean(err.Error()))}
	}
	cause := fmt.Errorf("stripe: %s: status %d, %s %s %s (request %s)", doing, e.HTTPStatusCode, e.Type, e.Code, e.Param, e.RequestID)
	switch {
	case e.Type == stripe.ErrorTypeCard || e.HTTPStatusCode == http.StatusPaymentRequired:
		return &tenant.Fault{Kind: tenant.PaymentRequired, Code: "payment.declined", Err: cause}
	case e.HTTPStatusCode == http.StatusTooManyRequests || e.HTTPStatusCode >= 500 || e.HTTPStatusCode == http.StatusConflict:
		return &tenant.Fault{Kind: tenant.Unavailable, Code: "payment.unavailable", Err: cause}
	case e.Code == stripe.ErrorCodeTaxIDInvalid:
		return &tenant.Fault{Kind: tenant.Invalid, Code: "payment.vat_id", Err: cause}
	case e.HTTPStatusCode == http.StatusUnauthorized || e.HTTPStatusCode == http.StatusForbidden:
		// Its message holds a part of the key.
		return fmt.Errorf("stripe: %s: the key is not accepted, or lacks a permission (status %d, request %s)", doing, e.HTTPStatusCode, e.RequestID)
	default:
		return fmt.Errorf("%w: %s", cause, p.clean(e.Msg))
	}
}

// clean takes the key out of a text that is not ours.
func (p *Provider) clean(text string) string { return strings.ReplaceAll(text, p.Key, "[key]") }

// is says whether Stripe refused with a code.
func is(err error, code stripe.ErrorCode) bool {
	e, ok := errors.AsType[*stripe.Error](err)
	return ok && e.Code == code
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// upper is a currency as we write it.
func upper(c stripe.Currency) string { return strings.ToUpper(string(c)) }
