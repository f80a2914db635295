package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// localpart is the member in the path. It is checked here, so that Hafen's own account cannot be named. An "@" before it keeps
// members apart whose names are those of pages.
func (r *request) localpart() (string, error) {
	raw, err := url.PathUnescape(r.Param("localpart"))
	if err == nil {
		var who tenant.Localpart
		if who, err = tenant.ParseLocalpart(strings.TrimPrefix(raw, "@")); err == nil {
			return string(who), nil
		}
	}
	return "", &tenant.Fault{Kind: tenant.NotFound, Code: "member.unknown", Err: err}
}

func memberPath(id tenant.ID, localpart string) string {
	return membersPath(id) + "/@" + url.PathEscape(localpart)
}

// showMember is the page of one member; for htmx the part that says how they stand.
func (s *Server) showMember(r *request) error {
	vm, err := s.memberPageView(r)
	if err != nil {
		return err
	}
	if r.htmx() && r.Request().Header.Get("HX-History-Restore-Request") != "true" {
		if vm.Member.State != templates.MemberPending {
			return r.redirect(memberPath(r.server.ID, vm.Member.Localpart)) // what can be done has changed, not only what is so
		}
		return r.ok(templates.MemberFacts(r.locale, vm))
	}
	return s.memberPage(r, http.StatusOK, vm)
}

func (s *Server) memberPageView(r *request) (templates.OneMember, error) {
	localpart, err := r.localpart()
	if err != nil {
		return templates.OneMember{}, err
	}
	m, err := s.Members.Find(r.ctx(), r.actor(), r.server.ID, localpart)
	if err != nil {
		return templates.OneMember{}, err
	}
	vm := templates.OneMember{
		Server: s.serverView(r, r.server), Member: memberView(m), Able: s.abilities(r.server), Manage: manages(r.server),
	}
	if !r.server.Role.May(controlplane.AppointAdmins) {
		vm.Able.Admin = false
		if m.Admin || m.ServerAdmin {
			vm.Protected, vm.Manage = vm.Manage, false
		}
	}
	return vm, nil
}

func (s *Server) memberPage(r *request, status int, vm templates.OneMember) error {
	return r.render(status, templates.MemberPage(at(s.page(r), memberPath(r.server.ID, vm.Member.Localpart)), vm))
}

// resetMember generates a password.
func (s *Server) resetMember(r *request) error {
	return s.changeMember(r, controlplane.OperationSetPassword, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.SetPassword(r.ctx(), r.actor(), r.server.ID, localpart, "")
	})
}

func (s *Server) deactivateMember(r *request) error {
	return s.changeMember(r, controlplane.OperationDeactivate, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.Deactivate(r.ctx(), r.actor(), r.server.ID, localpart)
	}, homeserver.Deactivate)
}

func (s *Server) reactivateMember(r *request) error {
	if !s.can(r.server, homeserver.Reactivate) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "member.cannot_reactivate"}
	}
	return s.changeMember(r, controlplane.OperationReactivate, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.Reactivate(r.ctx(), r.actor(), r.server.ID, localpart)
	})
}

func (s *Server) setMemberAdmin(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	return s.changeMember(r, controlplane.OperationSetAdmin, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.SetAdmin(r.ctx(), r.actor(), r.server.ID, localpart, in.get("admin") == "yes")
	}, homeserver.SetAdmin)
}

func (s *Server) lockMember(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	return s.changeMember(r, controlplane.OperationLock, func(localpart string) (controlplane.MemberResult, error) {
		return s.Members.Lock(r.ctx(), r.actor(), r.server.ID, localpart, in.get("locked") == "yes")
	}, homeserver.Lock)
}

// changeMember changes what the engine can change, and leads back; a generated password is in this answer alone.
func (s *Server) changeMember(r *request, kind controlplane.OperationKind, change func(localpart string) (controlplane.MemberResult, error), needs ...homeserver.Capability) error {
	localpart, err := r.localpart()
	if err != nil {
		return err
	}
	for _, c := range needs {
		if !s.can(r.server, c) {
			return &tenant.Fault{Kind: tenant.Conflict, Code: "engine.unsupported"}
		}
	}
	result, err := change(localpart)
	if err != nil {
		return err
	}
	if result.Password == "" {
		return r.done(memberPath(r.server.ID, localpart), memberFlash(result.Done))
	}
	// Reactivating has taken a seat since the server was loaded.
	if r.server, err = s.Servers.Find(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	vm, err := s.memberPageView(r)
	if err != nil {
		return err
	}
	vm.Result = memberResult(kind, result)
	return s.memberPage(r, http.StatusOK, vm)
}

// linkMember makes a set-password link. It is in this answer alone: what is kept of it is a hash.
func (s *Server) linkMember(r *request) error {
	localpart, err := r.localpart()
	if err != nil {
		return err
	}
	token, err := s.Members.PasswordLink(r.ctx(), r.actor(), r.server.ID, localpart)
	if err != nil {
		return err
	}
	vm, err := s.memberPageView(r)
	if err != nil {
		return err
	}
	vm.Result = &templates.MemberResult{MatrixID: vm.Member.MatrixID, LinkURL: s.passwordURL(token), Code: "link"}
	return s.memberPage(r, http.StatusOK, vm)
}

func (s *Server) mailMemberLink(r *request) error {
	in, err := r.form("email")
	if err != nil {
		return err
	}
	localpart, err := r.localpart()
	if err != nil {
		return err
	}
	err = s.Members.MailPasswordLink(r.ctx(), r.actor(), r.server.ID, localpart, in.get("email"))
	if err == nil {
		return r.done(memberPath(r.server.ID, localpart), flashMemberLinkSent)
	}
	return s.memberMistake(r, in, err, func(vm *templates.OneMember, form templates.Form) { vm.Mail = form })
}

func (s *Server) eraseMember(r *request) error {
	in, err := r.form("name")
	if err != nil {
		return err
	}
	localpart, err := r.localpart()
	if err != nil {
		return err
	}
	if !s.can(r.server, homeserver.Erase) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "engine.unsupported"}
	}
	result, err := s.Members.Erase(r.ctx(), r.actor(), r.server.ID, localpart, strings.TrimSpace(in.get("name")))
	if err == nil {
		return r.done(memberPath(r.server.ID, localpart), memberFlash(result.Done))
	}
	return s.memberMistake(r, in, err, func(vm *templates.OneMember, form templates.Form) { vm.Erase = form })
}

// memberMistake shows the page again with what is wrong in one of its forms.
func (s *Server) memberMistake(r *request, in input, err error, put func(*templates.OneMember, templates.Form)) error {
	form, wrong := in.wrong(err)
	if !wrong || tenant.FaultOf(err).Field == "" {
		return err
	}
	vm, failed := s.memberPageView(r)
	if failed != nil {
		return errors.Join(err, failed)
	}
	put(&vm, form)
	return s.memberPage(r, http.StatusUnprocessableEntity, vm)
}

// forgetMember takes an account off the list that the homeserver does not have.
func (s *Server) forgetMember(r *request) error {
	localpart, err := r.localpart()
	if err != nil {
		return err
	}
	if err := s.Members.Forget(r.ctx(), r.actor(), r.server.ID, localpart); err != nil {
		return err
	}
	return r.done(membersPath(r.server.ID), flashMemberForgotten)
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
	link, result, err := s.Members.UsePasswordLink(r.ctx(), in.get("token"), in.get("password"))
	if form, wrong := in.wrong(err); wrong && tenant.FaultOf(err).Field != "" {
		return s.setPasswordPage(r, in.get("token"), link, form, templates.LinkOpen, nil)
	}
	state := templates.LinkDone
	if !result.Done {
		state = templates.LinkPending
	}
	return s.setPasswordPage(r, "", link, templates.Form{}, state, err)
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
		vm.HomeserverURL, vm.Engine = s.homeserver(link.Host), string(link.Engine)
	}
	status := linkStatus(vm.State)
	if form.Errors != nil {
		status = http.StatusUnprocessableEntity
	}
	return r.render(status, templates.SetPasswordPage(at(s.page(r), r.Request().URL.RequestURI()), vm))
}
