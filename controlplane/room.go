package controlplane

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Rooms is the rooms of a homeserver, as its owner looks after them. What it shows is asked of the homeserver there and then.
type Rooms struct{ RoomsConfig }

// RoomsConfig is what Rooms needs.
type RoomsConfig struct {
	Store ContentStore
	Wait  time.Duration // how long a request waits for its operation; OperationWait when zero
}

// NewRooms makes Rooms.
func NewRooms(c RoomsConfig) *Rooms {
	if c.Wait == 0 {
		c.Wait = OperationWait
	}
	return &Rooms{c}
}

// ItemsPerPage is how many rooms, files or people a page shows.
const ItemsPerPage = 50

// RoomSorts are what rooms can be sorted by; "" is by name.
var RoomSorts = []string{"", "members", "events"}

// RoomTyped is from how many members of this server on a deletion asks for the room's name: fewer can be asked in person.
const RoomTyped = 3

// maxSearch is the longest search, in bytes: no name or alias is longer (Matrix specification, "Size limits").
const maxSearch = 255

// List gives one page of the rooms.
func (r *Rooms) List(ctx context.Context, actor Actor, id tenant.ID, q homeserver.RoomQuery) (homeserver.RoomPage, error) {
	if _, err := authorize(ctx, r.Store, actor, id, ManageContent); err != nil {
		return homeserver.RoomPage{}, err
	}
	q.Search = strings.TrimSpace(q.Search)
	if len(q.Search) > maxSearch {
		return homeserver.RoomPage{}, nil // nothing can match
	}
	return ask[homeserver.RoomPage](ctx, r.Store, r.Wait, OperationRequest{Actor: actor, Tenant: id, Kind: OperationListRooms, Input: q})
}

// Find gives one room: the Fault room.unknown when the homeserver has none of that id.
func (r *Rooms) Find(ctx context.Context, actor Actor, id tenant.ID, room string) (homeserver.Room, error) {
	if _, err := authorize(ctx, r.Store, actor, id, ManageContent); err != nil {
		return homeserver.Room{}, err
	}
	if err := checkRoomID(room); err != nil {
		return homeserver.Room{}, err
	}
	return ask[homeserver.Room](ctx, r.Store, r.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: OperationFindRoom, Input: roomInput{Room: room},
	})
}

// TypedFor is what must be typed to delete a room; "" for one that few would miss.
func TypedFor(room homeserver.Room) string {
	if room.LocalMembers < RoomTyped && !room.Notices {
		return ""
	}
	return RoomLabel(room)
}

// RoomLabel is what a room is called: its name, or what else there is.
func RoomLabel(room homeserver.Room) string {
	for _, label := range []string{room.Name, room.Alias} {
		if strings.TrimSpace(label) != "" {
			return label
		}
	}
	return room.ID
}

// Delete puts everybody of this server out of a room and removes what was said in it. done is false while that is under way.
// Where TypedFor asks for it, typed must say so: the Fault room.typed_differs.
func (r *Rooms) Delete(ctx context.Context, actor Actor, id tenant.ID, room, typed string) (done bool, err error) {
	found, err := r.Find(ctx, actor, id, room)
	if err != nil {
		return false, err
	}
	if want := TypedFor(found); want != "" && foldSpace(typed) != foldSpace(want) {
		return false, &tenant.Fault{Kind: tenant.Invalid, Code: "room.typed_differs", Field: "name"}
	}
	in := roomInput{Room: found.ID, Name: found.Name, Members: found.LocalMembers}
	_, done, err = operate(ctx, r.Store, r.Wait, OperationRequest{
		Actor: actor, Tenant: id, Kind: OperationDeleteRoom, Subject: "room " + found.ID, Input: in,
		Audit: map[string]any{"room": found.ID, "name": found.Name, "members": found.Members},
	}, nil)
	return done, err
}

// RoomDeletion is a deletion under way or over.
type RoomDeletion struct {
	Work
	Room, Name string
	Members    int
}

// Deletions lists the latest.
func (r *Rooms) Deletions(ctx context.Context, actor Actor, id tenant.ID) ([]RoomDeletion, error) {
	if _, err := authorize(ctx, r.Store, actor, id, ManageContent); err != nil {
		return nil, err
	}
	all, err := r.Store.ListWork(ctx, id, OperationDeleteRoom)
	if err != nil {
		return nil, err
	}
	list := make([]RoomDeletion, 0, len(all))
	for _, work := range all {
		var in roomInput
		if err := json.Unmarshal(work.Input, &in); err != nil {
			return nil, unreadable(err)
		}
		list = append(list, RoomDeletion{Work: work, Room: in.Room, Name: in.Name, Members: in.Members})
	}
	return list, nil
}

// foldSpace makes text typed from a screen comparable: it may have been broken into lines there.
func foldSpace(s string) string { return strings.Join(strings.Fields(s), " ") }

// checkRoomID refuses what is no room id (Matrix specification, "Room IDs": an exclamation mark, at most 255 bytes, opaque).
// Control characters and spaces are in none that a server makes, and have no place in an address of ours.
func checkRoomID(id string) error {
	wild := func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == utf8.RuneError }
	if len(id) < 2 || len(id) > 255 || id[0] != '!' || strings.ContainsFunc(id, wild) {
		return &tenant.Fault{Kind: tenant.NotFound, Code: "room.unknown"}
	}
	return nil
}
