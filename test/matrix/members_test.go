package matrix

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"maunium.net/go/mautrix"

	"hafen/internal/hafentest"
)

// The dashboard's buttons, felt by the member they are about.
func testMembers(t *testing.T, p port) {
	server := p.order(t, "basic", "crew")[0]
	server.AddMember("frida")
	frida := logIn(t, p.Hafen, server.Name, "frida", hafentest.Password)
	p.wantSeats(t, server, 2) // with the first administrator

	act(p.owner, server, dashboard, "members/frida/deactivate", nil)
	p.awaitState(t, server, "frida", "deactivated")
	if _, err := frida.Whoami(t.Context()); !errors.Is(err, mautrix.MUnknownToken) {
		t.Errorf("a deactivated member's session: %v", err)
	}
	if _, err := connect(t, p.Hafen, server.Name).Login(t.Context(), password("frida", hafentest.Password)); err == nil {
		t.Error("a deactivated member logs in")
	}
	p.wantSeats(t, server, 1)

	act(p.owner, server, dashboard, "members/frida/reactivate", nil)
	p.awaitState(t, server, "frida", "active")
	p.wantSeats(t, server, 2)
	if _, err := frida.Whoami(t.Context()); !errors.Is(err, mautrix.MUnknownToken) {
		t.Errorf("an ended session lives again: %v", err)
	}
	page := act(p.owner, server, dashboard, "members/frida/reset", nil)
	fresh := generated(t, page)
	frida = logIn(t, p.Hafen, server.Name, "frida", fresh)
	if _, err := connect(t, p.Hafen, server.Name).Login(t.Context(), password("frida", hafentest.Password)); !errors.Is(err, mautrix.MForbidden) {
		t.Errorf("the old password after a reset: %v", err)
	}
	second := generated(t, act(p.owner, server, dashboard, "members/frida/reset", nil))
	if _, err := frida.Whoami(t.Context()); !errors.Is(err, mautrix.MUnknownToken) {
		t.Errorf("a session from before the reset: %v", err)
	}
	logIn(t, p.Hafen, server.Name, "frida", second)

	testSeats(t, p, server)
}

// testSeats fills the last seats: many at once must not get more than there are.
func testSeats(t *testing.T, p port, server hafentest.Server) {
	t.Helper()
	add := func(localpart string) int {
		status, _ := p.owner.Try(http.MethodPost, "/servers/"+string(server.ID)+"/members", url.Values{
			"localpart": {localpart}, "password_mode": {"own"}, "password": {hafentest.Password},
		})
		return status
	}
	statuses := make(chan int)
	names := []string{"g1", "g2", "g3", "g4", "g5", "g6"}
	for _, name := range names {
		go func() { statuses <- add(name) }()
	}
	count := map[int]int{}
	for range names {
		count[<-statuses]++
	}
	if count[http.StatusOK] != 3 || count[http.StatusUnprocessableEntity]+count[http.StatusConflict] != 3 {
		t.Errorf("six wanted the last three of five seats: %v", count)
	}
	p.wantSeats(t, server, 5)
	act(p.owner, server, dashboard, "members/frida/deactivate", nil)
	p.awaitState(t, server, "frida", "deactivated")
	if status := add("greta"); status != http.StatusOK {
		t.Errorf("the seat of a deactivated member: %d", status)
	}
	p.awaitState(t, server, "greta", "active")
	logIn(t, p.Hafen, server.Name, "greta", hafentest.Password)
	if status, _ := p.owner.Try(http.MethodPost, "/servers/"+string(server.ID)+"/members/frida/reactivate", nil); status == http.StatusOK {
		t.Error("a sixth of five seats is given by reactivating")
	}
	p.wantSeats(t, server, 5)
}

var shownSeats = regexp.MustCompile(`>\s*(\d+) (?:of|von) (\d+)\s*<`)

// wantSeats reads how many of Basic's five seats the dashboard says are used.
func (p port) wantSeats(t *testing.T, s hafentest.Server, want int) {
	t.Helper()
	shown := shownSeats.FindStringSubmatch(p.owner.Get("/servers/" + string(s.ID)))
	if shown == nil || shown[1] != strconv.Itoa(want) || shown[2] != "5" {
		t.Errorf("the dashboard says of seats %q, want %d of 5", shown, want)
	}
}

func (p port) awaitState(t *testing.T, s hafentest.Server, localpart, state string) {
	t.Helper()
	p.Await(patience, localpart+" "+state, func() error {
		got := hafentest.Query[string](p.Hafen, `select state from members where tenant_id = $1 and localpart = $2`, s.ID, localpart)
		if got != state {
			return errors.New("is " + got)
		}
		return nil
	})
}

var shownPassword = regexp.MustCompile(`id="result-password">([^<]+)<`)

// generated is the password that a page shows once.
func generated(t *testing.T, page string) string {
	t.Helper()
	found := shownPassword.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no password in the page:\n%s", page)
	}
	return html.UnescapeString(found[1])
}

var passwordLink = regexp.MustCompile(`/set-password\?token=([A-Za-z0-9_-]+)`)

// The first administrator sets a password by a link from the ready page, and logs in.
func testPasswordLink(t *testing.T, p port) {
	server := p.order(t, "basic", "first")[0]
	link := passwordLink.FindStringSubmatch(act(p.owner, server, dashboard, "admin-link", nil))
	if link == nil {
		t.Fatal("the ready page has no link")
	}
	const chosen = "Leuchtturm-am-Deich-88"
	admin := p.Visitor()
	if page := admin.Post("/set-password", url.Values{"token": {link[1]}, "password": {chosen}}); !strings.Contains(page, "@admin:"+server.Name) {
		t.Errorf("the page does not say who may log in now:\n%s", page)
	}
	client := logIn(t, p.Hafen, server.Name, "admin", chosen)
	if me, err := client.Whoami(t.Context()); err != nil || string(me.UserID) != "@admin:"+server.Name {
		t.Errorf("the first administrator is %v %v", me, err)
	}
	if status, _ := admin.Try(http.MethodPost, "/set-password", url.Values{"token": {link[1]}, "password": {"Something-else-42"}}); status == http.StatusOK {
		t.Error("the link can be used twice")
	}
}
