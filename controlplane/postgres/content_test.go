package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// house is a homeserver that holds rooms and files, and does what a test has it do.
type house struct {
	homeserver.Server
	mu       sync.Mutex
	rooms    []homeserver.Room
	files    []homeserver.MediaFile
	remote   int64
	copies   []copied
	got      map[string]string               // texts by transaction and person
	sent     int                             // how often Notify was called
	fail     func(what string) error         // asked before everything
	after    func(what string)               // called after everything that worked
	deletion func(room string) (bool, error) // how a room's deletion goes
}

func (h *house) do(what string, work func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		if err := h.fail(what); err != nil {
			return err
		}
	}
	work()
	if h.after != nil {
		h.after(what)
	}
	return nil
}

func (h *house) ListRooms(_ context.Context, q homeserver.RoomQuery) (p homeserver.RoomPage, err error) {
	err = h.do("list rooms", func() {
		for _, room := range h.rooms {
			if strings.Contains(room.ID+room.Name, q.Search) {
				p.Rooms = append(p.Rooms, room)
			}
		}
		p.Total = len(p.Rooms)
		if q.Limit == 0 {
			q.Limit = 50
		}
		p.Rooms = p.Rooms[min(q.Offset, p.Total):min(q.Offset+q.Limit, p.Total)]
	})
	return p, err
}

func (h *house) DeleteRoom(_ context.Context, room string) (done bool, err error) {
	done = true
	var refused error
	err = h.do("delete "+room, func() {
		if h.deletion != nil {
			done, refused = h.deletion(room)
		}
	})
	return done, errors.Join(err, refused)
}

func (h *house) MediaUsers(context.Context, homeserver.Page) (homeserver.MediaUserPage, error) {
	return homeserver.MediaUserPage{}, nil
}

func (h *house) ListMedia(_ context.Context, q homeserver.MediaQuery) (p homeserver.MediaPage, err error) {
	err = h.do("list media", func() {
		for _, file := range h.files {
			if q.Owner == "" || q.Owner == file.Owner {
				p.Files = append(p.Files, file)
			}
		}
		p.Total = len(p.Files)
	})
	return p, err
}

func (h *house) DeleteMedia(_ context.Context, id string) (stored homeserver.Stored, err error) {
	err = h.do("delete "+id, func() {
		h.files = slices.DeleteFunc(h.files, func(f homeserver.MediaFile) bool {
			if f.ID == id {
				stored = homeserver.Stored{Files: 1, Bytes: f.Bytes}
			}
			return f.ID == id
		})
	})
	return stored, err
}

func (h *house) Quarantine(_ context.Context, id string, on bool) error {
	return h.do("quarantine "+id, func() {
		for i := range h.files {
			if h.files[i].ID == id {
				h.files[i].Quarantined = on
			}
		}
	})
}

// copied is a copy of another server's file; remote are bytes of copies that nobody asks for any more.
type copied struct {
	bytes int64
	asked time.Time
}

func (h *house) CountRemote(_ context.Context, before time.Time) (stored homeserver.Stored, err error) {
	err = h.do("count remote", func() {
		stored = homeserver.Stored{Files: h.remote / 10, Bytes: h.remote}
		for _, c := range h.copies {
			if c.asked.Before(before) {
				stored.Bytes += c.bytes
			}
		}
	})
	return stored, err
}

func (h *house) PurgeRemote(_ context.Context, before time.Time) (stored homeserver.Stored, err error) {
	err = h.do("purge remote", func() {
		stored, h.remote = homeserver.Stored{Bytes: h.remote}, 0
		h.copies = slices.DeleteFunc(h.copies, func(c copied) bool { return c.asked.Before(before) })
	})
	return stored, err
}

func (h *house) Notify(_ context.Context, who tenant.Localpart, text, transaction string) error {
	return h.do("tell "+string(who), func() {
		h.sent++
		h.got[string(who)+" "+transaction] = text
	})
}

type houses struct{ h *house }

func (s houses) Server(context.Context, tenant.Spec) (homeserver.Server, error) { return s.h, nil }

var silent = &tenant.Fault{Kind: tenant.Unavailable, Code: "server.unavailable"}

// content is a world with a server and somebody who carries out its operations when told to.
type content struct {
	*world
	id       tenant.ID
	house    *house
	worker   *controlplane.OperationWorker
	measured int
}

func newContent(t *testing.T) *content {
	t.Helper()
	w := newWorld(t)
	listening, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { w.store.Listen(listening); close(stopped) }()
	t.Cleanup(func() { stop(); <-stopped })
	c := &content{world: w, id: w.active("anna"), house: &house{got: map[string]string{}}}
	c.worker = &controlplane.OperationWorker{
		Store: w.store, Homeservers: houses{c.house}, Recipients: w.store, Log: slog.New(slog.DiscardHandler),
		Measure: func(ctx context.Context, spec tenant.Spec) error {
			c.measured++
			return w.store.RecordUsage(ctx, spec.ID, time.Now(), tenant.Usage{DatabaseBytes: 1000, MediaBytes: 500})
		},
	}
	return c
}

// turn carries out every open operation once, as the queue would, and tells what went wrong.
func (c *content) turn(ctx context.Context) error {
	rows, err := c.pool.Query(ctx, `update operations set claimed_until = '-infinity' where finished_at is null returning id::text`)
	if err != nil {
		return err
	}
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		err = errors.Join(err, c.worker.Work(ctx, &river.Job[controlplane.OperationArgs]{Args: controlplane.OperationArgs{Operation: id}}))
	}
	return err
}

// answering carries out operations while ask waits for one.
func (c *content) answering(ask func()) {
	c.Helper()
	asked, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stop)
		for {
			select {
			case <-asked:
				return
			case <-time.After(5 * time.Millisecond):
				_ = c.turn(c.ctx) // what it comes to stands in the rows
			}
		}
	}()
	ask()
	close(asked)
	<-stop
}

func (c *content) open() int {
	return c.count(`select count(*) from operations where finished_at is null`)
}

func (c *content) audited(action string) int {
	return c.count(`select count(*) from audit where tenant_id = $1 and action = $2 and actor = 'anna@example.org'`, c.id, action)
}

const longWait = 5 * time.Second

func TestRoomsAreListedAndFound(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	c.house.rooms = []homeserver.Room{{ID: "!a:anna.hafen.test", Name: "Werkstatt"}, {ID: "!b:anna.hafen.test", Name: "about !a:anna.hafen.test"}}
	rooms := controlplane.NewRooms(controlplane.RoomsConfig{Store: c.store, Wait: longWait})
	c.answering(func() {
		page, err := rooms.List(c.ctx, c.anna, c.id, homeserver.RoomQuery{Search: " Werk "})
		if err != nil || page.Total != 1 || page.Rooms[0].ID != "!a:anna.hafen.test" {
			t.Errorf("%+v %v", page, err)
		}
		room, err := rooms.Find(c.ctx, c.anna, c.id, "!a:anna.hafen.test")
		if err != nil || room.Name != "Werkstatt" {
			t.Errorf("%+v %v", room, err)
		}
		_, err = rooms.Find(c.ctx, c.anna, c.id, "!none:anna.hafen.test")
		c.wantFault(err, "room.unknown")
		if tenant.FaultOf(err).Kind != tenant.NotFound {
			t.Errorf("%v is not a thing that was not found", err)
		}
	})
	before := c.count(`select count(*) from operations`)
	for _, wild := range []string{"", "!", "a:b", "!a b:c", "!\x00:c", "!a\n:c", "!\xff:c", "!" + strings.Repeat("x", 255), "../../x"} {
		_, err := rooms.Find(c.ctx, c.anna, c.id, wild)
		c.wantFault(err, "room.unknown")
	}
	if n := c.count(`select count(*) from operations`); n != before {
		t.Errorf("%d questions were put about ids that are none", n-before)
	}
	c.house.fail = func(string) error { return silent }
	c.answering(func() {
		_, err := rooms.List(c.ctx, c.anna, c.id, homeserver.RoomQuery{})
		c.wantFault(err, "server.unavailable")
	})
	rooms.Wait = 20 * time.Millisecond
	_, err := rooms.List(c.ctx, c.anna, c.id, homeserver.RoomQuery{})
	c.wantFault(err, "server.slow")
}

// A deletion is over when the homeserver says so, whatever happens on the way.
func TestRoomIsDeletedWhenTheServerSaysSo(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	const id = "!a:anna.hafen.test"
	c.house.rooms = []homeserver.Room{{ID: id, Name: "Alle  zusammen", Members: 9, LocalMembers: 9}}
	rooms := controlplane.NewRooms(controlplane.RoomsConfig{Store: c.store, Wait: longWait})
	c.answering(func() {
		for _, typed := range []string{"", "alle", id} {
			_, err := rooms.Delete(c.ctx, c.anna, c.id, id, typed)
			c.wantFault(err, "room.typed_differs")
		}
	})
	looks, answers := 0, make(chan func() (bool, error), 10)
	c.house.deletion = func(string) (bool, error) {
		looks++
		select {
		case answer := <-answers:
			return answer()
		default:
			return false, silent
		}
	}
	answers <- func() (bool, error) { return false, nil }
	answers <- func() (bool, error) { return false, nil }
	c.answering(func() { // begun, looked at again, silent
		rooms.Wait = 500 * time.Millisecond
		if done, err := rooms.Delete(c.ctx, c.anna, c.id, id, "Alle zusammen "); done || err != nil {
			t.Errorf("said to be done: %t %v", done, err)
		}
	})
	list, err := rooms.Deletions(c.ctx, c.anna, c.id)
	if err != nil || len(list) != 1 || list[0].Finished || list[0].Name != "Alle  zusammen" || list[0].Members != 9 {
		t.Fatalf("%+v %v", list, err)
	}
	if c.measured != 0 || c.open() != 1 {
		t.Fatal("measured, or closed, before the end")
	}
	c.answering(func() {
		_, err = rooms.Delete(c.ctx, c.anna, c.id, id, "Alle zusammen")
		c.wantFault(err, "operation.busy")
	})
	c.house.deletion = func(string) (bool, error) { return false, &tenant.Fault{Kind: tenant.NotFound, Code: "room.unknown"} }
	c.must(c.turn(c.ctx)) // what we began is over, and the server has forgotten it
	if list, err = rooms.Deletions(c.ctx, c.anna, c.id); err != nil || !list[0].Finished || list[0].Code != "" || list[0].After == nil {
		t.Fatalf("%+v %v", list, err)
	}
	if c.measured != 1 || c.audited("server.delete_room") != 1 || looks < 3 {
		t.Fatalf("measured %d times, looked %d times", c.measured, looks)
	}
}

// Whoever names rooms after the id of another must not hide it.
func TestARoomIsFoundAmongItsNamesakes(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	rooms := controlplane.NewRooms(controlplane.RoomsConfig{Store: c.store, Wait: longWait})
	for range 1200 {
		c.house.rooms = append(c.house.rooms, homeserver.Room{ID: "!decoy:example.org", Name: "!wanted:example.org"})
	}
	c.house.rooms = append(c.house.rooms, homeserver.Room{ID: "!wanted:example.org", Name: "zzz"})
	c.answering(func() {
		room, err := rooms.Find(c.ctx, c.anna, c.id, "!wanted:example.org")
		if err != nil || room.Name != "zzz" {
			t.Errorf("%+v, %v", room, err)
		}
	})
}

// A page that is loaded again and again while its server is silent must not take every worker there is.
func TestQuestionsAreFew(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	rooms := controlplane.NewRooms(controlplane.RoomsConfig{Store: c.store, Wait: time.Millisecond})
	for range 5 {
		if _, err := rooms.List(c.ctx, c.anna, c.id, homeserver.RoomQuery{}); tenant.FaultOf(err).Code != "server.slow" {
			t.Errorf("a server that is silent: %v", err)
		}
	}
	if n := c.count(`select count(*) from operations where kind = 'list_rooms' and finished_at is null`); n != 3 {
		t.Errorf("%d questions of one server at once", n)
	}
}

func TestOnlyWhoMayLooksAfterContent(t *testing.T) {
	t.Parallel()
	c := newContent(t)
	rooms := controlplane.NewRooms(controlplane.RoomsConfig{Store: c.store, Wait: time.Millisecond})
	media := controlplane.NewMedia(controlplane.MediaConfig{Store: c.store, Wait: time.Millisecond})
	words := controlplane.Announcements{Store: c.store}
	all := map[string]func(controlplane.Actor) error{
		"list": func(a controlplane.Actor) error {
			_, err := rooms.List(c.ctx, a, c.id, homeserver.RoomQuery{})
			return err
		},
		"delete": func(a controlplane.Actor) error { _, err := rooms.Delete(c.ctx, a, c.id, "!a:b", ""); return err },
		"rooms":  func(a controlplane.Actor) error { _, err := rooms.Deletions(c.ctx, a, c.id); return err },
		"users":  func(a controlplane.Actor) error { _, err := media.Users(c.ctx, a, c.id, homeserver.Page{}); return err },
		"files": func(a controlplane.Actor) error {
			_, err := media.Files(c.ctx, a, c.id, homeserver.MediaQuery{})
			return err
		},
		"remove": func(a controlplane.Actor) error {
			_, err := media.Delete(c.ctx, a, c.id, controlplane.MediaChoice{})
			return err
		},
		"hide":    func(a controlplane.Actor) error { _, err := media.Quarantine(c.ctx, a, c.id, "abc", true); return err },
		"count":   func(a controlplane.Actor) error { _, err := media.CountRemote(c.ctx, a, c.id); return err },
		"purge":   func(a controlplane.Actor) error { _, err := media.PurgeRemote(c.ctx, a, c.id, 30); return err },
		"work":    func(a controlplane.Actor) error { _, err := media.Deletions(c.ctx, a, c.id); return err },
		"send":    func(a controlplane.Actor) error { return words.Send(c.ctx, a, c.id, anID(1), "Hello", true, nil) },
		"find":    func(a controlplane.Actor) error { _, err := words.Find(c.ctx, a, c.id, anID(1)); return err },
		"past":    func(a controlplane.Actor) error { _, err := words.List(c.ctx, a, c.id, 1); return err },
		"members": func(a controlplane.Actor) error { _, _, err := words.Recipients(c.ctx, a, c.id, ""); return err },
	}
	stranger := c.account("ben@example.org")
	for name, use := range all {
		if err := use(stranger); tenant.FaultOf(err).Code != "tenant.unknown" {
			t.Errorf("%s by a stranger: %v", name, err)
		}
	}
	for _, role := range controlplane.Roles {
		colleague := c.account(string(role) + "@example.org")
		c.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, $3)`, c.id, colleague.Account, role)
		for name, use := range all {
			refused := tenant.FaultOf(use(colleague)).Code == "role.forbidden"
			if may := role == controlplane.Administrator; refused == may {
				t.Errorf("%s by a colleague who is %s: refused %t", name, role, refused)
			}
		}
	}
}
