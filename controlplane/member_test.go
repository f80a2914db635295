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
