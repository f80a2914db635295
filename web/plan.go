package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates"
	"hafen/tenant"
)

// addonPrefix begins the names of fields that hold how many packs of an add-on somebody wants.
const addonPrefix = "addon."

// choice reads a plan and packs from a form or an address.
func choice(values url.Values) controlplane.Choice {
	return controlplane.Choice{Plan: tenant.PlanID(values.Get("plan")), Packs: packs(values)}
}

// packs reads how many packs are wanted. What is no number is one too many, which the use case refuses with the field's name.
func packs(values url.Values) map[tenant.AddonID]int {
	wanted := map[tenant.AddonID]int{}
	for name, list := range values {
		id, is := strings.CutPrefix(name, addonPrefix)
		text := strings.TrimSpace(strings.Join(list, ""))
		if !is || text == "" {
			continue
		}
		quantity, err := strconv.Atoi(text)
		if err != nil {
			quantity = -1
		}
		if quantity != 0 {
			wanted[tenant.AddonID(id)] = quantity
		}
	}
	return wanted
}

func choiceURL(id tenant.ID, c controlplane.Choice) string {
	values := url.Values{"plan": {string(c.Plan)}}
	for addon, quantity := range c.Packs {
		values.Set(addonPrefix+string(addon), strconv.Itoa(quantity))
	}
	return planPath(id) + "/change?" + values.Encode()
}

func planPath(id tenant.ID) string { return serverPath(id) + "/plan" }

func (s *Server) showPlan(r *request) error {
	view, err := s.Subscriptions.View(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	if view.Subscription.State == billing.Pending {
		return r.redirect(paymentPath(r.server.ID))
	}
	return r.ok(templates.SubscriptionPage(s.page(r), s.subscriptionView(r, view)))
}

// showPlanChange shows what a change would cost today, to be agreed to.
func (s *Server) showPlanChange(r *request) error {
	return s.planChangePage(r, http.StatusOK, choice(r.QueryParams()), templates.Form{})
}

func (s *Server) planChangePage(r *request, status int, c controlplane.Choice, form templates.Form) error {
	view, err := s.Subscriptions.View(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	quote, err := s.Subscriptions.Quote(r.ctx(), r.actor(), r.server.ID, c, s.Now())
	if form, wrong := (input{form: form}).wrong(planFault(err)); wrong {
		vm := s.subscriptionView(r, view)
		vm.Form = form
		return r.render(http.StatusUnprocessableEntity, templates.SubscriptionPage(at(s.page(r), planPath(r.server.ID)), vm))
	}
	if err != nil {
		return err
	}
	return r.render(status, templates.PlanConfirmPage(at(s.page(r), choiceURL(r.server.ID, c)), s.planConfirmView(r, view, quote, form)))
}

// planFault makes what somebody typed into an address a mistake of theirs.
func planFault(err error) error {
	if fault := tenant.FaultOf(err); err != nil && fault.Code == "plan.unknown" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: fault.Code, Field: "plan", Err: err}
	}
	return err
}

// changePlan is the binding click. The moment and the price that were shown come back with it.
func (s *Server) changePlan(r *request) error {
	in, err := r.form("plan")
	if err != nil {
		return err
	}
	c := choice(in.values)
	moment, err := time.Parse(time.RFC3339, in.get("at"))
	if err != nil {
		moment = time.Time{} // as good as expired
	}
	gross, err := strconv.ParseInt(in.get("gross"), 10, 64)
	if err != nil {
		gross = -1 << 62 // what nothing costs
	}
	quote, terms, err := s.Subscriptions.Confirm(r.ctx(), r.actor(), r.server.ID, controlplane.Confirmed{Choice: c, At: moment, Gross: gross})
	fault := tenant.FaultOf(err)
	if err != nil && fault.Kind == tenant.PaymentRequired {
		err = &tenant.Fault{Kind: tenant.Conflict, Code: fault.Code, Err: err} // the page says what to do about it
	}
	if form, wrong := in.wrong(planFault(err)); wrong {
		return s.planChangePage(r, http.StatusUnprocessableEntity, c, form)
	}
	switch {
	case err != nil:
		return err
	case terms.CheckoutURL != "":
		return r.redirect(terms.CheckoutURL)
	case quote.Later:
		return r.done(planPath(r.server.ID), flashPlanBooked)
	case !terms.Settled:
		return r.done(planPath(r.server.ID), flashPlanPending)
	}
	return r.done(planPath(r.server.ID), flashPlanChanged)
}

func (s *Server) undoPlan(r *request) error {
	if err := s.Subscriptions.TakeBack(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	return r.done(planPath(r.server.ID), flashPlanUnbooked)
}

func (s *Server) cancelPlan(r *request) error {
	if err := s.Subscriptions.Cancel(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	return r.done(planPath(r.server.ID), flashPlanCancelled)
}

func (s *Server) resumePlan(r *request) error {
	if err := s.Subscriptions.Resume(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	return r.done(planPath(r.server.ID), flashPlanResumed)
}

// payPlan leads to where the money of a pending change is taken.
func (s *Server) payPlan(r *request) error {
	terms, err := s.Subscriptions.Continue(r.ctx(), r.actor(), r.server.ID)
	switch {
	case err != nil:
		return err
	case terms.CheckoutURL != "":
		return r.redirect(terms.CheckoutURL)
	case !terms.Settled:
		return r.done(planPath(r.server.ID), flashPlanPending)
	}
	return r.done(planPath(r.server.ID), flashPlanChanged)
}

// giveUpPlan gives up a change that waits for its money.
func (s *Server) giveUpPlan(r *request) error {
	gone, err := s.Subscriptions.GiveUp(r.ctx(), r.actor(), r.server.ID)
	switch {
	case err != nil:
		return err
	case gone:
		return r.done(planPath(r.server.ID), flashPlanGivenUp)
	}
	return r.done(planPath(r.server.ID), flashPlanChanged)
}

// openPortal leads to where the provider keeps cards.
func (s *Server) openPortal(r *request) error {
	portal, err := s.Subscriptions.Portal(r.ctx(), r.actor(), r.server.ID, s.PublicURL+planPath(r.server.ID))
	if err != nil {
		return err
	}
	if portal == "" {
		return r.redirect(planPath(r.server.ID))
	}
	return r.redirect(portal)
}
