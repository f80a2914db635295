package controlplane

import (
	"context"
	"fmt"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Confirmed is a change as the customer agreed to it: what it would cost, reckoned at which moment.
type Confirmed struct {
	Choice Choice
	At     time.Time
	Gross  int64 // cents, today
}

// Confirm makes a change. Terms says whether it has taken effect, or has been booked; if not, the customer goes to CheckoutURL and
// it takes effect when the provider has the money. Faults: those of Quote; quote.expired and quote.changed when what the customer
// agreed to holds no longer; plan.too_small while something must shrink first; those of BeginChange, and the provider's refusals.
func (s *Subscriptions) Confirm(ctx context.Context, actor Actor, id tenant.ID, c Confirmed) (ChangeQuote, billing.Terms, error) {
	server, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return ChangeQuote{}, billing.Terms{}, err
	}
	if age := s.Now().Sub(c.At); age > QuoteLife || age < -time.Minute {
		return ChangeQuote{}, billing.Terms{}, &tenant.Fault{Kind: tenant.Conflict, Code: "quote.expired"}
	}
	quote, err := s.quote(ctx, server, subscription, c.Choice, c.At)
	switch {
	case err != nil:
		return quote, billing.Terms{}, err
	case len(quote.Excess) > 0 && subscription.Now.Shrinks(quote.Next):
		return quote, billing.Terms{}, tooSmall()
	case quote.Bill.Gross.Cents != c.Gross:
		return quote, billing.Terms{}, &tenant.Fault{Kind: tenant.Conflict, Code: "quote.changed"}
	}
	change := Change{
		Before: subscription.Now.Choice(), Choice: quote.Next.Choice(), Later: quote.Later, Cancel: quote.Later && subscription.Cancelled,
		At: quote.At, Actor: actor,
	}
	if len(quote.Bill.Lines) > 0 {
		change.Bill = &quote.Bill
	}
	terms, err := s.begin(ctx, subscription, change, quote.Next)
	return quote, terms, err
}

// TakeBack takes a booked change back: the next period is for what the server has now.
func (s *Subscriptions) TakeBack(ctx context.Context, actor Actor, id tenant.ID) error {
	return s.book(ctx, actor, id, func(sub Subscription) (Offer, bool) { return sub.Now, sub.Cancelled })
}

// Cancel ends the subscription with the period. The server is then deleted, after its grace.
func (s *Subscriptions) Cancel(ctx context.Context, actor Actor, id tenant.ID) error {
	return s.book(ctx, actor, id, func(sub Subscription) (Offer, bool) { return sub.coming(), true })
}

// Resume takes a cancellation back.
func (s *Subscriptions) Resume(ctx context.Context, actor Actor, id tenant.ID) error {
	return s.book(ctx, actor, id, func(sub Subscription) (Offer, bool) { return sub.coming(), false })
}

// book sets what the next period is for, and whether there is one.
func (s *Subscriptions) book(ctx context.Context, actor Actor, id tenant.ID, next func(Subscription) (Offer, bool)) error {
	_, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return err
	}
	if !running(subscription) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "subscription.not_running"}
	}
	offer, cancel := next(subscription)
	_, err = s.begin(ctx, subscription, Change{
		Before: subscription.Now.Choice(), Choice: offer.Choice(), Later: true, Cancel: cancel,
		At: s.Now().UTC().Truncate(time.Second), Actor: actor,
	}, offer)
	return err
}

// begin records a change and carries it out.
func (s *Subscriptions) begin(ctx context.Context, subscription Subscription, c Change, next Offer) (billing.Terms, error) {
	c.Key, c.Asked = newUUID(), s.Now()
	if err := s.Store.BeginChange(ctx, subscription.Tenant, c); err != nil {
		return billing.Terms{}, err
	}
	c.Offer = next
	return s.carryOut(ctx, subscription, c)
}

// carryOut tells the provider of a recorded change and makes it. It may be called again after a crash anywhere in it.
func (s *Subscriptions) carryOut(ctx context.Context, subscription Subscription, c Change) (billing.Terms, error) {
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return billing.Terms{}, err
	}
	terms := billing.Terms{Settled: true}
	told := billing.Change{Items: c.Offer.Items(), Period: c.Offer.Plan.Period, At: c.At, Key: c.Key}
	if c.Later {
		err = provider.Book(ctx, subscription.Subscription, told, c.Cancel)
	} else {
		terms, err = provider.Change(ctx, subscription.Subscription, told)
	}
	if err != nil {
		if fault := tenant.FaultOf(err); fault.Kind == tenant.PaymentRequired || fault.Code == "quote.expired" {
			if drop := s.Store.DropChange(ctx, subscription.Tenant, c.Key, fault.Code); drop != nil {
				return terms, fmt.Errorf("give up a refused change of %s: %w", subscription.Tenant, drop)
			}
		}
		return terms, fmt.Errorf("tell %s of a change of %s: %w", subscription.Provider, subscription.Tenant, err)
	}
	if !terms.Settled {
		return terms, s.stillWanted(ctx, provider, subscription, told) // Refresh finishes it when the money is there
	}
	return terms, s.Store.FinishChange(ctx, subscription.Tenant, c.Key, s.Now())
}

// ChangePatience is how long a change may wait for its money before it is given up.
const ChangePatience = 23 * time.Hour

// TakeUp finishes a change whose process died on the way, and gives up one whose money never came: after a last look, since it may
// have come while nobody was there to hear of it. What is booked waits for no money, and is not given up.
func (s *Subscriptions) TakeUp(ctx context.Context, id tenant.ID) error {
	subscription, err := s.Store.FindSubscription(ctx, id)
	if err != nil || subscription.Change == nil {
		return err
	}
	c := *subscription.Change
	switch {
	case subscription.State == billing.Ended:
		return s.Store.DropChange(ctx, id, c.Key, "ended")
	case c.Given:
		_, err := s.abandon(ctx, subscription, c)
		return err
	case !c.Later && s.Now().Sub(c.Asked) > ChangePatience:
		if err := s.Refresh(ctx, id); err != nil {
			return err
		}
		return s.Store.DropChange(ctx, id, c.Key, "expired")
	}
	terms, err := s.carryOut(ctx, subscription, c)
	if err != nil || terms.Settled {
		return err
	}
	return s.Refresh(ctx, id)
}

func tooSmall() error {
	return &tenant.Fault{Kind: tenant.OverQuota, Code: "plan.too_small", Field: "plan"}
}

// Turn does what is left to do shortly before a booked change begins at a provider outside, which bills by its own clock. One that
// does not fit what is used is taken back, and its owner told so; one to a period of another length is told of now.
func (s *Subscriptions) Turn(ctx context.Context, id tenant.ID) error {
	subscription, err := s.Store.FindSubscription(ctx, id)
	if err != nil || subscription.Next == nil {
		return err
	}
	server, err := s.Store.FindServer(ctx, "", id)
	if err != nil {
		return err
	}
	if len(server.Usage.Exceeds(subscription.Next.Quota())) > 0 && subscription.Now.Shrinks(*subscription.Next) {
		_, err = s.begin(ctx, subscription, Change{
			Before: subscription.Now.Choice(), Choice: subscription.Now.Choice(), Later: true, Cancel: subscription.Cancelled,
			At: s.Now().UTC().Truncate(time.Second), Actor: Hafen, Unfit: true,
		}, subscription.Now)
		return err
	}
	if subscription.Next.Plan.Period == subscription.Now.Plan.Period {
		return nil
	}
	if err := s.Tell(ctx, id); err != nil {
		return err
	}
	return s.Refresh(ctx, id)
}

// Continue goes on with a change that waits for its money: Terms says where that is paid. The Fault subscription.changed says that
// nothing waits any more.
func (s *Subscriptions) Continue(ctx context.Context, actor Actor, id tenant.ID) (billing.Terms, error) {
	_, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return billing.Terms{}, err
	}
	if subscription.Change == nil || subscription.Change.Given {
		return billing.Terms{}, &tenant.Fault{Kind: tenant.Conflict, Code: "subscription.changed"}
	}
	return s.carryOut(ctx, subscription, *subscription.Change)
}

// GiveUp gives up a change that waits for its money. gone is false when the money was quicker: then the change is in effect. The
// Fault subscription.changed says that nothing waits any more.
//
// It is first recorded, then told to the provider, then dropped; whoever dies in between is taken up by [Biller]. Whether the money
// or the customer was quicker is decided by the provider, who either takes the money for a bill or voids it, and recorded under the
// lock of the row.
func (s *Subscriptions) GiveUp(ctx context.Context, actor Actor, id tenant.ID) (gone bool, err error) {
	_, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return false, err
	}
	c := subscription.Change
	if c == nil || c.Later {
		return false, &tenant.Fault{Kind: tenant.Conflict, Code: "subscription.changed"}
	}
	if err := s.Store.GiveUpChange(ctx, actor, id, c.Key); err != nil {
		return false, err
	}
	return s.abandon(ctx, subscription, *c)
}

// abandon drops a change that was given up. It may be called again after a crash anywhere in it.
func (s *Subscriptions) abandon(ctx context.Context, subscription Subscription, c Change) (gone bool, err error) {
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return false, err
	}
	gone, err = provider.Abandon(ctx, subscription.Subscription, billing.Change{Items: c.Offer.Items(), At: c.At, Key: c.Key})
	switch {
	case err != nil:
		return false, fmt.Errorf("have %s give up a change of %s: %w", subscription.Provider, subscription.Tenant, err)
	case gone:
		return true, s.Store.DropChange(ctx, subscription.Tenant, c.Key, "given up")
	}
	return false, s.Store.FinishChange(ctx, subscription.Tenant, c.Key, s.Now())
}

// stillWanted takes back what was just asked for, when the change was given up while the provider was told of it.
func (s *Subscriptions) stillWanted(ctx context.Context, provider billing.Provider, subscription Subscription, told billing.Change) error {
	now, err := s.Store.FindSubscription(ctx, subscription.Tenant)
	if err != nil || now.Change != nil && now.Change.Key == told.Key && !now.Change.Given {
		return err
	}
	if _, err := provider.Abandon(ctx, subscription.Subscription, told); err != nil {
		return fmt.Errorf("have %s give up a change of %s: %w", subscription.Provider, subscription.Tenant, err)
	}
	return nil
}
