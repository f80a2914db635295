package web

import (
	"net/http"
	"net/url"
	"slices"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func roomsPath(id tenant.ID) string { return serverPath(id) + "/rooms" }

// showRooms lists the rooms as the homeserver has them now.
func (s *Server) showRooms(r *request) error {
	vm := templates.Rooms{Server: s.serverView(r, r.server), Search: r.QueryParam("q"), Sort: r.QueryParam("sort")}
	if !slices.Contains(templates.RoomSorts, vm.Sort) {
		vm.Sort = templates.RoomSorts[0]
	}
	page := r.pageNumber()
	query := homeserver.RoomQuery{Page: slice(page), Search: vm.Search}
	if vm.Sort != templates.RoomSorts[0] {
		query.Sort, query.Descending = vm.Sort, true // the largest are what somebody looks for
	}
	deletions, err := s.Rooms.Deletions(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	found, err := s.listRooms(r, query)
	if vm.Problem, err = unanswered(err); err != nil {
		return err
	}
	vm.Total = found.Total
	for _, room := range found.Rooms {
		vm.List = append(vm.List, roomView(room, deletions))
	}
	vm.Pager = pagerOf(page, controlplane.ItemsPerPage, found.Total, vm.URL)
	vm.Work = s.roomWork(r, deletions, vm.URL(page))
	return r.render(contentStatus(vm.Problem), templates.RoomsPage(s.page(r), vm))
}

func (s *Server) listRooms(r *request, q homeserver.RoomQuery) (homeserver.RoomPage, error) {
	if err := s.able(r, homeserver.ListRooms); err != nil {
		return homeserver.RoomPage{}, err
	}
	return s.Rooms.List(r.ctx(), r.actor(), r.server.ID, q)
}

// able is the fault of what the engine of the request's server cannot do.
func (s *Server) able(r *request, what homeserver.Capability) error {
	if s.can(r.server, what) {
		return nil
	}
	return &homeserver.Unsupported{Engine: r.server.Engine, Capability: what}
}

func (s *Server) showRoomWork(r *request) error {
	deletions, err := s.Rooms.Deletions(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	return r.showWork(s.roomWork(r, deletions, localPath(r.QueryParam("page"), roomsPath(r.server.ID))))
}

func (s *Server) roomWork(r *request, deletions []controlplane.RoomDeletion, page string) templates.Deletions {
	list := make([]templates.Deletion, 0, len(deletions))
	for _, d := range deletions {
		view := workView(d.Work)
		view.Name, view.Count = d.Name, d.Members
		if view.Name == "" {
			view.Name = d.Room
		}
		list = append(list, view)
	}
	return r.watched(list, roomsPath(r.server.ID)+"/work", page)
}

func (s *Server) showRoom(r *request) error {
	return s.roomPage(r, http.StatusOK, templates.RoomDetail{})
}

// showRoomDelete is the room with the form that deletes it.
func (s *Server) showRoomDelete(r *request) error {
	return s.roomPage(r, http.StatusOK, templates.RoomDetail{Asking: true})
}

func (s *Server) deleteRoom(r *request) error {
	in, err := r.form("name")
	if err != nil {
		return err
	}
	if err := s.able(r, homeserver.DeleteRoom); err != nil {
		return err
	}
	done, err := s.Rooms.Delete(r.ctx(), r.actor(), r.server.ID, r.room(), in.get("name"))
	if form, wrong := in.wrong(err); wrong {
		return s.roomPage(r, http.StatusUnprocessableEntity, templates.RoomDetail{Asking: true, Form: form})
	}
	if err != nil {
		return err
	}
	if !done {
		return r.done(roomsPath(r.server.ID), flashRoomDeleting)
	}
	return r.done(roomsPath(r.server.ID), flashRoomDeleted)
}

// room is the room in the path, which the use case checks: its id is of somebody else's making.
func (r *request) room() string {
	room, err := url.PathUnescape(r.Param("room"))
	if err != nil {
		return ""
	}
	return room
}

// roomPage completes what is shown of the room in the path.
func (s *Server) roomPage(r *request, status int, vm templates.RoomDetail) error {
	if err := s.able(r, homeserver.ListRooms); err != nil {
		return err
	}
	room, err := s.Rooms.Find(r.ctx(), r.actor(), r.server.ID, r.room())
	if err != nil {
		return err
	}
	deletions, err := s.Rooms.Deletions(r.ctx(), r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	vm.Server, vm.Room = s.serverView(r, r.server), roomView(room, deletions)
	vm.CanDelete, vm.Typed = s.can(r.server, homeserver.DeleteRoom), controlplane.TypedFor(room)
	return r.render(status, templates.RoomPage(s.page(r), vm))
}

func roomView(room homeserver.Room, deletions []controlplane.RoomDeletion) templates.Room {
	deleting := func(d controlplane.RoomDeletion) bool { return d.Room == room.ID && !d.Finished }
	return templates.Room{
		ID: room.ID, Name: room.Name, Alias: room.Alias, Version: room.Version, Members: room.Members, LocalMembers: room.LocalMembers,
		Events: room.Events, Encrypted: room.Encrypted, Federated: room.Federated, Public: room.Public, Notices: room.Notices,
		Deleting: slices.ContainsFunc(deletions, deleting),
	}
}
