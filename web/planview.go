package web

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) subscriptionView(r *request, v controlplane.PlanView) templates.Subscription {
	language, sub := r.locale.Code(), v.Subscription
	vm := templates.Subscription{
		Server: s.serverView(r, v.Server), Seats: seatsView(v.Server), Storage: storageView(v.Server, nil),
		Now: offerView(language, sub.Now), State: string(sub.State), Until: sub.End, Cancelled: sub.Cancelled,
		Unpaid: sub.Stage != "paid", Outside: sub.Provider != billing.Invoices{}.Name(), Form: templates.Form{},
	}
	if len(v.NextBill.Lines) > 0 {
		vm.NextBill = &templates.NextBill{At: sub.End, Price: billView(v.NextBill)}
	}
	if c := sub.Coupon; c != nil && (c.Left == nil || *c.Left > 0) {
		vm.Coupon = couponView(c)
	}
	if sub.Next != nil && !sub.Cancelled {
		next := offerView(language, *sub.Next)
		vm.Booked = &next
	}
	if c := sub.Change; c != nil {
		pending := offerView(language, c.Offer)
		vm.Pending = &templates.PendingChange{Offer: pending, Since: c.Asked, Payable: !c.Later && !c.Given && vm.Outside}
	}
	for _, o := range v.Options {
		vm.Options = append(vm.Options, s.planOption(r, v, o))
	}
	for _, addon := range v.Addons {
		if !addon.Goes(sub.Now.Plan) {
			continue
		}
		vm.Addons = append(vm.Addons, addonView(language, addon, sub.Now))
	}
	return vm
}

// planOption says what changing to a plan would be, and what must shrink before.
func (s *Server) planOption(r *request, v controlplane.PlanView, q controlplane.ChangeQuote) templates.PlanOption {
	o := templates.PlanOption{
		Offer: offerView(r.locale.Code(), q.Next), URL: choiceURL(v.Server.ID, q.Next.Choice()), Kind: "now", From: q.From,
		Today: billView(q.Bill),
	}
	switch {
	case q.Next.Plan.ID == v.Subscription.Now.Plan.ID:
		o.Kind = "current"
		return o
	case q.Bar != nil:
		o.Bar = q.Bar.Code
		return o
	case q.Later:
		o.Kind = "later"
	}
	o.Unknown = q.Unknown
	if v.Subscription.Now.Shrinks(q.Next) {
		o.Refusals = s.refusals(v.Server, q.Excess)
	}
	return o
}

// refusals say what must shrink, with the pages that shrink it.
func (s *Server) refusals(server controlplane.Server, excess []tenant.Excess) (list []templates.Refusal) {
	for _, e := range excess {
		r := templates.Refusal{Code: e.What, Have: e.Used, Limit: e.Limit}
		pages := []string{templates.PageMedia, templates.PageRooms}
		if e.What == "seats" {
			pages = []string{templates.PageMembers}
		}
		open := s.pagesOf(server)
		for _, page := range pages {
			if slices.Contains(open, page) {
				r.Tools = append(r.Tools, templates.Tool{Page: page, URL: serverPath(server.ID) + "/" + page})
			}
		}
		list = append(list, r)
	}
	return list
}

func (s *Server) planConfirmView(r *request, v controlplane.PlanView, q controlplane.ChangeQuote, form templates.Form) templates.PlanConfirm {
	language, sub := r.locale.Code(), v.Subscription
	vm := templates.PlanConfirm{
		Server: s.serverView(r, v.Server), Before: offerView(language, sub.Now), After: offerView(language, q.Next), Later: q.Later, From: q.From,
		Today: billView(q.Bill), Trial: sub.State == billing.Trialing,
		At: q.At.Format(time.RFC3339), Gross: strconv.FormatInt(q.Bill.Gross.Cents, 10), Fields: choiceFields(q.Next.Choice()), Form: form,
		Unbooks: sub.Next != nil, Invoiced: sub.Provider == billing.Invoices{}.Name(),
	}
	switch now := v.Server.Settings.Federation; {
	case !q.Next.Plan.Quota.Federation.Allows(now):
		vm.Federation = "loses"
	case now == tenant.FederationOff && !sub.Now.Plan.Quota.Federation.Allows(q.Next.Plan.Quota.Federation):
		vm.Federation = "gains"
	}
	if len(q.NextBill.Lines) > 0 {
		vm.NextBill = &templates.NextBill{At: q.Renews, Price: billView(q.NextBill)}
	}
	vm.Lines = billLines(q.Bill)
	if sub.Now.Shrinks(q.Next) {
		vm.Refusals = s.refusals(v.Server, q.Excess)
	}
	return vm
}

func choiceFields(c controlplane.Choice) []templates.HiddenField {
	fields := []templates.HiddenField{{Name: "plan", Value: string(c.Plan)}}
	for _, id := range slices.Sorted(maps.Keys(c.Packs)) {
		fields = append(fields, templates.HiddenField{Name: addonPrefix + string(id), Value: strconv.Itoa(c.Packs[id])})
	}
	return fields
}

func offerView(language string, o controlplane.Offer) templates.Offer {
	quota := o.Quota()
	view := templates.Offer{
		Plan: planView(language, o.Plan), Period: string(o.Plan.Period), Seats: quota.Seats, StorageBytes: quota.StorageBytes,
		Price: billView(billing.Sum(o.Plan.Price.Currency, billing.Lines(language, o.Items(), nil, time.Time{}, time.Time{}))),
	}
	view.Price.Period = view.Period
	for _, pack := range o.Packs {
		view.Packs = append(view.Packs, templates.Pack{Name: pack.Addon.Name.In(language), Quantity: pack.Quantity})
	}
	return view
}

func addonView(language string, a tenant.Addon, has controlplane.Offer) templates.Addon {
	view := templates.Addon{
		ID: string(a.ID), Field: addonPrefix + string(a.ID), Name: a.Name.In(language), Kind: string(a.Kind), Amount: a.Amount, Most: a.Most,
		Net: a.Price.Cents * int64(has.Plan.Period.Months()), Currency: a.Price.Currency, Period: string(has.Plan.Period),
	}
	for _, pack := range has.Packs {
		if pack.Addon.ID == a.ID {
			view.Quantity = pack.Quantity
		}
	}
	return view
}

func couponView(c *billing.Coupon) *templates.Coupon {
	view := &templates.Coupon{Code: c.Code, Percent: c.Percent, Off: c.Amount.Cents, Currency: c.Amount.Currency, Left: -1}
	if c.Left != nil {
		view.Left = *c.Left
	}
	return view
}

func billLines(b billing.Bill) (list []templates.BillLine) {
	for _, line := range b.Lines {
		list = append(list, templates.BillLine{
			Kind: string(line.Kind), Text: line.Text, Quantity: line.Quantity, Net: line.Net.Cents, Back: line.Net.Cents < 0,
		})
	}
	return list
}

// billView is the sums of a bill. Their tax may be of several rates.
func billView(b billing.Bill) templates.Price {
	price := templates.Price{Net: b.Net.Cents, VAT: b.VAT.Cents, Gross: b.Gross.Cents, Currency: b.Net.Currency, VATPercent: -1}
	for i, line := range b.Lines {
		if i > 0 && line.VATRate != price.VATPercent {
			price.VATPercent = -1
			return price
		}
		price.VATPercent = line.VATRate
	}
	return price
}
