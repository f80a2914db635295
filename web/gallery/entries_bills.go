package gallery

import (
	"strconv"
	"time"

	"hafen/templates"
)

func billEntries() []Entry {
	c, o := templates.Customer, templates.Operator
	list := []Entry{
		page(c, "bills", of(templates.BillsPage, templates.Bills{Server: server(templates.StatusActive), Rows: billRows(), AskAddress: true})),
		page(c, "bills-none", of(templates.BillsPage, templates.Bills{Server: server(templates.StatusActive)})),
		page(c, "bills-all", of(templates.AccountBillsPage, templates.AccountBills{Rows: billRows()})),
		page(c, "bill-open", of(templates.BillPage, billDetail(billRows()[0]))),
		page(c, "bill-paid", of(templates.BillPage, billDetail(billRows()[2]))),
		page(c, "bill-disputed", of(templates.BillPage, billDetail(disputed("needs_response")))),
		page(c, "bill-charged-back", of(templates.BillPage, billDetail(disputed("lost")))),
		page(c, "billing-profile", of(templates.BillingProfilePage, templates.BillingProfile{Form: party()})),
		mistaken(c, "billing-profile-errors", of(templates.BillingProfilePage, templates.BillingProfile{
			Form: wrong(map[string]string{"country": "AT", "vat_id": "ATU1"}, map[string]string{"street": "billing.required", "vat_id": "billing.too_long"}),
		})),
		page(o, "operator-invoices", of(templates.OperatorBillsPage, templates.OperatorBills{
			Rows: billRows(), MissingSeller: true, From: "2026-10-01", Until: "2026-10-31", Pager: templates.Pager{Page: 1, Pages: 3, Next: "/operator/invoices?page=2"},
		})),
		page(o, "operator-invoice", of(templates.OperatorBillPage, operatorBill())),
		page(o, "operator-invoice-disputed", of(templates.OperatorBillPage, templates.OperatorBill{BillDetail: billDetail(disputed("needs_response"))})),
		page(o, "operator-billing", of(templates.OperatorBillingPage, templates.OperatorBilling{Form: party()})),
		mistaken(o, "operator-billing-errors", of(templates.OperatorBillingPage, templates.OperatorBilling{
			Form: wrong(party().Values, map[string]string{"iban": "billing.iban"}),
		})),
	}
	for _, stage := range []string{"overdue", "restricted", "suspended", "announced"} {
		s := server(templates.StatusActive)
		if stage == "suspended" || stage == "announced" {
			s.Status, s.SuspendReason = templates.StatusSuspended, "payment"
		}
		s.Owed = &templates.Owed{Stage: stage, Amount: 714, Currency: "EUR", Due: now.AddDate(0, 0, -12), DeleteAt: now.AddDate(0, 0, 48), PayURL: "/servers/t7k2m9/bills/b1"}
		list = append(list, page(c, "owed-"+stage, of(templates.DashboardPage, templates.Dashboard{
			Server: s, Conditions: conditions(), Seats: templates.Seats{Used: 4, Limit: 20}, Storage: storage(16_400_000_000, 50*gigabyte),
		})))
	}
	return list
}

func billRows() []templates.Bill {
	b := templates.Bill{
		ID: "b1", Number: "2026-000417", ServerID: "t7k2m9", Server: "werft.example", Customer: "Werft Nordstrand GmbH", State: templates.BillOverdue,
		Issued: now.AddDate(0, 0, -26), Due: now.AddDate(0, 0, -12), Net: 600, VAT: 114, Gross: 714, Currency: "EUR", PDF: true,
	}
	rows := []templates.Bill{b, b, b, b, b}
	for i, state := range []string{templates.BillOverdue, templates.BillOpen, templates.BillPaid, templates.BillVoid, templates.BillCredit} {
		rows[i].State, rows[i].ID, rows[i].Number = state, "b"+strconv.Itoa(i+1), "2026-00041"+strconv.Itoa(7-i)
	}
	rows[1].Paid, rows[1].Due = 300, now.AddDate(0, 0, 9)
	rows[2].PaidAt, rows[2].Paid = now.AddDate(0, -1, 0), 714
	rows[3].Followed = "2026-000413"
	rows[4].Corrects, rows[4].Net, rows[4].VAT, rows[4].Gross = "2026-000414", -600, -114, -714
	return rows
}

// disputed is a bill of Stripe's whose money a bank asks back.
func disputed(status string) templates.Bill {
	b := billRows()[2]
	b.Number, b.PDF, b.URL = "HAFEN-0042", false, "https://invoice.stripe.com/i/example"
	b.Dispute, b.Disputed, b.RespondBy = status, b.Gross, now.AddDate(0, 0, 7)
	if status == "lost" {
		b.State, b.Paid, b.Due = templates.BillOpen, 0, now.AddDate(0, 0, 14)
	}
	return b
}

func billDetail(b templates.Bill) templates.BillDetail {
	vm := templates.BillDetail{
		Server: server(templates.StatusActive), Bill: b, Recipient: "Werft Hosting GmbH", IBAN: "DE02 1203 0000 0000 2020 51", BIC: "BYLADEM1001", Reference: b.Number,
		Lines: []templates.BillItem{
			{Text: "Advanced", Quantity: 1, Unit: 400, Net: 400, From: now.AddDate(0, -1, 0), Until: now},
			{Text: "10 GB Speicher", Quantity: 2, Unit: 100, Net: 200},
		},
		Taxes: []templates.BillTax{{Percent: 19, Net: 600, VAT: 114}},
	}
	if b.State == templates.BillOverdue || b.State == templates.BillOpen {
		vm.Code = "BCD\n002\n1\nSCT\nBYLADEM1001\nWerft Hosting GmbH\nDE02120300000000202051\nEUR7.14\n\n\n" + b.Number
	}
	return vm
}

func operatorBill() templates.OperatorBill {
	return templates.OperatorBill{
		BillDetail: billDetail(billRows()[1]), CanBook: true, CanVoid: true,
		Payments: []templates.BillPayment{{On: now.Add(-48 * time.Hour), Amount: 300, Note: "erste Rate", By: "betrieb@hafen.example"}},
		PayForm:  templates.Form{Values: map[string]string{"amount": "4,14", "day": "2026-11-22"}},
	}
}

func party() templates.Form {
	return templates.Form{Values: map[string]string{
		"company": "Werft Nordstrand GmbH", "name": "Anna Möller", "street": "Am Kai 1", "postcode": "20457", "city": "Hamburg", "country": "DE",
		"vat_id": "DE136695976", "iban": "DE02 1203 0000 0000 2020 51", "due_days": "14", "remind_days": "3", "restrict_days": "10", "suspend_days": "20",
		"announce_days": "45", "delete_days": "60",
	}}
}
