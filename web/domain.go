package web

import (
	"strings"

	"hafen/templates"
	"hafen/tenant"
)

func (s *Server) showDomain(r *request) error {
	if !r.server.OwnDomain {
		return r.redirect(serverPath(r.server.ID))
	}
	vm, err := s.domainView(r)
	if err != nil {
		return err
	}
	return r.ok(templates.DomainPage(s.page(r), vm))
}

// checkDomain asks for a look now; the answer arrives on the live page.
func (s *Server) checkDomain(r *request) error {
	if err := s.Servers.CheckDomain(r.ctx(), r.actor(), r.server.ID); err != nil {
		return err
	}
	if !r.htmx() {
		return r.done(serverPath(r.server.ID)+"/domain", flashDomainChecking)
	}
	vm, err := s.domainView(r)
	if err != nil {
		return err
	}
	vm.Checking = true
	return r.ok(templates.DomainChecks(r.locale, vm))
}

func (s *Server) domainView(r *request) (templates.Domain, error) {
	domain, err := s.Servers.Domain(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return templates.Domain{}, err
	}
	vm := templates.Domain{
		Server: s.serverView(r, r.server), HostKind: templates.HostMatrix, CheckedAt: moment(domain.CheckedAt),
		Checking: domain.CheckedAt == nil, Verified: r.server.Status != tenant.AwaitingDomain,
		EventsURL: eventsURL(r.server.ID, viewDomain), Failure: r.server.FailureCode,
	}
	if r.server.Host == r.server.ServerName {
		vm.HostKind = templates.HostApex
	}
	for _, record := range domain.Report.Records {
		if record.Kind == tenant.RecordWellKnown {
			vm.WellKnown = append(vm.WellKnown, wellKnownView(record))
		} else {
			vm.Records = append(vm.Records, recordView(record))
		}
	}
	return vm, nil
}

func recordView(r tenant.Record) templates.DomainRecord {
	return templates.DomainRecord{
		Type: string(r.Kind), Name: r.Name, Values: r.Want, State: templates.RecordState(r.State), Seen: r.Seen,
		Code: r.Code, Purpose: string(r.Purpose), Optional: r.Optional,
	}
}

func wellKnownView(r tenant.Record) templates.WellKnown {
	return templates.WellKnown{
		Purpose: string(r.Purpose), URL: r.Name, Body: strings.Join(r.Want, "\n"), State: templates.RecordState(r.State),
		Code: r.Code, Seen: r.Seen,
	}
}
