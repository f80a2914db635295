package stripefake

import (
	"slices"
	"time"
)

// subscribe makes a subscription of what a Checkout session sells, unpaid.
func (s *Server) subscribe(session object, asked form) object {
	data := asked.form("subscription_data")
	id := s.newID("sub")
	var items []any
	for _, line := range asked.list("line_items") {
		quantity, _ := line.number("quantity", 1)
		items = append(items, s.newItem(id, line.text("price"), quantity, line.texts("tax_rates")))
	}
	var rates []any
	for _, rate := range data.texts("default_tax_rates") {
		rates = append(rates, rate)
	}
	start := s.now
	o := object{
		"customer": session.str("customer"), "status": "active", "items": listOf("/v1/subscription_items", items), "default_tax_rates": rates,
		"currency": session.str("currency"), "collection_method": "charge_automatically", "cancel_at_period_end": false, "cancel_at": nil,
		"canceled_at": nil, "ended_at": nil, "latest_invoice": nil, "pending_update": nil, "metadata": data.merge(nil), "trial_start": nil,
		"trial_end": nil, "discount": nil, "start_date": start.Unix(), "description": data.text("description"), "_failed": int64(0),
	}
	if days, _ := data.number("trial_period_days", 0); days > 0 {
		end := start.AddDate(0, 0, int(days))
		o["status"], o["trial_start"], o["trial_end"] = "trialing", start.Unix(), end.Unix()
		o["billing_cycle_anchor"], o["current_period_start"], o["current_period_end"] = end.Unix(), start.Unix(), end.Unix()
	} else {
		o["billing_cycle_anchor"], o["current_period_start"] = start.Unix(), start.Unix()
	}
	for _, discount := range asked.list("discounts") {
		o["discount"] = s.discount(discount.text("coupon"), start)
	}
	s.add("subscription", id, o)
	if o.num("current_period_end") == 0 {
		o["current_period_end"] = s.periodEnd(o, start.Unix())
	}
	return o
}

func (s *Server) newItem(subscription, price string, quantity int64, rates []string) object {
	id := s.newID("si")
	taxes := []any{}
	for _, rate := range rates {
		taxes = append(taxes, rate)
	}
	return object{
		"id": id, "object": "subscription_item", "subscription": subscription, "price": clone(s.objects[price]), "quantity": quantity,
		"tax_rates": taxes, "metadata": object{}, "created": s.now.Unix(),
	}
}

// Item is one thing that a subscription sells.
type Item struct {
	Price    string
	Cents    int64 // for one, net
	Quantity int64
	Percent  float64 // tax
}

// Items are what a subscription bills for in its next period.
func (s *Server) Items(subscription string) []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[subscription]
	var items []Item
	for _, row := range o.rows("items") {
		item := Item{Price: row.(object).obj("price").str("id"), Cents: row.(object).obj("price").num("unit_amount"), Quantity: row.(object).num("quantity")}
		for _, rate := range s.rates(ratesOf(o, row.(object))) {
			item.Percent, _ = rate.(object)["percentage"].(float64)
		}
		items = append(items, item)
	}
	return items
}

// Untax takes the tax rates of their own from a subscription's items, as somebody may in Stripe's dashboard.
func (s *Server) Untax(subscription string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.objects[subscription].rows("items") {
		row.(object)["tax_rates"] = []any{}
	}
}

// discount is a coupon in use from a moment on.
func (s *Server) discount(coupon string, from time.Time) object {
	c := s.objects[coupon]
	d := object{"id": s.newID("di"), "object": "discount", "coupon": clone(c), "start": from.Unix(), "end": nil, "_used": int64(0)}
	if months := c.num("duration_in_months"); months > 0 {
		d["end"] = from.AddDate(0, int(months), 0).Unix()
	}
	return d
}

// periodEnd is the first end of a period after a moment: counted from the anchor, the last day of a month when it is too short.
func (s *Server) periodEnd(subscription object, after int64) int64 {
	anchor := time.Unix(subscription.num("billing_cycle_anchor"), 0).UTC()
	months := 1
	for _, item := range subscription.rows("items") {
		if item.(object).obj("price").obj("recurring").str("interval") == "year" {
			months = 12
		}
	}
	for n := 1; ; n++ {
		first := time.Date(anchor.Year(), anchor.Month()+time.Month(months*n), 1, anchor.Hour(), anchor.Minute(), anchor.Second(), 0, time.UTC)
		end := first.AddDate(0, 0, min(anchor.Day(), first.AddDate(0, 1, -1).Day())-1)
		if end.Unix() > after {
			return end.Unix()
		}
	}
}

func (s *Server) listSubscriptions(c *call) (object, *Error) {
	if failed := c.form.only(listed("customer", "status", "price")...); failed != nil {
		return nil, failed
	}
	status := c.form.text("status")
	return s.page(c, s.all("subscription", func(o object) bool {
		if c.form.has("customer") && o.str("customer") != c.form.text("customer") {
			return false
		}
		return status == "all" || status == "" && o.str("status") != "canceled" || status == o.str("status")
	}))
}

// wanted reads the items of an update: what the subscription has, with what is changed, added and removed.
func (s *Server) wanted(subscription object, changes []form) ([]any, *Error) {
	rows := slices.Clone(subscription.rows("items"))
	for _, change := range changes {
		i := slices.IndexFunc(rows, func(row any) bool { return row.(object).str("id") == change.text("id") })
		if change.has("id") && i < 0 {
			return nil, &Error{status: 404, Type: "invalid_request_error", Code: "resource_missing", Param: "items", Message: "No such subscription_item: '" + change.text("id") + "'"}
		}
		if change.flag("deleted") {
			rows = slices.Delete(rows, i, i+1)
			continue
		}
		var item object
		if i >= 0 {
			item = copied(rows[i].(object))
		}
		if change.has("price") {
			if _, failed := s.find("price", change.text("price"), "items[price]"); failed != nil {
				return nil, failed
			}
			if item == nil {
				item = s.newItem(subscription.str("id"), change.text("price"), 1, change.texts("tax_rates"))
			}
			item["price"] = clone(s.objects[change.text("price")])
		}
		if item == nil {
			return nil, missing("items[price]")
		}
		if item.obj("price").str("currency") != subscription.str("currency") {
			return nil, invalid("items[price]", "The price specified supports currencies of another kind than the subscription's.")
		}
		quantity, failed := change.number("quantity", item.num("quantity"))
		if failed != nil || quantity < 0 {
			return nil, invalid("items[quantity]", "Invalid quantity")
		}
		if failed := s.setRates(item, change); failed != nil {
			return nil, failed
		}
		item["quantity"] = quantity
		if i >= 0 {
			rows[i] = item
		} else {
			rows = append(rows, item)
		}
	}
	if len(rows) == 0 || len(rows) > 20 {
		return nil, invalid("items", "A subscription must have between 1 and 20 active items.")
	}
	return rows, together(rows)
}

// together refuses items that cannot be of one subscription.
func together(rows []any) *Error {
	seen := map[string]bool{}
	for _, row := range rows {
		price := row.(object).obj("price")
		if seen[price.str("id")] {
			return invalid("items", "Cannot add multiple subscription items with the same plan: "+price.str("id"))
		}
		seen[price.str("id")] = true
		if price.obj("recurring").str("interval") != interval(rows) {
			return invalid("items", "Currently, all items of a subscription must have the same `recurring.interval`.")
		}
	}
	return nil
}

// interval is how often items are billed.
func interval(rows []any) string {
	return rows[0].(object).obj("price").obj("recurring").str("interval")
}

// setRates gives an item tax rates of its own; an empty whole removes them.
func (s *Server) setRates(item object, change form) *Error {
	if !change.has("tax_rates") {
		return nil
	}
	rates := []any{}
	for _, rate := range change.texts("tax_rates") {
		if _, failed := s.find("tax_rate", rate, "items[tax_rates]"); failed != nil {
			return failed
		}
		rates = append(rates, rate)
	}
	item["tax_rates"] = rates
	return nil
}

func copied(o object) object {
	c := make(object, len(o))
	for key, value := range o {
		c[key] = value
	}
	return c
}

func (s *Server) updateSubscription(c *call) (object, *Error) {
	subscription, failed := s.find("subscription", c.id, "id")
	if failed != nil {
		return nil, failed
	}
	if failed := c.form.only("items", "proration_behavior", "proration_date", "payment_behavior", "cancel_at_period_end", "metadata", "off_session", "default_tax_rates", "billing_cycle_anchor"); failed != nil {
		return nil, failed
	}
	if status := subscription.str("status"); status == "canceled" || status == "incomplete_expired" {
		return nil, &Error{status: 400, Type: "invalid_request_error", Message: "A canceled subscription can only update its cancellation_details."}
	}
	pending := c.form.text("payment_behavior") == "pending_if_incomplete"
	if pending {
		// https://docs.stripe.com/billing/subscriptions/pending-updates-reference
		if failed := c.form.only("items", "proration_behavior", "proration_date", "payment_behavior", "off_session"); failed != nil {
			return nil, invalid(failed.Param, "When `payment_behavior` is set to `pending_if_incomplete`, you can only pass supported params.")
		}
		for _, item := range c.form.list("items") {
			if failed := item.only("id", "price", "quantity", "deleted"); failed != nil {
				return nil, invalid("items["+failed.Param+"]", "When `payment_behavior` is set to `pending_if_incomplete`, you can only pass supported params.")
			}
		}
	}
	if failed := metadataLimits(c.form); failed != nil {
		return nil, failed
	}
	if c.form.has("metadata") {
		subscription["metadata"] = c.form.merge(subscription.obj("metadata"))
	}
	if c.form.has("cancel_at_period_end") {
		subscription["cancel_at_period_end"] = c.form.flag("cancel_at_period_end")
		subscription["cancel_at"], subscription["canceled_at"] = nil, nil
		if c.form.flag("cancel_at_period_end") {
			subscription["cancel_at"], subscription["canceled_at"] = subscription.num("current_period_end"), s.now.Unix()
		}
	}
	if c.form.has("items") {
		if failed := s.changeItems(c, subscription, pending); failed != nil {
			return nil, failed
		}
	}
	s.tell("customer.subscription.updated", subscription)
	return subscription, nil
}

// changeItems changes what a subscription sells; always_invoice asks for the difference at once.
func (s *Server) changeItems(c *call, subscription object, pending bool) *Error {
	rows, failed := s.wanted(subscription, c.form.list("items"))
	if failed != nil {
		return failed
	}
	at, failed := s.prorationDate(subscription, c.form)
	if failed != nil {
		return failed
	}
	behavior := c.form.text("proration_behavior")
	if pending && behavior != "always_invoice" {
		return invalid("proration_behavior", "Pending updates need an invoice: set proration_behavior to always_invoice.")
	}
	s.dropPending(subscription)
	turns := interval(rows) != interval(subscription.rows("items"))
	if anchor := c.form.text("billing_cycle_anchor"); anchor == "now" && behavior == "none" {
		turns = true
	} else if anchor != "" {
		return invalid("billing_cycle_anchor", "This fake resets the anchor without prorations only.")
	}
	if subscription.str("status") == "trialing" {
		subscription["items"] = listOf("/v1/subscription_items", rows)
		return nil
	}
	if turns {
		return s.turn(subscription, rows, behavior)
	}
	if behavior == "none" {
		subscription["items"] = listOf("/v1/subscription_items", rows)
		return nil
	}
	invoice := s.bill(subscription, s.prorations(subscription, rows, at), "subscription_update")
	s.finalize(invoice)
	if s.charge(invoice) {
		subscription["items"] = listOf("/v1/subscription_items", rows)
		return nil
	}
	switch {
	case pending:
		expires := min(s.now.Add(23*time.Hour).Unix(), subscription.num("current_period_end"))
		subscription["pending_update"] = object{"expires_at": expires, "subscription_items": rows, "_invoice": invoice.str("id")}
		return nil
	case c.form.text("payment_behavior") == "error_if_incomplete":
		s.void(invoice)
		return &Error{status: 402, Type: "card_error", Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined."}
	default:
		subscription["items"] = listOf("/v1/subscription_items", rows)
		subscription["status"] = "past_due"
		return nil
	}
}

// turn begins a period of another length now, and asks for its money, as Stripe does whenever the interval changes
// (https://docs.stripe.com/billing/subscriptions/change-price).
func (s *Server) turn(subscription object, rows []any, behavior string) *Error {
	if behavior != "none" {
		return invalid("proration_behavior", "This fake changes the interval without prorations only.")
	}
	now := s.now.Unix()
	subscription["items"] = listOf("/v1/subscription_items", rows)
	subscription["billing_cycle_anchor"], subscription["current_period_start"] = now, now
	subscription["current_period_end"] = s.periodEnd(subscription, now)
	invoice := s.bill(subscription, s.periodLines(subscription, now, subscription.num("current_period_end")), "subscription_update")
	s.finalize(invoice)
	s.collect(invoice)
	return nil
}

func (s *Server) prorationDate(subscription object, f form) (int64, *Error) {
	at, failed := f.number("proration_date", s.now.Unix())
	if failed != nil {
		return 0, failed
	}
	if at < subscription.num("current_period_start") || at > subscription.num("current_period_end") {
		return 0, invalid("proration_date", "Cannot specify `proration_date` outside of current subscription period.")
	}
	return at, nil
}

// dropPending discards a change that was not paid.
func (s *Server) dropPending(subscription object) {
	pending := subscription.obj("pending_update")
	if pending == nil {
		return
	}
	subscription["pending_update"] = nil
	if invoice := s.objects[pending.str("_invoice")]; invoice.str("status") == "open" {
		s.void(invoice)
	}
}

func (s *Server) cancelSubscription(c *call) (object, *Error) {
	subscription, failed := s.find("subscription", c.id, "id")
	if failed != nil {
		return nil, failed
	}
	if subscription.str("status") == "canceled" {
		return nil, &Error{status: 404, Type: "invalid_request_error", Code: "resource_missing", Param: "id", Message: "No such subscription: '" + c.id + "'"}
	}
	if failed := c.form.only("invoice_now", "prorate"); failed != nil {
		return nil, failed
	}
	s.end(subscription)
	return subscription, nil
}

func (s *Server) end(subscription object) {
	s.dropPending(subscription)
	subscription["status"], subscription["ended_at"], subscription["canceled_at"] = "canceled", s.now.Unix(), s.now.Unix()
	for _, invoice := range s.all("invoice", func(o object) bool { return o.str("subscription") == subscription.str("id") }) {
		delete(invoice, "_attempt") // open ones are not tried again
	}
	s.tell("customer.subscription.deleted", subscription)
}
