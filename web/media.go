package web

import (
	"net/url"
	"strconv"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func mediaPath(id tenant.ID) string { return serverPath(id) + "/media" }

// showMedia tells who stored how much.
func (s *Server) showMedia(r *request) error {
	page := r.pageNumber()
	address := func(page int) string { return mediaPath(r.server.ID) + "?page=" + strconv.Itoa(page) }
	var found homeserver.MediaUserPage
	err := s.able(r, homeserver.ListMedia)
	if err == nil {
		found, err = s.Media.Users(r.ctx(), r.actor(), r.server.ID, slice(page))
	}
	frame, err := s.mediaFrame(r, templates.MediaPeoplePart, err)
	if err != nil {
		return err
	}
	vm := templates.MediaPeople{MediaFrame: frame, Pager: pagerOf(page, controlplane.ItemsPerPage, found.Total, address)}
	for _, u := range found.Users {
		vm.List = append(vm.List, templates.MediaPerson{Localpart: string(u.Localpart), DisplayName: u.DisplayName, Files: u.Files, Bytes: u.Bytes})
	}
	return r.render(contentStatus(vm.Problem), templates.MediaPeoplePage(s.page(r), vm))
}

// showFiles lists files, of everybody or of one.
func (s *Server) showFiles(r *request) error {
	choice := r.mediaChoice(r.QueryParam)
	var found homeserver.MediaPage
	err := s.able(r, homeserver.ListMedia)
	if err == nil {
		found, err = s.Media.Files(r.ctx(), r.actor(), r.server.ID, choice.MediaQuery)
	}
	frame, err := s.mediaFrame(r, templates.MediaFilesPart, err)
	if err != nil {
		return err
	}
	vm := templates.MediaFiles{MediaFrame: frame, Owner: string(choice.Owner), List: fileViews(found.Files)}
	vm.Pager = pagerOf(r.pageNumber(), controlplane.ItemsPerPage, found.Total, func(page int) string {
		return templates.FilesURL(string(r.server.ID), vm.Owner, page)
	})
	return r.render(contentStatus(vm.Problem), templates.MediaFilesPage(s.page(r), vm))
}

// mediaChoice is the part of the list that get names; an owner that can be nobody's name is nobody.
func (r *request) mediaChoice(get func(string) string) controlplane.MediaChoice {
	page, err := strconv.Atoi(get("page"))
	if err != nil || page < 1 || page > 1_000_000 {
		page = 1
	}
	choice := controlplane.MediaChoice{MediaQuery: homeserver.MediaQuery{Page: slice(page)}}
	if owner, err := tenant.ParseLocalpart(get("owner")); err == nil {
		choice.Owner = owner
	}
	return choice
}

func (r *request) filesURL(choice controlplane.MediaChoice) string {
	return templates.FilesURL(string(r.server.ID), string(choice.Owner), choice.Offset/controlplane.ItemsPerPage+1)
}

// showMediaDelete asks once more before files are deleted, and says what that frees.
func (s *Server) showMediaDelete(r *request) error {
	if err := s.able(r, homeserver.DeleteMedia); err != nil {
		return err
	}
	choice := r.mediaChoice(r.QueryParam)
	choice.IDs = r.QueryParams()["file"]
	files, err := s.Media.Chosen(r.ctx(), r.actor(), r.server.ID, choice)
	if err != nil && tenant.FaultOf(err).Code == "media.none_chosen" {
		return r.done(r.filesURL(choice), flashNoneChosen)
	}
	if err != nil {
		return err
	}
	return r.ok(templates.MediaDeletePage(s.page(r), templates.MediaDelete{
		Server: s.serverView(r, r.server), Files: fileViews(files), Owner: string(choice.Owner), Page: choice.Offset/controlplane.ItemsPerPage + 1,
	}))
}

func (s *Server) deleteMedia(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	if err := s.able(r, homeserver.DeleteMedia); err != nil {
		return err
	}
	choice := r.mediaChoice(in.get)
	choice.IDs = in.values["file"]
	done, err := s.Media.Delete(r.ctx(), r.actor(), r.server.ID, choice)
	switch {
	case err != nil && tenant.FaultOf(err).Code == "media.none_chosen":
		return r.done(r.filesURL(choice), flashNoneChosen)
	case err != nil:
		return err
	case !done:
		return r.done(r.filesURL(choice), flashMediaDeleting)
	}
	return r.done(r.filesURL(choice), flashMediaDeleted)
}

func (s *Server) quarantineMedia(r *request) error { return s.setQuarantine(r, true, flashQuarantined) }

func (s *Server) releaseMedia(r *request) error { return s.setQuarantine(r, false, flashReleased) }

func (s *Server) setQuarantine(r *request, on bool, told flash) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	if err := s.able(r, homeserver.QuarantineMedia); err != nil {
		return err
	}
	file, err := url.PathUnescape(r.Param("media"))
	if err != nil {
		return &tenant.Fault{Kind: tenant.NotFound, Code: "media.unknown", Err: err}
	}
	done, err := s.Media.Quarantine(r.ctx(), r.actor(), r.server.ID, file, on)
	if err != nil {
		return err
	}
	if !done {
		told = flashMediaPending
	}
	return r.done(r.filesURL(r.mediaChoice(in.get)), told)
}

// showRemote tells what removing copies of other servers' files frees.
func (s *Server) showRemote(r *request) error {
	var counts []controlplane.RemoteCount
	err := s.able(r, homeserver.PurgeRemoteMedia)
	if err == nil {
		counts, err = s.Media.CountRemote(r.ctx(), r.actor(), r.server.ID)
	}
	frame, err := s.mediaFrame(r, templates.MediaRemotePart, err)
	if err != nil {
		return err
	}
	vm := templates.MediaRemote{MediaFrame: frame, Most: r.server.Quota.Copies()}
	for _, c := range counts {
		vm.Counts = append(vm.Counts, templates.RemoteCount{Days: c.Days, Files: c.Files, Bytes: c.Bytes})
	}
	return r.render(contentStatus(vm.Problem), templates.MediaRemotePage(s.page(r), vm))
}

func (s *Server) purgeRemote(r *request) error {
	in, err := r.form()
	if err != nil {
		return err
	}
	if err := s.able(r, homeserver.PurgeRemoteMedia); err != nil {
		return err
	}
	days, err := strconv.Atoi(in.get("days"))
	if err != nil {
		days = 0 // which is none of those offered
	}
	done, err := s.Media.PurgeRemote(r.ctx(), r.actor(), r.server.ID, days)
	if err != nil {
		return err
	}
	if !done {
		return r.done(mediaPath(r.server.ID)+"/remote", flashMediaDeleting)
	}
	return r.done(mediaPath(r.server.ID)+"/remote", flashMediaDeleted)
}

func (s *Server) showMediaWork(r *request) error {
	work, err := s.mediaWork(r, localPath(r.QueryParam("page"), mediaPath(r.server.ID)))
	if err != nil {
		return err
	}
	return r.showWork(work)
}

// mediaFrame is what surrounds a part of the pages about files, with why the part is missing, if err says so.
func (s *Server) mediaFrame(r *request, part string, err error) (templates.MediaFrame, error) {
	frame := templates.MediaFrame{
		Server: s.serverView(r, r.server), Part: part, Storage: storageView(r.server, nil), Again: r.Request().URL.RequestURI(),
		CanDelete: s.can(r.server, homeserver.DeleteMedia), CanQuarantine: s.can(r.server, homeserver.QuarantineMedia),
		CanPurge: s.can(r.server, homeserver.PurgeRemoteMedia),
	}
	if frame.Problem, err = unanswered(err); err != nil {
		return frame, err
	}
	if s.can(r.server, homeserver.ListMedia) {
		frame.Parts = append(frame.Parts, templates.MediaPeoplePart, templates.MediaFilesPart)
	}
	if frame.CanPurge {
		frame.Parts = append(frame.Parts, templates.MediaRemotePart)
	}
	frame.Work, err = s.mediaWork(r, frame.Again)
	return frame, err
}

func (s *Server) mediaWork(r *request, page string) (templates.Deletions, error) {
	all, err := s.Media.Deletions(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return templates.Deletions{}, err
	}
	list := make([]templates.Deletion, 0, len(all))
	for _, d := range all {
		view := workView(d.Work)
		view.Count, view.Days = d.Files, d.Days
		list = append(list, view)
	}
	return r.watched(list, mediaPath(r.server.ID)+"/work", page), nil
}

func fileViews(files []homeserver.MediaFile) []templates.MediaFile {
	list := make([]templates.MediaFile, 0, len(files))
	for _, f := range files {
		list = append(list, templates.MediaFile{
			ID: f.ID, Name: f.Name, Type: f.Type, Owner: string(f.Owner), Bytes: f.Bytes, CreatedAt: f.CreatedAt, SeenAt: f.SeenAt,
			Quarantined: f.Quarantined,
		})
	}
	return list
}
