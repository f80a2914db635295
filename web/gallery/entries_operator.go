package gallery

import (
	"time"

	"hafen/templates"
)

func operatorEntries() []Entry {
	o := templates.Operator
	fleet := templates.OperatorServers{Rows: fleetRows(), Counts: map[string]int{"active": 182, "asleep": 31, "suspended": 3, "provisioning": 1, "awaiting_domain": 4}}
	fleet.Pager = templates.Pager{Page: 2, Pages: 5, Total: 221, Prev: "/operator", Next: "/operator?page=3"}
	ailing := fleet
	ailing.Failing = []templates.FailingWork{
		{Code: "dunning", Since: now.Add(-26 * time.Hour), Error: "dun t7k2m9: move a server in dunning: connection refused"},
		{Code: "metering", Since: now.Add(-40 * time.Minute), Error: "214 tenants were not measured, the first: measure t7k2m9: open /var/lib/hafen/tenants/t7k2m9/media: input/output error"},
	}
	filtered := templates.OperatorServers{State: "suspended", Query: "werft", Counts: fleet.Counts}
	failing := operatorServer(templates.StatusActive)
	failing.Server.Failure, failing.Server.Stuck = "disk_full", true
	failing.Conditions[2].OK, failing.Conditions[2].Code = false, "down"
	failing.FailureDetail = "start container hafen-t7k2m9: write /var/lib/docker/overlay2: no space left on device"
	suspended := operatorServer(templates.StatusSuspended)
	suspended.CanSuspend, suspended.CanResume = false, true
	mistake := operatorServer(templates.StatusActive)
	mistake.Form = wrong(map[string]string{"name": "werft"}, map[string]string{"name": "delete.name_differs"})
	required := templates.OperatorPassword{Email: "betrieb@hafen.example", Required: true}
	return []Entry{
		page(o, "operator-servers", of(templates.OperatorServersPage, fleet)),
		page(o, "operator-servers-none", of(templates.OperatorServersPage, filtered)),
		page(o, "operator-servers-ailing", of(templates.OperatorServersPage, ailing)),
		page(o, "operator-server", of(templates.OperatorServerPage, operatorServer(templates.StatusActive))),
		page(o, "operator-server-failing", of(templates.OperatorServerPage, failing)),
		page(o, "operator-server-suspended", of(templates.OperatorServerPage, suspended)),
		mistaken(o, "operator-server-errors", of(templates.OperatorServerPage, mistake)),
		page(o, "operator-orders", of(templates.OperatorOrdersPage, templates.OperatorOrders{Rows: orders(), State: templates.OrderOpen, Payments: new(payments(true))})),
		page(o, "operator-payments", of(templates.OperatorPaymentsPage, payments(true))),
		page(o, "operator-payments-good", of(templates.OperatorPaymentsPage, payments(false))),
		page(o, "operator-payments-none", of(templates.OperatorPaymentsPage, templates.OperatorPayments{})),
		page(o, "operator-orders-none", of(templates.OperatorOrdersPage, templates.OperatorOrders{})),
		page(o, "operator-audit", of(templates.OperatorAuditPage, templates.OperatorAudit{Entries: auditEntries(), Pager: templates.Pager{Next: "/operator/audit?before=9100"}})),
		page(o, "operator-audit-server", of(templates.OperatorAuditPage, templates.OperatorAudit{ServerID: "t7k2m9", ServerName: "werft.example", Entries: auditEntries()[:1]})),
		page(o, "operator-account", of(templates.OperatorPasswordPage, templates.OperatorPassword{Email: "betrieb@hafen.example", Sessions: sessions})),
		page(o, "operator-account-first", of(templates.OperatorPasswordPage, required)),
	}
}

func fleetRows() []templates.OperatorRow {
	var rows []templates.OperatorRow
	for i, c := range cards() {
		rows = append(rows, templates.OperatorRow{
			ID: c.Server.ID, Name: c.Server.Name, Customer: "anna@werft.example", PlanName: "Advanced", Status: c.Server.Status,
			Seats: c.Seats, Storage: c.Storage,
			LastEvent: templates.Event{At: now.Add(-time.Duration(i*i) * time.Hour), Code: "server.active"},
		})
	}
	rows[2].LastEvent = templates.Event{}
	rows[6].Storage = storage(52*gigabyte, 50*gigabyte)
	return rows
}

func operatorServer(status string) templates.OperatorServer {
	vm := templates.OperatorServer{
		Server: server(status), Customer: "anna@werft.example", HomeserverURL: "https://matrix.werft.example",
		Seats: templates.Seats{Used: 4, Limit: 20}, Storage: storage(16_400_000_000, 50*gigabyte),
		CanSuspend: true, CanRetry: true, CanDelete: true,
		Events: []templates.Event{
			{At: now.Add(-time.Hour), Code: "server.retry", Actor: "betrieb@hafen.example"},
			{At: now.Add(-30 * time.Hour), Code: "member.create", Actor: "anna@werft.example", Detail: "@bjoern:werft.example"},
			{At: now.Add(-31 * time.Hour), Code: "server.active"},
		},
		Steps: []templates.StepRun{
			{Name: "await_healthy", State: templates.StepRunning, Started: now, Elapsed: 700 * time.Millisecond, Attempt: 3},
			{Name: "start_container", State: templates.StepDone, Started: now.Add(-time.Second), Elapsed: 420 * time.Millisecond, Attempt: 1},
			{Name: "create_container", State: templates.StepFailed, Started: now.Add(-time.Minute), Elapsed: 90 * time.Millisecond, Attempt: 1, Error: "disk_full: create container hafen-t7k2m9: no space left on device"},
		},
	}
	vm.Conditions = conditions()[1:6]
	vm.Dunning = templates.Dunning{
		Known: true, Stage: "overdue", Amount: 714, Currency: "EUR", Due: now.AddDate(0, 0, -12), DeleteAt: now.AddDate(0, 0, 48),
		PausedUntil: now.AddDate(0, 0, 9), Note: "zahlt zum Ersten",
	}
	return vm
}

func orders() []templates.OperatorOrder {
	o := templates.OperatorOrder{
		ID: "o1", InvoiceNumber: "2026-000417", Customer: "anna@werft.example", ServerName: "werft.example", ServerID: "t7k2m9", PlanName: "Advanced",
		Price: price(600), State: templates.OrderOpen, CreatedAt: now.Add(-2 * time.Hour),
	}
	paid, cancelled := o, o
	paid.ID, paid.InvoiceNumber, paid.State, paid.SettledAt = "o2", "2026-000416", templates.OrderPaid, now.Add(-time.Hour)
	cancelled.ID, cancelled.InvoiceNumber, cancelled.State, cancelled.SettledAt = "o3", "2026-000415", templates.OrderCancelled, now.Add(-20*time.Hour)
	return []templates.OperatorOrder{o, paid, cancelled}
}

func payments(findings bool) templates.OperatorPayments {
	vm := templates.OperatorPayments{Provider: "Stripe", At: now.Add(-7 * time.Hour), Subscriptions: 1284, Bills: 1730}
	if findings {
		vm.Disputes = []templates.Bill{disputed("needs_response"), disputed("under_review")}
		vm.Findings = []templates.PaymentFinding{
			{Kind: "double", ServerID: "t7k2m9", ExternalID: "sub_1Q2w3E4r5T", Here: "sub_1A2b3C4d5E", There: "active until 2026-12-01T09:30:00Z: basic"},
			{Kind: "unknown", ExternalID: "sub_1Z9y8X7w6V", There: "active until 2026-12-11T14:02:11Z: all-in"},
			{Kind: "differs", ServerID: "tq4w8z", ExternalID: "sub_1M5n6B7v8C", Here: "pending: advanced", There: "active until 2026-12-20T18:45:30Z: advanced", Repaired: true},
			{Kind: "untold", ServerID: "t7k2m9", ExternalID: "sub_1A2b3C4d5E", Here: "advanced.2", There: "advanced"},
		}
	}
	return vm
}

func auditEntries() []templates.AuditEntry {
	return []templates.AuditEntry{
		{ID: 9103, At: now, Actor: "betrieb@hafen.example", Address: "203.0.113.9", Action: "server.suspend", Object: "werft.example", ObjectURL: "/operator/servers/t7k2m9", Before: "active", After: "suspended", Detail: `{"note":"zweite Mahnung","reason":"payment"}`},
		{ID: 9102, At: now.Add(-time.Hour), Actor: "anna@werft.example", Action: "server.change_plan", Object: "werft.example", ObjectURL: "/operator/servers/t7k2m9", Before: "basic", After: "advanced"},
		{ID: 9101, At: now.Add(-3 * time.Hour), Action: "server.active", Object: "werft.example", ObjectURL: "/operator/servers/t7k2m9"},
		{ID: 9100, At: now.Add(-4 * time.Hour), Actor: "anna@werft.example", Address: "203.0.113.7", Action: "account.login"},
	}
}
