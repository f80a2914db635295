package stripefake

func (s *Server) listCharges(c *call) (object, *Error) {
	return s.list(c, "charge", "customer", "payment_intent")
}

func (s *Server) listDisputes(c *call) (object, *Error) {
	return s.list(c, "dispute", "charge", "payment_intent")
}

func (s *Server) createRefund(c *call) (object, *Error) {
	if failed := c.form.only("charge", "payment_intent", "amount", "reason", "metadata"); failed != nil {
		return nil, failed
	}
	charge, failed := s.find("charge", c.form.text("charge"), "charge")
	if failed != nil {
		return nil, failed
	}
	amount, failed := c.form.number("amount", charge.num("amount")-charge.num("amount_refunded"))
	if failed != nil || amount < 1 || amount > charge.num("amount")-charge.num("amount_refunded") {
		return nil, &Error{status: 400, Type: "invalid_request_error", Code: "charge_already_refunded", Message: "Refund amount is greater than unrefunded amount on charge"}
	}
	return s.refund(charge, amount), nil
}

func (s *Server) refund(charge object, amount int64) object {
	charge["amount_refunded"] = charge.num("amount_refunded") + amount
	charge["refunded"] = charge.num("amount_refunded") == charge.num("amount")
	refund := s.add("refund", s.newID("re"), object{
		"amount": amount, "charge": charge.str("id"), "currency": charge.str("currency"), "status": "succeeded", "payment_intent": charge.str("payment_intent"),
	})
	s.tell("charge.refunded", charge)
	return refund
}

// Refund gives back an amount of an invoice's payment, as an operator does in Stripe's dashboard.
func (s *Server) Refund(invoice string, amount int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refund(s.objects[s.objects[invoice].str("charge")], amount)
}

// Dispute has a customer's bank dispute an invoice's payment.
func (s *Server) Dispute(invoice string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	charge := s.objects[s.objects[invoice].str("charge")]
	dispute := s.add("dispute", s.newID("dp"), object{
		"amount": charge.num("amount"), "charge": charge.str("id"), "currency": charge.str("currency"), "status": "needs_response",
		"payment_intent": charge.str("payment_intent"), "reason": "fraudulent",
		"evidence_details": object{"due_by": s.now.AddDate(0, 0, 7).Unix(), "has_evidence": false, "past_due": false, "submission_count": int64(0)},
	})
	charge["disputed"], charge["_dispute"] = true, dispute.str("id")
	s.tell("charge.dispute.created", dispute)
	s.tell("charge.dispute.funds_withdrawn", dispute)
}

// AnswerDispute sends the seller's evidence, as an operator does in Stripe's dashboard: the bank looks at it.
func (s *Server) AnswerDispute(invoice string) { s.moveDispute(invoice, "under_review", "updated") }

// CloseDispute is the bank's decision.
func (s *Server) CloseDispute(invoice string, won bool) {
	if !won {
		s.moveDispute(invoice, "lost", "closed")
		return
	}
	s.moveDispute(invoice, "won", "closed", "funds_reinstated")
}

func (s *Server) moveDispute(invoice, status string, told ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dispute := s.objects[s.objects[s.objects[invoice].str("charge")].str("_dispute")]
	dispute["status"] = status
	for _, what := range told {
		s.tell("charge.dispute."+what, dispute)
	}
}

// PayInvoice is a customer who pays an open invoice on its page; a good card stays with them.
func (s *Server) PayInvoice(invoice string) bool {
	s.mu.Lock()
	o := s.objects[invoice]
	open := o.str("status") == "open"
	if open {
		s.objects[o.str("customer")]["_card"] = string(GoodCard)
		s.settle(o)
	}
	s.mu.Unlock()
	if s.Eager {
		s.Flush()
	}
	return open
}

func (s *Server) createPortalConfiguration(c *call) (object, *Error) {
	if failed := c.form.only("features", "business_profile", "metadata", "default_return_url"); failed != nil {
		return nil, failed
	}
	if !c.form.has("features") {
		return nil, missing("features")
	}
	return s.add("billing_portal.configuration", s.newID("bpc"), object{
		"active": true, "is_default": false, "features": c.form.form("features").object(), "metadata": c.form.merge(nil),
	}), nil
}

func (s *Server) listPortalConfigurations(c *call) (object, *Error) {
	if failed := c.form.only(listed("active", "is_default")...); failed != nil {
		return nil, failed
	}
	return s.page(c, s.all("billing_portal.configuration", nil))
}

func (s *Server) createPortalSession(c *call) (object, *Error) {
	if failed := c.form.only("customer", "return_url", "configuration", "locale"); failed != nil {
		return nil, failed
	}
	if _, failed := s.find("customer", c.form.text("customer"), "customer"); failed != nil {
		return nil, failed
	}
	if c.form.has("configuration") {
		if _, failed := s.find("billing_portal.configuration", c.form.text("configuration"), "configuration"); failed != nil {
			return nil, failed
		}
	}
	id := s.newID("bps")
	return s.add("billing_portal.session", id, object{
		"customer": c.form.text("customer"), "return_url": c.form.text("return_url"), "url": s.URL + "/p/" + id, "configuration": c.form.text("configuration"),
	}), nil
}
