package matrix

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"hafen/internal/hafentest"
)

// Two members of one server: profiles, an encrypted room, media, logout.
func testTalk(t *testing.T, p port) {
	server := p.order(t, "basic", "talk")[0]
	server.AddMember("bert")
	server.AddMember("carla")
	bert, carla := enter(t, p.Hafen, server, "bert"), enter(t, p.Hafen, server, "carla")

	must(t, bert.SetDisplayName(t.Context(), "Bert on the quay"))
	if profile, err := carla.GetProfile(t.Context(), bert.UserID); err != nil || profile.DisplayName != "Bert on the quay" {
		t.Errorf("Bert's profile: %v %v", profile, err)
	}

	room := bert.open(true, carla.UserID)
	carla.join(room)
	bert.awaitMember(room, carla.UserID, event.MembershipJoin)
	exchange(bert, carla, room)

	testMedia(t, bert, carla, room)

	if _, err := carla.Logout(t.Context()); err != nil {
		t.Fatalf("log out: %v", err)
	}
	if _, err := carla.Whoami(t.Context()); !errors.Is(err, mautrix.MUnknownToken) {
		t.Errorf("after the logout the token gives %v", err)
	}
	if _, err := bert.Whoami(t.Context()); err != nil {
		t.Errorf("somebody else's logout ended this session: %v", err)
	}
}

// testMedia sends a file in the clear, and one encrypted in an encrypted message.
func testMedia(t *testing.T, from, to *person, room id.RoomID) {
	t.Helper()
	plain := noise(300 << 10)
	uploaded, err := from.UploadBytesWithName(t.Context(), plain, "application/octet-stream", "chart.bin")
	if err != nil {
		t.Fatalf("upload: %v", err)
	}
	if got, err := to.DownloadBytes(t.Context(), uploaded.ContentURI); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes came back as %d: %v", len(plain), len(got), err)
	}
	stranger, err := mautrix.NewClient(to.HomeserverURL.String(), "", "")
	must(t, err)
	stranger.Client = to.Client.Client
	if _, err := stranger.DownloadBytes(t.Context(), uploaded.ContentURI); !errors.Is(err, mautrix.MMissingToken) {
		t.Errorf("without a token media are: %v", err)
	}

	secret := noise(200 << 10)
	file := attachment.NewEncryptedFile()
	uploaded, err = from.UploadBytes(t.Context(), file.Encrypt(secret), "application/octet-stream")
	if err != nil {
		t.Fatalf("upload encrypted: %v", err)
	}
	_, err = from.SendMessageEvent(t.Context(), room, event.EventMessage, &event.MessageEventContent{
		MsgType: event.MsgFile, Body: "sealed.bin",
		File: &event.EncryptedFileInfo{EncryptedFile: *file, URL: uploaded.ContentURI.CUString()},
	})
	must(t, err)
	info := to.awaitText(room, "sealed.bin").Content.AsMessage().File
	sealed, err := to.DownloadBytes(t.Context(), info.URL.ParseOrIgnore())
	if err != nil || bytes.Contains(sealed, secret[:64]) {
		t.Fatalf("the sealed file: %v", err)
	}
	if got, err := info.Decrypt(sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("the sealed file opens as %d bytes: %v", len(got), err)
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// A sync that waits passes the edge for its whole 30 s, and ends at once when there is news.
func testLongPoll(t *testing.T, p port) {
	server := p.order(t, "basic", "poll")[0]
	server.AddMember("dora")
	dora := logIn(t, p.Hafen, server.Name, "dora", hafentest.Password)
	other := logIn(t, p.Hafen, server.Name, "dora", hafentest.Password)
	since := ""
	for {
		began := time.Now()
		news, err := dora.SyncRequest(t.Context(), 30_000, since, "", false, "")
		if err != nil {
			t.Fatalf("sync after %s: %v", time.Since(began), err)
		}
		since = news.NextBatch
		// The first ones bring what the two logins left behind.
		if took := time.Since(began); took >= 29*time.Second {
			break
		} else if took > 5*time.Second {
			t.Fatalf("a sync without news took %s", took)
		}
	}
	waiting := poll(t, dora, since)
	room, err := other.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{Preset: "private_chat"})
	must(t, err)
	created := time.Now()
	got := <-waiting
	if got.err != nil || len(got.news.Rooms.Join) == 0 {
		t.Fatalf("the waiting sync: %v %v", got.news, got.err)
	}
	if late := got.at.Sub(created); late > 10*time.Second {
		t.Errorf("news came %s late", late)
	}
	testCrash(t, p, server, dora, other, room.RoomID)
}

// testCrash kills the homeserver under waiting syncs: they are held, and bring what is said when it is back.
func testCrash(t *testing.T, p port, server hafentest.Server, dora, other *mautrix.Client, room id.RoomID) {
	t.Helper()
	since := ""
	for quiet := false; !quiet; { // what is left from before would end the wait before the crash does
		asked := time.Now()
		news, err := dora.SyncRequest(t.Context(), 1000, since, "", false, "")
		must(t, err)
		since, quiet = news.NextBatch, time.Since(asked) >= 900*time.Millisecond
	}
	began := time.Now()
	waiting := poll(t, dora, since)
	before := p.startedAt(t, server)
	pid, err := strconv.Atoi(inspect(t, server, "{{.State.Pid}}"))
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	p.Await(patience, "restart", func() error {
		if p.startedAt(t, server) == before {
			return errors.New("not yet")
		}
		return nil
	})
	sent, err := other.SendText(t.Context(), room, "Still here")
	if err != nil {
		t.Fatalf("send after a crash: %v", err)
	}
	t.Logf("after a crash something could be said within %s", time.Since(began))
	said := time.Now()
	got := <-waiting
	if got.err != nil {
		t.Fatalf("a sync over a crash: %v", got.err)
	}
	t.Logf("the sync that waited ended after %s, %s after that", got.at.Sub(began), got.at.Sub(said))
	for range 3 {
		if joined := got.news.Rooms.Join[room]; joined != nil {
			for _, e := range joined.Timeline.Events {
				if e.ID == sent.EventID {
					return
				}
			}
		}
		got = <-poll(t, dora, got.news.NextBatch)
		must(t, got.err)
	}
	t.Error("sync does not bring what was said after the crash")
}

// polled is how a waiting sync ended.
type polled struct {
	news *mautrix.RespSync
	err  error
	at   time.Time
}

func poll(t *testing.T, c *mautrix.Client, since string) <-chan polled {
	t.Helper()
	ended := make(chan polled, 1)
	go func() {
		news, err := c.SyncRequest(t.Context(), 30_000, since, "", false, "")
		ended <- polled{news, err, time.Now()}
	}()
	return ended
}

// Registration is closed in every version, spelling and on both doors.
func testRegistration(t *testing.T, p port) {
	server := p.order(t, "basic", "closed")[0]
	for _, path := range []string{
		"/_matrix/client/r0/register", "/_matrix/client/v1/register", "/_matrix/client/v3/register", "/_matrix/client/v9/register",
		"/_matrix/client/unstable/register", "/_matrix/client/v3/register?kind=guest", "/_matrix/client/v3/register/available?username=eve",
		"/_matrix/client/v3/register/email/requestToken", "/_matrix/client/unstable/org.example/register",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if answer, said := p.ask(t, method, server, p.HTTPS, path); answer.StatusCode != http.StatusForbidden || said["errcode"] != "M_FORBIDDEN" {
				t.Errorf("%s %s: %s %v", method, path, answer.Status, said)
			}
		}
	}
	for _, path := range []string{
		"/_synapse/admin/v1/register", "/_dendrite/admin/resetPassword/@admin:" + server.Name, "/_matrix/client/%72egister",
		"/_matrix/client/v3/../../../_synapse/admin/v1/register", "/_matrix/client/v3/%72egister", "/metrics",
	} {
		if answer, said := p.ask(t, http.MethodPost, server, p.HTTPS, path); answer.StatusCode != http.StatusNotFound || said["errcode"] != "M_UNRECOGNIZED" {
			t.Errorf("%s: %s %v", path, answer.Status, said)
		}
	}
}
