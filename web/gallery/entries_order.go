package gallery

import (
	"time"

	"hafen/templates"
)

func orderEntries() []Entry {
	c := templates.Customer
	return []Entry{
		page(c, "order-plan", of(templates.OrderPlanPage, templates.OrderPlan{Plans: plans, Chosen: "basic"})),
		page(c, "order-name", of(templates.OrderNamePage, templates.OrderName{
			Plan: basic, BaseDomain: baseName, Form: templates.Form{Values: map[string]string{"localpart": "anna"}},
		})),
		page(c, "order-name-available", of(templates.OrderNamePage, templates.OrderName{
			Plan: basic, BaseDomain: baseName, Form: templates.Form{Values: map[string]string{"name": "werft", "localpart": "anna"}},
			Check: templates.NameCheck{Name: "werft." + baseName, Code: "available"},
		})),
		page(c, "order-name-own", of(templates.OrderNamePage, templates.OrderName{
			Plan: advanced, BaseDomain: baseName,
			Form:  templates.Form{Values: map[string]string{"kind": "own", "domain": "werft.example", "host": "matrix", "localpart": "anna"}},
			Check: templates.NameCheck{Code: "domain.tombstoned"},
		})),
		mistaken(c, "order-name-errors", of(templates.OrderNamePage, templates.OrderName{
			Plan: basic, BaseDomain: baseName,
			Form: wrong(map[string]string{"name": "www", "localpart": "Ännchen"}, map[string]string{"name": "name.reserved", "localpart": "member.letters"}),
		})),
		page(c, "order-name-addons", of(templates.OrderNamePage, templates.OrderName{
			Plan: basic, BaseDomain: baseName, Addons: addons(0), Form: templates.Form{Values: map[string]string{"localpart": "anna"}},
		})),
		mistaken(c, "order-name-coupon", of(templates.OrderNamePage, templates.OrderName{
			Plan: basic, BaseDomain: baseName, Addons: addons(0),
			Form: wrong(map[string]string{"name": "werft", "localpart": "anna", "coupon": "ALT", "addon.seats-5": "2"}, map[string]string{"coupon": "coupon.expired"}),
		})),
		page(c, "order-confirm-days", of(templates.OrderConfirmPage, trialOrder())),
		page(c, "order-confirm", of(templates.OrderConfirmPage, confirmation(templates.Form{}, false))),
		page(c, "order-confirm-trial", of(templates.OrderConfirmPage, confirmation(templates.Form{}, true))),
		mistaken(c, "order-confirm-errors", of(templates.OrderConfirmPage, confirmation(wrong(nil, map[string]string{"terms": "terms.required"}), false))),
		page(c, "payment-open", of(templates.OrderPaymentPage, payment(templates.OrderOpen))),
		page(c, "payment-checkout", of(templates.OrderPaymentPage, checkout())),
		page(c, "payment-paid", of(templates.OrderPaymentPage, payment(templates.OrderPaid))),
		page(c, "payment-cancelled", of(templates.OrderPaymentPage, payment(templates.OrderCancelled))),
		page(c, "domain-waiting", of(templates.DomainPage, domainWaiting())),
		page(c, "domain-apex-new", of(templates.DomainPage, domainApex())),
		page(c, "domain-verified", of(templates.DomainPage, domainVerified())),
	}
}

func confirmation(form templates.Form, immediate bool) templates.OrderConfirm {
	with := offer(advanced, templates.Pack{Name: "5 weitere Plätze", Quantity: 2})
	with.Seats = 30
	return templates.OrderConfirm{
		Offer: with, Period: price(880), Today: price(880), Extras: []templates.HiddenField{{Name: "addon.seats-5", Value: "2"}, {Name: "coupon", Value: "HAFEN-20"}},
		Lines: []templates.BillLine{
			{Kind: "plan", Text: "Advanced", Quantity: 1, Net: 600},
			{Kind: "seats", Text: "5 weitere Plätze", Quantity: 2, Net: 500},
			{Kind: "coupon", Text: "HAFEN-20", Quantity: 1, Net: -220},
		},
		Plan: advanced, Kind: templates.NameOwn, Domain: "werft.example", Host: templates.HostMatrix, Name: "werft.example",
		Localpart: "anna", AdminID: "@anna:werft.example", Form: form, Immediate: immediate,
	}
}

func trialOrder() templates.OrderConfirm {
	vm := confirmation(templates.Form{}, false)
	vm.TrialDays, vm.Today = 14, templates.Price{Currency: "EUR"}
	return vm
}

func checkout() templates.OrderPayment {
	vm := payment(templates.OrderOpen)
	vm.CheckoutURL = "https://pay.example/c/1"
	return vm
}

func payment(state string) templates.OrderPayment {
	return templates.OrderPayment{
		State: state, ServerID: "t7k2m9", ServerName: "werft.example", PlanName: "Advanced", InvoiceNumber: "2026-000417", Price: price(600),
		Recipient: "Werft Hosting GmbH", IBAN: "DE02 1203 0000 0000 2020 51", BIC: "BYLADEM1001", Reference: "2026-000417",
	}
}

func proofRecord(state templates.RecordState, code string, seen ...string) templates.DomainRecord {
	return templates.DomainRecord{
		Type: "TXT", Name: "_hafen.werft.example", Values: []string{"hafen-verify=qk3m7vd2xj9w4hf8tzc6n5ybra"}, State: state, Code: code,
		Seen: seen, Purpose: "proof",
	}
}

// domainWaiting has every state a record can have.
func domainWaiting() templates.Domain {
	d := templates.Domain{
		Server: server(templates.StatusAwaitingDomain), HostKind: templates.HostMatrix, CheckedAt: now.Add(-8 * time.Second),
		Records: []templates.DomainRecord{
			proofRecord(templates.RecordFound, ""),
			{
				Type: "CNAME", Name: "matrix.werft.example", Values: []string{"edge.hafen.example"}, State: templates.RecordMissing,
				Code: "host.missing", Purpose: "host", Optional: true,
			},
			{
				Type: "A", Name: "matrix.werft.example", Values: []string{"203.0.113.80", "203.0.113.81"}, State: templates.RecordWrong,
				Code: "host.points_elsewhere", Seen: []string{"198.51.100.9"}, Purpose: "host", Optional: true,
			},
			{
				Type: "CAA", Name: "werft.example", Values: []string{`0 issue "letsencrypt.org"`}, State: templates.RecordUnreachable,
				Code: "dns.servfail", Purpose: "caa",
			},
		},
	}
	d.WellKnown = []templates.WellKnown{
		{
			Purpose: "client", URL: "https://werft.example/.well-known/matrix/client",
			Body: `{"m.homeserver":{"base_url":"https://matrix.werft.example"}}`, State: templates.RecordWrong, Code: "wellknown.no_cors",
		},
		{
			Purpose: "server", URL: "https://werft.example/.well-known/matrix/server", Body: `{"m.server":"matrix.werft.example:443"}`,
			State: templates.RecordMissing, Code: "wellknown.status", Seen: []string{"404 Not Found"},
		},
	}
	return d
}

func domainApex() templates.Domain {
	return templates.Domain{
		Server: server(templates.StatusAwaitingDomain), HostKind: templates.HostApex, Checking: true,
		Records: []templates.DomainRecord{
			proofRecord(templates.RecordPending, ""),
			{Type: "A", Name: "werft.example", Values: []string{"203.0.113.80"}, State: templates.RecordPending, Purpose: "host"},
			{Type: "AAAA", Name: "werft.example", Values: []string{"2001:db8::80"}, State: templates.RecordPending, Purpose: "host", Optional: true},
		},
	}
}

func domainVerified() templates.Domain {
	return templates.Domain{
		Server: server(templates.StatusProvisioning), HostKind: templates.HostMatrix, Verified: true, CheckedAt: now,
		Records: []templates.DomainRecord{
			proofRecord(templates.RecordFound, ""),
			{Type: "CNAME", Name: "matrix.werft.example", Values: []string{"edge.hafen.example"}, State: templates.RecordFound, Purpose: "host"},
		},
	}
}
