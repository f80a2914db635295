package matrix

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// Two servers with federation talk; one without is an island, until its plan changes.
func testFederation(t *testing.T, p port) {
	island := p.owner.Order("basic", "island")
	// North and south are of two kinds.
	servers := append(append(p.in(t, tenant.Synapse).order(t, "advanced", "north"), p.order(t, "advanced", "south")...), island)
	p.AwaitStatus(island.ID, tenant.Active, 3*time.Minute)
	var people []*person
	for i, localpart := range []string{"olga", "sven", "ida"} {
		servers[i].AddMember(localpart)
		people = append(people, enter(t, p.Hafen, servers[i], localpart))
	}
	olga, sven, ida := people[0], people[1], people[2]
	part := func(name string, test func(*testing.T, port)) {
		t.Run(name, func(t *testing.T) { test(t, p.in(t, p.engine)) })
	}
	part("they are found", func(t *testing.T, p port) { testDiscovery(t, p, servers[0]) })
	for _, version := range []string{"12", "11"} {
		part("they talk in a room of version "+version, func(t *testing.T, p port) { testVersion(t, version, olga.in(t), sven.in(t)) })
	}
	part("only partners", func(t *testing.T, p port) { testPartners(t, p, servers[0], olga.in(t), sven.in(t)) })
	part("they talk", func(t *testing.T, p port) { testPeers(t, p, olga.in(t), sven.in(t)) })
	part("an island", func(t *testing.T, p port) { testIsland(t, p, island, ida.in(t), sven.in(t)) })
	part("a peer that was away", func(t *testing.T, p port) { testAway(t, p, servers[1], olga.in(t), sven.in(t)) })
	part("no longer an island", func(t *testing.T, p port) { testJoinsTheWorld(t, p, island, ida.in(t), olga.in(t)) })
	part("an island again", func(t *testing.T, p port) { testLeavesTheWorld(t, p, island, ida.in(t), olga.in(t)) })
}

// testDiscovery looks a server up as its peers do: the certificate is checked on the way.
func testDiscovery(t *testing.T, p port, s hafentest.Server) {
	if answer, said := p.ask(t, http.MethodGet, s, p.HTTPS, "/.well-known/matrix/server"); said["m.server"] != fmt.Sprintf("%s:%d", s.Name, p.Federation) {
		t.Errorf("well-known: %s %v", answer.Status, said)
	}
	if answer, said := p.ask(t, http.MethodGet, s, p.Federation, "/_matrix/key/v2/server"); said["server_name"] != s.Name {
		t.Errorf("keys: %s %v", answer.Status, said)
	}
	if answer, said := p.ask(t, http.MethodGet, s, p.Federation, "/_matrix/client/versions"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the client's interface on the federation port: %s %v", answer.Status, said)
	}
}

func testPeers(t *testing.T, p port, olga, sven *person) {
	before := p.federated(t)
	began := time.Now()
	room := olga.open(false, sven.UserID)
	sven.join(room)
	olga.awaitMember(room, sven.UserID, event.MembershipJoin)
	t.Logf("from opening a room to a member from the other server in it: %s", time.Since(began))
	for _, way := range []struct{ from, to *person }{{olga, sven}, {sven, olga}} {
		began := time.Now()
		text := "Ahoy from " + string(way.from.UserID)
		way.from.say(room, text)
		if e := way.to.awaitText(room, text); e.Sender != way.from.UserID {
			t.Errorf("%q came from %s", text, e.Sender)
		}
		t.Logf("a message to the other server: %s", time.Since(began))
	}
	_, err := olga.SendStateEvent(t.Context(), room, event.StateEncryption, "", &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1})
	must(t, err)
	encrypted := func(e *event.Event) bool { return e.RoomID == room && e.Type == event.StateEncryption }
	olga.await("encryption", encrypted)
	sven.await("encryption", encrypted)
	began = time.Now()
	exchange(olga, sven, room)
	t.Logf("two encrypted messages, with the devices' keys: %s", time.Since(began))

	testMedia(t, olga, sven, room)
	must(t, olga.SetDisplayName(t.Context(), "Olga of the north"))
	if profile, err := sven.GetProfile(t.Context(), olga.UserID); err != nil || profile.DisplayName != "Olga of the north" {
		t.Errorf("a profile of the other server: %v %v", profile, err)
	}
	if after := p.federated(t); after < before+5 {
		t.Errorf("the edge's federation port answered %v requests before and %v after: what was said went another way", before, after)
	}
}

// federated counts the requests that the edge let through on its federation port.
func (p port) federated(t *testing.T) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.metrics+"/metrics", nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	must(t, err)
	found := regexp.MustCompile(`(?m)^hafen_edge_requests_total\{class="2xx",listener="federation"\} (\d+)$`).FindSubmatch(page)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(string(found[1]))
	must(t, err)
	return n
}

// testIsland tries a server without federation from both sides.
func testIsland(t *testing.T, p port, s hafentest.Server, ida, sven *person) {
	for _, on := range []int{p.HTTPS, p.Federation} {
		for _, path := range []string{
			"/_matrix/federation/v1/version", "/_matrix/federation/v1/query/profile?user_id=@ida:" + s.Name,
			"/_matrix/federation/v2/invite/!a:b/$c", "/_matrix/key/v2/server", "/_matrix/key/v2/query/" + s.Name,
		} {
			if answer, said := p.ask(t, http.MethodGet, s, on, path); answer.StatusCode != http.StatusForbidden || said["errcode"] != "M_FORBIDDEN" {
				t.Errorf("%s: %s %v", path, answer.Status, said)
			}
		}
		if answer, said := p.ask(t, http.MethodGet, s, on, "/.well-known/matrix/server"); answer.StatusCode != http.StatusNotFound {
			t.Errorf("well-known: %s %v", answer.Status, said)
		}
	}

	room := ida.open(false, "")
	if _, err := ida.InviteUser(t.Context(), room, invitation(sven)); err == nil {
		t.Error("an invitation left the island")
	}
	if profile, err := ida.GetProfile(t.Context(), sven.UserID); err == nil {
		t.Errorf("a profile came to the island: %v", profile)
	}
	abroad, err := sven.CreateRoom(t.Context(), publicRoom("harbour"))
	must(t, err)
	if _, err := ida.JoinRoom(t.Context(), "#harbour:"+sven.UserID.Homeserver(), nil); err == nil {
		t.Error("somebody left the island by an alias")
	}
	if _, err := sven.InviteUser(t.Context(), abroad.RoomID, invitation(ida)); err == nil {
		t.Error("an invitation reached the island")
	}
	for _, e := range ida.seenSoFar() {
		if e.RoomID == abroad.RoomID {
			t.Errorf("the island has seen %v", e)
		}
	}
}

// testJoinsTheWorld changes the plan, for which nothing is restarted, and then the setting, for which the server must be, with somebody
// logged in.
func testJoinsTheWorld(t *testing.T, p port, s hafentest.Server, ida, olga *person) {
	before := p.startedAt(t, s)
	stop := make(chan struct{})
	watched := make(chan outage)
	go func() { watched <- watch(t, ida, stop) }()
	s.ChangePlan("advanced")
	p.Await(patience, "route", func() error {
		if !hafentest.Query[bool](p.Hafen, `select r.upload_bytes = p.upload_bytes from routes r, plans p where r.tenant_id = $1 and p.id = 'advanced'`, s.ID) {
			return errors.New("the upgrade is not in effect")
		}
		return nil
	})
	if after := p.startedAt(t, s); after != before {
		t.Errorf("the server was restarted for an upgrade: %s, then %s", before, after)
	}
	began := time.Now()
	act(p.owner, s, dashboard, "settings", url.Values{"federation": {"open"}, "push": {"yes"}, "language": {"de"}})
	p.Await(patience, "federation", func() error {
		if answer, said := p.ask(t, http.MethodGet, s, p.Federation, "/_matrix/key/v2/server"); said["server_name"] != s.Name {
			return fmt.Errorf("%s %v", answer.Status, said)
		}
		return nil
	})
	t.Logf("from the click to federating: %s", time.Since(began))
	close(stop)
	seen := <-watched
	t.Logf("meanwhile: %d requests, the longest %s, the longest time without an answer %s, refused: %v", seen.requests, seen.longest, seen.silence, seen.refused)
	// A homeserver that ends may answer what is under way with an error; what comes later is held until it is back.
	if seen.trouble > time.Second {
		t.Errorf("requests were refused for %s while the server restarted: %v", seen.trouble, seen.refused)
	}
	if after := p.startedAt(t, s); after == before {
		t.Error("federation came without a restart: then this test proves nothing about one")
	}
	room := olga.open(true, ida.UserID)
	ida.join(room)
	olga.awaitMember(room, ida.UserID, event.MembershipJoin)
	exchange(olga, ida, room)
}

// testLeavesTheWorld changes the setting: the door closes in both directions, and the session stays.
func testLeavesTheWorld(t *testing.T, p port, s hafentest.Server, ida, olga *person) {
	act(p.owner, s, dashboard, "settings", url.Values{"federation": {"off"}, "push": {"yes"}, "language": {"de"}})
	p.Await(patience, "closed door", func() error {
		if answer, said := p.ask(t, http.MethodGet, s, p.Federation, "/_matrix/key/v2/server"); answer.StatusCode != http.StatusForbidden {
			return fmt.Errorf("%s %v", answer.Status, said)
		}
		return nil
	})
	// Without phones to wake it has no business on the internet at all, and no network.
	act(p.owner, s, dashboard, "settings", url.Values{"federation": {"off"}, "language": {"de"}})
	p.Await(patience, "a server without a network", func() error {
		if mode, err := networkOf(s); err != nil || mode != "none" {
			return fmt.Errorf("the container has the network %q, %v", mode, err)
		}
		return whoami(t, ida)
	})
	must(t, whoami(t, ida))
	if _, err := ida.InviteUser(t.Context(), ida.open(false, ""), invitation(olga)); err == nil {
		t.Error("an invitation left the island")
	}
}

// testAway has something said while a server of the room is suspended: its members read it when it is back.
func testAway(t *testing.T, p port, s hafentest.Server, olga, sven *person) {
	began := time.Now()
	room := olga.open(false, sven.UserID)
	sven.join(room)
	olga.awaitMember(room, sven.UserID, event.MembershipJoin)
	t.Logf("from opening a room to a member from the other server in it: %s", time.Since(began))
	act(p.operator, s, console, "suspend", form("reason", "operator"))
	p.awaitStopped(t, s)
	began = time.Now()
	said := olga.say(room, "While you were away")
	t.Logf("said within %s", time.Since(began))
	began = time.Now()
	act(p.operator, s, console, "resume", nil)
	p.AwaitStatus(s.ID, tenant.Active, 2*time.Minute)
	p.tellResumed(t, s, time.Since(began))
	began = time.Now()
	p.Await(patience, "message", func() error { _, err := sven.GetEvent(t.Context(), room, said); return err })
	t.Logf("it came %s after the server was back", time.Since(began))
	began = time.Now()
	sven.awaitText(room, "While you were away")
	t.Logf("sync brought it %s later", time.Since(began)) // mautrix pauses for 10 s after a sync that failed
}

// outage is what somebody noticed of a restart.
type outage struct {
	requests         int
	longest, silence time.Duration
	refused          []string
	trouble          time.Duration // from the first refusal to the last
}

// watch asks who they are, again and again, which the homeserver looks up in its database.
func watch(t *testing.T, p *person, stop <-chan struct{}) (seen outage) {
	last, first := time.Now(), time.Time{}
	for {
		select {
		case <-stop:
			return seen
		case <-time.After(20 * time.Millisecond):
		}
		began := time.Now()
		err := whoami(t, p)
		now := time.Now()
		seen.requests++
		seen.longest = max(seen.longest, now.Sub(began))
		if err != nil {
			if first.IsZero() {
				first = now
			}
			seen.refused, seen.trouble = append(seen.refused, err.Error()), now.Sub(first)
			continue
		}
		seen.silence = max(seen.silence, now.Sub(last))
		last = now
	}
}

// whoami asks once: mautrix would ask again.
func whoami(t *testing.T, p *person) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.BuildClientURL("v3", "account", "whoami"), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+p.AccessToken)
	answer, err := p.Client.Client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(p.UserID))) {
		err = errors.New(answer.Status + " " + string(body))
	}
	return err
}

// testVersion opens a room of a version on each side, for the other one.
func testVersion(t *testing.T, version string, olga, sven *person) {
	for _, way := range []struct{ from, to *person }{{olga, sven}, {sven, olga}} {
		made, err := way.from.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{
			Preset: "private_chat", RoomVersion: id.RoomVersion(version), Invite: []id.UserID{way.to.UserID},
		})
		if err != nil {
			t.Fatalf("a room of version %s: %v", version, err)
		}
		way.to.join(made.RoomID)
		way.from.awaitMember(made.RoomID, way.to.UserID, event.MembershipJoin)
		for _, said := range []struct{ from, to *person }{{way.from, way.to}, {way.to, way.from}} {
			text := "Version " + version + " from " + string(said.from.UserID)
			said.from.say(made.RoomID, text)
			said.to.awaitText(made.RoomID, text)
		}
	}
}

// testPartners lets a server talk to one partner that is not the other one, then to that one.
func testPartners(t *testing.T, p port, s hafentest.Server, olga, sven *person) {
	settings := func(mode, partners string) {
		act(p.owner, s, dashboard, "settings", url.Values{"federation": {mode}, "partners": {partners}, "push": {"yes"}, "language": {"de"}})
		p.Await(patience, "settings in place", func() error {
			if open := hafentest.Query[int](p.Hafen, `select count(*) from settings_changes where tenant_id = $1 and finished_at is null`, s.ID); open > 0 {
				return errors.New("not yet")
			}
			return whoami(t, olga)
		})
	}
	settings("list", "somebody.example.org")
	if _, err := olga.InviteUser(t.Context(), olga.open(false, ""), invitation(sven)); err == nil {
		t.Error("an invitation reached a server that is no partner")
	}
	if _, err := sven.InviteUser(t.Context(), sven.open(false, ""), invitation(olga)); err == nil {
		t.Error("an invitation came from a server that is no partner")
	}
	settings("list", sven.UserID.Homeserver())
	room := olga.open(false, "")
	if _, err := olga.InviteUser(t.Context(), room, invitation(sven)); err != nil {
		t.Errorf("a partner is not reached: %v", err)
	}
	settings("open", "")
}
