package web

import (
	"slices"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant/homeserver"
)

// serverPage is what a page of a server asks for: a permission of whoever looks, and an engine that can do some of what is on it.
// Without capabilities any engine will do.
type serverPage struct {
	name         string
	permission   controlplane.Permission
	capabilities []homeserver.Capability
}

var serverPages = []serverPage{
	{templates.PageOverview, controlplane.See, nil},
	{templates.PageMembers, controlplane.SeeMembers, nil},
	{templates.PageRooms, controlplane.ManageContent, []homeserver.Capability{homeserver.ListRooms}},
	{templates.PageMedia, controlplane.ManageContent, []homeserver.Capability{homeserver.ListMedia, homeserver.PurgeRemoteMedia}},
	{templates.PageNotices, controlplane.ManageContent, []homeserver.Capability{homeserver.SendNotice}},
	{templates.PageSettings, controlplane.See, nil},
	{templates.PageColleagues, controlplane.ManageColleagues, nil},
	{templates.PagePlan, controlplane.ManageBilling, nil},
	{templates.PageBills, controlplane.ManageBilling, nil},
	{templates.PageReady, controlplane.See, nil},
	{templates.PageDomain, controlplane.See, nil},
	{templates.PageDelete, controlplane.DeleteServer, nil},
}

// can reports whether the engine of a server is able to do something.
func (s *Server) can(server controlplane.Server, what homeserver.Capability) bool {
	return s.Engines[server.Engine].Supports(what)
}

// pagesOf names the pages of a server that its role may open and its engine can fill.
func (s *Server) pagesOf(server controlplane.Server) []string {
	var names []string
	for _, p := range serverPages {
		able := len(p.capabilities) == 0 || slices.ContainsFunc(p.capabilities, func(c homeserver.Capability) bool { return s.can(server, c) })
		if able && server.Role.May(p.permission) {
			names = append(names, p.name)
		}
	}
	return names
}
