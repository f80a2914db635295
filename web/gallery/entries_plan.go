package gallery

import (
	"time"

	"hafen/templates"
)

func planEntries() []Entry {
	c := templates.Customer
	booked, trial, cancelled, pending := subscription(), subscription(), subscription(), subscription()
	small := offer(basic)
	booked.Booked, booked.NextBill.Price = &small, price(320)
	trial.State, trial.NextBill.Price = templates.SubscriptionTrialing, price(600)
	cancelled.Cancelled, cancelled.NextBill = true, nil
	pending.Pending = &templates.PendingChange{Offer: offer(allIn), Since: now, Payable: true}
	pending.Outside, pending.Unpaid = true, true
	ended := subscription()
	ended.State, ended.NextBill = templates.SubscriptionEnded, nil
	refused := subscription()
	refused.Form = wrong(nil, map[string]string{"addon.seats-5": "addon.unknown"})
	later := planConfirm()
	later.Later, later.From, later.Lines, later.Today = true, now.AddDate(0, 0, 17), nil, templates.Price{Currency: "EUR"}
	later.Before, later.After, later.Unbooks, later.Federation = later.After, offer(basic), true, "loses"
	later.NextBill.Price = price(320)
	small2 := later
	small2.Refusals = refusals()
	expired := planConfirm()
	expired.Form = wrong(nil, map[string]string{"": "quote.changed"})
	return []Entry{
		page(c, "plan", of(templates.SubscriptionPage, subscription())),
		page(c, "plan-booked", of(templates.SubscriptionPage, booked)),
		page(c, "plan-trial", of(templates.SubscriptionPage, trial)),
		page(c, "plan-cancelled", of(templates.SubscriptionPage, cancelled)),
		page(c, "plan-pending", of(templates.SubscriptionPage, pending)),
		page(c, "plan-ended", of(templates.SubscriptionPage, ended)),
		mistaken(c, "plan-errors", of(templates.SubscriptionPage, refused)),
		page(c, "plan-confirm", of(templates.PlanConfirmPage, planConfirm())),
		page(c, "plan-confirm-later", of(templates.PlanConfirmPage, later)),
		page(c, "plan-confirm-refused", of(templates.PlanConfirmPage, small2)),
		mistaken(c, "plan-confirm-changed", of(templates.PlanConfirmPage, expired)),
	}
}

func offer(p templates.Plan, packs ...templates.Pack) templates.Offer {
	return templates.Offer{Plan: p, Packs: packs, Period: "month", Price: p.Price, Seats: p.Seats, StorageBytes: p.StorageBytes}
}

func addons(quantity int) []templates.Addon {
	return []templates.Addon{
		{ID: "seats-5", Field: "addon.seats-5", Name: "5 weitere Plätze", Kind: "seats", Amount: 5, Net: 250, Currency: "EUR", Period: "month", Quantity: quantity, Most: 20},
		{ID: "storage-10", Field: "addon.storage-10", Name: "10 GB Speicher", Kind: "storage", Amount: 10 * gigabyte, Net: 199, Currency: "EUR", Period: "month", Most: 50},
	}
}

func refusals() []templates.Refusal {
	return []templates.Refusal{
		{Code: "seats", Have: 12, Limit: 5, Tools: []templates.Tool{{Page: templates.PageMembers, URL: "/servers/t7k2m9/members"}}},
		{Code: "storage", Have: 34_200_000_000, Limit: 20 * gigabyte, Tools: []templates.Tool{
			{Page: templates.PageMedia, URL: "/servers/t7k2m9/media"}, {Page: templates.PageRooms, URL: "/servers/t7k2m9/rooms"},
		}},
	}
}

func subscription() templates.Subscription {
	has := offer(advanced, templates.Pack{Name: "5 weitere Plätze", Quantity: 2})
	has.Price, has.Seats = price(1100), 30
	large := offer(allIn, has.Packs...)
	large.Price, large.Seats = price(1900), 60
	until := now.AddDate(0, 0, 17)
	return templates.Subscription{
		Server: server(templates.StatusActive), Seats: templates.Seats{Used: 12, Limit: 30}, Storage: storage(34_200_000_000, 50*gigabyte),
		Now: has, State: "active", Until: until, NextBill: &templates.NextBill{At: until, Price: price(880)},
		Coupon: &templates.Coupon{Code: "HAFEN-20", Percent: 20, Left: 3}, Addons: addons(2),
		Options: []templates.PlanOption{
			{Offer: offer(basic), Kind: "later", URL: "/servers/t7k2m9/plan/change?plan=basic", From: until, Refusals: refusals()},
			{Offer: has, Kind: "current", URL: "/servers/t7k2m9/plan/change?plan=advanced"},
			{Offer: large, Kind: "now", URL: "/servers/t7k2m9/plan/change?plan=all-in", From: now, Today: price(371)},
		},
	}
}

func planConfirm() templates.PlanConfirm {
	s := subscription()
	return templates.PlanConfirm{
		Server: s.Server, Before: s.Now, After: s.Options[2].Offer, From: now, Invoiced: true, Today: templates.Price{Net: 371, VAT: 70, Gross: 441, VATPercent: 19, Currency: "EUR"},
		Lines: []templates.BillLine{
			{Kind: "proration", Text: "Advanced", Net: -330, Back: true},
			{Kind: "proration", Text: "All-in", Net: 794},
			{Kind: "coupon", Text: "HAFEN-20", Net: -93, Back: true},
		},
		NextBill: &templates.NextBill{At: s.Until, Price: price(1520)}, At: now.Format(time.RFC3339), Gross: "441",
		Fields: []templates.HiddenField{{Name: "plan", Value: "all-in"}, {Name: "addon.seats-5", Value: "2"}},
	}
}
