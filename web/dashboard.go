package web

import (
	"strconv"

	"hafen/controlplane"
	"hafen/templates"
)

func (s *Server) showDashboard(r *request) error {
	vm, err := s.dashboardView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.DashboardPage(s.page(r), vm))
}

func (s *Server) dashboardView(r *request) (templates.Dashboard, error) {
	history, err := s.Servers.UsageHistory(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return templates.Dashboard{}, err
	}
	var members templates.Members
	if r.server.Role.May(controlplane.SeeMembers) {
		if members, err = s.membersView(r); err != nil {
			return templates.Dashboard{}, err
		}
	}
	return templates.Dashboard{
		Server: s.serverView(r.server), HomeserverURL: s.homeserver(r.server.Host), Conditions: conditionViews(r.server.Conditions),
		Seats: seatsView(r.server), Storage: storageView(r.server, history), Members: members,
		EventsURL: eventsURL(r.server.ID, viewDashboard) + "&writable=" + strconv.FormatBool(members.Writable),
	}, nil
}
