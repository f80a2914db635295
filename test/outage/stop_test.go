package outage

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	up := h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	server := anna.Server("advanced", "anna")
	server.AddMember("bert")
	bert := logIn(t, h.HTTPClient, server.BaseURL(), "bert")
	container := containerOf(t, server)

	waiting := bert.waits(t)
	interrupt(t, up)
	if err := <-waiting; err == nil {
		t.Error("a sync that waits for news got an answer, so it did not wait")
	}
	if !container.running(t) {
		t.Error("Ctrl-C stopped a server")
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(h.HTTPS))); err == nil {
		conn.Close()
		t.Error("something still listens")
	}

	up = h.Start("up")
	h.AwaitFrontPage()
	h.Await(10*time.Second, "the old session", func() error { return bert.is("@bert:" + server.Name) })
	if page := anna.Get("/servers/" + string(server.ID) + "/members"); !strings.Contains(words(page), "bert") {
		t.Error("the customer is logged out, or the member is gone")
	}

	interrupt(t, up)
	if out, err := h.Run("down"); err != nil || !strings.Contains(out, "1 servers and the database stopped") {
		t.Errorf("down: %v\n%s", err, out)
	}
	if container.running(t) {
		t.Error("down left a server running")
	}
	if _, err := os.Stat(filepath.Join(h.Data, "postgres", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("down left the database running: %v", err)
	}
	if out, err := h.Run("down"); err != nil {
		t.Errorf("a second down: %v\n%s", err, out)
	}

	h.Start("up")
	h.AwaitFrontPage()
	h.Await(60*time.Second, "the old session after down", func() error { return bert.is("@bert:" + server.Name) })
	server.AddMember("carl")
}

// waits begins a sync that nothing answers for a minute, and returns when it is under way.
func (d device) waits(t *testing.T) (ended <-chan error) {
	t.Helper()
	var first struct {
		NextBatch string `json:"next_batch"`
	}
	if err := d.call(http.MethodGet, "/_matrix/client/v3/sync", nil, &first); err != nil {
		t.Fatal(err)
	}
	// What joining and logging in have brought comes in pieces; only then there is nothing new to wait for.
	for before := ""; before != first.NextBatch; {
		before = first.NextBatch
		if err := d.call(http.MethodGet, "/_matrix/client/v3/sync?timeout=1000&since="+url.QueryEscape(before), nil, &first); err != nil {
			t.Fatal(err)
		}
	}
	written, answered := make(chan struct{}), make(chan error, 1)
	tell := sync.OnceFunc(func() { close(written) }) // HTTP/2 may write a request again
	request, err := http.NewRequest(http.MethodGet, d.base+"/_matrix/client/v3/sync?timeout=60000&since="+url.QueryEscape(first.NextBatch), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+d.token)
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { tell() }}
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	go func() { answered <- ask(d.client(), request, &first) }()
	<-written
	return answered
}

// interrupt is Ctrl-C, and fails unless the process ends well.
func interrupt(t *testing.T, p *hafentest.Process) {
	t.Helper()
	began := time.Now()
	if err := p.Interrupt(); err != nil {
		t.Fatalf("Ctrl-C: %v", err)
	}
	// The edge lets requests finish for 5 s; then those that wait are ended.
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("Ctrl-C took %s", took)
	}
}

type container string

// containerOf finds the one container of a server.
func containerOf(t *testing.T, s hafentest.Server) container {
	t.Helper()
	found := strings.Fields(docker(t, "ps", "--all", "--quiet", "--filter", fmt.Sprintf("label=%s=%s", tenant.LabelTenant, s.ID)))
	if len(found) != 1 {
		t.Fatalf("containers: %v", found)
	}
	return container(found[0])
}

func (c container) running(t *testing.T) bool {
	t.Helper()
	return strings.TrimSpace(docker(t, "inspect", "--format", "{{.State.Running}}", string(c))) == "true"
}

func docker(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", arguments[0], err, out)
	}
	return string(out)
}
