package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/a-h/templ"

	"hafen/templates"
	"hafen/tenant"
)

// The pages that are live.
const (
	viewProvisioning = "provisioning"
	viewDomain       = "domain"
	viewDashboard    = "dashboard"
)

const (
	// A comment this often keeps proxies and sleeping phones from taking a silent stream for dead.
	heartbeat = 15 * time.Second
	// Hints may be lost; rows are looked at this often all the same.
	lookAgain = 5 * time.Second
	// maxStreams is how many live pages one session may have open: more tabs than a person watches at once.
	maxStreams = 12
	// maxAccountStreams is how many all sessions of an account may have: those of a desk, a notebook and a phone.
	maxAccountStreams = 3 * maxStreams
)

func eventsURL(id tenant.ID, view string) string {
	return serverPath(id) + "/events?" + url.Values{"view": {view}}.Encode()
}

// events sends the live parts of a server's pages: a part whenever it differs from what was sent last. The event "done" says
// that another page has its turn, and which. The stream ends with the client, the session or the process.
func (s *Server) events(r *request) error {
	release, ok := s.streams.take(r.session.ID, r.session.Account.ID)
	if !ok {
		return &tenant.Fault{Kind: tenant.TooMany, Code: "streams.too_many"}
	}
	defer release()
	s.open.Inc()
	defer s.open.Dec()
	ctx, cancel := context.WithCancel(r.ctx())
	defer cancel()
	hints, err := s.Servers.Watch(ctx, r.actor(), r.server.ID)
	if err != nil {
		return err
	}
	out := newEventWriter(r)
	if err := out.start(); err != nil {
		return ended(err)
	}
	return s.stream(r, out, hints)
}

// stream runs until something ends it. An error after the first byte has no one to tell it to but the log.
func (s *Server) stream(r *request, out *eventWriter, hints <-chan struct{}) error {
	beat, look := time.NewTicker(s.beat), time.NewTicker(s.look)
	defer beat.Stop()
	defer look.Stop()
	for {
		next, err := s.sendParts(r, out)
		switch {
		case errors.Is(err, errGone) || r.ctx().Err() != nil:
			return nil
		case err != nil:
			return err
		case next != "":
			return ended(out.send("done", []byte(next)))
		}
		more, err := s.pause(r, out, hints, beat.C, look.C)
		switch {
		case r.ctx().Err() != nil || !more && err == nil:
			return nil
		case err != nil:
			return ended(err)
		}
	}
}

// pause waits until the rows should be looked at again; false says that the stream is over.
func (s *Server) pause(r *request, out *eventWriter, hints <-chan struct{}, beat, look <-chan time.Time) (bool, error) {
	for {
		select {
		case <-r.ctx().Done():
			return false, nil
		case <-s.closing:
			return false, nil
		case <-hints:
			return true, nil
		case <-look:
			return true, nil
		case <-beat:
			// A session that was ended elsewhere must not go on watching.
			if alive, err := s.stillLoggedIn(r); err != nil || !alive {
				return false, err
			}
			if err := out.comment("still here"); err != nil {
				return false, err
			}
		}
	}
}

func (s *Server) stillLoggedIn(r *request) (bool, error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return false, nil
	}
	_, err = s.Accounts.Authenticate(r.ctx(), cookie.Value)
	if err != nil && tenant.FaultOf(err).Kind == tenant.Unauthenticated {
		return false, nil
	}
	return err == nil, err
}

// sendParts reads the server anew and sends what changed; next is where to go when this page has had its time.
func (s *Server) sendParts(r *request, out *eventWriter) (next string, err error) {
	if r.server, err = s.Servers.Find(r.ctx(), r.actor(), r.server.ID); err != nil {
		if tenant.FaultOf(err).Kind == tenant.NotFound {
			return "/servers", nil
		}
		return "", err
	}
	if r.owed, err = s.Invoices.Owed(r.ctx(), r.server.ID); err != nil { // what the page's head says of it, its parts need not
		return "", err
	}
	parts, next, err := s.liveParts(r, r.QueryParam("view"))
	if err != nil {
		return "", err
	}
	for _, part := range parts {
		if err := out.sendChanged(r.ctx(), part.event, part.content); err != nil {
			return "", err
		}
	}
	return next, nil
}

// part is one piece of a page with the name of the event that replaces it.
type part struct {
	event   string
	content templ.Component
}

func (s *Server) liveParts(r *request, view string) ([]part, string, error) {
	path, status := serverPath(r.server.ID), r.server.Status
	switch view {
	case viewProvisioning:
		vm, err := s.provisioningView(r)
		if err != nil {
			return nil, "", err
		}
		switch {
		case vm.Ready:
			return []part{{"steps", templates.ProvisioningSteps(r.locale, vm)}}, path + "/ready", nil
		case status != tenant.Provisioning:
			return []part{{"steps", leave(path)}}, path, nil // suspended or deleted while we watched
		default:
			return []part{{"steps", templates.ProvisioningSteps(r.locale, vm)}}, "", nil
		}
	case viewDomain:
		vm, err := s.domainView(r)
		if err != nil {
			return nil, "", err
		}
		next := ""
		if status != tenant.AwaitingDomain {
			next = path
		}
		return []part{{"domain", templates.DomainChecks(r.locale, vm)}}, next, nil
	default:
		vm, err := s.dashboardView(r)
		if err != nil {
			return nil, "", err
		}
		if shown := r.QueryParam("writable"); shown != "" && shown != strconv.FormatBool(writable(r.server)) {
			return []part{{"state", leave(path)}}, path, nil // what can be done there has changed, not only what is so
		}
		return []part{
			{"state", templates.DashboardState(r.locale, vm)},
			{"usage", templates.DashboardUsage(r.locale, vm)},
		}, "", nil
	}
}

// leave is a fragment that leads the page it lands in to another one.
func leave(path string) templ.Component {
	return templ.Raw(`<div data-goto="` + templ.EscapeString(path) + `"></div>`)
}

// streams counts the open streams of each session and each account.
type streams struct {
	mu   sync.Mutex
	open map[string]int // by id of either
}

func (l *streams) take(session, account string) (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[string]int{}
	}
	if l.open[session] >= maxStreams || l.open[account] >= maxAccountStreams {
		return nil, false
	}
	l.open[session]++
	l.open[account]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, id := range []string{session, account} {
			if l.open[id]--; l.open[id] == 0 {
				delete(l.open, id)
			}
		}
	}, true
}

// errGone says that the client does not read any more.
var errGone = errors.New("client is gone")

// ended turns the client's leaving into the ordinary end it is.
func ended(err error) error {
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// eventWriter writes server-sent events (WHATWG HTML, "Server-sent events").
type eventWriter struct {
	r       *request
	control *http.ResponseController
	last    map[string][]byte // by event, what the client has
}

func newEventWriter(r *request) *eventWriter {
	return &eventWriter{r: r, control: http.NewResponseController(r.Response()), last: map[string][]byte{}}
}

func (w *eventWriter) start() error {
	h := w.r.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // for a proxy in front of the edge that would collect what we send
	w.r.Response().WriteHeader(http.StatusOK)
	return w.write("retry: 2000\n\n")
}

func (w *eventWriter) comment(text string) error { return w.write(": " + text + "\n\n") }

// sendChanged sends a component unless it is what the client has.
func (w *eventWriter) sendChanged(ctx context.Context, event string, content templ.Component) error {
	var b bytes.Buffer
	if err := content.Render(ctx, &b); err != nil {
		return fmt.Errorf("render event %s: %w", event, err)
	}
	if last, sent := w.last[event]; sent && bytes.Equal(last, b.Bytes()) {
		return nil
	}
	w.last[event] = b.Bytes()
	return w.send(event, b.Bytes())
}

func (w *eventWriter) send(event string, data []byte) error {
	var b bytes.Buffer
	b.WriteString("event: " + event + "\n")
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return w.write(b.String())
}

// write sends at once. The server's write timeout is for whole answers; here each piece has one of its own, so that a client
// that stopped reading does not hold the stream for ever.
func (w *eventWriter) write(text string) error {
	err := w.control.SetWriteDeadline(time.Now().Add(30 * time.Second))
	if err == nil || errors.Is(err, http.ErrNotSupported) {
		if _, err = w.r.Response().Write([]byte(text)); err == nil {
			err = w.control.Flush()
		}
	}
	if err != nil {
		return errGone
	}
	return nil
}
