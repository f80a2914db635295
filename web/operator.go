package web

import (
	"net/http"
	"net/url"
	"strconv"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

// showFleet lists all servers.
func (s *Server) showFleet(r *request) error {
	filter := controlplane.ServerFilter{
		Status: tenant.Status(r.QueryParam("state")), Search: r.QueryParam("q"), Page: pageNumber(r.QueryParam("page")),
	}
	found, err := s.Operators.Search(r.ctx(), r.actor(), filter)
	if err != nil {
		return err
	}
	vm := templates.OperatorServers{
		State: string(filter.Status), Query: filter.Search, Counts: map[string]int{},
		Pager: pager(filter.Page, found.Total, controlplane.ServersPerPage, "/operator", url.Values{
			"state": {string(filter.Status)}, "q": {filter.Search},
		}),
	}
	failing, err := s.Operators.Failing(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	for _, w := range failing {
		vm.Failing = append(vm.Failing, templates.FailingWork{Code: w.Name, Since: w.Since, Error: w.Error})
	}
	for status, count := range found.ByState {
		vm.Counts[string(status)] = count
	}
	for _, server := range found.Servers {
		row, err := s.fleetRow(r, server)
		if err != nil {
			return err
		}
		vm.Rows = append(vm.Rows, row)
	}
	return r.ok(templates.OperatorServersPage(s.page(r), vm))
}

func (s *Server) fleetRow(r *request, server controlplane.Server) (templates.OperatorRow, error) {
	last, err := s.Operators.Audit(r.ctx(), r.actor(), controlplane.AuditFilter{Tenant: server.ID, Most: 1})
	if err != nil {
		return templates.OperatorRow{}, err
	}
	row := templates.OperatorRow{
		ID: string(server.ID), Name: string(server.ServerName), Customer: server.OwnerEmail, PlanName: server.Plan.Name.In(r.locale.Code()),
		Status: string(server.Status), Seats: seatsView(server), Storage: storageView(server, nil),
	}
	if len(last) > 0 {
		row.LastEvent = eventView(last[0])
	}
	return row, nil
}

// showFleetServer is one server with its history.
func (s *Server) showFleetServer(r *request) error {
	server, err := s.fleetServer(r)
	if err != nil {
		return err
	}
	return s.fleetServerPage(r, http.StatusOK, server, templates.Form{})
}

// fleetServer loads the server in the path, for an operator.
func (s *Server) fleetServer(r *request) (controlplane.Server, error) {
	id, err := tenant.ParseID(r.Param("id"))
	if err != nil {
		return controlplane.Server{}, err
	}
	return s.Servers.Find(r.ctx(), r.actor(), id)
}

func (s *Server) fleetServerPage(r *request, status int, server controlplane.Server, form templates.Form) error {
	runs, err := s.Servers.Progress(r.ctx(), r.actor(), server.ID)
	if err != nil {
		return err
	}
	history, err := s.Servers.UsageHistory(r.ctx(), r.actor(), server.ID)
	if err != nil {
		return err
	}
	entries, err := s.Operators.Audit(r.ctx(), r.actor(), controlplane.AuditFilter{Tenant: server.ID})
	if err != nil {
		return err
	}
	vm := templates.OperatorServer{
		Server: s.serverView(r, server), Customer: server.OwnerEmail, CustomerID: server.Account, HomeserverURL: s.homeserver(server.Host),
		Seats: seatsView(server), Storage: storageView(server, &history), Steps: runViews(server, runs, s.Now()), Form: form,
		Conditions: conditionViews(server.Conditions), FailureDetail: server.FailureText,
		CanSuspend: server.Status.CanBecome(tenant.Suspended) && server.Status != tenant.Deleting,
		CanResume:  server.Status == tenant.Suspended,
		CanRetry:   server.FailureCode != "" || !server.Settled,
		CanDelete:  server.Status.CanBecome(tenant.Deleting),
		ProveFirst: s.proveFirst(r, fleetPath(server.ID)),
	}
	if vm.Dunning, err = s.dunningView(r, server.ID); err != nil {
		return err
	}
	for _, entry := range entries {
		vm.Events = append(vm.Events, eventView(entry))
	}
	return r.render(status, templates.OperatorServerPage(at(s.page(r), fleetPath(server.ID)), vm))
}

func eventView(e controlplane.AuditEntry) templates.Event {
	return templates.Event{At: e.At, Code: e.Action, Actor: actorName(e.Actor), Detail: detail(e.Detail)}
}

// actorName is who did something; what nobody asked for has no name.
func actorName(actor string) string {
	if actor == controlplane.Hafen.Email {
		return ""
	}
	return actor
}

// detail is an audit entry's detail as text; an empty object says nothing.
func detail(raw []byte) string {
	if text := string(raw); text != "{}" && text != "null" {
		return text
	}
	return ""
}

func fleetPath(id tenant.ID) string { return "/operator/servers/" + string(id) }

func pageNumber(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

// pager leads through total rows; values are the filters that stay.
func pager(page, total, per int, path string, values url.Values) templates.Pager {
	p := templates.Pager{Page: page, Pages: max(1, (total+per-1)/per), Total: total}
	link := func(n int) string {
		q := url.Values{"page": {strconv.Itoa(n)}}
		for name, list := range values {
			if list[0] != "" {
				q[name] = list
			}
		}
		return path + "?" + q.Encode()
	}
	if page > 1 {
		p.Prev = link(min(page-1, p.Pages))
	}
	if page < p.Pages {
		p.Next = link(page + 1)
	}
	return p
}
