package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hafen/internal/hafentest"
)

// browser is a customer's, as quick as a program: it follows redirects when told to.
type browser struct {
	b      *bed
	h      *hafentest.Hafen
	client *http.Client
}

// newBrowser is logged in as the customer.
func newBrowser(b *bed, h *hafentest.Hafen, c *hafentest.Customer) *browser {
	client := *c.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{b, h, &client}
}

func (w *browser) send(method, path string, form url.Values) *http.Response {
	request, err := http.NewRequestWithContext(w.b.ctx, method, w.h.URL()+path, strings.NewReader(form.Encode()))
	w.b.must("make a request", err)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", w.h.URL())
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	answer, err := w.client.Do(request)
	w.b.must(method+" "+path, err)
	return answer
}

func (w *browser) open(path string) {
	answer := w.send(http.MethodGet, path, nil)
	defer answer.Body.Close()
	_, err := io.Copy(io.Discard, answer.Body)
	w.b.must("read "+path, err)
	if answer.StatusCode != http.StatusOK {
		w.b.Fatalf("GET %s: %s", path, answer.Status)
	}
}

// submit sends a form and gives where its answer leads; "" when it is a page.
func (w *browser) submit(path string, form url.Values) string {
	answer := w.send(http.MethodPost, path, form)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	w.b.must("read "+path, err)
	if answer.StatusCode >= http.StatusBadRequest {
		w.b.Fatalf("POST %s: %s: %s", path, answer.Status, body)
	}
	return answer.Header.Get("Location")
}

// awaitDone follows a live page until it leads to the next one.
func (w *browser) awaitDone(server, view string) {
	path := "/servers/" + server + "/events?view=" + view
	answer := w.send(http.MethodGet, path, nil)
	defer answer.Body.Close()
	event := ""
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		if event == "done" && strings.HasPrefix(lines.Text(), "data: ") {
			return
		}
	}
	w.b.Fatalf("GET %s: %s: the stream ended before the server was ready", path, answer.Status)
}

// setPassword is the way from the ready page to a password of one's own.
func (w *browser) setPassword(server string) {
	w.open("/servers/" + server + "/ready")
	link := w.submit("/servers/"+server+"/admin-link", url.Values{"go": {"yes"}})
	w.open(link)
	at, err := url.Parse(link)
	w.b.must("read the link", err)
	w.submit("/set-password", url.Values{"token": {at.Query().Get("token")}, "password": {hafentest.Password}})
}

// logIn finds a server by its name, as a Matrix client does, and logs in.
func logIn(b *bed, h *hafentest.Hafen, client *http.Client, name, localpart string) {
	var found struct {
		Homeserver struct {
			BaseURL string `json:"base_url"`
		} `json:"m.homeserver"`
	}
	exchange(b, client, http.MethodGet, fmt.Sprintf("https://%s:%d/.well-known/matrix/client", name, h.HTTPS), nil, &found)
	var session struct {
		UserID string `json:"user_id"`
	}
	exchange(b, client, http.MethodPost, found.Homeserver.BaseURL+"/_matrix/client/v3/login", map[string]any{
		"type": "m.login.password", "password": hafentest.Password,
		"identifier": map[string]string{"type": "m.id.user", "user": localpart},
	}, &session)
	if session.UserID != "@"+localpart+":"+name {
		b.Fatalf("logged in as %q", session.UserID)
	}
}

func exchange(b *bed, client *http.Client, method, address string, question, answer any) {
	content, err := json.Marshal(question)
	b.must("encode a request", err)
	request, err := http.NewRequestWithContext(b.ctx, method, address, bytes.NewReader(content))
	b.must("make a request", err)
	response, err := client.Do(request)
	b.must(method+" "+address, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	b.must("read "+address, err)
	if response.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: %s: %s", method, address, response.Status, body)
	}
	b.must("decode "+address, json.Unmarshal(body, answer))
}

// stopwatch gives the seconds since it was started.
type stopwatch struct{ started time.Time }

func newStopwatch() stopwatch { return stopwatch{time.Now()} }

func (s stopwatch) seconds() float64 { return time.Since(s.started).Seconds() }
