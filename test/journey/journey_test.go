package journey

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hafen/internal/dnstest"
	"hafen/internal/hafentest"
	"hafen/templates/i18n"
)

// world is one installation with people in it.
type world struct {
	*hafentest.Hafen
	dns      *dnstest.Server // what the installation looks customers' records up with
	up       *hafentest.Process
	neighbor *hafentest.Customer // owns the server "belegt"
}

// TestJourney walks from the front page to a server in use, in each language, while the operator works beside.
func TestJourney(t *testing.T) {
	t.Parallel()
	w := &world{dns: dnstest.Start(t)}
	w.Hafen = hafentest.New(t, hafentest.Env("HAFEN_RESOLVER="+w.dns.Addr(), "HAFEN_METER=5s"))
	w.up = w.Start("up")
	w.AwaitFrontPage()
	w.neighbor = w.NewCustomer("nachbar@example.org")
	taken := w.neighbor.Server("basic", "belegt")
	t.Run("people", func(t *testing.T) {
		for _, language := range i18n.Languages {
			t.Run(language, func(t *testing.T) {
				t.Parallel()
				w.walk(t, language)
			})
		}
		t.Run("operator", func(t *testing.T) {
			t.Parallel()
			w.operate(t, taken)
		})
	})
}

// walker is the customer of the walk.
type walker struct {
	*person
	w        *world
	email    string
	password string
	name     string // of the server: NAME.<base>
	server   string // its path
	admin    string // Matrix id of the first administrator
	url      string // where Matrix clients reach it
}

func (w *world) walk(t *testing.T, language string) {
	c := &walker{
		person: newPerson(t, w.URL(), language), w: w,
		email: "anna." + language + "@example.org", password: "Fähre nach Föhr um 9", name: "werft-" + language,
	}
	c.visitsFrontPage()
	c.signsUp()
	c.verifies()
	c.logsIn()
	c.forgetsPassword()
	c.endsSession()
	c.order()
	c.watchesProvisioning()
	c.getsReady()
	c.runsMembers()
	c.changesPlan()
	c.setsServer()
	c.deletesAndRestores()
	c.bringsDomain()
	c.readsTheRest()
}

// hold stops provisioning before its next step until release, so that a page that lasts a second can be looked at: a lock
// keeps the control plane from writing down steps, and lets everybody read them.
func (w *world) hold(t testing.TB) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.DSN("hafen"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `begin; lock table steps in share mode`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.Exec(t.Context(), `rollback`); err != nil {
			t.Fatal(err)
		}
	}
}

// matrixLogin logs in as Matrix clients do, and gives the status and what the server said.
func (w *world) matrixLogin(t testing.TB, url, user, password string) (int, string) {
	t.Helper()
	body := fmt.Sprintf(`{"type":"m.login.password","identifier":{"type":"m.id.user","user":%s},"password":%s}`, quote(user), quote(password))
	answer, err := w.HTTPClient().Post(url+"/_matrix/client/v3/login", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("log in at %s: %v", url, err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("log in at %s: %v", url, err)
	}
	return answer.StatusCode, string(said)
}

// entersMatrix checks that a password opens an account.
func (c *walker) entersMatrix(user, password string) {
	c.t.Helper()
	if status, said := c.w.matrixLogin(c.t, c.url, user, password); status != http.StatusOK || !strings.Contains(said, `"`+user+`"`) {
		c.fail("log in to Matrix as %s: %d %s", user, status, said)
	}
}

// refusedByMatrix checks that a password opens nothing.
func (c *walker) refusedByMatrix(user, password string) {
	c.t.Helper()
	if status, said := c.w.matrixLogin(c.t, c.url, user, password); status != http.StatusForbidden {
		c.fail("log in to Matrix as %s is not refused: %d %s", user, status, said)
	}
}

// mail opens the mails of the trial and follows the link in the newest to the person that matches.
func (p *person) mail(email, link string) {
	p.t.Helper()
	mine := fmt.Sprintf(`[...document.querySelectorAll('main li')].find((m) => m.innerText.includes(%s) && m.querySelector('a[href*=%s]'))`, quote(email), quote(link))
	deadline := time.Now().Add(patience)
	for p.open("/trial/mails"); !evaluate[bool](p, "!!"+mine); p.open("/trial/mails") {
		if time.Now().After(deadline) {
			p.fail("no mail with %s", link)
		}
	}
	evaluate[bool](p, mine+`.id = 'mine', true`)
	if !evaluate[bool](p, `document.querySelector('#mine details').open`) {
		p.click("#mine summary")
	}
}

var oneTimePassword = regexp.MustCompile(`one-time password: (\S+)`)
