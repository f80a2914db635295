package templates

import (
	"net/url"
	"strconv"

	"github.com/a-h/templ"
)

// RoomSorts are what rooms can be sorted by: `rooms.sort.<name>`.
var RoomSorts = []string{"name", "members", "events"}

// Rooms is /servers/{id}/rooms. Query: q, sort, page.
type Rooms struct {
	Server  Server
	Search  string
	Sort    string // one of RoomSorts
	List    []Room
	Total   int
	Pager   Pager
	Problem string // `error.<Problem>`: why there is no list
	Work    Deletions
}

// Room is one room.
type Room struct {
	ID, Name, Alias, Version string
	Members, LocalMembers    int
	Events                   int64
	Encrypted, Federated     bool
	Public, Notices          bool
	Deleting                 bool
}

// RoomDetail is /servers/{id}/rooms/{room}, and …/delete. Field: name; posted to …/delete.
type RoomDetail struct {
	Server    Server
	Room      Room
	CanDelete bool
	Asking    bool   // it is …/delete, with the form; otherwise only the way there
	Typed     string // what must be typed; "" for nothing
	Form      Form
}

// URL is the list as another page or order shows it.
func (vm Rooms) URL(page int) string {
	query := url.Values{}
	if vm.Search != "" {
		query.Set("q", vm.Search)
	}
	if vm.Sort != "" && vm.Sort != RoomSorts[0] {
		query.Set("sort", vm.Sort)
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	address := string(roomsURL(vm.Server.ID, ""))
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

// roomURL leads to a room. Its id is of somebody else's making: "!", ":" and what else there may be are escaped.
func roomURL(server, room, end string) templ.SafeURL {
	return roomsURL(server, "/"+url.PathEscape(room)+end)
}

// roomName is what a room is called, or that it has no name.
func roomName(l Locale, r Room) string {
	switch {
	case r.Name != "":
		return r.Name
	case r.Alias != "":
		return r.Alias
	default:
		return l.T("rooms.unnamed")
	}
}

func roomMembers(l Locale, r Room) string {
	if r.Members == r.LocalMembers {
		return l.Number(int64(r.Members))
	}
	return l.T("rooms.members.value", "Local", r.LocalMembers, "All", r.Members)
}

// roomTypedField asks to type a room's name, so that nobody deletes by a slip.
func roomTypedField(l Locale, name string) field {
	return field{Name: "name", Label: l.T("rooms.delete.type", "Name", name), Autocomplete: "off", MaxLength: "300"}
}

func roomTypedFields(l Locale, vm RoomDetail) []field {
	if vm.Typed == "" {
		return nil
	}
	return []field{roomTypedField(l, vm.Typed)}
}

// roomSecond is the line below a room's name: the alias when the name is not it, otherwise the id.
func roomSecond(r Room) string {
	if r.Alias != "" && r.Name != "" {
		return r.Alias
	}
	return r.ID
}

func yesOrNo(l Locale, yes bool) string {
	if yes {
		return l.T("rooms.yes")
	}
	return l.T("rooms.no")
}
