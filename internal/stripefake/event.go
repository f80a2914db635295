package stripefake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is something a webhook told, or tells when it is sent.
type Event struct {
	ID, Type string
	Body     []byte
}

type endpoint struct{ url, secret string }

// tell makes an event of a change and puts it in the queue of webhooks. The lock is held.
func (s *Server) tell(kind string, about object) {
	id := s.newID("evt")
	s.add("event", id, object{
		"type": kind, "api_version": Version, "data": object{"object": clone(about)}, "pending_webhooks": int64(len(s.endpoints)),
		"request": object{"id": nil, "idempotency_key": nil},
	})
	s.outbox = append(s.outbox, id)
}

// Endpoint has webhooks sent to a URL from now on, signed with the secret it returns.
func (s *Server) Endpoint(url string) (secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret = "whsec_" + s.newID("secret")
	s.endpoints = append(s.endpoints, endpoint{url, secret})
	return secret
}

// Hold keeps webhooks back until Release.
func (s *Server) Hold() { s.mu.Lock(); s.held = true; s.mu.Unlock() }

// Release lets webhooks go out again at the next Flush.
func (s *Server) Release() { s.mu.Lock(); s.held = false; s.mu.Unlock() }

// Forget loses the webhooks that were not sent yet. It returns how many.
func (s *Server) Forget() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.outbox)
	s.outbox = nil
	return n
}

// Flush sends what is in the queue, oldest first; what is not accepted goes back into it. It returns how many were accepted.
func (s *Server) Flush() (accepted int) {
	s.mu.Lock()
	if s.held {
		s.mu.Unlock()
		return 0
	}
	queue := s.outbox
	s.outbox = nil
	s.mu.Unlock()
	var again []string
	for _, id := range queue {
		if status, err := s.Send(id, Sending{}); err != nil || status/100 != 2 {
			again = append(again, id)
			continue
		}
		accepted++
	}
	s.mu.Lock()
	s.outbox = append(again, s.outbox...)
	s.mu.Unlock()
	return accepted
}

// Sending says how a webhook is sent. The zero value is the honest way.
type Sending struct {
	Secret string    // instead of the endpoint's
	At     time.Time // in the signature
	Body   []byte    // instead of the event's, after signing that
	Type   string    // instead of application/json
}

// Send posts an event to every endpoint, whether it was sent before or not. It returns the worst answer.
func (s *Server) Send(id string, how Sending) (status int, err error) {
	s.mu.Lock()
	event, at, endpoints := s.objects[id], s.now, slices.Clone(s.endpoints)
	body := encode(clone(event))
	s.mu.Unlock()
	if !how.At.IsZero() {
		at = how.At
	}
	for _, e := range endpoints {
		secret := e.secret
		if how.Secret != "" {
			secret = how.Secret
		}
		signature := Sign(body, secret, at)
		sent := body
		if how.Body != nil {
			sent = how.Body
		}
		answered, err := s.post(e.url, sent, signature, how.Type)
		if err != nil {
			return 0, err
		}
		status = max(status, answered)
	}
	return status, nil
}

func (s *Server) post(url string, body []byte, signature, contentType string) (int, error) {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if contentType == "" {
		contentType = "application/json; charset=utf-8"
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Stripe-Signature", signature)
	request.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	client := http.DefaultClient
	if s.Client != nil {
		client = s.Client
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// Sign is the Stripe-Signature header of a body.
func Sign(body []byte, secret string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", stamp, body)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil)) + ",v0=" + strings.Repeat("0", 64)
}

// Events lists what has happened, oldest first; of these types only when any are given.
func (s *Server) Events(types ...string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Event
	for _, o := range s.all("event", nil) {
		if len(types) == 0 || slices.Contains(types, o.str("type")) {
			list = append(list, Event{ID: o.str("id"), Type: o.str("type"), Body: encode(clone(o))})
		}
	}
	return list
}

func (s *Server) listEvents(c *call) (object, *Error) { return s.list(c, "event", "type") }
