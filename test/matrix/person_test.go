package matrix

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"hafen/internal/hafentest"
)

// How long anything that should happen within a second or two may take on a busy machine.
const patience = 60 * time.Second

// person is somebody with a Matrix client that syncs.
type person struct {
	*mautrix.Client
	t *testing.T
	*timeline
}

// timeline is everything sync brought: encrypted events as they came, and once more as what was in them.
type timeline struct {
	mu   sync.Mutex
	seen []*event.Event
	news chan struct{} // closed and replaced when seen grows
}

// in is the same person for a part of a test.
func (p *person) in(t *testing.T) *person { return &person{p.Client, t, p.timeline} }

// browserOf finds an installation's servers where the world would: its HTTPS port is the world's 443.
func browserOf(h *hafentest.Hafen) *http.Client {
	client := h.HTTPClient()
	transport := client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && port == "443" {
			address = net.JoinHostPort(host, strconv.Itoa(h.HTTPS))
		}
		return h.Dial(ctx, network, address)
	}
	return client
}

// connect finds a server by its name alone, as a login page does.
func connect(t *testing.T, h *hafentest.Hafen, server string) *mautrix.Client {
	t.Helper()
	browser := browserOf(h)
	found, err := mautrix.DiscoverClientAPIWithClient(t.Context(), browser, server)
	if err != nil || found == nil {
		t.Fatalf("discover %s: %v %v", server, found, err)
	}
	client, err := mautrix.NewClient(found.Homeserver.BaseURL, "", "")
	must(t, err)
	client.Client = browser
	client.DefaultHTTPRetries = 3 // the engine's rate limit asks to come again
	client.DefaultHTTPBackoff = 500 * time.Millisecond
	if client.SpecVersions, err = client.Versions(t.Context()); err != nil {
		t.Fatalf("versions of %s: %v", server, err)
	}
	return client
}

func password(localpart, password string) *mautrix.ReqLogin {
	return &mautrix.ReqLogin{
		Type: mautrix.AuthTypePassword, Password: password, StoreCredentials: true, InitialDeviceDisplayName: "test",
		Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: localpart},
	}
}

// logIn logs in without syncing.
func logIn(t *testing.T, h *hafentest.Hafen, server, localpart, word string) *mautrix.Client {
	t.Helper()
	client := connect(t, h, server)
	if _, err := client.Login(t.Context(), password(localpart, word)); err != nil {
		t.Fatalf("log in as %s on %s: %v", localpart, server, err)
	}
	return client
}

// enter logs in, publishes a device's keys, and syncs until the test ends.
func enter(t *testing.T, h *hafentest.Hafen, s hafentest.Server, localpart string) *person {
	t.Helper()
	p := &person{logIn(t, h, s.Name, localpart, hafentest.Password), t, &timeline{news: make(chan struct{})}}
	p.StateStore = mautrix.NewMemoryStateStore()
	syncer := p.Syncer.(*mautrix.DefaultSyncer)
	syncer.OnEvent(p.StateStoreSyncHandler)
	helper, err := cryptohelper.NewCryptoHelper(p.Client, []byte("pickle"), crypto.NewMemoryStore(nil))
	must(t, err)
	must(t, helper.Init(t.Context()))
	p.Crypto = helper
	syncer.OnEvent(p.note)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			err := p.SyncWithContext(ctx)
			if ctx.Err() == nil && errors.Is(err, mautrix.MUnknownToken) {
				return // logged out
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return p
}

func (l *timeline) note(_ context.Context, e *event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, e)
	close(l.news)
	l.news = make(chan struct{})
}

// await gives the first event that sync brought, or brings, for which match holds.
func (p *person) await(what string, match func(*event.Event) bool) *event.Event {
	p.t.Helper()
	timeout := time.After(patience)
	for looked := 0; ; {
		p.mu.Lock()
		fresh, news := p.seen[looked:], p.news
		looked = len(p.seen)
		p.mu.Unlock()
		for _, e := range fresh {
			if match(e) {
				return e
			}
		}
		select {
		case <-news:
		case <-timeout:
			p.t.Fatalf("%s has not seen %s within %s", p.UserID, what, patience)
		}
	}
}

// awaitText waits for a message that a person can read.
func (p *person) awaitText(room id.RoomID, text string) *event.Event {
	p.t.Helper()
	return p.await("“"+text+"”", func(e *event.Event) bool {
		content, ok := e.Content.Parsed.(*event.MessageEventContent)
		return ok && e.RoomID == room && content.Body == text
	})
}

// awaitMember waits until a room's state says something about a member.
func (p *person) awaitMember(room id.RoomID, who id.UserID, as event.Membership) {
	p.t.Helper()
	p.await(string(as)+" of "+string(who), func(e *event.Event) bool {
		content, ok := e.Content.Parsed.(*event.MemberEventContent)
		return ok && e.RoomID == room && e.GetStateKey() == string(who) && content.Membership == as
	})
}

// say sends a message: encrypted, if the room is.
func (p *person) say(room id.RoomID, text string) id.EventID {
	p.t.Helper()
	sent, err := p.SendText(p.t.Context(), room, text)
	if err != nil {
		p.t.Fatalf("%s says %q: %v", p.UserID, text, err)
	}
	return sent.EventID
}

// open makes a private room, with a guest invited if there is one. encrypted is from the first event on.
func (p *person) open(encrypted bool, guest id.UserID) id.RoomID {
	p.t.Helper()
	request := &mautrix.ReqCreateRoom{Preset: "private_chat", Name: "Quay"}
	if guest != "" {
		request.Invite = []id.UserID{guest}
	}
	if encrypted {
		request.InitialState = []*event.Event{{
			Type:    event.StateEncryption,
			Content: event.Content{Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}},
		}}
	}
	room, err := p.CreateRoom(p.t.Context(), request)
	if err != nil {
		p.t.Fatalf("%s opens a room: %v", p.UserID, err)
	}
	return room.RoomID
}

// join accepts an invitation that came by sync.
func (p *person) join(room id.RoomID) {
	p.t.Helper()
	p.awaitMember(room, p.UserID, event.MembershipInvite)
	if _, err := p.JoinRoomByID(p.t.Context(), room); err != nil {
		p.t.Fatalf("%s joins: %v", p.UserID, err)
	}
}

// exchange has two people in one room read each other's words, which the servers must not be able to read.
func exchange(a, b *person, room id.RoomID) {
	a.t.Helper()
	for _, way := range []struct{ from, to *person }{{a, b}, {b, a}} {
		text := "From " + string(way.from.UserID)
		sent := way.from.say(room, text)
		if e := way.to.awaitText(room, text); e.ID != sent || e.Mautrix.EventSource&event.SourceDecrypted == 0 {
			a.t.Errorf("%q came as %s from %d, not encrypted as %s", text, e.ID, e.Mautrix.EventSource, sent)
		}
		if raw, err := way.to.GetEvent(a.t.Context(), room, sent); err != nil || raw.Type.Type != event.EventEncrypted.Type {
			a.t.Errorf("the server holds %v %v", raw, err)
		}
	}
}

// seenSoFar is everything that sync has brought.
func (l *timeline) seenSoFar() []*event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}

func invitation(to *person) *mautrix.ReqInviteUser { return &mautrix.ReqInviteUser{UserID: to.UserID} }

func publicRoom(alias string) *mautrix.ReqCreateRoom {
	return &mautrix.ReqCreateRoom{Preset: "public_chat", RoomAliasName: alias}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
