package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// What the seeded plans let a single upload have.
const (
	basicUpload    = 50_000_000
	advancedUpload = 100_000_000
)

// TestChangePlanWhileInUse: a customer moves up and down again in a browser, while a Matrix client of one of their members syncs,
// talks and uploads without a pause. The client sees no error from the first minute to the last, and the container is the same one,
// never started again. The way down is refused first, saying what must shrink and where.
func TestChangePlanWhileInUse(t *testing.T) {
	t.Parallel()
	w := hafentest.Up(t, hafentest.Env("HAFEN_METER=1s"))
	for _, engine := range []tenant.EngineName{tenant.Synapse, tenant.Dendrite} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			changePlanWhileInUse(t, w.For(t), engine)
		})
	}
}

func changePlanWhileInUse(t *testing.T, w *hafentest.Hafen, engine tenant.EngineName) {
	name := "kutter-" + string(engine)
	anna := w.NewCustomer(name + "@example.org")
	anna.Engine = engine
	s := anna.Server("basic", name)
	for _, member := range []string{"bert", "carla", "doris", "emil"} { // with the first administrator, all five seats
		s.AddMember(member)
	}
	before := containerOf(t, s)
	client := inUse(t, w, s, "bert")
	client.wantUpload(basicUpload)
	client.wantStatus("an upload of more than the plan allows", http.StatusRequestEntityTooLarge, basicUpload+1)

	path := "/servers/" + string(s.ID)
	c := &walker{person: newPerson(t, w.URL(), "de"), name: name, server: path, w: &world{Hafen: w}}
	c.open("/login")
	c.fill("#email", anna.Email)
	c.fill("#password", hafentest.Password)
	c.follow(`main button[type=submit]`)

	c.open(path + "/plan")
	c.follow(`main a[href^="` + path + `/plan/change?plan=advanced"]`)
	c.reads(c.T("subscription.confirm.today"))
	c.follow(`main form[action="` + path + `/plan/change"] button`)
	c.reads(c.T("flash.plan_changed"))
	client.wantUpload(advancedUpload)
	client.wantStatus("the same upload, now", http.StatusOK, basicUpload+1)
	c.addsMember("fiete")
	client.goesOn("after the upgrade")

	// Six do not fit five seats. The page names them, and the way to fewer.
	c.open(path + "/plan")
	c.reads(c.T("changeplan.refused"))
	c.reads(c.Coded("refusal", "seats", map[string]string{"Have": "6", "Limit": "5"}))
	if evaluate[bool](c.person, `!!document.querySelector('main a[href*="/plan/change?plan=basic"]')`) {
		c.fail("six members may move to a plan with five seats")
	}
	// Whoever asks for it all the same is refused in the same words.
	c.open(path + "/plan/change?plan=basic")
	c.reads(c.Coded("refusal", "seats", map[string]string{"Have": "6", "Limit": "5"}))
	c.follow(`main a[href="` + path + `/members"].prose-link`)
	c.follow(`#members-list a[href$="/members/fiete"]`)
	c.follow(`form[action$="/deactivate"] button`)
	c.stands("deactivated")
	client.goesOn("while there is one less")

	book := func() {
		c.open(path + "/plan")
		c.follow(`main a[href^="` + path + `/plan/change?plan=basic"]`)
		c.follow(`main form[action="` + path + `/plan/change"] button`)
		c.reads(c.T("flash.plan_booked"))
		c.reads(c.T("subscription.booked.text"))
	}
	book()
	c.follow(`main form[action="` + path + `/plan/undo"] button`)
	c.reads(c.T("flash.plan_unbooked"))
	book()
	client.wantUpload(advancedUpload) // what was paid for is had to the end

	// The month is over.
	w.Exec(`update subscriptions set anchor = anchor - interval '40 days', period_start = period_start - interval '40 days',
		period_end = now() - interval '1 second' where tenant_id = $1`, s.ID)
	w.Await(2*patience, "the new period", func() error {
		if plan := hafentest.Query[string](w, `select plan_id from tenants where id = $1`, s.ID); plan != "basic" {
			return fmt.Errorf("still %s", plan)
		}
		return nil
	})
	client.wantUpload(basicUpload)
	client.wantStatus("more than the plan allows again", http.StatusRequestEntityTooLarge, basicUpload+1)
	client.goesOn("after the downgrade")
	c.open(path + "/plan")
	if got := c.text(`main dl dd span`); got != "Basic" {
		c.fail("the plan is %q", got)
	}
	client.leave()
	if after := containerOf(t, s); after != before {
		t.Errorf("the container was %s and is %s", before, after)
	}
}

// containerOf is which container a server is, and since when it runs.
func containerOf(t *testing.T, s hafentest.Server) string {
	t.Helper()
	out, err := exec.Command("docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", s.ID.Container()).CombinedOutput()
	if err != nil {
		t.Fatalf("inspect the container: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// matrixClient is a member's Matrix client that does, as fast as it is answered, what clients do. Whatever is not as it should be is
// an error of the test; only that a homeserver asks it to slow down is not, which is no failure and which every client follows.
type matrixClient struct {
	t           *testing.T
	http        *http.Client
	base, token string
	stop        context.CancelFunc
	done        sync.WaitGroup
	loops       []*loop
}

// loop is one thing a client does again and again.
type loop struct {
	name  string
	times atomic.Int64
}

func inUse(t *testing.T, w *hafentest.Hafen, s hafentest.Server, localpart string) *matrixClient {
	t.Helper()
	c := &matrixClient{t: t, http: w.HTTPClient(), base: s.BaseURL()}
	var session struct {
		Token string `json:"access_token"`
	}
	c.must(http.MethodPost, "/_matrix/client/v3/login", map[string]any{
		"type": "m.login.password", "password": hafentest.Password, "identifier": map[string]string{"type": "m.id.user", "user": localpart},
	}, &session)
	c.token = session.Token
	var room struct {
		ID string `json:"room_id"`
	}
	c.must(http.MethodPost, "/_matrix/client/v3/createRoom", map[string]any{"preset": "private_chat"}, &room)
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	t.Cleanup(c.leave)
	path := "/_matrix/client/v3/sync?timeout=1000"
	c.repeat(ctx, "sync", func() error {
		var news struct {
			Next string `json:"next_batch"`
		}
		err := c.ask(ctx, http.MethodGet, path, nil, &news)
		if err == nil && news.Next == "" {
			err = fmt.Errorf("no next_batch")
		}
		path = "/_matrix/client/v3/sync?timeout=1000&since=" + url.QueryEscape(news.Next)
		return err
	})
	n := 0
	c.repeat(ctx, "send", func() error {
		n++
		return c.ask(ctx, http.MethodPut, "/_matrix/client/v3/rooms/"+url.PathEscape(room.ID)+"/send/m.room.message/"+strconv.Itoa(n),
			map[string]string{"msgtype": "m.text", "body": "Ahoy " + strconv.Itoa(n)}, &struct{}{})
	})
	c.repeat(ctx, "upload", func() error {
		status, said, err := c.upload(ctx, 20_000)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, said)
		}
		return err
	})
	c.goesOn("at first")
	return c
}

// repeat does something until the client leaves.
func (c *matrixClient) repeat(ctx context.Context, name string, do func() error) {
	l := &loop{name: name}
	c.loops = append(c.loops, l)
	c.done.Go(func() {
		pace := time.NewTicker(100 * time.Millisecond) // a person, not a flood
		defer pace.Stop()
		for ctx.Err() == nil {
			err := do()
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				c.t.Errorf("%s, after %d that went well: %v", name, l.times.Load(), err)
			}
			l.times.Add(1)
			<-pace.C
		}
	})
}

// goesOn waits until everything was begun and done once more.
func (c *matrixClient) goesOn(when string) {
	c.t.Helper()
	for _, l := range c.loops {
		want := l.times.Load() + 2 // one may have been under way
		for deadline := time.Now().Add(patience); l.times.Load() < want; time.Sleep(25 * time.Millisecond) {
			if time.Now().After(deadline) {
				c.t.Fatalf("%s: no %s within %s", when, l.name, patience)
			}
		}
	}
}

// leave ends what the client does.
func (c *matrixClient) leave() {
	c.stop()
	c.done.Wait()
}

// wantUpload waits until the server tells its clients how large an upload may be.
func (c *matrixClient) wantUpload(bytes int64) {
	c.t.Helper()
	var limits struct {
		Upload int64 `json:"m.upload.size"`
	}
	for deadline := time.Now().Add(patience); limits.Upload != bytes; time.Sleep(25 * time.Millisecond) {
		c.must(http.MethodGet, "/_matrix/client/v1/media/config", nil, &limits)
		if time.Now().After(deadline) {
			c.t.Fatalf("an upload may have %d bytes, not %d", limits.Upload, bytes)
		}
	}
}

func (c *matrixClient) wantStatus(what string, want, size int) {
	c.t.Helper()
	status, said, err := c.upload(c.t.Context(), size)
	if err != nil || status != want {
		c.t.Fatalf("%s: %d %s %v, not %d", what, status, said, err, want)
	}
}

func (c *matrixClient) upload(ctx context.Context, size int) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/_matrix/media/v3/upload", bytes.NewReader(make([]byte, size)))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	// Whether it is taken is known before it is sent, so a refusal is read and not lost in a broken connection.
	request.Header.Set("Expect", "100-continue")
	return c.send(request)
}

// ask asks until it is not told to come again later.
func (c *matrixClient) ask(ctx context.Context, method, path string, question, answer any) error {
	for {
		content, err := json.Marshal(question)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
		if err != nil {
			return err
		}
		status, said, err := c.send(request)
		var slower struct {
			Code  string `json:"errcode"`
			After int    `json:"retry_after_ms"`
		}
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			return json.Unmarshal([]byte(said), answer)
		case status == http.StatusTooManyRequests && json.Unmarshal([]byte(said), &slower) == nil && slower.Code == "M_LIMIT_EXCEEDED":
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(slower.After) * time.Millisecond):
			}
		default:
			return fmt.Errorf("%s %s: %d %s", method, path, status, said)
		}
	}
}

func (c *matrixClient) must(method, path string, question, answer any) {
	c.t.Helper()
	if err := c.ask(c.t.Context(), method, path, question, answer); err != nil {
		c.t.Fatal(err)
	}
}

func (c *matrixClient) send(request *http.Request) (status int, said string, err error) {
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}
