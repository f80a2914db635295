package stripefake

import (
	"time"
)

// Card is how a customer's card behaves.
type Card string

// The cards.
const (
	NoCard       Card = ""
	GoodCard     Card = "good"
	DeclinedCard Card = "declined" // generic_decline
	SCACard      Card = "sca"      // the bank wants to see the customer each time
)

// SetCard changes the card a customer pays with.
func (s *Server) SetCard(customer string, card Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[customer]["_card"] = string(card)
}

func (s *Server) createSession(c *call) (object, *Error) {
	if failed := c.form.only("mode", "customer", "line_items", "success_url", "cancel_url", "client_reference_id", "metadata", "subscription_data",
		"discounts", "locale", "payment_method_collection", "expires_at", "automatic_tax", "customer_update"); failed != nil {
		return nil, failed
	}
	if c.form.text("mode") != "subscription" {
		return nil, invalid("mode", "Invalid mode: this fake sells subscriptions")
	}
	if _, failed := s.find("customer", c.form.text("customer"), "customer"); failed != nil {
		return nil, failed
	}
	for _, needed := range []string{"success_url", "line_items"} {
		if !c.form.has(needed) {
			return nil, missing(needed)
		}
	}
	lines := c.form.list("line_items")
	if len(lines) == 0 || len(lines) > 20 {
		return nil, invalid("line_items", "There must be between 1 and 20 line items with recurring prices")
	}
	var currency, interval string
	for _, line := range lines {
		price, failed := s.find("price", line.text("price"), "line_items[price]")
		if failed != nil {
			return nil, failed
		}
		if quantity, failed := line.number("quantity", 0); failed != nil || quantity < 1 {
			return nil, invalid("line_items[quantity]", "Invalid quantity")
		}
		if currency != "" && (price.str("currency") != currency || price.obj("recurring").str("interval") != interval) {
			return nil, invalid("line_items", "All prices on a subscription must have the same `currency` and `recurring.interval`.")
		}
		currency, interval = price.str("currency"), price.obj("recurring").str("interval")
	}
	data := c.form.form("subscription_data")
	if days, failed := data.number("trial_period_days", 1); failed != nil || days < 1 || days > 730 {
		return nil, invalid("subscription_data[trial_period_days]", "The minimum number of trial period days is 1.")
	}
	for _, rate := range data.texts("default_tax_rates") {
		if _, failed := s.find("tax_rate", rate, "default_tax_rates"); failed != nil {
			return nil, failed
		}
	}
	for _, discount := range c.form.list("discounts") {
		if _, failed := s.find("coupon", discount.text("coupon"), "discounts[coupon]"); failed != nil {
			return nil, failed
		}
	}
	id := s.newID("cs_test")
	session := s.add("checkout.session", id, object{
		"url": s.URL + "/c/" + id, "status": "open", "payment_status": "unpaid", "mode": "subscription", "customer": c.form.text("customer"),
		"subscription": nil, "client_reference_id": c.form.text("client_reference_id"), "metadata": c.form.merge(nil), "currency": currency,
		"expires_at": s.now.Add(24 * time.Hour).Unix(), "success_url": c.form.text("success_url"), "cancel_url": c.form.text("cancel_url"),
		"_form": c.form,
	})
	bill := s.firstBill(session)
	session["amount_subtotal"], session["amount_total"] = bill.num("subtotal"), bill.num("total")
	session["total_details"] = object{"amount_discount": bill.num("subtotal") - bill.num("total_excluding_tax"), "amount_tax": bill.num("tax")}
	return session, nil
}

// firstBill is what a session's subscription would be billed first. Nothing of it is kept.
func (s *Server) firstBill(session object) object {
	last, kept := s.last, len(s.ids)
	asked, _ := session["_form"].(form)
	subscription := s.subscribe(session, asked)
	lines := s.periodLines(subscription, subscription.num("current_period_start"), subscription.num("current_period_end"))
	bill := s.reckon(subscription, lines, "subscription_create")
	delete(s.objects, subscription.str("id"))
	s.last, s.ids = last, s.ids[:kept]
	return bill
}

func (s *Server) listSessions(c *call) (object, *Error) {
	return s.list(c, "checkout.session", "customer", "subscription")
}

func (s *Server) expireSession(c *call) (object, *Error) {
	session, failed := s.find("checkout.session", c.id, "session")
	if failed != nil {
		return nil, failed
	}
	if session.str("status") != "open" {
		return nil, invalid("session", "Only Checkout Sessions with a status in [\"open\"] can be expired.")
	}
	s.expire(session)
	return session, nil
}

func (s *Server) expire(session object) {
	session["status"], session["url"] = "expired", nil
	s.tell("checkout.session.expired", session)
}

// Outcome is what became of a click on the Checkout page.
type Outcome struct {
	Paid   bool
	Reason string // why not
	Next   string // where the browser goes
}

// Pay completes a Checkout session with a card, as a customer does on the page. A card that is declined leaves it open; one
// that asks for authentication is authenticated when proven is true.
func (s *Server) Pay(session string, card Card, proven bool) Outcome {
	s.mu.Lock()
	o, failed := s.find("checkout.session", session, "session")
	var outcome Outcome
	switch {
	case failed != nil:
		outcome = Outcome{Reason: failed.Message}
	case o.str("status") != "open":
		outcome = Outcome{Reason: "This session is " + o.str("status") + "."}
	case card == DeclinedCard:
		outcome = Outcome{Reason: "Your card was declined."}
	case card == SCACard && !proven:
		outcome = Outcome{Reason: "Your bank asks you to confirm this payment."}
	default:
		s.complete(o, card)
		outcome = Outcome{Paid: true, Next: o.str("success_url")}
	}
	s.mu.Unlock()
	if s.Eager {
		s.Flush()
	}
	return outcome
}

// complete makes the subscription a session sells. The lock is held.
func (s *Server) complete(session object, card Card) {
	asked, _ := session["_form"].(form)
	customer := s.objects[session.str("customer")]
	customer["_card"], customer["currency"] = string(card), session.str("currency")
	subscription := s.subscribe(session, asked)
	session["subscription"], session["status"], session["url"] = subscription.str("id"), "complete", nil
	s.tell("customer.subscription.created", subscription)
	reason := "subscription_create"
	invoice := s.bill(subscription, s.periodLines(subscription, subscription.num("current_period_start"), subscription.num("current_period_end")), reason)
	s.finalize(invoice)
	// The page has already made sure that the customer is who they are.
	s.settle(invoice)
	session["payment_status"] = "paid"
	if invoice.num("amount_due") == 0 {
		session["payment_status"] = "no_payment_required"
	}
	session["invoice"] = invoice.str("id")
	s.tell("checkout.session.completed", session)
}

// Again makes and pays the subscription of a completed session a second time, as nobody should, with other metadata on top.
func (s *Server) Again(session string, metadata map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[session]
	asked, _ := o["_form"].(form)
	subscription := s.subscribe(o, asked)
	for key, value := range metadata {
		subscription.obj("metadata")[key] = value
	}
	s.tell("customer.subscription.created", subscription)
	invoice := s.bill(subscription, s.periodLines(subscription, subscription.num("current_period_start"), subscription.num("current_period_end")), "subscription_create")
	s.finalize(invoice)
	s.settle(invoice)
}
