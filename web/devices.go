package web

import (
	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// showDevices asks the homeserver for a member's sessions. A server that does not answer is no failure of the page.
func (s *Server) showDevices(r *request) error {
	vm, err := s.memberPageView(r)
	if err != nil {
		return err
	}
	if !s.can(r.server, homeserver.ListDevices) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "engine.unsupported"}
	}
	found := templates.Devices{
		Server: vm.Server, Localpart: vm.Member.Localpart, Manage: vm.Manage && vm.Able.SignOut,
	}
	devices, err := s.Members.Devices(r.ctx(), r.actor(), r.server.ID, vm.Member.Localpart)
	if fault := tenant.FaultOf(err); err != nil {
		if fault.Kind != tenant.Unavailable && fault.Kind != tenant.Conflict && fault.Kind != tenant.NotFound {
			return err
		}
		found.Failure = fault.Code
	}
	for _, d := range devices {
		found.List = append(found.List, templates.Device{ID: d.ID, Name: d.Name, Agent: d.UserAgent, Address: d.SeenFrom, SeenAt: d.SeenAt})
	}
	if r.htmx() {
		return r.ok(templates.DeviceList(r.locale, found))
	}
	vm.Devices = &found
	return r.ok(templates.MemberPage(s.page(r), vm))
}

// signOutMember ends one session, or all of a member's.
func (s *Server) signOutMember(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	var devices []string
	if device := in.get("device"); device != "" {
		devices = []string{device}
	}
	return s.changeMember(r, controlplane.OperationSignOut, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.SignOut(r.ctx(), r.actor(), r.server.ID, localpart, devices...)
	}, homeserver.SignOut)
}
