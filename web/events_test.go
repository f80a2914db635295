package web

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"hafen/templates/i18n"
	"hafen/tenant"
)

// event is one server-sent event, or a comment.
type event struct{ name, data string }

// listener is a page that listens.
type listener struct {
	*testing.T
	answer *http.Response
	events chan event
}

func (w *world) listens(client *http.Client, b *browser, path string) *listener {
	w.Helper()
	r := b.outgoing(b.request(w.Context(), http.MethodGet, path, "", nil))
	answer, err := client.Do(r)
	w.must(err)
	w.Cleanup(func() { answer.Body.Close() })
	l := &listener{T: w.T, answer: answer, events: make(chan event, 100)}
	go l.read()
	return l
}

func (l *listener) read() {
	defer close(l.events)
	scanner := bufio.NewScanner(l.answer.Body)
	scanner.Buffer(nil, 1<<20)
	var e event
	var data []string
	for scanner.Scan() {
		line := scanner.Text()
		switch {
		case line == "":
			if e.name != "" {
				e.data = strings.Join(data, "\n")
				l.events <- e
			}
			e, data = event{}, nil
		case strings.HasPrefix(line, ":"):
			l.events <- event{name: ":"}
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = append(data, line[len("data: "):])
		}
	}
}

// wait reads until an event of a name; "" waits for the end.
func (l *listener) wait(name string) event {
	l.Helper()
	patience := time.After(20 * time.Second)
	for {
		select {
		case e, open := <-l.events:
			if !open && name != "" {
				l.Fatalf("the stream ended before the event %s", name)
			}
			if !open || e.name == name {
				return e
			}
		case <-patience:
			l.Fatalf("no event %q", name)
		}
	}
}

func (e event) doc(t *testing.T) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(e.data))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestProgressIsLive follows a server being made, over the socket the edge uses.
func TestProgressIsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	id := w.ordered(account, "werft")
	l := w.listens(client, w.as(account), eventsURL(id, viewProvisioning))
	if kind := l.answer.Header.Get("Content-Type"); kind != "text/event-stream" || l.answer.StatusCode != http.StatusOK {
		t.Fatalf("%s, %s", l.answer.Status, kind)
	}
	if l.answer.Header.Get("Content-Encoding") != "" || l.answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", l.answer.Header)
	}
	first := l.wait("steps")
	if strings.Contains(first.data, "<html") || strings.Contains(first.data, "data-goto") {
		t.Errorf("the first part: %s", first.data)
	}
	claim, ok, err := w.store.ClaimTenant(t.Context(), id, "test", time.Minute)
	if w.must(err); !ok {
		t.Fatal("not claimed")
	}
	run, err := w.store.BeginStep(t.Context(), id, claim.Wanted, tenant.CreateSecrets)
	w.must(err)
	if running := l.wait("steps"); running.data == first.data {
		t.Error("the same part was sent again")
	}
	w.must(w.store.EndStep(t.Context(), run, nil))
	l.wait("steps")
	_, err = w.store.FinishReconcile(t.Context(), id, "test", claim)
	w.must(err)
	done := l.wait("done")
	if done.data != serverPath(id)+"/ready" {
		t.Errorf("leads to %q", done.data)
	}
	l.wait("")
}

func TestLeavingStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	anna := w.as(account)
	own := w.orderedOwn(account, "example.org")
	l := w.listens(client, anna, eventsURL(own, viewDomain))
	l.wait("domain")
	w.exec(`update tenants set status = 'provisioning' where id = $1`, own)
	if part := l.wait("domain"); part.doc(t).Find("[data-goto]").AttrOr("data-goto", "") != serverPath(own) {
		t.Errorf("the page stays: %s", part.data)
	}
	if done := l.wait("done"); done.data != serverPath(own) {
		t.Errorf("leads to %q", done.data)
	}
	id := w.ordered(account, "werft")
	l = w.listens(client, anna, eventsURL(id, viewProvisioning))
	l.wait("steps")
	w.exec(`update tenants set status = 'suspended' where id = $1`, id)
	if part := l.wait("steps"); part.doc(t).Find("[data-goto]").AttrOr("data-goto", "") != serverPath(id) {
		t.Errorf("the page stays: %s", part.data)
	}
}

func TestDashboardIsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	l := w.listens(client, w.as(account), eventsURL(id, viewDashboard))
	for _, name := range []string{"state", "usage"} {
		if e := l.wait(name); strings.Contains(e.data, "<html") {
			t.Errorf("%s is a page", name)
		}
	}
	w.exec(`insert into members (tenant_id, localpart, state) values ($1, 'bob', 'active')`, id)
	w.exec(`update tenants set failure_code = 'image.missing' where id = $1`, id) // what makes the hint
	if e := l.wait("usage"); !strings.Contains(e.data, "2 of 5") {
		t.Errorf("Bob takes no seat: %s", e.data)
	}
}

// TestDashboardIsLoadedAgain when what can be done on it has changed: a server that starts again takes members.
func TestDashboardIsLoadedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	connect := w.as(account).get(serverPath(id)).want(http.StatusOK).doc().Find("[sse-connect]").AttrOr("sse-connect", "")
	l := w.listens(client, w.as(account), connect)
	if e := l.wait("state"); strings.Contains(e.data, "data-goto") {
		t.Fatalf("the page is loaded again for nothing: %s", e.data)
	}
	w.exec(`update tenants set status = 'suspended' where id = $1`, id)
	for e := l.wait("state"); !strings.Contains(e.data, `data-goto="`+serverPath(id)+`"`); e = l.wait("state") {
	}
	l.wait("done")
}

// TestDashboardSaysOnceWhatIsOwed: a page's head says of an unpaid bill why the server stands still. Its live part does not say it
// again, and does where the head has nothing to say.
func TestDashboardSaysOnceWhatIsOwed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	title := i18n.For("en").T("dashboard.suspended.title")
	w.exec(`update tenants set status = 'suspended', suspended_for = 'payment' where id = $1`, id)
	if e := w.listens(client, w.as(account), eventsURL(id, viewDashboard)).wait("state"); !strings.Contains(e.data, title) {
		t.Errorf("nobody says why: %s", e.data)
	}
	w.billed(id, 12)
	w.dun()
	if page := w.as(account).get(serverPath(id)).want(http.StatusOK); page.doc().Find("[role=status]").Length() == 0 || strings.Contains(page.body, title) {
		t.Error("the page does not say it once")
	}
	if e := w.listens(client, w.as(account), eventsURL(id, viewDashboard)).wait("state"); strings.Contains(e.data, title) {
		t.Errorf("said again: %s", e.data)
	}
}

// TestEndOfStreams: with the client, the session, the process, and never more than a session may have.
func TestEndOfStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.beat = 20 * time.Millisecond
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	anna := w.as(account)
	path := eventsURL(id, viewDashboard)

	open := []*listener{}
	for range maxStreams {
		l := w.listens(client, anna, path)
		l.wait("state")
		open = append(open, l)
	}
	if l := w.listens(client, anna, path); l.answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one stream more than allowed: %s", l.answer.Status)
	}
	open[0].answer.Body.Close()
	w.eventually("the closed stream's place is free", func() bool { return w.server.streams.count(anna.session) == maxStreams-1 })
	other := w.as(account)
	l := w.listens(client, other, path)
	l.wait(":") // lives by its heartbeat
	w.exec(`delete from sessions where id::text = $1`, other.session)
	l.wait("")
	if text := w.log.String(); strings.Contains(text, `"level":"ERROR"`) {
		t.Errorf("the end of a stream is taken for a failure: %s", text)
	}
}

// Each stream reads the database every few seconds, so logging in once more must not give more of them for ever.
func TestStreamsOfAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("anna@example.org", aCustomer)
	session := func(i int) string { return "session " + strconv.Itoa(i) }
	taken := 0
	for i := range 10 {
		for range maxStreams {
			if _, ok := w.server.streams.take(session(i), account.ID); ok {
				taken++
			}
		}
	}
	if taken != maxAccountStreams {
		t.Errorf("ten sessions of one account have %d streams", taken)
	}
	release, ok := w.server.streams.take(session(11), "somebody else")
	if !ok {
		t.Fatal("another account is refused")
	}
	release()
	if n := w.server.streams.count(session(11)); n != 0 {
		t.Errorf("%d streams are left of a session that has none", n)
	}
}

// TestStreamsEndWithTheProcess, at once: a restart must not wait for live pages.
func TestStreamsEndWithTheProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	listener, client := w.socket()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, listener) }()
	l := w.listens(client, w.as(account), eventsURL(id, viewDashboard))
	l.wait("state")
	stop()
	l.wait("")
	select {
	case err := <-ended:
		w.must(err)
	case <-time.After(5 * time.Second):
		t.Error("the server waits for its streams")
	}
}

// TestStreamsOutliveTheWriteTimeout, which is for whole answers.
func TestStreamsOutliveTheWriteTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.writeTimeout, w.server.beat = 200*time.Millisecond, 50*time.Millisecond
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	l := w.listens(client, w.as(account), eventsURL(w.active(account, "werft"), viewDashboard))
	for range 12 {
		l.wait(":")
	}
}

// TestNothingIsSentTwice: looking at the rows again and again is silent while they stay the same.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.look, w.server.beat = 10*time.Millisecond, 100*time.Millisecond
	client := w.served()
	account := w.account("anna@example.org", aCustomer)
	l := w.listens(client, w.as(account), eventsURL(w.active(account, "werft"), viewDashboard))
	l.wait("usage")
	for beats := 0; beats < 4; {
		if e := <-l.events; e.name != ":" {
			t.Fatalf("%q was sent again", e.name)
		}
		beats++
	}
}

func TestForeignStream(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	client := s.served()
	b := s.as(s.ben)
	answer, err := client.Do(b.outgoing(b.request(t.Context(), http.MethodGet, eventsURL(s.server, viewDashboard), "", nil)))
	s.must(err)
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusNotFound || strings.Contains(string(text), "werft") {
		t.Errorf("%s: %s", answer.Status, text)
	}
}

func (l *streams) count(session string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[session]
}

func (w *world) eventually(what string, holds func() bool) {
	w.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			w.Fatalf("not so in time: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
