package web

import (
	"strconv"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
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
	ask, err := s.askAddress(r)
	if err != nil {
		return templates.Dashboard{}, err
	}
	return templates.Dashboard{
		AskAddress: ask,
		Server:     s.serverView(r, r.server), HomeserverURL: s.homeserver(r.server.Host), Conditions: conditionViews(r.server.Conditions),
		Seats: seatsView(r.server), Storage: storageView(r.server, &history), ManagesMembers: manages(r.server),
		EventsURL: eventsURL(r.server.ID, viewDashboard) + "&writable=" + strconv.FormatBool(writable(r.server)),
	}, nil
}

// writable reports whether a server takes changes to what is on it.
func writable(server controlplane.Server) bool {
	return server.Status == tenant.Active || server.Status == tenant.Asleep
}
