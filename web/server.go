package web

import (
	"strconv"
	"time"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showServers(r *request) error {
	servers, err := s.Servers.List(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	list := templates.ServerList{}
	for _, server := range servers {
		card := templates.ServerCard{
			Server: s.serverView(r, server), Seats: seatsView(server), Storage: storageView(server, nil), URL: serverPath(server.ID),
		}
		if server.Role != controlplane.Owner {
			card.Role = string(server.Role)
		}
		list.Servers = append(list.Servers, card)
	}
	return r.ok(templates.ServerListPage(s.page(r), list))
}

// showServer is the address of a server whatever its state: it shows the page that suits, or leads to it.
func (s *Server) showServer(r *request) error {
	switch r.server.Status {
	case tenant.AwaitingPayment:
		return r.redirect(paymentPath(r.server.ID))
	case tenant.AwaitingDomain:
		return r.redirect(serverPath(r.server.ID) + "/domain")
	case tenant.Provisioning:
		if r.server.ActiveAt == nil {
			return s.showProvisioning(r)
		}
	}
	return s.showDashboard(r)
}

// showReady tells how to log in to a server that works.
func (s *Server) showReady(r *request) error { return s.readyPage(r, "") }

// makeAdminLink makes a link with which the first member sets their password. Mostly that is who asks: the field "go" leads
// there at once. Else it is shown in this answer alone, to be passed on: what is kept of it is a hash.
func (s *Server) makeAdminLink(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	link, err := s.Members.PasswordLink(r.ctx(), r.actor(), r.server.ID, string(r.server.FirstAdmin))
	if err != nil {
		return err
	}
	path := "/set-password?token=" + link
	if in.get("go") != "" {
		return r.redirect(path)
	}
	return s.readyPage(r, s.PublicURL+path)
}

func (s *Server) readyPage(r *request, link string) error {
	if r.server.ActiveAt == nil {
		return r.redirect(serverPath(r.server.ID))
	}
	p := at(s.page(r), serverPath(r.server.ID)+"/ready")
	return r.ok(templates.ReadyPage(p, templates.Ready{
		Server: s.serverView(r, r.server), HomeserverURL: s.homeserver(r.server.Host),
		AdminID: r.server.FirstAdmin.UserID(r.server.ServerName), SetPasswordURL: link, Trial: s.Trial,
		Manage: r.server.Role.May(controlplane.AppointAdmins),
	}))
}

// homeserver is the address a client connects to.
func (s *Server) homeserver(host tenant.Domain) string {
	if s.HTTPSPort == 0 || s.HTTPSPort == 443 {
		return "https://" + string(host)
	}
	return "https://" + string(host) + ":" + strconv.Itoa(s.HTTPSPort)
}

func (s *Server) serverView(r *request, server controlplane.Server) templates.Server {
	view := templates.Server{
		ID: string(server.ID), Name: string(server.ServerName), Host: string(server.Host), Status: string(server.Status),
		Plan: planView(r.locale.Code(), server.Plan), CreatedAt: server.CreatedAt, OwnDomain: server.OwnDomain, Failure: server.FailureCode, Stuck: stuck(server),
		DeleteAt: moment(server.DeleteAfter), Pages: s.pagesOf(server),
	}
	if server.ID == r.server.ID {
		view.Owed = owedView(r.owed, server)
	}
	view.Plan.Engine = string(server.Engine)
	view.Engine = s.engineView(server.Engine)
	if server.Status == tenant.Suspended {
		view.SuspendReason = server.SuspendedFor
	}
	return view
}

func (s *Server) engineView(name tenant.EngineName) templates.Engine {
	about, known := s.Engines[name]
	if !known {
		return templates.Engine{}
	}
	view := templates.Engine{Name: engineName(name), Version: about.Version, Support: "repairs"}
	if about.Maintained {
		view.Support = "current"
	}
	return view
}

// stuck reports whether a failure waits for an operator: what will be tried again has a time for it.
func stuck(server controlplane.Server) bool { return server.FailureCode != "" && server.RetryAt == nil }

func seatsView(server controlplane.Server) templates.Seats {
	return templates.Seats{Used: server.Usage.Seats, Limit: server.Quota.Seats}
}

func storageView(server controlplane.Server, history *controlplane.UsageHistory) templates.Storage {
	view := templates.Storage{
		Database: server.Usage.DatabaseBytes, Media: server.Usage.MediaBytes, Remote: server.Usage.RemoteBytes, Orphans: server.Usage.OrphanBytes,
		Limit: server.Quota.StorageBytes, Floor: server.Quota.Floor(), MeasuredAt: moment(server.MeasuredAt),
	}
	if history == nil {
		return view
	}
	view.FullIn = history.Full
	for _, point := range history.Points {
		view.History = append(view.History, templates.StoragePoint{At: point.At, Database: point.DatabaseBytes, Media: point.MediaBytes})
	}
	return view
}

func conditionViews(conditions []tenant.Condition) []templates.Condition {
	list := make([]templates.Condition, 0, len(conditions))
	for _, c := range conditions {
		list = append(list, templates.Condition{Kind: string(c.Kind), OK: c.OK, Code: c.Code, Since: c.Since})
	}
	return list
}

// moment is a time that may be missing; the pages take the zero time for that.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
