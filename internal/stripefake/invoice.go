package stripefake

import (
	"fmt"
	"math/big"
	"slices"
	"time"
)

// share is amount × part / whole to the nearest cent, half away from zero.
func share(amount, part, whole int64) int64 {
	n := new(big.Int).Mul(big.NewInt(amount), big.NewInt(part))
	n.Mul(n, big.NewInt(2))
	d := new(big.Int).Mul(big.NewInt(whole), big.NewInt(2))
	half := big.NewInt(whole)
	if n.Sign() < 0 {
		half.Neg(half)
	}
	return n.Add(n, half).Quo(n, d).Int64()
}

// percent is a rate with two decimals of an amount.
func percent(amount int64, rate float64) int64 { return share(amount, int64(rate*100+0.5), 10000) }

// line is a bill's line before its tax.
func (s *Server) line(subscription, item object, amount, from, until int64, proration bool) object {
	own, rates := item.strs("tax_rates"), ratesOf(subscription, item)
	price := item.obj("price")
	product := s.objects[price.str("product")]
	text := fmt.Sprintf("%d × %s", item.num("quantity"), product.str("name"))
	if proration {
		text = "Remaining time on " + text
		if amount < 0 {
			text = "Unused time on " + fmt.Sprintf("%d × %s", item.num("quantity"), product.str("name"))
		}
	}
	return object{
		"id": s.newID("il"), "object": "line_item", "amount": amount, "amount_excluding_tax": amount, "currency": subscription.str("currency"),
		"description": text, "discountable": !proration, "proration": proration, "quantity": item.num("quantity"), "price": price,
		"period": object{"start": from, "end": until}, "subscription": subscription.str("id"), "subscription_item": item.str("id"),
		"type": "subscription", "tax_rates": s.rates(own), "_rates": s.rates(rates), "tax_amounts": []any{}, "discount_amounts": []any{}, "metadata": object{},
	}
}

// ratesOf are an item's tax rates: its own, or its subscription's.
func ratesOf(subscription, item object) []any {
	if own := item.strs("tax_rates"); len(own) > 0 {
		return own
	}
	return subscription.strs("default_tax_rates")
}

func (s *Server) rates(ids []any) []any {
	rates := []any{}
	for _, id := range ids {
		text, _ := id.(string)
		rates = append(rates, clone(s.objects[text]))
	}
	return rates
}

// periodLines are a whole period's; a trial's are free.
func (s *Server) periodLines(subscription object, from, until int64) []any {
	var lines []any
	for _, row := range subscription.rows("items") {
		item := row.(object)
		amount := item.obj("price").num("unit_amount") * item.num("quantity")
		if subscription.str("status") == "trialing" {
			amount = 0
		}
		lines = append(lines, s.line(subscription, item, amount, from, until, false))
	}
	return lines
}

// prorations are what a change of items costs from a moment to the period's end: what is unused goes back, what remains is
// charged, each by the second and after a percentage that a coupon takes off. What stays the same has no line.
func (s *Server) prorations(subscription object, rows []any, at int64) []any {
	left, whole := subscription.num("current_period_end")-at, subscription.num("current_period_end")-subscription.num("current_period_start")
	off := s.couponOf(subscription)
	of := func(item object, sign int64) object {
		amount := item.obj("price").num("unit_amount") * item.num("quantity")
		if rate, isRate := off["percent_off"].(float64); isRate {
			amount -= percent(amount, rate)
		}
		return s.line(subscription, item, share(amount, sign*left, whole), at, subscription.num("current_period_end"), true)
	}
	same := func(in []any, item object) bool {
		return slices.ContainsFunc(in, func(row any) bool {
			o := row.(object)
			return o.str("id") == item.str("id") && o.num("quantity") == item.num("quantity") && o.obj("price").str("id") == item.obj("price").str("id")
		})
	}
	var lines []any
	for _, row := range subscription.rows("items") {
		if !same(rows, row.(object)) {
			lines = append(lines, of(row.(object), -1))
		}
	}
	for _, row := range rows {
		if !same(subscription.rows("items"), row.(object)) {
			lines = append(lines, of(row.(object), 1))
		}
	}
	return lines
}

// couponOf is what is taken off a subscription's bills now; nil when nothing is.
func (s *Server) couponOf(subscription object) object {
	d := subscription.obj("discount")
	if d == nil || d.obj("coupon").str("duration") == "once" && d.num("_used") > 0 {
		return nil
	}
	if end := d.num("end"); end != 0 && s.now.Unix() >= end {
		return nil
	}
	return d.obj("coupon")
}

// bill makes a draft of lines.
func (s *Server) bill(subscription object, lines []any, reason string) object {
	id := s.newID("in")
	invoice := s.add("invoice", id, s.reckon(subscription, lines, reason))
	subscription["latest_invoice"] = id
	if d := subscription.obj("discount"); d != nil && len(invoice.strs("total_discount_amounts")) > 0 {
		d["_used"] = d.num("_used") + 1
	}
	s.tell("invoice.created", invoice)
	return invoice
}

// reckon sums lines up: discounts, then tax, once for each rate.
func (s *Server) reckon(subscription object, lines []any, reason string) object {
	customer := s.objects[subscription.str("customer")]
	var subtotal, discountable int64
	for _, row := range lines {
		subtotal += row.(object).num("amount")
		if row.(object).is("discountable") {
			discountable += row.(object).num("amount")
		}
	}
	discounts, off := []any{}, int64(0)
	if coupon := s.couponOf(subscription); coupon != nil && discountable > 0 {
		off = min(coupon.num("amount_off"), discountable)
		if rate, isRate := coupon["percent_off"].(float64); isRate {
			off = percent(discountable, rate)
		}
		discounts = append(discounts, object{"amount": off, "discount": subscription.obj("discount").str("id")})
	}
	invoice := object{
		"customer": subscription.str("customer"), "customer_email": customer["email"], "subscription": subscription.str("id"), "status": "draft",
		"currency": subscription.str("currency"), "billing_reason": reason, "collection_method": "charge_automatically",
		"lines": listOf("/v1/invoices/lines", lines), "subtotal": subtotal, "subtotal_excluding_tax": subtotal, "total_excluding_tax": subtotal - off,
		"amount_paid": int64(0), "total_discount_amounts": discounts, "discount": subscription["discount"], "_discountable": discountable,
		"attempt_count": int64(0), "attempted": false, "paid": false, "auto_advance": true, "number": nil, "hosted_invoice_url": nil,
		"invoice_pdf": nil, "charge": nil, "payment_intent": nil, "due_date": nil, "next_payment_attempt": nil, "metadata": object{},
		"period_start": subscription.num("current_period_start"), "period_end": subscription.num("current_period_end"),
		"subscription_details": object{"metadata": clone(subscription.obj("metadata"))},
		"status_transitions":   object{"finalized_at": nil, "paid_at": nil, "voided_at": nil, "marked_uncollectible_at": nil},
	}
	s.tax(invoice)
	return invoice
}

// tax adds to a draft what its customer owes of tax as they are now, and what is to be paid then.
func (s *Server) tax(invoice object) {
	customer := s.objects[invoice.str("customer")]
	net := invoice.num("total_excluding_tax")
	tax, taxes := taxOf(invoice.rows("lines"), invoice.num("subtotal")-net, invoice.num("_discountable"), customer.str("tax_exempt"))
	invoice["customer_tax_exempt"], invoice["tax"], invoice["total_tax_amounts"], invoice["total"] = customer["tax_exempt"], tax, taxes, net+tax
	// What a customer has too much goes towards the next bill.
	before := customer.num("balance")
	due := max(net+tax+before, 0)
	invoice["starting_balance"], invoice["amount_due"], invoice["amount_remaining"], invoice["ending_balance"] = before, due, due, net+tax+before-due
}

// taxOf is each rate's tax on its lines, less their part of a discount, rounded once; and each line's part of that. Of a customer who
// is exempt, or owes it themselves, the rates are named and nothing is taken.
func taxOf(lines []any, off, discountable int64, exempt string) (int64, []any) {
	if reason := map[string]string{"exempt": "customer_exempt", "reverse": "reverse_charge"}[exempt]; reason != "" {
		_, taxes := taxOf(lines, off, discountable, "none")
		for _, row := range lines {
			untax(row.(object).strs("tax_amounts"), reason)
		}
		untax(taxes, reason)
		return 0, taxes
	}
	type sum struct {
		rate object
		net  int64
		last object
		told int64
	}
	var order []string
	byRate := map[string]*sum{}
	var taken int64
	lastDiscounted := -1
	for i, row := range lines {
		if row.(object).is("discountable") {
			lastDiscounted = i
		}
	}
	for i, row := range lines {
		line := row.(object)
		net := line.num("amount")
		if line.is("discountable") && discountable > 0 {
			part := share(off, net, discountable)
			if i == lastDiscounted {
				part = off - taken
			}
			taken += part
			net -= part
			if part != 0 {
				line["discount_amounts"] = []any{object{"amount": part, "discount": "di_fake"}}
			}
		}
		for _, r := range line.strs("_rates") {
			rate := r.(object)
			if byRate[rate.str("id")] == nil {
				byRate[rate.str("id")] = &sum{rate: rate}
				order = append(order, rate.str("id"))
			}
			of := byRate[rate.str("id")]
			of.net += net
			percentage, _ := rate["percentage"].(float64)
			part := object{"amount": percent(net, percentage), "inclusive": false, "tax_rate": rate.str("id"), "taxable_amount": net}
			line["tax_amounts"] = []any{part}
			of.last, of.told = part, of.told+part.num("amount")
		}
	}
	var total int64
	taxes := []any{}
	for _, id := range order {
		of := byRate[id]
		percentage, _ := of.rate["percentage"].(float64)
		tax := percent(of.net, percentage)
		of.last["amount"] = of.last.num("amount") + tax - of.told // what rounding left
		total += tax
		taxes = append(taxes, object{"amount": tax, "inclusive": false, "tax_rate": id, "taxable_amount": of.net})
	}
	return total, taxes
}

// untax makes parts of a tax nothing.
func untax(parts []any, reason string) {
	for _, row := range parts {
		part := row.(object)
		part["amount"], part["taxable_amount"], part["taxability_reason"] = int64(0), int64(0), reason
	}
}

// finalize gives a draft its number: from here on only its status changes.
func (s *Server) finalize(invoice object) {
	s.invoices++
	id := invoice.str("id")
	customer := s.objects[invoice.str("customer")]
	if invoice.str("customer_tax_exempt") != customer.str("tax_exempt") {
		s.tax(invoice) // a draft follows its customer
	}
	customer["balance"] = invoice.num("ending_balance")
	invoice["status"], invoice["number"] = "open", fmt.Sprintf("FAKE-%04d", s.invoices)
	invoice["hosted_invoice_url"], invoice["invoice_pdf"] = s.URL+"/i/"+id, s.URL+"/i/"+id+"/pdf"
	invoice.obj("status_transitions")["finalized_at"] = s.now.Unix()
	s.tell("invoice.finalized", invoice)
}

// charge tries to take the money of an open invoice, and says whether it is paid.
func (s *Server) charge(invoice object) bool {
	if invoice.num("amount_due") == 0 {
		s.settle(invoice)
		return true
	}
	customer := s.objects[invoice.str("customer")]
	invoice["attempt_count"], invoice["attempted"] = invoice.num("attempt_count")+1, true
	card := Card(customer.str("_card"))
	if card == GoodCard {
		s.settle(invoice)
		return true
	}
	intent := s.intent(invoice)
	intent["status"] = "requires_payment_method"
	if card == SCACard {
		intent["status"] = "requires_action"
		s.tell("invoice.payment_action_required", invoice)
	}
	if left := int64(4) - invoice.num("attempt_count"); left > 0 {
		next := s.now.AddDate(0, 0, s.retryDays).Unix()
		invoice["next_payment_attempt"], invoice["_attempt"] = next, next
	} else {
		invoice["next_payment_attempt"] = nil
		delete(invoice, "_attempt")
	}
	s.tell("invoice.payment_failed", invoice)
	return false
}

func (s *Server) intent(invoice object) object {
	if id := invoice.str("payment_intent"); id != "" {
		return s.objects[id]
	}
	id := s.newID("pi")
	invoice["payment_intent"] = id
	return s.add("payment_intent", id, object{
		"amount": invoice.num("amount_due"), "currency": invoice.str("currency"), "customer": invoice.str("customer"), "invoice": invoice.str("id"),
		"status": "requires_confirmation", "client_secret": id + "_secret_fake",
	})
}

// settle records that an invoice's money has come, and what that unlocks.
func (s *Server) settle(invoice object) {
	due := invoice.num("amount_due")
	if due > 0 {
		intent := s.intent(invoice)
		intent["status"] = "succeeded"
		charge := s.newID("ch")
		s.add("charge", charge, object{
			"amount": due, "amount_captured": due, "amount_refunded": int64(0), "refunded": false, "disputed": false, "paid": true, "captured": true,
			"status": "succeeded", "currency": invoice.str("currency"), "customer": invoice.str("customer"), "invoice": invoice.str("id"),
			"payment_intent": intent.str("id"), "dispute": nil,
		})
		invoice["charge"], intent["latest_charge"] = charge, charge
		s.tell("charge.succeeded", s.objects[charge])
	}
	invoice["status"], invoice["paid"], invoice["amount_paid"], invoice["amount_remaining"] = "paid", true, due, int64(0)
	invoice["next_payment_attempt"] = nil
	delete(invoice, "_attempt")
	invoice.obj("status_transitions")["paid_at"] = s.now.Unix()
	s.tell("invoice.paid", invoice)
	s.tell("invoice.payment_succeeded", invoice)
	subscription := s.objects[invoice.str("subscription")]
	if pending := subscription.obj("pending_update"); pending != nil && pending.str("_invoice") == invoice.str("id") {
		subscription["items"] = listOf("/v1/subscription_items", pending.strs("subscription_items"))
		subscription["pending_update"] = nil
		s.tell("customer.subscription.pending_update_applied", subscription)
		s.tell("customer.subscription.updated", subscription)
	}
	unpaid := s.all("invoice", func(o object) bool {
		return o.str("subscription") == subscription.str("id") && o.str("status") == "open"
	})
	if status := subscription.str("status"); len(unpaid) == 0 && (status == "past_due" || status == "unpaid" || status == "incomplete") {
		subscription["status"] = "active"
		s.tell("customer.subscription.updated", subscription)
	}
}

func (s *Server) void(invoice object) {
	invoice["status"], invoice["next_payment_attempt"] = "void", nil
	delete(invoice, "_attempt")
	invoice.obj("status_transitions")["voided_at"] = s.now.Unix()
	// What it took from the customer's balance goes back.
	customer := s.objects[invoice.str("customer")]
	customer["balance"] = customer.num("balance") + invoice.num("starting_balance") - invoice.num("ending_balance")
	s.tell("invoice.voided", invoice)
}

func (s *Server) listInvoices(c *call) (object, *Error) {
	return s.list(c, "invoice", "subscription", "customer", "status")
}

func (s *Server) payInvoice(c *call) (object, *Error) {
	invoice, failed := s.find("invoice", c.id, "invoice")
	if failed != nil {
		return nil, failed
	}
	if invoice.str("status") != "open" {
		return nil, &Error{status: 400, Type: "invalid_request_error", Code: "invoice_already_paid", Message: "Invoice is " + invoice.str("status")}
	}
	if !s.charge(invoice) {
		return nil, &Error{status: 402, Type: "card_error", Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined."}
	}
	return invoice, nil
}

func (s *Server) voidInvoice(c *call) (object, *Error) {
	invoice, failed := s.find("invoice", c.id, "invoice")
	if failed != nil {
		return nil, failed
	}
	if invoice.str("status") != "open" {
		return nil, invalid("invoice", "You can only pass in open invoices.")
	}
	s.void(invoice)
	return invoice, nil
}

// preview is the bill that a change would bring: always_invoice brings its prorations alone, else the next period's.
func (s *Server) preview(c *call) (object, *Error) {
	if failed := c.form.only("customer", "subscription", "subscription_details"); failed != nil {
		return nil, failed
	}
	subscription, failed := s.find("subscription", c.form.text("subscription"), "subscription")
	if failed != nil {
		return nil, failed
	}
	if subscription.str("status") == "canceled" {
		return nil, &Error{status: 404, Type: "invalid_request_error", Code: "invoice_upcoming_none", Message: "No upcoming invoices for customer"}
	}
	details := c.form.form("subscription_details")
	last := s.last
	defer func() { s.last = last }() // nothing of it is kept
	rows, failed := s.wanted(subscription, details.list("items"))
	if failed != nil {
		return nil, failed
	}
	at, failed := s.prorationDate(subscription, details)
	if failed != nil {
		return nil, failed
	}
	var lines []any
	if subscription.str("status") != "trialing" && details.text("proration_behavior") != "none" && details.has("items") {
		lines = s.prorations(subscription, rows, at)
	}
	if details.text("proration_behavior") != "always_invoice" || len(lines) == 0 {
		next := copied(subscription)
		next["items"], next["status"] = listOf("/v1/subscription_items", rows), "active"
		end := subscription.num("current_period_end")
		lines = append(lines, s.periodLines(next, end, s.periodEnd(subscription, end))...)
	}
	invoice := s.reckon(subscription, lines, "upcoming")
	invoice["object"], invoice["created"], invoice["id"] = "invoice", s.now.Unix(), "upcoming_in_fake"
	invoice["next_payment_attempt"] = time.Unix(subscription.num("current_period_end"), 0).Add(time.Hour).Unix()
	return invoice, nil
}
