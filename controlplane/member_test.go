package controlplane_test

import (
	"context"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// working plays the queue until the test ends.
func (s *school) working() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			s.work(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	s.Cleanup(func() { stop(); <-ended })
}

func (s *school) members() *controlplane.Members {
	return controlplane.NewMembers(controlplane.MembersConfig{Store: s.store, Mailbox: open{}, Wait: 20 * time.Second})
}

// TestANameThatOnlyTheHomeserverKnows is a mistake in the form, which gives its seat back, and no failure of the server.
func TestANameThatOnlyTheHomeserverKnows(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.hs.accounts["ghost"] = homeserver.Account{Localpart: "ghost"}
	s.working()
	_, err := s.members().Add(t.Context(), s.actor, s.id, controlplane.NewMember{Localpart: "ghost"})
	if fault := tenant.FaultOf(err); fault.Kind != tenant.Conflict || fault.Code != "member.exists" || fault.Field != "localpart" {
		t.Errorf("%+v", fault)
	}
	if n := s.count(`select seats_used($1)`, s.id); n != 1 {
		t.Errorf("%d seats", n)
	}
}

// TestARepeatedCreationTakesNobodysAccount: that a server was silent once does not make an account ours that was there before.
func TestARepeatedCreationTakesNobodysAccount(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		made time.Time
		code string
	}{
		"there before": {time.Now().Add(-time.Hour), "member.exists"},
		"our own":      {time.Now(), ""},
	} {
		s := newSchool(t)
		s.hs.accounts["ghost"] = homeserver.Account{Localpart: "ghost", Created: row.made}
		operation, err := s.store.RequestMember(t.Context(), controlplane.MemberRequest{
			Actor: s.actor, Tenant: s.id, Localpart: "ghost", Kind: controlplane.OperationCreate,
			Sealed: append(controlplane.MailContext(s.id, "ghost"), "a good password"...),
		})
		s.must(err)
		_, claimed, err := s.store.ClaimOperation(t.Context(), operation)
		s.must(err)
		s.must(s.store.ReleaseOperation(t.Context(), operation)) // no answer
		s.work(t.Context())
		o, err := s.store.FindOperation(t.Context(), operation)
		s.must(err)
		if !claimed || !o.Finished || o.Code != row.code || (len(s.hs.changed) == 1) != (row.code == "") {
			t.Errorf("%s: %+v; passwords of %v were set", name, o, s.hs.changed)
		}
	}
}

// colleague is an actor with a role on the server.
func (s *school) colleague(role controlplane.Role) (a controlplane.Actor) {
	s.Helper()
	a.Email = string(role) + "@example.org"
	s.must(s.pool.QueryRow(s.Context(), `insert into accounts (email, email_key, password_hash, language, role, verified_at)
		values ($1, $1, 'x', 'de', 'customer', now()) returning id::text`, a.Email).Scan(&a.Account))
	s.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, $3)`, s.id, a.Account, role)
	return a
}

// TestWhoManagesMembersGetsNoPowerOverTheServer: neither by giving it, nor by way of an account that has it.
func TestWhoManagesMembersGetsNoPowerOverTheServer(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.exec(`insert into members (tenant_id, localpart, state, server_admin, missing_at) values
		($1, 'bert', 'active', false, null), ($1, 'carla', 'active', true, now())`, s.id)
	m := controlplane.NewMembers(controlplane.MembersConfig{Store: s.store, Mailbox: open{}, Texts: linkTexts{}, Wait: 50 * time.Millisecond})
	manager, ctx := s.colleague(controlplane.MemberManager), t.Context()
	last := func(_ any, err error) error { return err }
	attempts := map[string]func(a controlplane.Actor, who string) error{
		"password": func(a controlplane.Actor, who string) error { return last(m.SetPassword(ctx, a, s.id, who, "")) },
		"link":     func(a controlplane.Actor, who string) error { return last(m.PasswordLink(ctx, a, s.id, who)) },
		"mail": func(a controlplane.Actor, who string) error {
			return m.MailPasswordLink(ctx, a, s.id, who, "x@example.org")
		},
		"links": func(a controlplane.Actor, who string) error {
			return last(m.BulkPasswordLinks(ctx, a, s.id, []string{who}))
		},
		"lock":       func(a controlplane.Actor, who string) error { return last(m.Lock(ctx, a, s.id, who, true)) },
		"sign out":   func(a controlplane.Actor, who string) error { return last(m.SignOut(ctx, a, s.id, who)) },
		"deactivate": func(a controlplane.Actor, who string) error { return last(m.Deactivate(ctx, a, s.id, who)) },
		"reactivate": func(a controlplane.Actor, who string) error { return last(m.Reactivate(ctx, a, s.id, who)) },
		"erase":      func(a controlplane.Actor, who string) error { return last(m.Erase(ctx, a, s.id, who, who)) },
		"forget":     func(a controlplane.Actor, who string) error { return m.Forget(ctx, a, s.id, who) },
	}
	for name, attempt := range attempts {
		for _, who := range []string{"anna", "carla"} { // the first account, and one with power of its own
			if fault := tenant.FaultOf(attempt(manager, who)); fault.Code != "member.is_admin" || fault.Kind != tenant.Forbidden {
				t.Errorf("%s of %s: %v", name, who, fault)
			}
		}
		s.exec(`update operations set finished_at = now()`)
		s.exec(`update members set state = 'active', missing_at = null where localpart = 'bert'`)
		err := attempt(manager, "bert")
		if refused := name == "reactivate" || name == "forget"; err != nil && (!refused || tenant.FaultOf(err).Code != "member.state") {
			t.Errorf("%s of bert: %v", name, err)
		}
	}
	if _, err := m.SetAdmin(ctx, manager, s.id, "bert", true); tenant.FaultOf(err).Code != "role.forbidden" {
		t.Errorf("power was given: %v", err)
	}
	result, err := m.BulkDeactivate(ctx, manager, s.id, []string{"anna", "carla"})
	if err != nil || result.Begun != 0 || len(result.Refused) != 2 {
		t.Errorf("%+v %v", result, err)
	}
	if n := s.count(`select count(*) from operations where localpart <> 'bert'`) + s.count(`select count(*) from tokens where localpart <> 'bert'`); n != 0 {
		t.Errorf("%d things were done to accounts with power", n)
	}
	s.must(last(m.PasswordLink(ctx, s.colleague(controlplane.Administrator), s.id, "carla")))
}
