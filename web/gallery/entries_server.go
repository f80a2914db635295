package gallery

import (
	"time"

	"hafen/templates"
)

func serverEntries() []Entry {
	c := templates.Customer
	list := []Entry{
		page(c, "servers", of(templates.ServerListPage, templates.ServerList{Servers: cards()})),
		page(c, "servers-empty", of(templates.ServerListPage, templates.ServerList{})),
		page(c, "provisioning-running", of(templates.ProvisioningPage, provisioning(3, templates.StepRunning, ""))),
		page(c, "provisioning-retrying", of(templates.ProvisioningPage, provisioning(3, templates.StepRetrying, "acme.unavailable"))),
		page(c, "provisioning-failed", of(templates.ProvisioningPage, provisioning(6, templates.StepFailed, "image_absent"))),
		page(c, "provisioning-ready", of(templates.ProvisioningPage, provisioning(8, templates.StepDone, ""))),
		page(c, "ready", of(templates.ReadyPage, ready("/set-password?token=t"))),
		page(c, "ready-password-set", of(templates.ReadyPage, ready(""))),
		page(c, "delete", of(templates.ServerDeletePage, deletion(templates.Form{}))),
		mistaken(c, "delete-errors", of(templates.ServerDeletePage, deletion(wrong(map[string]string{"name": "werft"}, map[string]string{"name": "delete.name_differs"})))),
	}
	return append(append(append(list, planEntries()...), dashboardEntries()...), append(settingsEntries(), append(colleagueEntries(), memberEntries()...)...)...)
}

func dashboardEntries() []Entry {
	c := templates.Customer
	suspended := dashboard(server(templates.StatusSuspended))
	suspended.Server.SuspendReason = "payment"
	stuck := dashboard(server(templates.StatusActive))
	stuck.Server.Failure, stuck.Server.Stuck = "disk_full", true
	retrying := dashboard(server(templates.StatusActive))
	retrying.Server.Failure = "database_absent"
	deleting := dashboard(server(templates.StatusDeleting))
	deleting.Server.DeleteAt = now.AddDate(0, 0, 13)
	full := dashboard(server(templates.StatusActive))
	full.Seats = templates.Seats{Used: 20, Limit: 20}
	full.Storage = storage(50_200_000_000, 50*gigabyte)
	full.Conditions[7] = templates.Condition{Kind: "within_quota", Code: "storage", Since: now.Add(-time.Hour)}
	past := full
	past.Storage = storage(64_000_000_000, 50*gigabyte)
	nearly := dashboard(server(templates.StatusActive))
	nearly.Seats = templates.Seats{Used: 18, Limit: 20}
	nearly.Storage = storage(45_800_000_000, 50*gigabyte)
	nearly.Storage.FullIn, nearly.Storage.Orphans = 12, 310_000_000
	fresh := dashboard(server(templates.StatusActive))
	fresh.Storage = templates.Storage{Limit: 50 * gigabyte, Floor: 63_500_000_000}
	fresh.Seats = templates.Seats{Limit: 20}
	return []Entry{
		page(c, "dashboard", of(templates.DashboardPage, dashboard(server(templates.StatusActive)))),
		page(c, "dashboard-new", of(templates.DashboardPage, fresh)),
		page(c, "dashboard-asleep", of(templates.DashboardPage, dashboard(server(templates.StatusAsleep)))),
		page(c, "dashboard-suspended", of(templates.DashboardPage, suspended)),
		page(c, "dashboard-stuck", of(templates.DashboardPage, stuck)),
		page(c, "dashboard-retrying", of(templates.DashboardPage, retrying)),
		page(c, "dashboard-deleting", of(templates.DashboardPage, deleting)),
		page(c, "dashboard-nearly", of(templates.DashboardPage, nearly)),
		page(c, "dashboard-full", of(templates.DashboardPage, full)),
		page(c, "dashboard-past", of(templates.DashboardPage, past)),
	}
}

func cards() []templates.ServerCard {
	var list []templates.ServerCard
	for i, status := range []string{
		templates.StatusActive, templates.StatusProvisioning, templates.StatusAwaitingDomain, templates.StatusAwaitingPayment,
		templates.StatusAsleep, templates.StatusSuspended, templates.StatusDeleting,
	} {
		s := server(status)
		s.Name = []string{"werft.example", "lotsen." + baseName, "stadt-mit-einem-langen-namen.example", "chor." + baseName, "ruder." + baseName, "kai.example", "alt." + baseName}[i]
		list = append(list, templates.ServerCard{
			Server: s, URL: "/servers/" + s.ID, Seats: templates.Seats{Used: 3 * i, Limit: 20}, Storage: storage(int64(i)*8*gigabyte, 50*gigabyte),
		})
	}
	return list
}

// stepNames are the steps that make a server, in order.
var stepNames = []string{
	"create_secrets", "create_database", "write_files", "issue_certificate", "create_container", "start_container", "await_healthy", "publish_route",
}

func provisioning(current int, state templates.StepState, failure string) templates.Provisioning {
	vm := templates.Provisioning{
		Server: server(templates.StatusProvisioning), Elapsed: 2100 * time.Millisecond,
		Ready: current == len(stepNames), Failed: state == templates.StepFailed,
	}
	for i, name := range stepNames {
		s := templates.ProvisioningStep{Name: name, State: templates.StepWaiting, Attempt: 1}
		switch {
		case i < current:
			s.State, s.Elapsed = templates.StepDone, time.Duration(40+90*i)*time.Millisecond
		case i == current:
			s.State, s.Elapsed, s.Failure = state, 1300*time.Millisecond, failure
			if state == templates.StepRetrying {
				s.Attempt, s.RetryIn = 2, 24*time.Second
			}
		}
		vm.Steps = append(vm.Steps, s)
	}
	return vm
}

func ready(link string) templates.Ready {
	return templates.Ready{
		Server: server(templates.StatusActive), HomeserverURL: "https://matrix.werft.example", AdminID: "@anna:werft.example",
		SetPasswordURL: link, Manage: true, Trial: true,
	}
}

func deletion(form templates.Form) templates.ServerDelete {
	return templates.ServerDelete{Server: server(templates.StatusActive), GraceDays: 14, Members: 12, Form: form}
}

func conditions() []templates.Condition {
	var list []templates.Condition
	for _, kind := range []string{
		"domain_verified", "secrets_ready", "database_ready", "container_running", "healthy", "certificate_ready", "route_ready", "within_quota",
	} {
		list = append(list, templates.Condition{Kind: kind, OK: true, Since: now.AddDate(0, 0, -12)})
	}
	return list
}

func dashboard(s templates.Server) templates.Dashboard {
	seats := templates.Seats{Used: 4, Limit: 20}
	vm := templates.Dashboard{
		Server: s, HomeserverURL: "https://matrix.werft.example", Conditions: conditions(), Seats: seats, Storage: storage(16_400_000_000, 50*gigabyte),
		ManagesMembers: true,
	}
	switch s.Status {
	case templates.StatusAsleep, templates.StatusSuspended, templates.StatusDeleting:
		for i, kind := range []string{"container_running", "healthy"} {
			vm.Conditions[3+i] = templates.Condition{Kind: kind, Code: "stopped", Since: now.Add(-30 * time.Hour)}
		}
	}
	return vm
}
