package web

import (
	"net/http"
	"net/url"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// How the password of a new member is chosen.
const passwordOwn = "own"

func (s *Server) membersView(r *request) (templates.Members, error) {
	page, err := s.Members.Search(r.ctx(), r.actor(), r.server.ID, controlplane.MemberQuery{})
	if err != nil {
		return templates.Members{}, err
	}
	vm := templates.Members{
		ServerID: string(r.server.ID), ServerName: string(r.server.ServerName), Seats: seatsView(r.server),
		CanReactivate: s.can(r.server, homeserver.Reactivate),
		Writable:      r.server.Status == tenant.Active || r.server.Status == tenant.Asleep,
	}
	for _, m := range page.Members {
		vm.List = append(vm.List, memberView(m))
	}
	return vm, nil
}

func memberView(m controlplane.Member) templates.Member {
	view := templates.Member{
		Localpart: string(m.Localpart), MatrixID: m.UserID, DisplayName: m.DisplayName, Admin: m.Admin,
		State: templates.MemberActive, CreatedAt: m.CreatedAt,
	}
	switch {
	case m.Pending != "":
		view.State, view.Operation = templates.MemberPending, string(m.Pending)
	case m.Failed != "":
		view.State, view.Failure = templates.MemberFailed, m.Failed
		if m.State == "reserved" {
			view.Operation = string(controlplane.OperationCreate)
		}
	case m.State == "reserved":
		view.State, view.Operation = templates.MemberPending, string(controlplane.OperationCreate)
	case m.State == "deactivated":
		view.State = templates.MemberDeactivated
	}
	return view
}

func (s *Server) addMember(r *request) error {
	in, err := r.form("localpart", "display_name", "password_mode")
	if err != nil {
		return err
	}
	n := controlplane.NewMember{Localpart: in.get("localpart"), DisplayName: in.get("display_name")}
	if in.get("password_mode") == passwordOwn {
		n.Password = in.get("password")
		if n.Password == "" {
			// Empty would ask for a generated one, and this person wanted to choose.
			return s.membersAnswer(r, in, controlplane.OperationCreate, controlplane.MemberResult{}, &tenant.Fault{Kind: tenant.Invalid, Code: "password.member_short", Field: "password"})
		}
	}
	result, err := s.Members.Add(r.ctx(), r.actor(), r.server.ID, n)
	return s.membersAnswer(r, in, controlplane.OperationCreate, result, err)
}

func (s *Server) resetMember(r *request) error {
	return s.changeMember(r, controlplane.OperationSetPassword, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.SetPassword(r.ctx(), r.actor(), r.server.ID, localpart, "")
	})
}

func (s *Server) deactivateMember(r *request) error {
	return s.changeMember(r, controlplane.OperationDeactivate, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.Deactivate(r.ctx(), r.actor(), r.server.ID, localpart)
	})
}

func (s *Server) reactivateMember(r *request) error {
	return s.changeMember(r, controlplane.OperationReactivate, func(localpart string) (controlplane.MemberResult, error) {
		if !s.can(r.server, homeserver.Reactivate) {
			return controlplane.MemberResult{}, &tenant.Fault{Kind: tenant.Conflict, Code: "member.cannot_reactivate"}
		}
		return s.Members.Reactivate(r.ctx(), r.actor(), r.server.ID, localpart)
	})
}

func (s *Server) changeMember(r *request, kind controlplane.OperationKind, change func(localpart string) (controlplane.MemberResult, error)) error {
	localpart, err := r.localpart()
	if err != nil {
		return err
	}
	result, err := change(localpart)
	return s.membersAnswer(r, input{}, kind, result, err)
}

// localpart is the member in the path. It is checked here, so that Hafen's own account cannot be named.
func (r *request) localpart() (string, error) {
	raw, err := url.PathUnescape(r.Param("localpart"))
	if err == nil {
		var who tenant.Localpart
		if who, err = tenant.ParseLocalpart(raw); err == nil {
			return string(who), nil
		}
	}
	return "", &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown", Err: err}
}

// membersAnswer shows the members after a change, and a generated password. The password is in this answer alone, never in an
// address, a cookie or a row that can be read; so there is no redirect, even without htmx.
func (s *Server) membersAnswer(r *request, in input, kind controlplane.OperationKind, result controlplane.MemberResult, err error) error {
	form, wrong := in.wrong(err)
	if err != nil && !wrong {
		return err
	}
	status := http.StatusOK
	var shown *templates.MemberResult
	if wrong {
		status = http.StatusUnprocessableEntity
	} else {
		form = templates.Form{}
		code := string(kind)
		if !result.Done {
			code = "pending"
		}
		shown = &templates.MemberResult{MatrixID: result.UserID, Password: result.Password, Code: code}
	}
	if !wrong && result.Password == "" && !r.htmx() {
		return r.done(serverPath(r.server.ID), memberFlash(result.Done))
	}
	// Seats have changed since the server was loaded.
	if r.server, err = s.Servers.Find(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	if r.htmx() {
		vm, err := s.membersView(r)
		if err != nil {
			return err
		}
		vm.Form, vm.Result = form, shown
		return r.render(status, templates.MembersPanel(r.locale, vm))
	}
	vm, err := s.dashboardView(r)
	if err != nil {
		return err
	}
	vm.Members.Form, vm.Members.Result = form, shown
	return r.render(status, templates.DashboardPage(at(s.page(r), serverPath(r.server.ID)), vm))
}

func memberFlash(done bool) flash {
	if done {
		return flashMemberChanged
	}
	return flashMemberPending
}

// showSetPassword is the page behind a link for a member; looking does not use it up.
func (s *Server) showSetPassword(r *request) error {
	link, err := s.Members.PeekPasswordLink(r.ctx(), r.QueryParam("token"))
	return s.setPasswordPage(r, r.QueryParam("token"), link, templates.Form{}, templates.LinkOpen, err)
}

func (s *Server) setPassword(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	link, _, err := s.Members.UsePasswordLink(r.ctx(), in.get("token"), in.get("password"))
	if form, wrong := in.wrong(err); wrong && tenant.FaultOf(err).Field != "" {
		return s.setPasswordPage(r, in.get("token"), link, form, templates.LinkOpen, nil)
	}
	return s.setPasswordPage(r, "", link, templates.Form{}, templates.LinkDone, err)
}

// setPasswordPage shows a link in a state, or in the one that err tells.
func (s *Server) setPasswordPage(r *request, token string, link controlplane.PasswordLink, form templates.Form, state templates.LinkState, err error) error {
	told, err := linkState(err)
	if err != nil {
		return err
	}
	vm := templates.SetPassword{State: told, Form: form}
	if told == templates.LinkDone {
		vm.State, vm.Token = state, token
		vm.MatrixID, vm.ServerName = link.Localpart.UserID(link.Server), string(link.Server)
		vm.HomeserverURL, vm.Engine = s.homeserver(link.Host), templates.EngineDendrite
	}
	status := linkStatus(vm.State)
	if form.Errors != nil {
		status = http.StatusUnprocessableEntity
	}
	return r.render(status, templates.SetPasswordPage(at(s.page(r), r.Request().URL.RequestURI()), vm))
}
