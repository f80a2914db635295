package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func noticeChecks() []check {
	return []check{
		{name: "notice", needs: homeserver.SendNotice, run: notice, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.Notify(ctx, "anybody", "a text", name("transaction"))}
		}},
	}
}

func notice(t *testing.T, s *Site) {
	ctx := t.Context()
	m, other := s.member(t, "reader"), s.member(t, "another")
	// A transaction may be called anything.
	once := name("transaction") + "/ü 1"
	must(t, s.Notify(ctx, m.Localpart, "Backup tonight <b>at</b> eight", once))
	must(t, s.Notify(ctx, m.Localpart, "Backup tonight <b>at</b> eight", once))
	m.hears(t, "Backup tonight <b>at</b> eight")
	must(t, s.Notify(ctx, m.Localpart, "Backup done", name("transaction")))
	m.hears(t, "Backup tonight <b>at</b> eight", "Backup done")
	// One word to all is one transaction with many recipients.
	must(t, s.Notify(ctx, other.Localpart, "Backup tonight <b>at</b> eight", once))
	other.hears(t, "Backup tonight <b>at</b> eight")

	if page, err := s.ListRooms(ctx, homeserver.RoomQuery{Search: m.noticeRoom(t)}); err == nil && (page.Total != 1 || !page.Rooms[0].Notices) {
		t.Errorf("the room of notices: %+v", page)
	}
	if _, err := s.List(ctx, homeserver.AccountQuery{}); err == nil {
		neverListed(t, s)
	}
	expectFault(t, s.Notify(ctx, tenant.Localpart(name("nobody")), "a text", name("transaction")), "member.unknown")
}

// hears waits until somebody who accepts every invitation has read these notices, and looks that there is no other.
func (m *Member) hears(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	eventually(t, fmt.Sprintf("%s reads %q", m.Localpart, want), func() bool {
		got = m.notices(t)
		return len(got) >= len(want)
	})
	// A second copy could be on its way; what was written after it cannot overtake it. A word of their own, in a room of
	// their own, is such.
	room := m.room(t, map[string]any{"preset": "private_chat"})
	m.say(t, room, "afterwards")
	eventually(t, "what came after the notice is there", func() bool { return contains(m.heard(t, room), "afterwards") })
	if got = m.notices(t); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s reads %q, want %q", m.Localpart, got, want)
	}
}

// notices gives all texts the server's own accounts wrote to somebody, oldest first.
func (m *Member) notices(t *testing.T) []string {
	t.Helper()
	rooms := dig(m.expect(t, http.MethodGet, "/_matrix/client/v3/sync?timeout=0", nil), "rooms")
	for room := range dig(rooms, "invite") {
		m.join(t, room)
	}
	var texts []string
	for room := range dig(rooms, "join") {
		answer := m.expect(t, http.MethodGet, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/messages?dir=b&limit=100", nil)
		for _, event := range list(answer, "chunk") {
			body, _ := dig(event, "content")["body"].(string)
			if sender, _ := event["sender"].(string); event["type"] == "m.room.message" && strings.HasPrefix(sender, "@hafen-") {
				texts = append([]string{body}, texts...)
			}
		}
	}
	return texts
}

// noticeRoom is the room with somebody in it who is not they.
func (m *Member) noticeRoom(t *testing.T) string {
	t.Helper()
	for _, room := range m.joined(t) {
		members := m.expect(t, http.MethodGet, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/joined_members", nil)
		for id := range dig(members, "joined") {
			if strings.HasPrefix(id, "@hafen-") {
				return room
			}
		}
	}
	t.Fatal("in no room with the server")
	return ""
}
