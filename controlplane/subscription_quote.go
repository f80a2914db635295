package controlplane

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

var zeroTime time.Time

// ChangeQuote says what a change would come to.
type ChangeQuote struct {
	Next     Offer
	At       time.Time       // the moment it is reckoned from
	Later    bool            // from the next period on
	From     time.Time       // when it takes effect
	Bill     billing.Bill    // what it costs today; without lines when nothing
	NextBill billing.Bill    // of the next whole period; without lines when there is none
	Renews   time.Time       // when that is billed
	Excess   []tenant.Excess // what must shrink before
	Bar      *tenant.Fault   // why it can not be had at all; then nothing is reckoned
	Unknown  bool            // the provider does not say what it costs today
}

// PlanView is what a customer chooses from, with what they have.
type PlanView struct {
	Subscription Subscription
	Server       Server
	Plans        []tenant.Plan  // what can be bought, and what they have
	Addons       []tenant.Addon // likewise
	Options      []ChangeQuote  // for each of Plans, with the add-ons they have as far as those go with it
	NextBill     billing.Bill   // without lines when there is none
	Portal       string         // where cards are kept, or ""
}

// QuoteLife is how long what a customer was told holds: the moment it was reckoned at comes back with their confirmation.
const QuoteLife = 15 * time.Minute

// View shows what a server costs and what could be changed.
func (s *Subscriptions) View(ctx context.Context, actor Actor, id tenant.ID) (PlanView, error) {
	server, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return PlanView{}, err
	}
	view := PlanView{Server: server, Subscription: subscription}
	if view.Plans, view.Addons, err = s.offers(ctx, subscription); err != nil {
		return PlanView{}, err
	}
	if !subscription.Cancelled && running(subscription) {
		view.NextBill = subscription.nextBill(subscription.coming())
	}
	for _, plan := range view.Plans {
		next := subscription.Now.on(plan)
		if bar := barred(server, subscription, next); bar != nil {
			view.Options = append(view.Options, ChangeQuote{Next: next, Bar: bar})
			continue
		}
		quote, err := s.reckon(ctx, server, subscription, next, s.Now())
		if err != nil {
			// The page is worth having without it, and the confirmation asks again.
			s.Log.WarnContext(ctx, "what a plan would cost today is not known", "tenant", id, "plan", plan.ID, "error", err)
			quote.Unknown = true
		}
		view.Options = append(view.Options, quote)
	}
	return view, nil
}

// Portal is where the customer keeps cards and finds bills, "" when there is no such place.
func (s *Subscriptions) Portal(ctx context.Context, actor Actor, id tenant.ID, returnURL string) (string, error) {
	_, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return "", err
	}
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return "", err
	}
	return provider.Portal(ctx, subscription.Subscription, returnURL)
}

// Quote says what a change would cost if it were made at a moment. Faults: plan.unknown, plan.same, plan.engine, plan.currency,
// plan.cancelled, addon.*, subscription.not_running.
func (s *Subscriptions) Quote(ctx context.Context, actor Actor, id tenant.ID, c Choice, at time.Time) (ChangeQuote, error) {
	server, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return ChangeQuote{}, err
	}
	return s.quote(ctx, server, subscription, c, at)
}

func (s *Subscriptions) quote(ctx context.Context, server Server, subscription Subscription, c Choice, at time.Time) (ChangeQuote, error) {
	plans, addons, err := s.offers(ctx, subscription)
	if err != nil {
		return ChangeQuote{}, err
	}
	next, err := pick(c, plans, addons)
	if err != nil {
		return ChangeQuote{}, err
	}
	switch {
	case !running(subscription):
		return ChangeQuote{}, &tenant.Fault{Kind: tenant.Conflict, Code: "subscription.not_running"}
	case next.Choice().Same(subscription.Now.Choice()):
		return ChangeQuote{}, &tenant.Fault{Kind: tenant.Conflict, Code: "plan.same", Field: "plan"}
	}
	if bar := barred(server, subscription, next); bar != nil {
		return ChangeQuote{}, bar
	}
	return s.reckon(ctx, server, subscription, next, at)
}

// barred is why a server can not have an offer at all; nil when it can. Whoever has it keeps it.
func barred(server Server, subscription Subscription, next Offer) *tenant.Fault {
	fault := func(code string) *tenant.Fault {
		return &tenant.Fault{Kind: tenant.Conflict, Code: code, Field: "plan"}
	}
	now := subscription.Now.Plan
	switch {
	case subscription.Cancelled && subscription.waits(next):
		return fault("plan.cancelled")
	case next.Plan.ID == now.ID:
		return nil
	case !slices.Contains(next.Plan.Engines, server.Engine):
		return fault("plan.engine")
	case next.Plan.Price.Currency != now.Price.Currency:
		return fault("plan.currency")
	}
	return nil
}

func (s *Subscriptions) reckon(ctx context.Context, server Server, subscription Subscription, next Offer, at time.Time) (ChangeQuote, error) {
	at = at.UTC().Truncate(time.Second)
	q := ChangeQuote{
		Next: next, At: at, From: at, Later: subscription.waits(next), Excess: server.Usage.Exceeds(next.Quota()),
		Bill: billing.Sum(next.Plan.Price.Currency, nil), NextBill: subscription.nextBill(next), Renews: subscription.End,
	}
	if subscription.Cancelled {
		q.NextBill = q.Bill
	}
	if q.Later {
		q.From = subscription.End
		return q, nil
	}
	if subscription.State != billing.Active || next.Choice().Same(subscription.Now.Choice()) {
		return q, nil
	}
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return q, err
	}
	q.Bill, err = provider.Preview(ctx, subscription.Subscription, billing.Change{Items: next.Items(), At: at})
	if err != nil {
		return q, fmt.Errorf("ask %s what the change of %s costs: %w", subscription.Provider, server.ID, err)
	}
	return q, nil
}

// offers is what can be bought, and first what the server has: whoever bought an earlier version keeps it.
func (s *Subscriptions) offers(ctx context.Context, subscription Subscription) ([]tenant.Plan, []tenant.Addon, error) {
	plans, addons, err := s.Store.ListOffers(ctx, subscription.Account)
	if err != nil {
		return nil, nil, err
	}
	has := subscription.Now.Plan
	plans = slices.DeleteFunc(plans, func(p tenant.Plan) bool { return p.ID == has.ID })
	at, _ := slices.BinarySearchFunc(plans, has, func(a, b tenant.Plan) int { return a.Position - b.Position })
	plans = slices.Insert(plans, at, has)
	for _, pack := range subscription.Now.Packs {
		i := slices.IndexFunc(addons, func(a tenant.Addon) bool { return a.Slug == pack.Addon.Slug })
		if i < 0 {
			addons = append(addons, pack.Addon)
			continue
		}
		addons[i] = pack.Addon
	}
	return plans, addons, nil
}

func (s *Subscriptions) find(ctx context.Context, actor Actor, id tenant.ID) (Server, Subscription, error) {
	server, err := authorize(ctx, s.Store, actor, id, ManageBilling)
	if err != nil {
		return Server{}, Subscription{}, err
	}
	subscription, err := s.Store.FindSubscription(ctx, id)
	return server, subscription, err
}

func running(s Subscription) bool { return s.State == billing.Active || s.State == billing.Trialing }

// on is the same add-ons with another plan, as far as they are sold with it.
func (o Offer) on(plan tenant.Plan) Offer {
	next := Offer{Plan: plan}
	for _, pack := range o.Packs {
		if pack.Addon.Goes(plan) {
			next.Packs = append(next.Packs, pack)
		}
	}
	return next
}

// waits reports whether a change has to wait for the period's end: where something shrinks or gets cheaper, or another period is
// agreed on. In a trial nothing was paid, so nothing has to be waited for.
func (s Subscription) waits(next Offer) bool {
	if next.Plan.Period != s.Now.Plan.Period {
		return true
	}
	return s.State != billing.Trialing && (s.Now.Shrinks(next) || next.Net().Cents < s.Now.Net().Cents)
}

// coming is what the next period is for.
func (s Subscription) coming() Offer {
	if s.Next != nil {
		return *s.Next
	}
	return s.Now
}

// nextBill is that of the next whole period.
func (s Subscription) nextBill(o Offer) billing.Bill {
	until := o.Plan.Period.After(s.End, 1)
	return billing.Sum(o.Plan.Price.Currency, billing.Lines(s.Language, o.Items(), s.Coupon.After(s.State), s.End, until)).Under(s.VATNote)
}
