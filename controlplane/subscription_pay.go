package controlplane

import (
	"context"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Pay leads to where an order is paid that waits for its money, by the same provider: to the page that was left, or to another when
// that one has expired. The Fault order.settled says that nothing waits. Terms without a CheckoutURL are paid as our own page says.
func (s *Subscriptions) Pay(ctx context.Context, actor Actor, id tenant.ID, publicURL string) (billing.Terms, error) {
	_, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return billing.Terms{}, err
	}
	if subscription.State != billing.Pending || subscription.Order == "" {
		return billing.Terms{}, &tenant.Fault{Kind: tenant.Conflict, Code: "order.settled"}
	}
	provider, err := s.provider(subscription.Provider)
	if err != nil {
		return billing.Terms{}, err
	}
	back := publicURL + "/servers/" + string(id) + "/payment"
	order := billing.Order{
		ID: subscription.Order, Tenant: id, Account: subscription.Account, Email: subscription.Email, Language: subscription.Language,
		Plan: subscription.Now.Plan, Items: subscription.Items, Coupon: subscription.Coupon, ReturnURL: back, CancelURL: back,
	}
	if subscription.TrialEnd.IsZero() {
		order.Plan.TrialDays = 0 // whoever has had a trial gets no other
	}
	return provider.Begin(ctx, order)
}

// arrived is how long a customer who comes back from paying waits for the next question whether the money has come.
const arrived = 3 * time.Second

// Arrived asks the provider whether an order is paid that waits for its money, for a customer who comes back from paying before
// the webhook does. What fails is tried again: by the page, the webhook, the night.
func (s *Subscriptions) Arrived(ctx context.Context, actor Actor, id tenant.ID) error {
	_, subscription, err := s.find(ctx, actor, id)
	if err != nil {
		return err
	}
	outside := subscription.Provider != (billing.Invoices{}).Name()
	if outside && subscription.State == billing.Pending && s.Now().Sub(subscription.CheckedAt) > arrived {
		if err := s.Refresh(ctx, id); err != nil {
			s.Log.WarnContext(ctx, "whether an order is paid is not known", "tenant", id, "error", err)
		}
	}
	return nil
}
