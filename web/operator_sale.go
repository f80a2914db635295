package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func salePath(slug string) string { return "/operator/plans/" + slug }

// showSale lists the plans.
func (s *Server) showSale(r *request) error {
	lines, err := s.Plans.List(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	vm := templates.OperatorSale{Kind: templates.SalePlans}
	for _, line := range lines {
		newest := line.Newest()
		owners := map[string]bool{}
		for _, v := range line.Own {
			if v.State != controlplane.Hidden && v.State != controlplane.Replaced {
				owners[v.Account] = true
			}
		}
		vm.Rows = append(vm.Rows, templates.SaleRow{
			Slug: line.Slug, Name: newest.Name.In(r.locale.Code()), Newest: planVersionView(r, newest),
			Servers: line.Servers(), Older: line.Servers() - newest.Servers, Own: len(owners),
		})
	}
	return r.ok(templates.OperatorSalePage(s.page(r), vm))
}

func planVersionView(r *request, v controlplane.PlanVersion) templates.SaleVersion {
	view := planView(r.locale.Code(), v.Plan)
	return templates.SaleVersion{
		ID: string(v.ID), Version: v.Version, State: string(v.State), Price: view.Price, Holds: templates.PlanLine(r.locale, view),
		From: v.ValidFrom, Until: moment(v.ValidUntil), CreatedAt: v.CreatedAt, CreatedBy: v.CreatedBy, Owner: v.Owner, Servers: v.Servers,
	}
}

func (s *Server) showSalePlan(r *request) error {
	return s.salePlanPage(r, http.StatusOK, templates.Form{})
}

// salePlanPage is one plan; form is that of a price of one's own, which starts with what everybody pays.
func (s *Server) salePlanPage(r *request, status int, form templates.Form) error {
	line, err := s.Plans.Find(r.ctx(), r.actor(), r.Param("slug"))
	if err != nil {
		return err
	}
	newest := line.Newest()
	vm := templates.OperatorPlan{
		Slug: line.Slug, Name: newest.Name.In(r.locale.Code()), Card: planView(r.locale.Code(), newest.Plan), Sold: newest.Visible, OwnForm: form,
	}
	for _, v := range line.Versions {
		vm.Versions = append(vm.Versions, planVersionView(r, v))
	}
	for _, v := range line.Own {
		vm.Own = append(vm.Own, planVersionView(r, v))
	}
	if form.Values == nil {
		vm.OwnForm.Values = fieldValues(r, tenant.PlanFields, newest.Plan)
	}
	return r.render(status, templates.OperatorPlanPage(at(s.page(r), salePath(line.Slug)), vm))
}

// fieldValues fills a form with what there is, as the reader writes it.
func fieldValues[T any](r *request, fields []tenant.Field[T], of T) map[string]string {
	values := map[string]string{}
	for _, f := range fields {
		text := f.Get(&of)
		switch f.Name {
		case "price", "amount":
			if r.locale.Code() == "de" {
				text = strings.Replace(text, ".", ",", 1)
			}
		case "valid_from", "valid_until", "redeem_by":
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				text = r.locale.InputTime(at)
			}
		}
		values[f.Name] = text
	}
	return values
}

// fieldTexts reads a form's fields. A box that was not ticked is not sent at all, and says no.
func fieldTexts(r *request, values url.Values) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text := values.Get(name)
		switch name {
		case "valid_from", "valid_until", "redeem_by":
			if at, err := r.locale.ParseInputTime(text); err == nil {
				text = at.Format(time.RFC3339)
			}
		case "visible", "show_gross":
			return text, true
		}
		return text, values.Has(name)
	}
}

func fieldNames[T any](fields []tenant.Field[T], more ...string) []string {
	for _, f := range fields {
		more = append(more, f.Name)
	}
	return more
}

// freshPlan is what the form of a new plan starts with: the machine's part of the smallest of ours.
var freshPlan = tenant.Plan{
	Visible: true, Price: tenant.Money{Currency: "EUR"}, VATRate: 19, Period: tenant.Monthly,
	Quota:   tenant.Quota{Seats: 10, StorageBytes: 20_000_000_000, UploadBytes: 50_000_000, Federation: tenant.FederationOpen},
	Limits:  tenant.Limits{MemoryBytes: 384 << 20, CPUMillis: 1000, PIDs: 256, DatabaseConnections: 15},
	Engines: []tenant.EngineName{tenant.Synapse, tenant.Dendrite},
}

func (s *Server) showNewPlan(r *request) error {
	plan := freshPlan
	lines, err := s.Plans.List(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	for _, line := range lines {
		plan.Position = max(plan.Position, line.Newest().Position+1)
	}
	return s.planFormPage(r, http.StatusOK, nil, plan, templates.Form{Values: fieldValues(r, tenant.PlanFields, plan)})
}

func (s *Server) createPlan(r *request) error {
	in, err := r.form(fieldNames(tenant.PlanFields)...)
	if err != nil {
		return err
	}
	var plan tenant.Plan
	if err = tenant.Fill(tenant.PlanFields, &plan, fieldTexts(r, in.values)); err == nil {
		err = s.Plans.Create(r.ctx(), r.actor(), plan)
	} else {
		err = errors.Join(err, plan.Check(s.Now()))
	}
	if form, wrong := in.wrong(err); wrong {
		return s.planFormPage(r, http.StatusUnprocessableEntity, nil, plan, form)
	}
	if err != nil {
		return err
	}
	return r.done(salePath(plan.Slug), flashPlanSaved)
}

func (s *Server) showPlanForm(r *request) error {
	line, err := s.Plans.Find(r.ctx(), r.actor(), r.Param("slug"))
	if err != nil {
		return err
	}
	plan := line.Newest().Plan
	if !plan.ValidFrom.After(s.Now()) {
		plan.ValidFrom = time.Time{} // the new version begins at once, unless something is said
	}
	form := templates.Form{Values: fieldValues(r, tenant.PlanFields, plan)}
	form.Values["version"] = strconv.Itoa(plan.Version)
	return s.planFormPage(r, http.StatusOK, &line, plan, form)
}

func (s *Server) savePlan(r *request) error {
	in, err := r.form(fieldNames(tenant.PlanFields, "version")...)
	if err != nil {
		return err
	}
	line, err := s.Plans.Find(r.ctx(), r.actor(), r.Param("slug"))
	if err != nil {
		return err
	}
	plan := line.Newest().Plan
	err = tenant.Fill(tenant.PlanFields, &plan, fieldTexts(r, in.values))
	plan.Slug = line.Slug // it stands in the address
	changed := false
	if err == nil {
		after, _ := strconv.Atoi(in.get("version")) // none is outdated
		changed, err = s.Plans.Change(r.ctx(), r.actor(), after, plan)
	} else {
		err = errors.Join(err, plan.Check(s.Now()))
	}
	if form, wrong := in.wrong(err); wrong {
		return s.planFormPage(r, http.StatusUnprocessableEntity, &line, plan, form)
	}
	if err != nil {
		return err
	}
	return r.done(salePath(plan.Slug), savedOrNot(changed, flashPlanSaved))
}

func savedOrNot(changed bool, saved flash) flash {
	if changed {
		return saved
	}
	return flashSaleUnchanged
}

// planFormPage shows a plan's form; line is nil for a new one.
func (s *Server) planFormPage(r *request, status int, line *controlplane.PlanLine, plan tenant.Plan, form templates.Form) error {
	vm := templates.SaleForm{Kind: templates.SalePlans, Form: form, Preview: previewOf(plan)}
	path := "/operator/new/plan"
	if line != nil {
		vm.Slug, vm.Name, vm.Servers = line.Slug, line.Newest().Name.In(r.locale.Code()), line.Servers()
		path = salePath(line.Slug) + "/edit"
	}
	return r.render(status, templates.SaleFormPage(at(s.page(r), path), vm))
}

func previewOf(plan tenant.Plan) templates.SalePreview {
	// Half typed, an amount may be anything: the card shows none rather than nonsense.
	plan.Price.Cents = min(max(plan.Price.Cents, 0), tenant.MostCents)
	plan.VATRate = min(max(plan.VATRate, 0), 100)
	return templates.SalePreview{German: planView("de", plan), English: planView("en", plan)}
}

// previewPlan shows the card while somebody types. What cannot be read yet is left out.
func (s *Server) previewPlan(r *request) error {
	var plan tenant.Plan
	_ = tenant.Fill(tenant.PlanFields, &plan, fieldTexts(r, r.QueryParams())) // the form says what is wrong when it is sent
	return r.ok(templates.SalePreviewCards(previewOf(plan)))
}

func (s *Server) showInSale(r *request) error   { return s.setSale(r, true, flashSaleShown) }
func (s *Server) hideFromSale(r *request) error { return s.setSale(r, false, flashSaleHidden) }

func (s *Server) setSale(r *request, visible bool, message flash) error {
	if err := s.Plans.Show(r.ctx(), r.actor(), r.Param("slug"), visible); err != nil {
		return err
	}
	return r.done(salePath(r.Param("slug")), message)
}

// ownPriceFields are what a price of one's own may differ in.
var ownPriceFields = []string{"price", "seats", "storage", "trial_days"}

func (s *Server) giveOwnPrice(r *request) error {
	in, err := r.form(append([]string{"email"}, ownPriceFields...)...)
	if err != nil {
		return err
	}
	texts := fieldTexts(r, in.values)
	err = s.Plans.GiveOwn(r.ctx(), r.actor(), controlplane.OwnPrice{
		Slug: r.Param("slug"), Email: in.get("email"), Set: func(name string) (string, bool) {
			if !slices.Contains(ownPriceFields, name) {
				return "", false
			}
			return texts(name)
		},
	})
	if form, wrong := in.wrong(err); wrong {
		return s.salePlanPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return r.done(salePath(r.Param("slug")), flashOwnSaved)
}

func (s *Server) withdrawOwnPrice(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	err = s.Plans.WithdrawOwn(r.ctx(), r.actor(), r.Param("slug"), tenant.PlanID(in.get("plan")))
	if form, wrong := in.wrong(err); wrong {
		form.Values = nil // those of the other form on the page
		return s.salePlanPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return r.done(salePath(r.Param("slug")), flashOwnWithdrawn)
}

func (s *Server) showMove(r *request) error {
	return s.movePage(r, http.StatusOK, r.QueryParam("from"), r.QueryParam("to"))
}

// movePage says what moving servers would do. Versions that are the same have nothing to say.
func (s *Server) movePage(r *request, status int, from, to string) error {
	move, err := s.Plans.PreviewMove(r.ctx(), r.actor(), r.Param("slug"), tenant.PlanID(from), tenant.PlanID(to))
	if form, wrong := (input{}).wrong(err); wrong {
		return s.salePlanPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	vm := templates.OperatorMove{
		Slug: r.Param("slug"), Name: move.To.Name.In(r.locale.Code()), From: planVersionView(r, move.From), To: planVersionView(r, move.To), Fits: len(move.Fits),
	}
	for _, c := range move.Changes {
		vm.Changes = append(vm.Changes, templates.SaleChange{Field: c.Field, Before: c.Before, After: c.After})
	}
	for _, m := range move.Misfits {
		misfit := templates.Misfit{ServerID: string(m.Server.ID), ServerName: string(m.Server.ServerName), Owner: m.Server.OwnerEmail, Code: m.Code}
		for _, excess := range m.Excess {
			misfit.Refusals = append(misfit.Refusals, templates.Refusal{Code: excess.What, Have: excess.Used, Limit: excess.Limit})
		}
		vm.Misfits = append(vm.Misfits, misfit)
	}
	path := salePath(vm.Slug) + "/move?" + url.Values{"from": {from}, "to": {to}}.Encode()
	return r.render(status, templates.OperatorMovePage(at(s.page(r), path), vm))
}

func (s *Server) moveServers(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	from, to := in.get("from"), in.get("to")
	_, err = s.Plans.Move(r.ctx(), r.actor(), r.Param("slug"), tenant.PlanID(from), tenant.PlanID(to), in.get("fitting") == "yes")
	if _, wrong := in.wrong(err); wrong { // one does not fit any more: the page names it
		return s.movePage(r, http.StatusUnprocessableEntity, from, to)
	}
	if err != nil {
		return err
	}
	return r.done(salePath(r.Param("slug")), flashServersMoved)
}
