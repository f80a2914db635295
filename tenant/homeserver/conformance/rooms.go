package conformance

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hafen/tenant/homeserver"
)

func roomChecks() []check {
	return []check{
		{name: "list rooms", needs: homeserver.ListRooms, run: listRooms, refused: func(ctx context.Context, s *Site) []error {
			_, err := s.ListRooms(ctx, homeserver.RoomQuery{})
			return []error{err}
		}},
		{name: "delete room", needs: homeserver.DeleteRoom, run: deleteRoom, refused: func(ctx context.Context, s *Site) []error {
			_, err := s.DeleteRoom(ctx, "!any:"+string(s.Name))
			return []error{err}
		}},
	}
}

func listRooms(t *testing.T, s *Site) {
	owner, guest := s.member(t, "host"), s.member(t, "guest")
	mark := name("kitchen")
	find := func(q homeserver.RoomQuery) homeserver.RoomPage {
		t.Helper()
		page, err := s.ListRooms(t.Context(), q)
		must(t, err)
		return page
	}
	private := owner.room(t, map[string]any{
		"name": "Private " + mark, "preset": "private_chat", "invite": []string{guest.ID()}, "room_version": "11",
		"initial_state": []any{map[string]any{
			"type": "m.room.encryption", "state_key": "", "content": map[string]string{"algorithm": "m.megolm.v1.aes-sha2"},
		}},
	})
	guest.join(t, private)
	// Who publishes a room in the directory is asked by the engine's own rules; where they forbid it, it is not public.
	options := map[string]any{
		"name": "Open " + mark, "preset": "public_chat", "room_alias_name": mark, "creation_content": map[string]any{"m.federate": false},
	}
	open := owner.room(t, options)
	listed := owner.Ask(t, http.MethodPut, "/_matrix/client/v3/directory/list/room/"+url.PathEscape(open), map[string]string{"visibility": "public"})
	for range 3 {
		owner.say(t, open, "hello")
	}
	// What PostgreSQL cannot read as text must not spoil the list for the others; a homeserver may refuse it at once.
	for _, odd := range []string{`"\u0000"`, `"\ud800"`, `{"a": 1}`, `12`} {
		owner.Send(t, http.MethodPut, "/_matrix/client/v3/rooms/"+url.PathEscape(owner.room(t, map[string]any{"preset": "private_chat"}))+"/state/m.room.name",
			"application/json", []byte(`{"name": `+odd+`}`))
	}

	// Some engines count members and events in their own time.
	eventually(t, "both rooms are listed as they are", func() bool {
		page := find(homeserver.RoomQuery{Search: strings.ToUpper(mark)})
		if page.Total != 2 || len(page.Rooms) != 2 {
			t.Logf("%+v", page)
			return false
		}
		first, second := page.Rooms[0], page.Rooms[1]
		opens := first.ID == open && first.Name == "Open "+mark && first.Alias == "#"+mark+":"+string(s.Name) && first.Version != "" &&
			first.Members == 1 && first.LocalMembers == 1 && !first.Encrypted && !first.Federated && first.Public == (listed.Status == http.StatusOK) && !first.Notices
		privates := second.ID == private && second.Name == "Private "+mark && second.Alias == "" && second.Version == "11" &&
			second.Members == 2 && second.LocalMembers == 2 && second.Encrypted && second.Federated && !second.Public && !second.Notices
		if !opens || !privates {
			t.Logf("%+v", page.Rooms)
		}
		return opens && privates
	})
	if page := find(homeserver.RoomQuery{Search: mark, Sort: "members", Descending: true}); page.Rooms[0].ID != private {
		t.Errorf("most members first: %+v", page)
	}
	if page := find(homeserver.RoomQuery{Search: mark, Sort: "events"}); page.Rooms[0].Events > page.Rooms[1].Events || page.Rooms[0].Events == 0 {
		t.Errorf("fewest events first: %+v", page)
	}
	if page := find(homeserver.RoomQuery{Search: mark, Page: homeserver.Page{Offset: 1, Limit: 1}}); page.Total != 2 || len(page.Rooms) != 1 || page.Rooms[0].ID != private {
		t.Errorf("the second of two: %+v", page)
	}
	if page := find(homeserver.RoomQuery{Search: "#" + mark}); page.Total != 1 || page.Rooms[0].ID != open {
		t.Errorf("by alias: %+v", page)
	}
	if page := find(homeserver.RoomQuery{Search: private}); page.Total != 1 || page.Rooms[0].ID != private {
		t.Errorf("by id: %+v", page)
	}
}

func deleteRoom(t *testing.T, s *Site) {
	// The ids of rooms since version 12 name no server.
	for _, version := range []string{"11", "12"} {
		t.Run("version "+version, func(t *testing.T) { deleteRoomOf(t, s, version) })
	}
}

func deleteRoomOf(t *testing.T, s *Site, version string) {
	owner, guest := s.member(t, "host"), s.member(t, "guest")
	mark := name("doomed")
	room := owner.room(t, map[string]any{"name": mark, "preset": "public_chat", "room_alias_name": mark, "room_version": version})
	kept := owner.room(t, map[string]any{"name": mark + " too", "preset": "private_chat"})
	guest.join(t, room)
	owner.say(t, room, "what will be gone")
	eventually(t, "the room is listed", func() bool {
		page, err := s.ListRooms(t.Context(), homeserver.RoomQuery{Search: mark})
		must(t, err)
		return page.Total == 2
	})
	s.deleteRoom(t, room)

	for _, m := range []*Member{owner, guest} {
		if contains(m.joined(t), room) {
			t.Errorf("%s is still in the room", m.Localpart)
		}
		if _, there := dig(m.expect(t, http.MethodGet, "/_matrix/client/v3/sync?timeout=0", nil), "rooms", "join")[room]; there {
			t.Errorf("%s still sees the room", m.Localpart)
		}
		if answer := m.Ask(t, http.MethodGet, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/messages?dir=b", nil); answer.Status == http.StatusOK && len(list(answer.Body, "chunk")) > 0 {
			t.Errorf("%s still reads %s", m.Localpart, answer.Raw)
		}
	}
	alias := "/_matrix/client/v3/directory/room/" + url.PathEscape("#"+mark+":"+string(s.Name))
	if answer := owner.Ask(t, http.MethodGet, alias, nil); answer.Status != http.StatusNotFound {
		t.Errorf("its alias leads to %s", answer.Raw)
	}
	if !contains(owner.joined(t), kept) {
		t.Error("another room went too")
	}
	page, err := s.ListRooms(t.Context(), homeserver.RoomQuery{Search: mark})
	must(t, err)
	if page.Total != 1 || page.Rooms[0].ID != kept {
		t.Errorf("listed afterwards: %+v", page)
	}
	s.deleteRoom(t, room) // again
	if _, err := s.DeleteRoom(t.Context(), "no room at all"); err == nil {
		t.Error("what is no room is deleted")
	} else {
		expectFault(t, err, "room.unknown")
	}
}

// deleteRoom asks until it is done. Of a room that is gone, an engine may say just that. Synapse goes on with a deletion
// that it was stopped in a minute after it starts (util/task_scheduler.py, SCHEDULE_INTERVAL).
func (s *Site) deleteRoom(t *testing.T, room string) {
	t.Helper()
	within(t, 3*time.Minute, "the room is deleted", func() bool {
		done, err := s.DeleteRoom(t.Context(), room)
		if err != nil {
			expectFault(t, err, "room.unknown")
			return true
		}
		return done
	})
}
