package conformance

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func lifecycleChecks() []check {
	return []check{
		{name: "deactivate", needs: homeserver.Deactivate, run: deactivate, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.Deactivate(ctx, "anybody", false)}
		}},
		{name: "reactivate", needs: homeserver.Reactivate, run: reactivate, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.Reactivate(ctx, "anybody", password)}
		}},
		{name: "erase", needs: homeserver.Erase, run: erase, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.Deactivate(ctx, "anybody", true)}
		}},
		{name: "lock", needs: homeserver.Lock, run: lock, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.Lock(ctx, "anybody", true), s.Lock(ctx, "anybody", false)}
		}},
	}
}

func deactivate(t *testing.T, s *Site) {
	ctx := t.Context()
	m := s.member(t, "leaver")
	second := *m
	if !second.LogIn(t, password) {
		t.Fatal("cannot log in twice")
	}
	must(t, s.Deactivate(ctx, m.Localpart, false))
	must(t, s.Deactivate(ctx, m.Localpart, false))
	if m.Known(t) || second.Known(t) {
		t.Error("a session outlives the account")
	}
	if m.LogIn(t, password) {
		t.Error("a deactivated account logs in")
	}
	// A new password, refused or not, does not open it.
	_ = s.SetPassword(ctx, m.Localpart, "second password")
	if m.LogIn(t, "second password") {
		t.Error("a new password opens a deactivated account")
	}
	// Nor does its name become free for somebody else.
	expectFault(t, s.Create(ctx, homeserver.NewAccount{Localpart: m.Localpart, Password: password}), "member.exists")
	if page, err := s.List(ctx, homeserver.AccountQuery{Search: string(m.Localpart), State: "deactivated"}); err == nil &&
		(len(page.Accounts) != 1 || !page.Accounts[0].Deactivated) {
		t.Errorf("not listed as deactivated: %+v", page)
	}
	if page, err := s.List(ctx, homeserver.AccountQuery{Search: string(m.Localpart), State: "active"}); err == nil && page.Total != 0 {
		t.Errorf("listed as active: %+v", page)
	}
	expectFault(t, s.Deactivate(ctx, tenant.Localpart(name("nobody")), false), "member.unknown")
}

func reactivate(t *testing.T, s *Site) {
	ctx := t.Context()
	m := s.member(t, "returner")
	must(t, s.Deactivate(ctx, m.Localpart, false))
	expectFault(t, s.Reactivate(ctx, m.Localpart, "short"), "password.short")
	if m.LogIn(t, password) {
		t.Error("a refused reactivation opens the account")
	}
	must(t, s.Reactivate(ctx, m.Localpart, "second password"))
	must(t, s.Reactivate(ctx, m.Localpart, "second password"))
	if m.LogIn(t, password) || !m.LogIn(t, "second password") {
		t.Error("a reactivated account does not log in with its new password alone")
	}
	if page, err := s.List(ctx, homeserver.AccountQuery{Search: string(m.Localpart), State: "active"}); err == nil && page.Total != 1 {
		t.Errorf("not listed as active: %+v", page)
	}
	expectFault(t, s.Reactivate(ctx, tenant.Localpart(name("nobody")), "long enough"), "member.unknown")
}

// erase looks for what somebody left behind with the eyes of one who comes later.
func erase(t *testing.T, s *Site) {
	m, witness, late := s.member(t, "forgotten"), s.member(t, "witness"), s.member(t, "late")
	room := witness.room(t, map[string]any{"preset": "private_chat", "invite": []string{m.ID()}})
	m.join(t, room)
	m.say(t, room, "my secret")
	witness.say(t, room, "an answer")
	file := m.upload(t, "me.png", "image/png", []byte("a picture of "+m.Localpart))
	if answer := witness.fetch(t, s.Name, file); answer.Status != http.StatusOK {
		t.Fatalf("before: %d %s", answer.Status, answer.Raw)
	}
	must(t, s.Deactivate(t.Context(), m.Localpart, true))
	must(t, s.Deactivate(t.Context(), m.Localpart, true))

	witness.invite(t, room, late)
	late.join(t, room)
	if heard := late.heard(t, room); contains(heard, "my secret") || !contains(heard, "an answer") {
		t.Errorf("who comes later reads %q", heard)
	}
	profile := late.Ask(t, http.MethodGet, "/_matrix/client/v3/profile/"+url.PathEscape(m.ID()), nil)
	if called, _ := profile.Body["displayname"].(string); called == "Name of "+string(m.Localpart) {
		t.Errorf("is still called %q", called)
	}
	eventually(t, "the uploads are gone", func() bool { return late.fetch(t, s.Name, file).Status == http.StatusNotFound })
	if m.Known(t) || m.LogIn(t, password) {
		t.Error("an erased account is in use")
	}
}

func lock(t *testing.T, s *Site) {
	ctx := t.Context()
	m := s.member(t, "locked")
	again := *m
	must(t, s.Lock(ctx, m.Localpart, true))
	must(t, s.Lock(ctx, m.Localpart, true))
	if m.Known(t) || again.LogIn(t, password) {
		t.Error("a locked account is in use")
	}
	if page, err := s.List(ctx, homeserver.AccountQuery{Search: string(m.Localpart), State: "locked"}); err == nil &&
		(len(page.Accounts) != 1 || !page.Accounts[0].Locked) {
		t.Errorf("not listed as locked: %+v", page)
	}
	must(t, s.Lock(ctx, m.Localpart, false))
	must(t, s.Lock(ctx, m.Localpart, false))
	if !m.Known(t) {
		t.Error("the session does not work again")
	}
	expectFault(t, s.Lock(ctx, tenant.Localpart(name("nobody")), true), "member.unknown")
}
