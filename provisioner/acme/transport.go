package acme

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/go-acme/lego/v4/acme/api"
)

// Longest answer read: lego reads whole bodies into memory. A chain is a few kilobytes; this is also lego's own limit for it.
const longestAnswer = 1 << 20

// boundTransport carries one Issue's requests: it ties them to its context, which lego's calls do not take, and keeps
// what lego throws away, the Retry-After of the last answer.
type boundTransport struct {
	ctx  context.Context // kept in a struct since the struct lives exactly as long as the call it belongs to
	base http.RoundTripper

	mu    sync.Mutex
	asked time.Duration
}

// RoundTrip makes it an http.RoundTripper.
func (t *boundTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req.WithContext(t.ctx))
	if err != nil {
		return nil, err
	}
	asked, err := api.ParseRetryAfter(resp.Header.Get("Retry-After"))
	if err != nil {
		asked = 0
	}
	t.mu.Lock()
	t.asked = max(asked, 0)
	t.mu.Unlock()
	resp.Body = http.MaxBytesReader(nil, resp.Body, longestAnswer)
	return resp, nil
}

// retryAfter is what the last answer asked for, 0 for nothing.
func (t *boundTransport) retryAfter() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asked
}
