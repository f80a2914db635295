package web

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func noticesPath(id tenant.ID) string { return serverPath(id) + "/notices" }

func (s *Server) showNotices(r *request) error {
	return s.noticesPage(r, http.StatusOK, templates.Form{}, nil, "")
}

// announce is one form in several steps: find people, look at what is to be sent, send it.
func (s *Server) announce(r *request) error {
	in, err := r.form("text", "audience")
	if err != nil {
		return err
	}
	if err := s.able(r, homeserver.SendNotice); err != nil {
		return err
	}
	to := in.values["to"]
	switch in.get("do") {
	case "search":
		if r.htmx() {
			picker, err := s.picker(r, to, in.get("search"))
			if err != nil {
				return err
			}
			return r.ok(templates.RecipientPicker(r.locale, picker))
		}
		return s.noticesPage(r, http.StatusOK, in.form, to, in.get("search"))
	case "edit":
		return s.noticesPage(r, http.StatusOK, in.form, to, "")
	case "send":
		return s.sendAnnouncement(r, in)
	default:
		return s.previewAnnouncement(r, in)
	}
}

func (s *Server) previewAnnouncement(r *request, in input) error {
	everybody := in.get("audience") != templates.AudienceSome
	text, people, err := s.Announcements.Check(in.get("text"), everybody, in.values["to"])
	if form, wrong := in.wrong(err); wrong {
		return s.noticesPage(r, http.StatusUnprocessableEntity, form, in.values["to"], in.get("search"))
	}
	if err != nil {
		return err
	}
	return s.announcementPreview(r, http.StatusOK, templates.AnnouncePreview{ID: newUUID(), Text: text, To: names(people)}, everybody)
}

func (s *Server) announcementPreview(r *request, status int, vm templates.AnnouncePreview, everybody bool) error {
	_, total, err := s.Announcements.Recipients(r.ctx(), r.actor(), r.server.ID, "")
	if err != nil {
		return err
	}
	vm.Server, vm.Language, vm.Audience, vm.Count = s.serverView(r, r.server), r.server.Language, templates.AudienceSome, len(vm.To)
	if everybody {
		vm.Audience, vm.To, vm.Count = templates.AudienceAll, nil, total
	}
	return r.render(status, templates.AnnouncePreviewPage(at(s.page(r), noticesPath(r.server.ID)), vm))
}

func (s *Server) sendAnnouncement(r *request, in input) error {
	everybody := in.get("audience") != templates.AudienceSome
	err := s.Announcements.Send(r.ctx(), r.actor(), r.server.ID, in.get("id"), in.get("text"), everybody, in.values["to"])
	form, wrong := in.wrong(err)
	switch {
	case wrong && tenant.FaultOf(err).Field != "":
		return s.noticesPage(r, http.StatusUnprocessableEntity, form, in.values["to"], "")
	case wrong:
		vm := templates.AnnouncePreview{ID: in.get("id"), Text: in.get("text"), To: in.values["to"], Form: form}
		return s.announcementPreview(r, http.StatusUnprocessableEntity, vm, everybody)
	case err != nil:
		return err
	}
	return r.redirect(noticesPath(r.server.ID) + "/" + url.PathEscape(in.get("id")))
}

func (s *Server) noticesPage(r *request, status int, form templates.Form, to []string, search string) error {
	page := r.pageNumber()
	past, err := s.Announcements.List(r.ctx(), r.actor(), r.server.ID, page)
	if err != nil {
		return err
	}
	vm := templates.Announce{Server: s.serverView(r, r.server), Form: form, Stopped: s.stopped(r)}
	if vm.Picker, err = s.picker(r, to, search); err != nil {
		return err
	}
	if _, vm.Members, err = s.Announcements.Recipients(r.ctx(), r.actor(), r.server.ID, ""); err != nil {
		return err
	}
	for _, a := range past.Announcements {
		vm.Past = append(vm.Past, announcementView(r.server, a))
	}
	vm.Pager = pagerOf(page, controlplane.AnnouncementsPerPage, past.Total, func(page int) string {
		return templates.NoticesPageURL(string(r.server.ID), page)
	})
	return r.render(status, templates.AnnouncePage(at(s.page(r), noticesPath(r.server.ID)), vm))
}

// stopped is the code of why nothing can be sent now.
func (s *Server) stopped(r *request) string {
	switch {
	case !s.can(r.server, homeserver.SendNotice):
		return "engine.unsupported"
	case r.server.Status != tenant.Active:
		return "status.not_active"
	default:
		return ""
	}
}

// picker keeps those that were chosen and finds others.
func (s *Server) picker(r *request, chosen []string, search string) (templates.Picker, error) {
	vm := templates.Picker{ServerID: string(r.server.ID), Search: search}
	for _, one := range chosen {
		if who, err := tenant.ParseLocalpart(one); err == nil && len(vm.Chosen) < controlplane.RecipientsMax {
			vm.Chosen = append(vm.Chosen, templates.Person{Localpart: string(who)})
		}
	}
	found, _, err := s.Announcements.Recipients(r.ctx(), r.actor(), r.server.ID, search)
	for _, one := range found {
		there := slices.ContainsFunc(vm.Chosen, func(p templates.Person) bool { return p.Localpart == string(one.Localpart) })
		if !there {
			vm.Found = append(vm.Found, templates.Person{Localpart: string(one.Localpart), DisplayName: one.DisplayName})
		}
	}
	return vm, err
}

func (s *Server) showNotice(r *request) error {
	a, err := s.announcement(r)
	if err != nil {
		return err
	}
	return r.ok(templates.AnnouncementPage(s.page(r), templates.AnnouncementDetail{
		Server: s.serverView(r, r.server), Announcement: announcementView(r.server, a),
	}))
}

func (s *Server) showNoticeState(r *request) error {
	a, err := s.announcement(r)
	if err != nil {
		return err
	}
	return r.ok(templates.AnnouncementState(r.locale, announcementView(r.server, a)))
}

func (s *Server) announcement(r *request) (controlplane.Announcement, error) {
	id, err := url.PathUnescape(r.Param("notice"))
	if err != nil {
		return controlplane.Announcement{}, &tenant.Fault{Kind: tenant.NotFound, Code: "announce.unknown", Err: err}
	}
	return s.Announcements.Find(r.ctx(), r.actor(), r.server.ID, id)
}

func announcementView(server controlplane.Server, a controlplane.Announcement) templates.Announcement {
	view := templates.Announcement{
		ServerID: string(server.ID), ID: a.ID, Text: a.Text, Language: server.Language, Actor: a.Actor, Everybody: a.Everybody,
		Total: a.Total, Sent: a.Sent, Failed: a.Failed, State: templates.WorkOpen, Failure: a.Code, At: a.CreatedAt,
	}
	switch {
	case a.Finished && a.Code != "":
		view.State = templates.WorkFailed
	case a.Finished:
		view.State = templates.WorkDone
	}
	for _, u := range a.Unreached {
		view.Unreached = append(view.Unreached, templates.Unreached{Localpart: string(u.Localpart), Code: u.Code})
	}
	return view
}

func names(people []tenant.Localpart) []string {
	list := make([]string, 0, len(people))
	for _, who := range people {
		list = append(list, string(who))
	}
	return list
}

// newUUID draws a random UUID (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
