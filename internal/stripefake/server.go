// Package stripefake is a Stripe for tests: it speaks Stripe's wire protocol of API version 2023-10-16 on a real socket and
// keeps state like the real one. Requests are form-encoded with brackets, answers are JSON, ids can be expanded, lists have
// cursors, POSTs are idempotent by key for a day, errors have Stripe's shape. It sells subscriptions through a Checkout page
// that a browser can click, prorates by the second, renews when its virtual clock is advanced, declines cards, asks for
// authentication, refunds, is disputed, and tells of all that in signed webhooks, which a test can hold back, repeat, reorder
// and lose.
//
// What it is not: no card data, no tax of its own, no Connect, one currency a customer.
package stripefake

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Version is the API version it speaks, stripe-go v76's.
const Version = "2023-10-16"

// Server is a running Stripe.
type Server struct {
	URL string
	Key string // the secret key it accepts
	// Eager sends webhooks before a request that causes them is answered.
	Eager bool
	// Client sends webhooks; http.DefaultClient when nil.
	Client *http.Client

	mu        sync.Mutex
	now       time.Time
	last      int
	objects   map[string]object
	ids       []string
	keys      map[string]replay
	failures  []failure
	requests  []Request
	invoices  int
	endpoints []endpoint
	outbox    []string // events not sent yet
	held      bool
	retryDays int
}

// Request is a call that was made.
type Request struct{ Method, Path, Body, IdempotencyKey string }

// Error is an error in Stripe's shape.
type Error struct {
	status        int
	Type          string `json:"type"`
	Code          string `json:"code,omitempty"`
	DeclineCode   string `json:"decline_code,omitempty"`
	Param         string `json:"param,omitempty"`
	Message       string `json:"message"`
	PaymentIntent object `json:"payment_intent,omitempty"`
}

// replay is the answer kept for an idempotency key.
type replay struct {
	method, path, body string
	status             int
	answer             []byte
	at                 time.Time
}

// New starts a Stripe at a moment of its virtual clock; it ends with the test.
func New(t testing.TB, now time.Time) *Server {
	t.Helper()
	s := &Server{
		Key: "sk_test_" + strings.ToLower(rand.Text()), now: now.UTC().Truncate(time.Second),
		objects: map[string]object{}, keys: map[string]replay{}, retryDays: 3,
	}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(server.Close)
	return s
}

// Now is the virtual time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Requests lists the API calls so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Object is what is known by an id, as a client sees it; nil when nothing is.
func (s *Server) Object(id string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, found := s.objects[id]
	if !found {
		return nil
	}
	c, _ := clone(o).(object)
	return c
}

// List is every object of a kind ("subscription", "checkout.session"), oldest first.
func (s *Server) List(kind string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []map[string]any
	for _, o := range s.all(kind, nil) {
		c, _ := clone(o).(object)
		list = append(list, c)
	}
	return list
}

// call is one request under way.
type call struct {
	request *http.Request
	id      string // in the path
	below   string // the id of what is the former's
	form    form
}

type failure struct {
	method, path string
	how          Failure
}

// Failure is a way in which the wire or Stripe fails.
type Failure string

// The failures.
const (
	Unavailable Failure = "500"    // nothing was done; for its idempotency key this is the answer from now on
	Limited     Failure = "429"    // nothing was done
	Dropped     Failure = "drop"   // the connection ends before anything was done
	Lost        Failure = "lost"   // all was done, and the connection ends before the answer
	Denied      Failure = "denied" // the key has no permission
)

// Fail makes the next call of a method to a path that begins so fail.
func (s *Server) Fail(method, path string, how ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range how {
		s.failures = append(s.failures, failure{method, path, h})
	}
}

// Heal forgets the failures that have not come yet.
func (s *Server) Heal() { s.mu.Lock(); s.failures = nil; s.mu.Unlock() }

// planned takes the failure planned for a request. The lock is held.
func (s *Server) planned(r *http.Request) Failure {
	for i, f := range s.failures {
		if f.method == r.Method && strings.HasPrefix(r.URL.Path, f.path) {
			s.failures = append(s.failures[:i:i], s.failures[i+1:]...)
			return f.how
		}
	}
	return ""
}

// ServeHTTP answers the API below /v1 and the hosted pages elsewhere.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		s.servePage(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	how, status, answer, replayed := s.locked(r, string(body))
	if how == Dropped {
		panic(http.ErrAbortHandler)
	}
	if s.Eager {
		s.Flush()
	}
	if how == Lost {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Stripe-Version", Version)
	w.Header().Set("Request-Id", "req_"+strings.ToLower(rand.Text()[:14]))
	if replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (s *Server) locked(r *http.Request, body string) (how Failure, status int, answer []byte, replayed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if how = s.planned(r); how == Dropped {
		return how, 0, nil, false
	}
	status, answer, replayed = s.answer(r, body, how)
	return how, status, answer, replayed
}

// answer does what a request asks for, once for an idempotency key. The lock is held.
func (s *Server) answer(r *http.Request, body string, how Failure) (status int, answer []byte, replayed bool) {
	if refused := s.admit(r); refused != nil {
		return refused.encode()
	}
	key := r.Header.Get("Idempotency-Key")
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, body, key})
	switch how {
	case Limited:
		return (&Error{status: 429, Type: "invalid_request_error", Code: "rate_limit", Message: "Request rate limit exceeded."}).encode()
	case Denied:
		return (&Error{status: 403, Type: "invalid_request_error", Code: "more_permissions_required", Message: "The provided key 'rk_test_***' does not have the required permissions for this endpoint."}).encode()
	}
	if kept, known := s.keys[key]; known && key != "" && s.now.Sub(kept.at) < 24*time.Hour {
		if kept.method != r.Method || kept.path != r.URL.Path || kept.body != body {
			return (&Error{
				status: 400, Type: "idempotency_error",
				Message: fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '%s' if you meant to execute a different request.", key),
			}).encode()
		}
		return kept.status, kept.answer, true
	}
	var o object
	failed := &Error{status: 500, Type: "api_error", Message: "An unknown error occurred"}
	if how != Unavailable {
		o, failed = s.route(r, body)
	}
	if failed != nil {
		status, answer, _ = failed.encode()
	} else {
		status = http.StatusOK
		answer = encode(o)
	}
	// What fails validation is not kept: it may be mended and sent again under its key.
	if key != "" && r.Method == http.MethodPost && (status < 400 || status == 402 || status >= 500) {
		s.keys[key] = replay{r.Method, r.URL.Path, body, status, answer, s.now}
	}
	return status, answer, false
}

func (s *Server) admit(r *http.Request) *Error {
	key, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !isBearer || key != s.Key:
		return &Error{status: 401, Type: "invalid_request_error", Message: "Invalid API Key provided: " + mask(key)}
	case r.Header.Get("Stripe-Version") != Version:
		return &Error{status: 400, Type: "invalid_request_error", Message: "Invalid Stripe API version: " + r.Header.Get("Stripe-Version")}
	case r.Method == http.MethodPost && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return &Error{status: 400, Type: "invalid_request_error", Message: "Invalid request: the body must be form-encoded"}
	}
	return nil
}

func mask(key string) string {
	if len(key) < 12 {
		return "****"
	}
	return key[:8] + "****" + key[len(key)-4:]
}

func (e *Error) encode() (int, []byte, bool) { return e.status, encode(object{"error": e}), false }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only for values no JSON has
	}
	return b
}

// route finds the endpoint: a method, a collection, perhaps an id, perhaps a verb.
func (s *Server) route(r *http.Request, body string) (object, *Error) {
	encoded := body
	if r.Method == http.MethodGet || encoded == "" {
		encoded = r.URL.RawQuery
	}
	values, failed := parseForm(encoded)
	if failed != nil {
		return nil, failed
	}
	c := &call{request: r, form: values}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	handle := s.endpoint(r.Method, parts, c)
	if handle == nil {
		return nil, &Error{status: 404, Type: "invalid_request_error", Message: fmt.Sprintf("Unrecognized request URL (%s: %s).", r.Method, r.URL.Path)}
	}
	o, failed := handle(c)
	if failed != nil {
		return nil, failed
	}
	answer, _ := clone(o).(object)
	if failed := s.expand(answer, values.texts("expand")); failed != nil {
		return nil, failed
	}
	return answer, nil
}
