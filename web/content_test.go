package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// contentWait is long enough for a worker of the same process, and what a test without one waits.
const contentWait = 2 * time.Second

// contentCapabilities is all an engine may be able to do with what a server holds.
var contentCapabilities = []homeserver.Capability{
	homeserver.ListRooms, homeserver.DeleteRoom, homeserver.ListMedia, homeserver.DeleteMedia, homeserver.QuarantineMedia,
	homeserver.PurgeRemoteMedia, homeserver.SendNotice,
}

// house is what a homeserver holds.
type house struct {
	homeserver.Limited
	mu      sync.Mutex
	rooms   []homeserver.Room
	files   []homeserver.MediaFile
	remote  int64
	told    []string
	silent  bool
	endless bool // a room's deletion never ends
}

func (h *house) answer(work func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.silent {
		return &tenant.Fault{Kind: tenant.Unavailable, Code: "server.unavailable"}
	}
	work()
	return nil
}

func (h *house) ListRooms(_ context.Context, q homeserver.RoomQuery) (p homeserver.RoomPage, err error) {
	err = h.answer(func() {
		for _, room := range h.rooms {
			if strings.Contains(room.ID+room.Name, q.Search) {
				p.Rooms = append(p.Rooms, room)
			}
		}
		p.Total = len(p.Rooms)
		p.Rooms = p.Rooms[min(q.Offset, p.Total):]
	})
	return p, err
}

func (h *house) DeleteRoom(_ context.Context, id string) (done bool, err error) {
	err = h.answer(func() {
		if done = !h.endless; done {
			h.rooms = slices.DeleteFunc(h.rooms, func(r homeserver.Room) bool { return r.ID == id })
		}
	})
	return done, err
}

func (h *house) MediaUsers(context.Context, homeserver.Page) (p homeserver.MediaUserPage, err error) {
	err = h.answer(func() {
		p = homeserver.MediaUserPage{Users: []homeserver.MediaUser{{Localpart: "anna", DisplayName: "Anna <b>", Stored: homeserver.Stored{Files: 2, Bytes: 3_000_000}}}, Total: 120}
	})
	return p, err
}

func (h *house) ListMedia(_ context.Context, q homeserver.MediaQuery) (p homeserver.MediaPage, err error) {
	err = h.answer(func() {
		for _, f := range h.files {
			if q.Owner == "" || q.Owner == f.Owner {
				p.Files = append(p.Files, f)
			}
		}
		p.Total = len(p.Files)
	})
	return p, err
}

func (h *house) DeleteMedia(_ context.Context, id string) (s homeserver.Stored, err error) {
	err = h.answer(func() {
		h.files = slices.DeleteFunc(h.files, func(f homeserver.MediaFile) bool {
			if f.ID == id {
				s = homeserver.Stored{Files: 1, Bytes: f.Bytes}
			}
			return f.ID == id
		})
	})
	return s, err
}

func (h *house) Quarantine(_ context.Context, id string, on bool) error {
	return h.answer(func() {
		for i := range h.files {
			if h.files[i].ID == id {
				h.files[i].Quarantined = on
			}
		}
	})
}

func (h *house) CountRemote(context.Context, time.Time) (s homeserver.Stored, err error) {
	err = h.answer(func() { s = homeserver.Stored{Files: h.remote / 1000, Bytes: h.remote} })
	return s, err
}

func (h *house) PurgeRemote(context.Context, time.Time) (s homeserver.Stored, err error) {
	err = h.answer(func() { s, h.remote = homeserver.Stored{Bytes: h.remote}, 0 })
	return s, err
}

func (h *house) Notify(_ context.Context, who tenant.Localpart, text, _ string) error {
	return h.answer(func() { h.told = append(h.told, string(who)+": "+text) })
}

const anyNotice = "00000000-0000-4000-8000-00000000000a"

// furnish puts something into the homeserver, and an announcement into the rows.
func (s *scene) furnish() {
	s.Helper()
	s.house.mu.Lock()
	s.house.rooms = []homeserver.Room{
		{ID: "!r:werft.hafen.test", Name: "Dock <1>", Members: 12, LocalMembers: 4, Events: 3210, Encrypted: true, Federated: true},
		{ID: "!quiet/room:werft.hafen.test", Members: 1, LocalMembers: 1},
	}
	s.house.files = []homeserver.MediaFile{
		{ID: "file1", Name: "plan <i>.pdf", Type: "application/pdf", Bytes: 2_000_000, Owner: "anna"},
		{ID: "file2", Bytes: 1_000_000, Owner: "bert"},
	}
	s.house.remote = 9_000_000
	s.house.mu.Unlock()
	operation, err := s.store.RequestOperation(s.Context(), controlplane.OperationRequest{Actor: s.anna.Actor(), Tenant: s.server, Kind: controlplane.OperationAnnounce, Subject: "announcement"})
	s.must(err)
	s.must(s.store.FinishOperation(s.Context(), operation, "", nil))
	s.exec(`insert into announcements (id, tenant_id, operation_id, actor, text, everybody, total, sent) values ($1, $2, $3, 'anna@example.org', 'Earlier', true, 1, 1)`, anyNotice, s.server, operation)
}

func (s *scene) at(end string) string { return "/servers/" + string(s.server) + end }

func TestRoomsAreShownAndDeleted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.work()
	anna := s.as(s.anna)
	page := anna.get(s.at("/rooms"))
	page.want(http.StatusOK)
	page.has("Dock &lt;1&gt;", "4 of 12 here", "3,210", "unnamed", s.at("/rooms/%21quiet%2Froom:werft.hafen.test"))
	anna.get(s.at("/rooms?q=Dock&sort=members&page=2")).want(http.StatusOK)

	room, room2 := s.at("/rooms/%21r%3Awerft.hafen.test"), s.at("/rooms/%21r:werft.hafen.test")
	anna.get(room).has("Dock &lt;1&gt;", "All 4 members of this server", "8 members on other servers", room2+"/delete")
	anna.get(room + "/delete").has(`name="name"`)
	wrong := anna.post(room+"/delete", url.Values{"name": {"dock"}})
	wrong.want(http.StatusUnprocessableEntity)
	wrong.has("This is not the name of this room.")
	s.house.mu.Lock()
	s.house.endless = true
	s.house.mu.Unlock()
	s.world.server.Rooms.Wait = 300 * time.Millisecond
	anna.post(room+"/delete", url.Values{"name": {" Dock <1> "}}).want(http.StatusSeeOther)
	page = anna.get(s.at("/rooms"))
	page.has("is being deleted", "Being deleted", `hx-get="`+s.at("/rooms/work?open=1"))
	anna.get(s.at("/rooms/work?open=1")).has("Being deleted. You may leave this page.")
	s.house.mu.Lock()
	s.house.endless = false
	s.house.mu.Unlock()
	s.eventually(func() bool {
		return s.count(`select count(*) from operations where kind = 'delete_room' and finished_at is not null`) == 1
	})
	// The page that watched it is led to itself: its list has changed.
	anna.get(s.at("/rooms/work?open=1&page=" + url.QueryEscape(s.at("/rooms")))).has(`data-goto="` + s.at("/rooms") + `"`)
	anna.get(room).want(http.StatusNotFound)
	// Few would miss this one.
	quiet := s.at("/rooms/%21quiet%2Froom%3Awerft.hafen.test")
	if strings.Contains(anna.get(quiet+"/delete").body, `name="name"`) {
		t.Error("a room of one asks for its name")
	}
	anna.post(quiet+"/delete", url.Values{}).want(http.StatusSeeOther)
	for _, wild := range []string{"x", "%21", "%21a%20b", "%21a%0Ab", "..%2F..", "%21" + strings.Repeat("x", 300)} {
		anna.get(s.at("/rooms/" + wild)).want(http.StatusNotFound)
		anna.post(s.at("/rooms/"+wild+"/delete"), url.Values{}).want(http.StatusNotFound)
	}
}

func (s *scene) eventually(met func() bool) {
	s.Helper()
	for end := time.Now().Add(20 * time.Second); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatal("it never came to that")
		}
		s.exec(`update operations set claimed_until = '-infinity' where finished_at is null and claimed_until > now() + interval '40 seconds'`)
	}
}

func TestFilesAreShownAndDeleted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.work()
	anna := s.as(s.anna)
	people := anna.get(s.at("/media"))
	people.has("Anna &lt;b&gt;", "3 MB", "Page 1 of 3", s.at("/media/files?owner=anna"))
	files := anna.get(s.at("/media/files"))
	files.has("plan &lt;i&gt;.pdf", "no name", "application/pdf", "not even we can look into them")
	if strings.Contains(files.body, "<img") {
		t.Error("a file's content is shown")
	}
	if one := anna.get(s.at("/media/files?owner=bert")); strings.Contains(one.body, "plan &lt;") {
		t.Error("the files of one show those of another")
	}
	anna.get(s.at("/media/delete")).want(http.StatusSeeOther) // nothing was chosen
	anna.get(s.at("/media/delete?file=file1&file=file2&file=none")).has("Deleting these 2 files frees 3 MB.")
	anna.post(s.at("/media/delete"), url.Values{"file": {"file1"}, "page": {"1"}}).want(http.StatusSeeOther)
	anna.get(s.at("/media/files")).has("1 file", "2 MB freed (2 MB expected)")
	anna.post(s.at("/media/file2/quarantine"), url.Values{"owner": {"bert"}}).wantRedirect(s.at("/media/files?owner=bert"))
	anna.get(s.at("/media/files")).has("Quarantined", s.at("/media/file2/release"))
	anna.post(s.at("/media/file2/release"), url.Values{}).want(http.StatusSeeOther)

	anna.get(s.at("/media/remote")).has("more than 30 days ago", "9,000", "which frees 9 MB")
	anna.post(s.at("/media/remote"), url.Values{"days": {"30"}}).want(http.StatusSeeOther)
	anna.get(s.at("/media/remote")).has("9 MB freed (9 MB expected)")
	anna.post(s.at("/media/remote"), url.Values{"days": {"1"}}).want(http.StatusUnprocessableEntity)
	for _, wild := range []string{"a%20b", "a%2Fb", "..", "%21x", strings.Repeat("a", 300)} {
		anna.post(s.at("/media/"+wild+"/quarantine"), url.Values{}).want(http.StatusNotFound)
	}
}

func TestAnnouncementIsPreviewedAndSent(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.exec(`insert into members (tenant_id, localpart, display_name, state) values ($1, 'bert', 'Bert Kai', 'active'), ($1, 'carl', '', 'active')`, s.server)
	s.work()
	anna := s.as(s.anna)
	anna.get(s.at("/notices")).has("Earlier", "3 active accounts", "Sent to 1 member")
	empty := anna.post(s.at("/notices"), url.Values{"do": {"preview"}, "text": {" "}})
	empty.want(http.StatusUnprocessableEntity)
	empty.has("Please write a text.")
	some := url.Values{"text": {"Tonight <b>\r\n20:00"}, "audience": {"some"}, "do": {"search"}, "search": {"KAI"}, "to": {"carl"}}
	found := anna.post(s.at("/notices"), some)
	found.has("Tonight &lt;b&gt;", "Bert Kai", `value="carl" checked`)
	some.Set("do", "preview")
	some["to"] = []string{"carl", "bert", "nobody else!"}
	preview := anna.post(s.at("/notices"), some)
	preview.has("This announcement goes to 2 chosen members.", "Tonight &lt;b&gt;\n20:00", `lang="en"`)
	id := between(preview.body, `name="id" value="`, `"`)
	some.Set("do", "edit")
	anna.post(s.at("/notices"), some).has("Tonight &lt;b&gt;", `value="bert" checked`)
	some.Set("do", "send")
	some.Set("id", id)
	some["to"] = []string{"carl", "bert"}
	for range 2 { // a form that is sent twice is one announcement
		anna.post(s.at("/notices"), some).wantRedirect(s.at("/notices/" + id))
	}
	s.eventually(func() bool { return s.count(`select count(*) from operations where finished_at is null`) == 0 })
	anna.get(s.at("/notices/"+id)).has("Sent to 2 members", "20:00", "anna@example.org")
	s.house.mu.Lock()
	if slices.Sort(s.house.told); !slices.Equal(s.house.told, []string{"bert: Tonight <b>\n20:00", "carl: Tonight <b>\n20:00"}) {
		t.Errorf("told %q", s.house.told)
	}
	s.house.mu.Unlock()
	for _, wild := range []string{"1", strings.Repeat("a", 40), "%00", "..%2Fx", "00000000-0000-4000-8000-00000000000b"} {
		if a := anna.get(s.at("/notices/" + wild)); a.status != http.StatusNotFound && a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", wild, a.status)
		}
	}
}

// has checks that the page says all of this.
func (a *answer) has(texts ...string) {
	a.Helper()
	for _, text := range texts {
		if !strings.Contains(strings.ReplaceAll(a.body, "\u00a0", " "), text) {
			a.Errorf("%d: no %q in:\n%s", a.status, text, a.doc().Find("main").Text())
		}
	}
}

func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

// A page whose server is silent says so, and keeps its way to the other pages.
func TestSilentServerIsSaidToBe(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.work()
	anna := s.as(s.anna)
	s.house.mu.Lock()
	s.house.silent = true
	s.house.mu.Unlock()
	for _, path := range []string{"/rooms", "/media", "/media/files", "/media/remote"} {
		a := anna.get(s.at(path))
		a.want(http.StatusServiceUnavailable)
		a.has("The server does not answer", s.at("/media"), "Ask again")
	}
	s.exec(`update tenants set status = 'suspended', suspended_for = 'operator' where id = $1`, s.server)
	for _, path := range []string{"/rooms", "/media", "/media/files", "/media/remote", "/notices"} {
		a := anna.get(s.at(path))
		a.want(http.StatusOK)
		a.has("The server is not running")
	}
}

// What an engine cannot do is neither offered nor done.
func TestPagesKeepToWhatTheEngineCan(t *testing.T) {
	t.Parallel()
	little := map[tenant.EngineName]homeserver.Description{
		tenant.Synapse: {Name: tenant.Synapse, Capabilities: []homeserver.Capability{homeserver.ListRooms, homeserver.ListMedia}},
	}
	s := newScene(t, func(c *Config) { c.Engines = little })
	s.work()
	anna := s.as(s.anna)
	files := anna.get(s.at("/media/files"))
	files.has("can neither delete nor quarantine single files")
	for _, offered := range []string{`type="checkbox"`, "/quarantine", "/media/remote", s.at("/notices")} {
		if strings.Contains(files.body, offered) {
			t.Errorf("%s is offered", offered)
		}
	}
	anna.get(s.at("/rooms/%21r%3Awerft.hafen.test")).has("cannot delete rooms")
	before := s.snapshot()
	for _, path := range []string{"/rooms/%21r%3Awerft.hafen.test/delete", "/media/delete", "/media/file1/quarantine", "/media/remote", "/notices"} {
		anna.post(s.at(path), url.Values{"file": {"file1"}, "days": {"30"}, "text": {"x"}}).want(http.StatusConflict)
	}
	if s.snapshot() != before {
		t.Error("what the engine cannot do was asked of it")
	}
	if len(s.house.rooms) != 2 || len(s.house.files) != 2 {
		t.Error("something was deleted")
	}
}
