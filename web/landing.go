package web

import (
	"strings"

	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showLanding(r *request) error {
	account := ""
	if r.session != nil {
		account = r.session.Account.ID
	}
	plans, err := s.Orders.Plans(r.ctx(), account)
	if err != nil {
		return err
	}
	return r.ok(templates.LandingPage(s.page(r), templates.Landing{Plans: planViews(r.locale.Code(), plans), BaseDomain: string(s.Base)}))
}

// showLegal shows the operator's own texts.
func (s *Server) showLegal(r *request) error {
	kind := strings.TrimPrefix(r.route.path, "/")
	return r.ok(templates.LegalPage(s.page(r), templates.Legal{Kind: kind, Text: s.Legal[kind]}))
}

func planViews(language string, plans []tenant.Plan) []templates.Plan {
	list := make([]templates.Plan, 0, len(plans))
	for _, plan := range plans {
		list = append(list, planView(language, plan))
	}
	return list
}

func planView(language string, p tenant.Plan) templates.Plan {
	price := priceView(p.Price, p.Price.VAT(p.VATRate), p.VATRate)
	price.Period, price.ShowGross = string(p.Period), p.ShowGross
	return templates.Plan{
		ID: string(p.ID), Slug: p.Slug, Name: p.Name.In(language), Description: p.Description.In(language), Price: price,
		Seats: p.Quota.Seats, StorageBytes: p.Quota.StorageBytes, Federation: string(p.Quota.Federation),
		TrialDays: p.TrialDays, Own: p.Account != "", Engines: engineNames(p.Engines), Engine: string(first(p.Engines)),
	}
}

func engineNames(list []tenant.EngineName) []string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = string(e)
	}
	return names
}

func first(list []tenant.EngineName) tenant.EngineName {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func priceView(net, vat tenant.Money, rate int) templates.Price {
	return templates.Price{
		Net: net.Cents, VAT: vat.Cents, Gross: net.Plus(vat).Cents, VATPercent: rate, Currency: net.Currency,
	}
}
