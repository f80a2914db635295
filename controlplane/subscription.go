package controlplane

import (
	"context"
	"log/slog"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Subscriptions is what a customer pays for a server, period after period: what it costs, what a change would cost, and making it.
//
// A change is first recorded as pending under a key, then told to the provider, then made in one transaction: plan, add-ons and
// quota, invoice, audit entry and the reconcile that follows. Whoever dies in between leaves the record, which [Biller] takes up;
// the key makes telling the provider again harmless. Where money must come first, the change waits until the provider says that it
// takes the money for the new items.
type Subscriptions struct{ SubscriptionsConfig }

// SubscriptionsConfig is what Subscriptions needs.
type SubscriptionsConfig struct {
	Store     SubscriptionStore
	Providers map[string]billing.Provider // by name: a subscription stays with the one it began with
	Now       func() time.Time            // time.Now when nil
	Log       *slog.Logger
}

// NewSubscriptions makes Subscriptions.
func NewSubscriptions(c SubscriptionsConfig) *Subscriptions {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Subscriptions{c}
}

// SubscriptionStore keeps subscriptions.
type SubscriptionStore interface {
	ServerFinder
	SubscriptionOffers
	SubscriptionChanges
	SubscriptionMirror
	// FindSubscription finds what is paid for a server; the Fault subscription.unknown when nobody ever paid for it.
	FindSubscription(ctx context.Context, id tenant.ID) (Subscription, error)
}

// SubscriptionOffers is what can be bought.
type SubscriptionOffers interface {
	// ListOffers lists the plans and add-ons that an account can buy now: those for everybody, and its own prices instead of them.
	ListOffers(ctx context.Context, account string) ([]tenant.Plan, []tenant.Addon, error)
}

// SubscriptionChanges keeps changes.
type SubscriptionChanges interface {
	// BeginChange records a change as pending under its key. Faults: subscription.busy while another one is, subscription.changed
	// when what is paid for is no longer what the change was reckoned from, billing.unpaid, status.conflict, plan.too_small.
	BeginChange(ctx context.Context, id tenant.ID, c Change) error
	// GiveUpChange records that the pending change of this key is given up, before the provider is told. The Fault
	// subscription.changed says that it does not wait for money any more.
	GiveUpChange(ctx context.Context, actor Actor, id tenant.ID, key string) error
	// FinishChange makes the pending change of this key true, in one transaction. One that is not pending any more is not an error.
	FinishChange(ctx context.Context, id tenant.ID, key string, now time.Time) error
	// DropChange gives the pending change of this key up; why is for the audit log.
	DropChange(ctx context.Context, id tenant.ID, key, why string) error
}

// SubscriptionMirror keeps what a provider outside has said.
type SubscriptionMirror interface {
	// RecordOutside makes the rows what the provider said, asked at a moment; an answer older than the last one recorded does
	// nothing. It settles the order when that is paid, finishes a pending change whose items are now paid for, and begins what was
	// booked when the period has turned.
	RecordOutside(ctx context.Context, id tenant.ID, out billing.Outside, asked time.Time) error
	// MarkTold records that the provider was told of all that had changed by a moment, which is Subscription.Untold as it was read.
	MarkTold(ctx context.Context, id tenant.ID, untold, now time.Time) error
	// RecordEvent enqueues BillingLookArgs for whom an event is about, unless the event was recorded before.
	RecordEvent(ctx context.Context, e Event) error
}

// Subscription is what a server costs, and how it goes on.
type Subscription struct {
	billing.Subscription
	Provider  string
	Now       Offer   // what is paid for
	Next      *Offer  // from the next period on, when it differs
	Change    *Change // asked for, not finished
	Order     string  // id of its open order, or ""
	Stage     string  // of dunning
	CheckedAt time.Time
	Untold    time.Time // since when a provider outside is to be told of something; zero when it knows all
}

// Pack is packs of an add-on.
type Pack struct {
	Addon    tenant.Addon
	Quantity int
}

// Offer is a plan with packs on top.
type Offer struct {
	Plan  tenant.Plan
	Packs []Pack
}

// Choice names an offer.
type Choice struct {
	Plan  tenant.PlanID          `json:"plan"`
	Packs map[tenant.AddonID]int `json:"packs,omitempty"` // no zeros
}

// Change is a change as it is recorded.
type Change struct {
	Key    string        `json:"-"`
	Asked  time.Time     `json:"-"`
	Before Choice        `json:"before"`
	Choice Choice        `json:"choice"`
	Later  bool          `json:"later,omitempty"`  // from the next period on
	Cancel bool          `json:"cancel,omitempty"` // there is no next period; only with Later
	At     time.Time     `json:"at"`               // the moment that proration is reckoned from
	Bill   *billing.Bill `json:"bill,omitempty"`   // what it costs at once
	Unfit  bool          `json:"unfit,omitempty"`  // what was booked is taken back because it does not fit
	Given  bool          `json:"given,omitempty"`  // up: it is dropped as soon as the provider takes no money for it
	Actor  Actor         `json:"actor"`
	Offer  Offer         `json:"-"` // what Choice names
}

// Event is a provider's hint that something has happened. It says nothing that would be believed: the state is asked for again.
type Event struct {
	ID         string // of the event: each is acted on once
	Kind       string // the provider's word
	ExternalID string // of the subscription, or ""
	Customer   string // the provider's name of the account, or ""
	Tenant     string // from the metadata we gave, or ""
}
