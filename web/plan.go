package web

import (
	"net/http"

	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showPlanChange(r *request) error {
	return s.planPage(r, http.StatusOK, templates.Form{})
}

func (s *Server) changePlan(r *request) error {
	in, err := r.form("plan")
	if err != nil {
		return err
	}
	err = s.Servers.ChangePlan(r.ctx(), r.actor(), r.server.ID, tenant.PlanID(in.get("plan")))
	if tenant.FaultOf(err).Code == "plan.unknown" {
		err = &tenant.Fault{Kind: tenant.Invalid, Code: "plan.unknown", Field: "plan", Err: err}
	}
	if form, wrong := in.wrong(err); wrong {
		return s.planPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return r.done(serverPath(r.server.ID), flashPlanChanged)
}

func (s *Server) planPage(r *request, status int, form templates.Form) error {
	plans, err := s.Orders.Plans(r.ctx(), r.server.Account)
	if err != nil {
		return err
	}
	vm := templates.PlanChange{Server: s.serverView(r, r.server), Seats: seatsView(r.server), Storage: storageView(r.server, nil), Form: form}
	for _, plan := range plans {
		vm.Options = append(vm.Options, planOption(r.locale.Code(), r.server.Plan, plan, r.server.Usage))
	}
	return r.render(status, templates.PlanChangePage(s.page(r), vm))
}

// planOption says what changing to a plan would be, and what must shrink before.
func planOption(language string, now, next tenant.Plan, usage tenant.Usage) templates.PlanOption {
	option := templates.PlanOption{Plan: planView(language, next), Kind: "upgrade"}
	switch {
	case next.ID == now.ID:
		option.Kind = "current"
		return option
	case next.Position < now.Position:
		option.Kind = "downgrade"
	}
	for _, excess := range usage.Exceeds(next.Quota) {
		option.Refusals = append(option.Refusals, templates.Refusal{Code: excess.What, Have: excess.Used, Limit: excess.Limit})
	}
	return option
}
