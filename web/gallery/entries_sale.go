package gallery

import (
	"time"

	"hafen/templates"
)

// saleEntries are the console's pages of what is sold.
func saleEntries() []Entry {
	o := templates.Operator
	list := templates.OperatorSale{Kind: templates.SalePlans, Rows: saleRows()}
	addons := templates.OperatorSale{Kind: templates.SaleAddons, Rows: []templates.SaleRow{
		{Slug: "seats", Name: "Fünf Plätze mehr", Newest: saleVersion(2, "5 Plätze", 150, templates.SaleSold), Servers: 14, Older: 3},
		{Slug: "storage", Name: "Speicherpaket", Newest: saleVersion(1, "10 GB Speicher", 100, templates.SaleHidden), Servers: 1},
	}}
	mistake := templates.SaleForm{Kind: templates.SalePlans, Slug: "basic", Name: "Basic", Servers: 182, Preview: templates.SalePreview{German: basic, English: basic}}
	mistake.Form = wrong(planValues(), map[string]string{"price": "price.negative", "storage": "size.format", "name": "words.empty"})
	mistake.Form.Values["price"], mistake.Form.Values["storage"], mistake.Form.Values["name"] = "-4,00", "viel", ""
	addonMistake := templates.SaleForm{Kind: templates.SaleAddons, Form: wrong(map[string]string{"slug": "seats", "kind": "seats", "currency": "EUR"}, map[string]string{"slug": "slug.taken", "amount": "number.format"})}
	ownMistake := salePlan()
	ownMistake.OwnForm = wrong(map[string]string{"email": "niemand@werft.example", "price": "3,00"}, map[string]string{"email": "account.unknown"})
	return []Entry{
		page(o, "sale-plans", of(templates.OperatorSalePage, list)),
		page(o, "sale-plans-none", of(templates.OperatorSalePage, templates.OperatorSale{Kind: templates.SalePlans})),
		page(o, "sale-plan", of(templates.OperatorPlanPage, salePlan())),
		mistaken(o, "sale-plan-own-errors", of(templates.OperatorPlanPage, ownMistake)),
		page(o, "sale-plan-new", of(templates.SaleFormPage, templates.SaleForm{Kind: templates.SalePlans, Form: templates.Form{Values: planValues()}, Preview: templates.SalePreview{German: basic, English: basic}})),
		page(o, "sale-plan-edit", of(templates.SaleFormPage, templates.SaleForm{Kind: templates.SalePlans, Slug: "basic", Name: "Basic", Servers: 182, Form: templates.Form{Values: planValues()}, Preview: templates.SalePreview{German: yearly(), English: yearly()}})),
		mistaken(o, "sale-plan-errors", of(templates.SaleFormPage, mistake)),
		page(o, "sale-move", of(templates.OperatorMovePage, saleMove())),
		page(o, "sale-move-none", of(templates.OperatorMovePage, templates.OperatorMove{Slug: "basic", Name: "Basic", From: saleVersion(1, "", 400, ""), To: saleVersion(2, "", 400, "")})),
		page(o, "sale-addons", of(templates.OperatorSalePage, addons)),
		page(o, "sale-addons-none", of(templates.OperatorSalePage, templates.OperatorSale{Kind: templates.SaleAddons})),
		page(o, "sale-addon", of(templates.OperatorAddonPage, templates.OperatorAddon{Slug: "seats", Name: "Fünf Plätze mehr", Sold: true, Versions: []templates.SaleVersion{
			saleVersion(2, "5 Plätze", 150, templates.SaleSold), saleVersion(1, "5 Plätze", 100, templates.SaleReplaced),
		}})),
		page(o, "sale-addon-edit", of(templates.SaleFormPage, templates.SaleForm{Kind: templates.SaleAddons, Slug: "seats", Name: "Fünf Plätze mehr", Servers: 14, Form: templates.Form{Values: map[string]string{
			"name": "Five more seats", "name_de": "Fünf Plätze mehr", "kind": "seats", "amount": "5", "most": "10", "price": "1,50", "vat_rate": "19", "currency": "EUR", "visible": "yes", "version": "2",
		}}})),
		mistaken(o, "sale-addon-errors", of(templates.SaleFormPage, addonMistake)),
		page(o, "sale-coupons", of(templates.OperatorCouponsPage, templates.OperatorCoupons{Rows: coupons(), Now: now})),
		page(o, "sale-coupons-none", of(templates.OperatorCouponsPage, templates.OperatorCoupons{Now: now})),
		page(o, "sale-coupon-new", of(templates.OperatorCouponPage, templates.OperatorCouponForm{})),
		mistaken(o, "sale-coupon-errors", of(templates.OperatorCouponPage, templates.OperatorCouponForm{
			Form: wrong(map[string]string{"code": "hafen 10", "percent": "10", "amount": "2,00"}, map[string]string{"code": "coupon.code", "percent": "coupon.either"}),
		})),
		page(templates.Customer, "order-plan-own", of(templates.OrderPlanPage, templates.OrderPlan{Plans: []templates.Plan{ownPlan(), basic, yearly(), allIn}})),
	}
}

func saleVersion(number int, holds string, net int64, state string) templates.SaleVersion {
	return templates.SaleVersion{
		ID: "v", Version: number, State: state, Holds: holds, Price: price(net), CreatedAt: now.AddDate(0, -3*(4-number), 0), CreatedBy: "betrieb@hafen.example",
		Servers: 40 * (4 - number),
	}
}

func saleRows() []templates.SaleRow {
	upcoming := saleVersion(4, "20 Plätze, 50 GB Speicher, mit Föderation", 650, templates.SaleUpcoming)
	upcoming.From, upcoming.Servers = now.AddDate(0, 1, 0), 0
	ending := saleVersion(1, "50 Plätze, 250 GB Speicher, mit Föderation", 1400, templates.SaleSold)
	ending.Until = now.AddDate(0, 2, 0)
	year := saleVersion(1, "20 Plätze, 50 GB Speicher, mit Föderation", 6000, templates.SaleHidden)
	year.Price.Period, year.Servers = templates.PeriodYear, 0
	return []templates.SaleRow{
		{Slug: "basic", Name: "Basic", Newest: saleVersion(3, "5 Plätze, 20 GB Speicher, ohne Föderation", 400, templates.SaleSold), Servers: 240, Older: 200, Own: 2},
		{Slug: "advanced", Name: "Advanced", Newest: upcoming, Servers: 31, Older: 31},
		{Slug: "all-in", Name: "All-in", Newest: ending, Servers: 120},
		{Slug: "advanced-year", Name: "Advanced, ein Jahr", Newest: year},
	}
}

func salePlan() templates.OperatorPlan {
	own := saleVersion(2, "8 Plätze, 20 GB Speicher, ohne Föderation", 300, templates.SaleSold)
	own.Owner, own.Servers, own.ID = "anna@werft.example", 1, "basic.2"
	return templates.OperatorPlan{
		Slug: "basic", Name: "Basic", Card: basic, Sold: true,
		Versions: []templates.SaleVersion{
			saleVersion(3, "5 Plätze, 20 GB Speicher, ohne Föderation", 400, templates.SaleSold),
			saleVersion(1, "5 Plätze, 10 GB Speicher, ohne Föderation", 350, templates.SaleReplaced),
		},
		Own: []templates.SaleVersion{own}, OwnForm: templates.Form{Values: planValues()},
	}
}

func planValues() map[string]string {
	return map[string]string{
		"version": "3", "slug": "basic", "name": "Basic", "description": "For families and small teams", "description_de": "Für Familien und kleine Teams",
		"position": "1", "visible": "yes", "price": "4,00", "currency": "EUR", "period": "month", "vat_rate": "19", "trial_days": "0", "seats": "5",
		"storage": "20 GB", "upload": "50 MB", "federation": "off", "engines": "synapse, dendrite", "memory": "384 MiB", "cpu_millis": "1000", "pids": "256",
		"database_connections": "15", "backups": "7",
	}
}

func saleMove() templates.OperatorMove {
	return templates.OperatorMove{
		Slug: "basic", Name: "Basic", From: saleVersion(1, "", 350, ""), To: saleVersion(3, "", 400, ""), Fits: 118,
		Changes: []templates.SaleChange{
			{Field: "price", Before: "3.50", After: "4.00"},
			{Field: "storage", Before: "25 GB", After: "20 GB"},
			{Field: "show_gross", Before: "no", After: "yes"},
			{Field: "federation", Before: "open", After: "off"},
			{Field: "valid_until", After: now.Add(time.Hour).Format(time.RFC3339)},
		},
		Misfits: []templates.Misfit{
			{ServerID: "t7k2m9", ServerName: "werft.example", Owner: "anna@werft.example", Refusals: []templates.Refusal{{Code: "storage", Have: 22 * gigabyte, Limit: 20 * gigabyte}}},
			{ServerID: "t7k2m8", ServerName: "chor." + baseName, Owner: "cem@chor.example", Code: "waiting"},
		},
	}
}

func coupons() []templates.OperatorCoupon {
	return []templates.OperatorCoupon{
		{Code: "MESSE-2026", Note: "Karten vom Stand", Percent: 10, Periods: 12, Redeemed: 17, Most: 100, RedeemBy: now.AddDate(0, 1, 0)},
		{Code: "TREUE", Amount: 200, Currency: "EUR", Plans: []string{"advanced", "all-in"}, Redeemed: 3},
		{Code: "START", Percent: 100, Periods: 1, Redeemed: 50, Most: 50},
		{Code: "FEHLDRUCK", Percent: 50, Withdrawn: true},
	}
}

func yearly() templates.Plan {
	plan := advanced
	plan.ID, plan.Slug, plan.Name, plan.TrialDays, plan.Federation = "advanced-year", "advanced-year", "Advanced, ein Jahr", 30, templates.FederationList
	plan.Price = price(6000)
	plan.Price.Period, plan.Price.ShowGross = templates.PeriodYear, true
	plan.Engine, plan.Engines = templates.EngineSynapse, []string{templates.EngineSynapse, templates.EngineDendrite}
	return plan
}

func ownPlan() templates.Plan {
	plan := basic
	plan.ID, plan.Price, plan.Own, plan.Seats = "basic.2", price(300), true, 8
	return plan
}
