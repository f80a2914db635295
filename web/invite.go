package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// invitationShown is how long a used invite's link still shows how to log in: whoever closed the page finds it again.
const invitationShown = 24 * time.Hour

func invitesPath(id tenant.ID) string { return membersPath(id) + "/invites" }

// invitesPagePath is the address of a page of the list.
func invitesPagePath(id tenant.ID, n int) string {
	if n <= 1 {
		return invitesPath(id)
	}
	return invitesPath(id) + "?page=" + strconv.Itoa(n)
}

func (s *Server) showInvites(r *request) error {
	return s.invitesPage(r, http.StatusOK, func(*templates.Invites) {})
}

func (s *Server) invitesPage(r *request, status int, put func(*templates.Invites)) error {
	n := r.pageNumber()
	list, err := s.Invites.List(r.ctx(), r.actor(), r.server.ID, n)
	// The last invite of the last page may just have been withdrawn.
	if last := (list.Total + controlplane.InvitesPerPage - 1) / controlplane.InvitesPerPage; err == nil && n > max(last, 1) {
		n = max(last, 1)
		list, err = s.Invites.List(r.ctx(), r.actor(), r.server.ID, n)
	}
	if err != nil {
		return err
	}
	vm := templates.Invites{Server: s.serverView(r, r.server), Seats: seatsView(r.server), Days: controlplane.InviteDays, Manage: manages(r.server)}
	vm.Pager = pagerOf(n, controlplane.InvitesPerPage, list.Total, func(n int) string { return invitesPagePath(r.server.ID, n) })
	for _, i := range list.Invites {
		vm.List = append(vm.List, templates.Invite{
			ID: i.ID, Email: i.Email, DisplayName: i.DisplayName, Localpart: i.Localpart, InvitedBy: i.InvitedBy, ExpiresAt: i.ExpiresAt, Expired: i.Expired,
		})
	}
	put(&vm)
	return r.render(status, templates.InvitesPage(at(s.page(r), invitesPagePath(r.server.ID, n)), vm))
}

// makeInvite shows the link in this answer alone: what is kept of it is a hash.
func (s *Server) makeInvite(r *request) error {
	in, err := r.form("email", "display_name", "localpart", "days")
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(in.get("days"))
	if in.get("days") == "" {
		days, err = controlplane.DefaultInviteDays, nil
	}
	if err != nil {
		days = 0 // refused below, with its sentence
	}
	token, err := s.Invites.Create(r.ctx(), r.actor(), r.server.ID, controlplane.NewInvite{
		Email: strings.TrimSpace(in.get("email")), DisplayName: strings.TrimSpace(in.get("display_name")), Localpart: strings.TrimSpace(in.get("localpart")), Days: days,
	})
	if form, wrong := in.wrong(err); wrong {
		return s.invitesPage(r, http.StatusUnprocessableEntity, func(vm *templates.Invites) { vm.Form = form })
	}
	if err != nil {
		return err
	}
	return s.invitesWithLink(r, token, strings.TrimSpace(in.get("email")))
}

func (s *Server) renewInvite(r *request) error {
	token, sentTo, err := s.Invites.Renew(r.ctx(), r.actor(), r.server.ID, r.Param("invite"))
	if form, wrong := (input{}).wrong(err); wrong {
		return s.invitesPage(r, http.StatusUnprocessableEntity, func(vm *templates.Invites) { vm.Form = form })
	}
	if err != nil {
		return err
	}
	return s.invitesWithLink(r, token, sentTo)
}

func (s *Server) invitesWithLink(r *request, token, sentTo string) (err error) {
	// A seat is held since the server was loaded.
	if r.server, err = s.Servers.Find(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	return s.invitesPage(r, http.StatusOK, func(vm *templates.Invites) {
		vm.LinkURL, vm.SentTo = s.PublicURL+"/invite?"+url.Values{"token": {token}}.Encode(), sentTo
	})
}

func (s *Server) withdrawInvite(r *request) error {
	if err := s.Invites.Withdraw(r.ctx(), r.actor(), r.server.ID, r.Param("invite")); err != nil {
		return err
	}
	return r.done(invitesPagePath(r.server.ID, r.pageNumber()), flashInviteTakenBack)
}

// showInvitation is the page behind an invite's link; looking does not use it up.
func (s *Server) showInvitation(r *request) error {
	vm, err := s.invitationView(r, r.QueryParam("token"))
	if err != nil {
		return err
	}
	return s.invitationPage(r, vm)
}

// showInvitationState is asked while the account is being made.
func (s *Server) showInvitationState(r *request) error {
	vm, err := s.invitationView(r, r.QueryParam("token"))
	if err != nil {
		return err
	}
	return r.ok(templates.InvitationWait(r.locale, vm))
}

func (s *Server) invitationView(r *request, token string) (templates.Invitation, error) {
	vm := templates.Invitation{State: templates.InvitationInvalid, Token: token}
	found, err := s.Invites.Open(r.ctx(), token)
	if err != nil {
		if tenant.FaultOf(err).Code == "token.unknown" {
			return vm, nil
		}
		return vm, err
	}
	// The language of the server, unless this visitor has chosen one here.
	if _, err := r.Cookie(languageCookie); err != nil {
		r.locale = i18n.For(found.Server.Language)
	}
	vm.ServerName, vm.Title, vm.Welcome = string(found.Server.ServerName), found.Server.Settings.Name, found.Server.Settings.Welcome
	vm.HomeserverURL = s.homeserver(found.Server.Host)
	vm.State = s.invitationState(found)
	vm.Form.Values = map[string]string{"localpart": found.Localpart, "display_name": found.DisplayName}
	if found.UsedAt != nil {
		vm.MatrixID = tenant.Localpart(found.Localpart).UserID(found.Server.ServerName)
	} else if found.Failed != "" {
		vm.Form.Errors = map[string]templates.Problem{"localpart": {Code: found.Failed}}
	}
	logo, err := s.Settings.Logo(r.ctx(), found.Tenant)
	if err != nil {
		return vm, err
	}
	if logo.Type != "" {
		vm.LogoURL = logoPath(found.Tenant)
	}
	return vm, nil
}

func (s *Server) invitationState(found controlplane.Invitation) templates.InvitationState {
	switch {
	case found.UsedAt != nil && found.Made && s.Now().Sub(*found.UsedAt) < invitationShown:
		return templates.InvitationDone
	case found.UsedAt != nil && !found.Made:
		return templates.InvitationWaiting
	case found.UsedAt != nil:
		return templates.InvitationUsed
	case found.WithdrawnAt != nil:
		return templates.InvitationWithdrawn
	case found.Expired:
		return templates.InvitationExpired
	case found.Server.Status != tenant.Active && found.Server.Status != tenant.Asleep:
		return templates.InvitationClosed
	default:
		return templates.InvitationOpen
	}
}

// invitationPage answers 422 to a link that leads nowhere any more, as the other links do.
func (s *Server) invitationPage(r *request, vm templates.Invitation) error {
	status := http.StatusUnprocessableEntity
	switch vm.State {
	case templates.InvitationOpen, templates.InvitationWaiting, templates.InvitationDone:
		if len(vm.Form.Errors) == 0 || r.safe() {
			status = http.StatusOK
		}
	}
	return r.render(status, templates.InvitationPage(at(s.page(r), "/invite?"+url.Values{"token": {vm.Token}}.Encode()), vm))
}

// checkInvited says while somebody types whether they can have the name.
func (s *Server) checkInvited(r *request) error {
	localpart := strings.TrimSpace(r.QueryParam("localpart"))
	if localpart == "" {
		return r.ok(templates.NameCheckResult(r.locale, templates.NameCheck{}))
	}
	vm, err := s.invitationView(r, r.QueryParam("token"))
	if err != nil {
		return err
	}
	who, err := s.Invites.CheckName(r.ctx(), r.QueryParam("token"), localpart)
	if err == nil {
		return r.ok(templates.NameCheckResult(r.locale, templates.NameCheck{Name: who.UserID(tenant.Domain(vm.ServerName)), Code: "available"}))
	}
	fault := tenant.FaultOf(err)
	if !isMistake(fault) && fault.Kind != tenant.NotFound {
		return err
	}
	return r.ok(templates.NameCheckResult(r.locale, templates.NameCheck{Code: fault.Code, Params: fault.Params}))
}

// acceptInvite makes the account. A name that is taken leaves the invite as it was.
func (s *Server) acceptInvite(r *request) error {
	in, err := r.form("localpart", "display_name")
	if err != nil {
		return err
	}
	token := in.get("token")
	_, err = s.Invites.Accept(r.ctx(), controlplane.Accepted{
		Token: token, Localpart: in.get("localpart"), DisplayName: strings.TrimSpace(in.get("display_name")), Password: in.get("password"),
	})
	if err == nil {
		return r.redirect("/invite?" + url.Values{"token": {token}}.Encode())
	}
	form, wrong := in.wrong(err)
	fault := tenant.FaultOf(err)
	if !wrong && fault.Kind != tenant.NotFound {
		return err
	}
	vm, failed := s.invitationView(r, token)
	if failed != nil {
		return failed
	}
	switch {
	case fault.Code == "seats.full":
		vm.State = templates.InvitationFull
	case fault.Code == "status.not_active":
		vm.State = templates.InvitationClosed
	case vm.State == templates.InvitationOpen:
		vm.Form = form
	}
	return s.invitationPage(r, vm)
}
