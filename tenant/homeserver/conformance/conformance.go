// Package conformance is the suite every engine passes: what the screens promise must hold on each homeserver that is
// sold, or be refused by each in the same words.
//
// It asks an engine to do something through [homeserver.Server], and judges what came of it as a member would, through the
// homeserver's client API. Of what an engine does not claim in its Description it asks for [homeserver.Unsupported].
// All checks share one server and run at once, each with people, rooms and files of its own; those that hurt the server come
// last, one after the other.
package conformance

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Bed is what the suite runs on.
type Bed struct {
	About homeserver.Description
	// Site is a healthy server that does not federate.
	Site Site
	// Federating makes a server with other settings and other servers around it. nil: there is no other server where the
	// engine runs, so nothing is checked of it.
	Federating func(*testing.T, tenant.Settings) Federation
}

// Site is one server and its surroundings.
type Site struct {
	homeserver.Server
	Name   tenant.Domain
	Client *http.Client // reaches the client API, whatever the host of a request's URL
	// Control is the token of the control account.
	Control string
	// Crowd puts that many accounts into the engine's own tables: "crowd-00000" and so on, each with the display name
	// "Person 00000 of the crowd", all made at the same moment.
	Crowd func(t *testing.T, count int)
	// MediaDir is where the server's files are, on this machine. "" when they are nowhere.
	MediaDir string
	// Stop ends the server, Start starts it again and returns when it is ready.
	Stop, Start func(*testing.T)
}

// Federation is a server that has other servers around it.
type Federation struct {
	Site Site
	// Partner and Stranger are other servers, which know "@somebody:" by the display name "Somebody elsewhere" and serve
	// File under any media id. The settings name Partner alone.
	Partner, Stranger tenant.Domain
	File              []byte
}

// check is one part of the suite.
type check struct {
	name string
	// needs is the capability without which an engine refuses; "" when every engine must pass.
	needs homeserver.Capability
	run   func(*testing.T, *Site)
	// refused are the calls that an engine without the capability refuses.
	refused func(context.Context, *Site) []error
}

func checks() []check {
	return slices.Concat(accountChecks(), lifecycleChecks(), deviceChecks(), roomChecks(), mediaChecks(), noticeChecks())
}

// Run runs the suite.
func Run(t *testing.T, b Bed) {
	t.Run("description", func(t *testing.T) { description(t, b.About) })
	t.Run("running", func(t *testing.T) {
		for _, c := range checks() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if c.needs != "" && !b.About.Supports(c.needs) {
					b.expectUnsupported(t, c.needs, c.refused(t.Context(), &b.Site))
					return
				}
				c.run(t, &b.Site)
			})
		}
		b.federation(t)
	})
	t.Run("lost token", func(t *testing.T) { lostToken(t, &b.Site) })
	t.Run("stopped", func(t *testing.T) { stopped(t, &b) })
}

// known are all capabilities there are, those only clients and settings see among them.
var known = []homeserver.Capability{
	homeserver.ListAccounts, homeserver.SetAdmin, homeserver.Deactivate, homeserver.Reactivate, homeserver.Erase,
	homeserver.Lock, homeserver.ListDevices, homeserver.SignOut, homeserver.ListRooms, homeserver.DeleteRoom,
	homeserver.ListMedia, homeserver.DeleteMedia, homeserver.QuarantineMedia, homeserver.PurgeRemoteMedia,
	homeserver.SendNotice, homeserver.SlidingSync, homeserver.SingleSignOn, homeserver.URLPreviews, homeserver.Retention,
	homeserver.RoomDirectory, homeserver.DefaultEncryption, homeserver.OutboundPartners,
}

func description(t *testing.T, about homeserver.Description) {
	if about.Name == "" || about.Version == "" {
		t.Errorf("an engine without name or version: %+v", about)
	}
	for i, c := range about.Capabilities {
		if !slices.Contains(known, c) || slices.Contains(about.Capabilities[:i], c) {
			t.Errorf("the capability %q is unheard of, or claimed twice", c)
		}
	}
	// Whoever can be let in again must first be kept out, and to delete a thing one must see it.
	for c, needs := range map[homeserver.Capability]homeserver.Capability{
		homeserver.Reactivate: homeserver.Deactivate, homeserver.Erase: homeserver.Deactivate,
		homeserver.DeleteRoom: homeserver.ListRooms, homeserver.DeleteMedia: homeserver.ListMedia,
		homeserver.QuarantineMedia: homeserver.ListMedia,
	} {
		if about.Supports(c) && !about.Supports(needs) {
			t.Errorf("claims %s without %s", c, needs)
		}
	}
}

func (b Bed) expectUnsupported(t *testing.T, c homeserver.Capability, answers []error) {
	t.Helper()
	if len(answers) == 0 {
		t.Error("nothing is refused")
	}
	for _, err := range answers {
		refusal, ok := errors.AsType[*homeserver.Unsupported](err)
		if !ok || refusal.Engine != b.About.Name || refusal.Capability != c {
			t.Errorf("asked for %s, which %s does not claim: %v", c, b.About.Name, err)
		}
		if f := tenant.FaultOf(err); f.Code != "engine.unsupported" {
			t.Errorf("the screen would say %q", f.Code)
		}
	}
}

func expectFault(t *testing.T, err error, codes ...string) {
	t.Helper()
	fault, ok := errors.AsType[*tenant.Fault](err)
	if !ok || !slices.Contains(codes, fault.Code) {
		t.Errorf("want the fault %v, got %v", codes, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
