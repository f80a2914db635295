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
