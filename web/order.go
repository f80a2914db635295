package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

// The fields an order is made of, on every one of its three pages; beside them one for each add-on.
var orderFields = []string{"plan", "kind", "name", "domain", "host", "localpart", "engine", "coupon"}

// orderFieldsOf names the fields of an order that are there.
func orderFieldsOf(values url.Values) []string {
	fields := slices.Clone(orderFields)
	for name := range values {
		if strings.HasPrefix(name, addonPrefix) {
			fields = append(fields, name)
		}
	}
	return fields
}

// showPlans is the first page: what to buy.
func (s *Server) showPlans(r *request) error {
	plans, err := s.Orders.Plans(r.ctx(), r.actor().Account)
	if err != nil {
		return err
	}
	return r.ok(templates.OrderPlanPage(s.page(r), templates.OrderPlan{Plans: planViews(r.locale.Code(), plans), Chosen: r.QueryParam("plan")}))
}

// showName is the second page: under which name.
func (s *Server) showName(r *request) error {
	quote, err := s.Orders.Quote(r.ctx(), r.actor().Account, tenant.PlanID(r.QueryParam("plan")))
	if tenant.FaultOf(err).Code == "plan.unknown" {
		return r.redirect("/order")
	}
	if err != nil {
		return err
	}
	form := filled(r.QueryParams(), orderFieldsOf(r.QueryParams()))
	if form.Values["localpart"] == "" {
		form.Values["localpart"] = suggestedAdmin(r.session.Account.Email)
	}
	return s.namePage(r, http.StatusOK, quote, form)
}

func (s *Server) namePage(r *request, status int, quote controlplane.Quote, form templates.Form) error {
	addons, err := s.Orders.Addons(r.ctx(), r.actor().Account, quote.Plan)
	if err != nil {
		return err
	}
	vm := templates.OrderName{Plan: quoteView(r.locale.Code(), quote), BaseDomain: string(s.Base), Form: form}
	for _, addon := range addons {
		vm.Addons = append(vm.Addons, addonView(r.locale.Code(), addon, quote.Offer))
	}
	return r.render(status, templates.OrderNamePage(at(s.page(r), "/order/name?"+query(form).Encode()), vm))
}

// chooseName checks the name; the third page carries it, and the order itself checks it again.
func (s *Server) chooseName(r *request) error {
	in, err := r.form(orderFieldsOf(r.Request().PostForm)...)
	if err != nil {
		return err
	}
	quote, err := s.Orders.Quote(r.ctx(), r.actor().Account, tenant.PlanID(in.get("plan")))
	if tenant.FaultOf(err).Code == "plan.unknown" {
		return r.redirect("/order")
	}
	if err != nil {
		return err
	}
	if _, _, err = s.checkNames(r, in.values); err == nil {
		_, err = s.Orders.Price(r.ctx(), r.actor().Account, r.orderRequest(in.values))
	}
	if form, wrong := in.wrong(err); wrong {
		return s.namePage(r, http.StatusUnprocessableEntity, quote, form)
	}
	if err != nil {
		return err
	}
	return r.redirect("/order/confirm?" + query(in.form).Encode())
}

// checkNames checks both names of an order: the server's, and its first member's.
func (s *Server) checkNames(r *request, values url.Values) (controlplane.OrderNames, tenant.Localpart, error) {
	request := r.orderRequest(values)
	names, err := s.Orders.CheckName(r.ctx(), request)
	if err != nil {
		return names, "", err
	}
	admin, err := tenant.ParseLocalpart(request.FirstAdmin)
	return names, admin, err
}

// checkName answers while somebody types.
func (s *Server) checkName(r *request) error {
	request := r.orderRequest(r.QueryParams())
	if strings.TrimSpace(request.Name+request.Domain) == "" {
		return r.ok(templates.NameCheckResult(r.locale, templates.NameCheck{}))
	}
	names, err := s.Orders.CheckName(r.ctx(), request)
	if err == nil {
		return r.ok(templates.NameCheckResult(r.locale, templates.NameCheck{Name: string(names.ServerName), Code: "available"}))
	}
	fault := tenant.FaultOf(err)
	if !isMistake(fault) {
		return err
	}
	return r.ok(templates.NameCheckResult(r.locale, templates.NameCheck{Code: fault.Code, Params: fault.Params}))
}

// showConfirm is the third page: all of it once more. A name that is gone meanwhile leads back to the second.
func (s *Server) showConfirm(r *request) error {
	values := r.QueryParams()
	return s.confirmPage(r, input{values: values, form: filled(values, orderFieldsOf(values))}, nil)
}

// confirmPage shows the order with what is wrong with it; what is wrong with the name is shown where it can be changed.
func (s *Server) confirmPage(r *request, in input, err error) error {
	quote, quoteErr := s.Orders.Quote(r.ctx(), r.actor().Account, tenant.PlanID(in.get("plan")))
	if tenant.FaultOf(quoteErr).Code == "plan.unknown" {
		return r.redirect("/order")
	}
	if quoteErr != nil {
		return quoteErr
	}
	engine, offered := quote.Plan.Offers(tenant.EngineName(in.get("engine")))
	if !offered {
		return r.redirect("/order/name?" + url.Values{"plan": {in.get("plan")}}.Encode())
	}
	names, admin, nameErr := s.checkNames(r, in.values)
	price, priceErr := s.Orders.Price(r.ctx(), r.actor().Account, r.orderRequest(in.values))
	if nameErr == nil {
		nameErr = priceErr // an add-on or a coupon, which are chosen on the same page
	}
	if form, wrong := in.wrong(nameErr); wrong {
		return s.namePage(r, http.StatusUnprocessableEntity, quote, form)
	}
	if nameErr != nil {
		return nameErr
	}
	status, form := http.StatusOK, in.form
	if err != nil {
		status = http.StatusUnprocessableEntity
		form, _ = in.wrong(err)
	}
	p := at(s.page(r), "/order/confirm?"+query(in.form).Encode())
	return r.render(status, templates.OrderConfirmPage(p, templates.OrderConfirm{
		Plan: quoteView(r.locale.Code(), quote), Kind: in.get("kind"), Label: in.get("name"), Domain: in.get("domain"), Host: in.get("host"),
		Name: string(names.ServerName), Localpart: string(admin), AdminID: admin.UserID(names.ServerName),
		Engine: string(engine), Form: form, Immediate: s.Trial,
		Offer: offerView(r.locale.Code(), price.Offer), Lines: billLines(price.Period), Period: billView(price.Period), Today: billView(price.Owed),
		TrialDays: price.TrialDays, Extras: extraFields(in.values),
	}))
}

// order is the binding click.
func (s *Server) order(r *request) error {
	in, err := r.form(orderFieldsOf(r.Request().PostForm)...)
	if err != nil {
		return err
	}
	if err := in.accepted(); err != nil {
		return s.confirmPage(r, in, err)
	}
	request := r.orderRequest(in.values)
	if shown := in.get("today"); shown != "" {
		cents, err := strconv.ParseInt(shown, 10, 64)
		if err != nil {
			cents = -1 // what nothing costs
		}
		request.Agreed = &cents
	}
	id, terms, err := s.Orders.Order(r.ctx(), r.actor(), request)
	if tenant.FaultOf(err).Code == "plan.unknown" {
		return r.redirect("/order")
	}
	if _, wrong := in.wrong(err); wrong {
		return s.confirmPage(r, in, err)
	}
	if err != nil {
		return err
	}
	switch {
	case terms.CheckoutURL != "":
		return r.redirect(terms.CheckoutURL)
	case terms.Settled:
		return r.redirect(serverPath(id))
	default:
		return r.redirect(paymentPath(id))
	}
}

func (r *request) orderRequest(values url.Values) controlplane.OrderRequest {
	request := controlplane.OrderRequest{
		Plan: tenant.PlanID(values.Get("plan")), Language: r.locale.Code(),
		Packs: packs(values), Coupon: values.Get("coupon"),
		FirstAdmin: values.Get("localpart"), Engine: tenant.EngineName(values.Get("engine")),
	}
	if request.FirstAdmin == "" {
		request.FirstAdmin = suggestedAdmin(r.session.Account.Email)
	}
	if values.Get("kind") == templates.NameOwn {
		request.Domain = values.Get("domain")
		if request.Domain == "" {
			request.Domain = " " // an empty own domain is a mistake of its own, not a name under ours
		}
		request.WholeDomain = values.Get("host") == templates.HostApex
	} else {
		request.Name = values.Get("name")
	}
	return request
}

// suggestedAdmin makes the first member's name from the customer's address: anna@example.org is @anna on their server.
func suggestedAdmin(email string) string {
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	local, _, _ = strings.Cut(local, "+")
	name := strings.Map(func(c rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-", c) {
			return c
		}
		return -1
	}, local)
	if _, err := tenant.ParseLocalpart(name); err != nil {
		return "admin"
	}
	return name
}

func query(form templates.Form) url.Values {
	values := url.Values{}
	for name, value := range form.Values {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// extraFields carry add-ons and coupon from page to page.
func extraFields(values url.Values) []templates.HiddenField {
	fields := choiceFields(controlplane.Choice{Packs: packs(values)})[1:]
	if code := values.Get("coupon"); code != "" {
		fields = append(fields, templates.HiddenField{Name: "coupon", Value: code})
	}
	return fields
}

func quoteView(language string, q controlplane.Quote) templates.Plan {
	return planView(language, q.Plan) // its price is the quote's: both are the plan's with its tax
}

func serverPath(id tenant.ID) string  { return "/servers/" + string(id) }
func paymentPath(id tenant.ID) string { return serverPath(id) + "/payment" }
