package web

import (
	"net/http"
	"time"

	"hafen/templates"
)

func (s *Server) showDelete(r *request) error {
	return s.deletePage(r, http.StatusOK, templates.Form{})
}

func (s *Server) deleteServer(r *request) error {
	in, err := r.form("name")
	if err != nil {
		return err
	}
	err = s.Servers.Delete(r.ctx(), r.actor(), r.server.ID, in.get("name"))
	if form, wrong := in.wrong(err); wrong {
		return s.deletePage(r, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	if r.server.ActiveAt == nil {
		return r.done("/servers", flashServerDeleted) // gone at once: there was nothing to keep
	}
	return r.done(serverPath(r.server.ID), flashServerDeleted)
}

func (s *Server) deletePage(r *request, status int, form templates.Form) error {
	vm := templates.ServerDelete{Server: s.serverView(r, r.server), Members: r.server.Usage.Seats, Form: form}
	if r.server.ActiveAt != nil {
		vm.GraceDays = int(s.Servers.Grace / (24 * time.Hour))
	}
	return r.render(status, templates.ServerDeletePage(s.page(r), vm))
}

func (s *Server) restoreServer(r *request) error {
	if err := s.Servers.Restore(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	return r.done(serverPath(r.server.ID), flashServerRestored)
}
