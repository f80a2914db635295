package stripefake

import "time"

// Advance lets virtual time pass, and everything happen in its order: sessions expire, trials end, periods are renewed and
// billed, an hour later the bill is finalized and its money taken, failed payments are tried again.
func (s *Server) Advance(by time.Duration) {
	s.mu.Lock()
	until := s.now.Add(by)
	for {
		at, happen := s.next()
		if happen == nil || at > until.Unix() {
			break
		}
		if at > s.now.Unix() {
			s.now = time.Unix(at, 0).UTC()
		}
		happen()
	}
	s.now = until
	s.mu.Unlock()
	if s.Eager {
		s.Flush()
	}
}

// next finds what happens first. The lock is held.
func (s *Server) next() (at int64, happen func()) {
	consider := func(when int64, what func()) {
		if when > 0 && (happen == nil || when < at) {
			at, happen = when, what
		}
	}
	for _, id := range s.ids {
		o := s.objects[id]
		switch o.str("object") {
		case "checkout.session":
			if o.str("status") == "open" {
				consider(o.num("expires_at"), func() { s.expire(o) })
			}
		case "subscription":
			if o.str("status") == "canceled" {
				continue
			}
			if pending := o.obj("pending_update"); pending != nil {
				consider(pending.num("expires_at"), func() {
					s.dropPending(o)
					s.tell("customer.subscription.pending_update_expired", o)
				})
			}
			consider(o.num("current_period_end"), func() { s.renew(o) })
		case "invoice":
			consider(o.num("_finalize"), func() {
				delete(o, "_finalize")
				s.finalize(o)
				s.collect(o)
			})
			consider(o.num("_attempt"), func() { s.collect(o) })
		}
	}
	return at, happen
}

// renew begins the next period of a subscription, or ends it.
func (s *Server) renew(subscription object) {
	if subscription.is("cancel_at_period_end") {
		s.end(subscription)
		return
	}
	start := subscription.num("current_period_end")
	if subscription.str("status") == "trialing" {
		subscription["status"] = "active"
	}
	subscription["current_period_start"], subscription["current_period_end"] = start, s.periodEnd(subscription, start)
	invoice := s.bill(subscription, s.periodLines(subscription, start, subscription.num("current_period_end")), "subscription_cycle")
	invoice["_finalize"] = start + int64(time.Hour/time.Second)
	s.tell("customer.subscription.updated", subscription)
}

// collect tries to take a renewal's money; the subscription is past due until it comes.
func (s *Server) collect(invoice object) {
	delete(invoice, "_attempt")
	if s.charge(invoice) {
		return
	}
	subscription := s.objects[invoice.str("subscription")]
	if subscription.str("status") == "active" {
		subscription["status"] = "past_due"
		s.tell("customer.subscription.updated", subscription)
	}
}
