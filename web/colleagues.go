package web

import (
	"net/http"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

func colleaguesPath(id tenant.ID) string { return serverPath(id) + "/colleagues" }

func (s *Server) showColleagues(r *request) error {
	return s.colleaguesPage(r, http.StatusOK, templates.Form{})
}

func (s *Server) inviteColleague(r *request) error {
	in, err := r.form("email", "role")
	if err != nil {
		return err
	}
	err = s.Colleagues.Invite(r.ctx(), r.actor(), r.server.ID, in.get("email"), controlplane.Role(in.get("role")))
	if form, wrong := in.wrong(err); wrong {
		return s.colleaguesPage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return r.done(colleaguesPath(r.server.ID), flashInviteSent)
}

func (s *Server) withdrawColleague(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	if err := s.Colleagues.Withdraw(r.ctx(), r.actor(), r.server.ID, in.get("email")); err != nil {
		return err
	}
	return r.done(colleaguesPath(r.server.ID), flashInviteWithdrawn)
}

func (s *Server) setColleagueRole(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	ended, err := s.Colleagues.SetRole(r.ctx(), r.actor(), r.server.ID, r.Param("colleague"), controlplane.Role(in.get("role")))
	if err != nil {
		return err
	}
	if !ended.None() {
		return r.done(colleaguesPath(r.server.ID), flashRoleChangedEnded)
	}
	return r.done(colleaguesPath(r.server.ID), flashRoleChanged)
}

func (s *Server) removeColleague(r *request) error {
	ended, err := s.Colleagues.Remove(r.ctx(), r.actor(), r.server.ID, r.Param("colleague"))
	if err != nil {
		return err
	}
	if !ended.None() {
		return r.done(colleaguesPath(r.server.ID), flashRoleRemovedEnded)
	}
	return r.done(colleaguesPath(r.server.ID), flashRoleRemoved)
}

// leaveServer gives one's own role back. The owner has none to give.
func (s *Server) leaveServer(r *request) error {
	ended, err := s.Colleagues.Leave(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	if !ended.None() {
		return r.done("/servers", flashLeftEnded)
	}
	return r.done("/servers", flashLeft)
}

// showJoin says what an invitation offers; the form on it accepts, so that a mail scanner which follows links accepts nothing.
func (s *Server) showJoin(r *request) error {
	token := r.QueryParam("token")
	offer, err := s.Colleagues.Peek(r.ctx(), token)
	state, err := linkState(err)
	if err != nil {
		return err
	}
	if state == templates.LinkDone {
		state = templates.LinkOpen
	}
	return r.render(linkStatus(state), templates.JoinPage(s.page(r), templates.Join{
		State: state, ServerName: string(offer.ServerName), Role: string(offer.Role), InvitedBy: offer.InvitedBy, Email: offer.Email,
		Token: token, Mine: strings.EqualFold(offer.Email, r.session.Account.Email),
	}))
}

func (s *Server) join(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	id, err := s.Colleagues.Join(r.ctx(), r.actor(), in.get("token"))
	state, err := linkState(err)
	if err != nil {
		return err
	}
	if state != templates.LinkDone {
		return r.render(linkStatus(state), templates.JoinPage(s.page(r), templates.Join{State: state}))
	}
	return r.done(serverPath(id), flashJoined)
}

func (s *Server) colleaguesPage(r *request, status int, form templates.Form) error {
	people, invites, err := s.Colleagues.List(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	vm := templates.Colleagues{Server: s.serverView(r, r.server), Owner: r.server.OwnerEmail, Form: form}
	for _, role := range controlplane.Roles {
		vm.Roles = append(vm.Roles, string(role))
	}
	for _, c := range people {
		person := templates.Colleague{ID: c.Account, Email: c.Email, Role: string(c.Role), Since: c.Since, Invites: c.Held.Invites}
		for _, who := range c.Held.Passwords {
			person.Passwords = append(person.Passwords, who.UserID(r.server.ServerName))
		}
		vm.People = append(vm.People, person)
	}
	for _, i := range invites {
		vm.Invites = append(vm.Invites, templates.ColleagueInvite{Email: i.Email, Role: string(i.Role), ExpiresAt: i.ExpiresAt})
	}
	return r.render(status, templates.ColleaguesPage(s.page(r), vm))
}
