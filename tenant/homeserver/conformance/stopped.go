package conformance

import (
	"net/http"
	"testing"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// lostToken ends the control account's session, as a restored database may: its password must open another.
func lostToken(t *testing.T, s *Site) {
	m := s.member(t, "token")
	control := Member{Client: s.Client, Server: s.Name, Localpart: tenant.ControlAccount, Token: s.Control}
	control.expect(t, http.MethodPost, "/_matrix/client/v3/logout", map[string]any{})
	must(t, s.SetPassword(t.Context(), m.Localpart, "second password"))
	if !m.LogIn(t, "second password") {
		t.Error("the password was not set")
	}
	token, err := s.CreateControl(t.Context())
	must(t, err)
	control.Token = string(token)
	if !control.Known(t) {
		t.Error("the control account's new token is none")
	}
}

// stopped asks a server that does not run. What needs it must say so; what an engine reports as done all the same must be
// found done when the server is back.
func stopped(t *testing.T, b *Bed) {
	ctx, s := t.Context(), &b.Site
	m, leaver, told := s.member(t, "stopped"), s.member(t, "leaver"), s.member(t, "told")
	notices := b.About.Supports(homeserver.SendNotice)
	once := name("transaction")
	if notices {
		must(t, s.Notify(ctx, told.Localpart, "before the stop", once))
		told.hears(t, "before the stop")
	}
	room, begun := "!any:"+string(s.Name), ""
	if b.About.Supports(homeserver.DeleteRoom) {
		room, begun = m.room(t, map[string]any{"preset": "private_chat"}), m.room(t, map[string]any{"preset": "private_chat"})
		_, err := s.DeleteRoom(ctx, begun)
		must(t, err)
	}
	s.Stop(t)
	unborn := s.stranger("unborn")
	expectFault(t, s.Ready(ctx), "server.unavailable")
	expectFault(t, s.Create(ctx, homeserver.NewAccount{Localpart: unborn.Localpart, Password: password}), "server.unavailable")
	closed := homeserver.NewAccount{Localpart: tenant.Localpart(name("closed"))}
	expectFault(t, s.Create(ctx, closed), "server.unavailable")
	expectFault(t, s.SetPassword(ctx, m.Localpart, "second password"), "server.unavailable")
	reactivated := s.Reactivate(ctx, m.Localpart, "second password")
	deactivated := s.Deactivate(ctx, leaver.Localpart, false)
	signedOut := s.SignOut(ctx, told.Localpart, "gone already")
	_, deleted := s.DeleteRoom(ctx, room)
	notified := s.Notify(ctx, told.Localpart, "during the stop", name("transaction"))
	for c, err := range map[homeserver.Capability]error{
		homeserver.Reactivate: reactivated, homeserver.Deactivate: deactivated, homeserver.SignOut: signedOut,
		homeserver.DeleteRoom: deleted, homeserver.SendNotice: notified,
	} {
		switch {
		case !b.About.Supports(c):
			b.expectUnsupported(t, c, []error{err})
		case err != nil:
			expectFault(t, err, "server.unavailable")
		}
	}
	s.Start(t)
	must(t, s.Create(ctx, closed))
	if m.LogIn(t, "second password") || !m.LogIn(t, password) || unborn.LogIn(t, password) {
		t.Error("something was done that was reported as not done")
	}
	if deactivated == nil && (leaver.Known(t) || leaver.LogIn(t, password)) {
		t.Error("a deactivation was reported as done")
	}
	if b.About.Supports(homeserver.Deactivate) {
		must(t, s.Deactivate(ctx, leaver.Localpart, false))
		if leaver.Known(t) || leaver.LogIn(t, password) {
			t.Error("a deactivation begun while the server was stopped cannot be completed")
		}
	}
	if begun != "" {
		s.deleteRoom(t, begun)
		if joined := m.joined(t); contains(joined, begun) || !contains(joined, room) {
			t.Errorf("after a deletion begun before the stop, in the rooms %v; deleted: %s, not deleted: %s", joined, begun, room)
		}
	}
	if notices {
		must(t, s.Notify(ctx, told.Localpart, "before the stop", once))
		told.hears(t, "before the stop")
	}
}
