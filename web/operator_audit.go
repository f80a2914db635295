package web

import (
	"encoding/json"
	"net/url"
	"strconv"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

const auditPerPage = 50

// showAudit pages by the last entry seen, so that a page does not shift while entries are added.
func (s *Server) showAudit(r *request) error {
	before, _ := strconv.ParseInt(r.QueryParam("before"), 10, 64) // anything else is the newest page
	filter := controlplane.AuditFilter{Before: max(before, 0), Most: auditPerPage + 1}
	vm := templates.OperatorAudit{}
	if wanted := r.QueryParam("server"); wanted != "" {
		id, err := tenant.ParseID(wanted)
		if err != nil {
			return err
		}
		server, err := s.Servers.Find(r.ctx(), r.actor(), id)
		if err != nil {
			return err
		}
		filter.Tenant, vm.ServerID, vm.ServerName = id, string(id), string(server.ServerName)
	}
	entries, err := s.Operators.Audit(r.ctx(), r.actor(), filter)
	if err != nil {
		return err
	}
	if len(entries) > auditPerPage {
		entries = entries[:auditPerPage]
		vm.Pager.Next = auditLink(filter.Tenant, entries[auditPerPage-1].ID)
	}
	if filter.Before > 0 {
		vm.Pager.Prev = auditLink(filter.Tenant, 0) // to the newest: there is no way back by one page
	}
	for _, entry := range entries {
		vm.Entries = append(vm.Entries, auditView(entry))
	}
	return r.ok(templates.OperatorAuditPage(s.page(r), vm))
}

func auditLink(id tenant.ID, before int64) string {
	q := url.Values{}
	if id != "" {
		q.Set("server", string(id))
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	if len(q) == 0 {
		return "/operator/audit"
	}
	return "/operator/audit?" + q.Encode()
}

func auditView(e controlplane.AuditEntry) templates.AuditEntry {
	address, rest := auditAddress(e.Detail)
	view := templates.AuditEntry{ID: e.ID, At: e.At, Actor: actorName(e.Actor), Address: address, Action: e.Action, Detail: rest}
	if e.Tenant != "" {
		view.Object, view.ObjectURL = string(e.Server), fleetPath(e.Tenant)
		if view.Object == "" {
			view.Object = string(e.Tenant)
		}
	}
	return view
}

// auditAddress takes the client's address out of an entry's detail, where there is one: it has a place of its own.
func auditAddress(raw json.RawMessage) (address, rest string) {
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil {
		return "", detail(raw)
	}
	address, _ = fields["address"].(string)
	if address == "" {
		return "", detail(raw)
	}
	delete(fields, "address")
	others, err := json.Marshal(fields)
	if err != nil {
		return "", detail(raw)
	}
	return address, detail(others)
}
