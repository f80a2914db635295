package stripe

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"hafen/controlplane/billing"
)

// Book changes the items without proration: the present period is paid, the next bill is made from the new ones. What the
// present one was paid for is kept in the metadata, since Stripe's items do not say it any more.
//
// Items of another period are different: Stripe bills them, and begins their period, the moment they come. So they come when
// Book is called in the last hour of the present one, and nothing is told of them before. A trial is billed at its end all the same.
func (p *Provider) Book(ctx context.Context, s billing.Subscription, c billing.Change, cancel bool) error {
	now, err := p.find(ctx, s)
	if err != nil {
		return err
	}
	if !live(now) {
		if cancel {
			return nil
		}
		return fmt.Errorf("stripe: subscription %s has ended", now.ID)
	}
	if err := p.agree(ctx, now, s); err != nil {
		return err
	}
	next := coming{Change: c, cancel: cancel}
	if c.Period == s.Period || c.Period == "" || now.Status == stripe.SubscriptionStatusTrialing {
		return p.setNext(ctx, now, s, next)
	}
	if same(itemsOf(now.Items.Data), c.Items) { // it has begun, and our rows do not know yet
		s.Items = c.Items
		return p.setNext(ctx, now, s, next)
	}
	if next.turns = !cancel && now.CurrentPeriodEnd-p.Now().Unix() <= int64(billing.TurnBefore/time.Second); !next.turns {
		next.Items, next.Period = s.Items, s.Period
	}
	return p.setNext(ctx, now, s, next)
}

// coming is what the next period is for.
type coming struct {
	billing.Change
	cancel bool // there is none
	turns  bool // it begins now
}

func (p *Provider) setNext(ctx context.Context, now *stripe.Subscription, s billing.Subscription, c coming) error {
	period := c.Period
	if period == "" {
		period = s.Period
	}
	changes, err := p.changes(ctx, now, period, c.Items)
	if err != nil {
		return err
	}
	asked := &stripe.SubscriptionParams{CancelAtPeriodEnd: stripe.Bool(c.cancel), Metadata: map[string]string{}}
	for key := range now.Metadata {
		if strings.HasPrefix(key, metaPaid) {
			asked.Metadata[key] = "" // removes it
		}
	}
	if !same(c.Items, s.Items) && !c.turns {
		note(asked.Metadata, s.Items, now.CurrentPeriodEnd)
	}
	if len(changes) == 0 && c.cancel == now.CancelAtPeriodEnd && agrees(now.Metadata, asked.Metadata) {
		return nil // made before
	}
	if len(changes) > 0 {
		asked.Items, asked.ProrationBehavior = changes, stripe.String("none")
	}
	if c.turns {
		asked.BillingCycleAnchorNow = stripe.Bool(true)
	}
	asked.Params.Context, asked.Params.IdempotencyKey = ctx, stripe.String(p.once("book", c.Key, now.ID, changed(changes), c.cancel, asked.Metadata))
	_, err = p.subscriptions().Update(now.ID, asked)
	return p.failed("book a change of subscription "+now.ID, err)
}

// agrees reports whether metadata are as asked for.
func agrees(metadata, asked map[string]string) bool {
	for key, value := range asked {
		if metadata[key] != value {
			return false
		}
	}
	return true
}

// note writes into metadata what a period was paid for that ends at a moment: an item under each key, for a value holds 500
// characters. Prices are named by their amount.
func note(metadata map[string]string, items []billing.Item, end int64) {
	metadata[metaPaidUntil] = strconv.FormatInt(end, 10)
	for n, i := range items {
		metadata[fmt.Sprintf("%s_%d", metaPaid, n)] = fmt.Sprintf("%s %s %d %d %s", i.Kind, i.Ref, i.Quantity, i.Unit.Cents, i.Unit.Currency)
	}
}

// booked are the items that the present period was paid for, when the next one's are others already; nil otherwise.
func booked(s *stripe.Subscription) []billing.Item {
	if s.Metadata[metaPaidUntil] != strconv.FormatInt(s.CurrentPeriodEnd, 10) {
		return nil
	}
	var items []billing.Item
	for n := 0; ; n++ {
		text, more := s.Metadata[fmt.Sprintf("%s_%d", metaPaid, n)]
		if !more {
			return items
		}
		var i billing.Item
		if n, err := fmt.Sscanf(text, "%s %s %d %d %s", &i.Kind, &i.Ref, &i.Quantity, &i.Unit.Cents, &i.Unit.Currency); n != 5 || err != nil {
			return nil
		}
		items = append(items, i)
	}
}
