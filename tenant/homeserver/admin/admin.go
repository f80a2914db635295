// Package admin calls a homeserver's HTTP API in Hafen's name. The homeserver is the tenant's, and not to be trusted: what
// it answers is bounded. Both engines speak the same form of it: JSON, a bearer token, Matrix errors.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"hafen/tenant"
)

// Refusal is a Matrix error answer.
type Refusal struct {
	Status  int    `json:"-"`
	Code    string `json:"errcode"`
	Message string `json:"error"`
}

// Error says no more of the homeserver's words than a line holds.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %.64q: %.200q", r.Status, r.Code, r.Message) }

// Refused reports whether err is a Refusal with one of the codes.
func Refused(err error, codes ...string) bool {
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if r.Code == code {
			return true
		}
	}
	return false
}

// Missing reports whether err is a Refusal because there is no such thing.
func Missing(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Status == http.StatusNotFound
}

// Unavailable is the fault of a homeserver that does not answer.
func Unavailable(err error) error {
	return &tenant.Fault{Kind: tenant.Unavailable, Code: "server.unavailable", Err: err}
}

// maxAnswer bounds an answer; none we ask for is larger.
const maxAnswer = 1 << 20

// Request is one call. The path is escaped already; Body, when not nil, is sent as JSON.
type Request struct {
	Method string
	Path   string
	Token  string
	Body   any
}

// Call sends a request and decodes its answer into answer, unless that is nil. An error is a [Refusal], or a fault when the
// homeserver does not answer as one does.
func Call(ctx context.Context, client *http.Client, r Request, answer any) error {
	request, err := r.prepare(ctx)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return Unavailable(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Unavailable(err)
	}
	switch {
	case response.StatusCode >= http.StatusInternalServerError:
		return Unavailable(refusal(response.StatusCode, content))
	case response.StatusCode < 200 || response.StatusCode > 299:
		return refusal(response.StatusCode, content)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return Unavailable(fmt.Errorf("read the answer: %w", err))
	}
	return nil
}

func (r Request) prepare(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		content, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, "http://homeserver"+r.Path, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	// As the edge says from where somebody comes: of a caller on its socket that says nothing Synapse knows no address, and
	// fails.
	request.Header.Set("X-Forwarded-For", "127.0.0.1")
	request.Header.Set("X-Forwarded-Proto", "https")
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	return request, nil
}

func refusal(status int, content []byte) error {
	r := &Refusal{Status: status}
	_ = json.Unmarshal(content, r) // an answer that is no Matrix error is told by its status
	r.Status = status
	return r
}
