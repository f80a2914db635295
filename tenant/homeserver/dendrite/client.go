package dendrite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"hafen/tenant"
)

// refusal is a Matrix error answer.
type refusal struct {
	Status  int    `json:"-"`
	Code    string `json:"errcode"`
	Message string `json:"error"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Message) }

// No answer we ask for is larger; the server is the tenant's, and not to be trusted.
const maxAnswer = 1 << 20

// call sends a request and decodes its answer. The path is escaped already.
func (s *server) call(ctx context.Context, method, path, token string, question, answer any) error {
	var body io.Reader
	if question != nil {
		content, err := json.Marshal(question)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://homeserver"+path, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.HTTP.Do(request)
	if err != nil {
		return unavailable(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return unavailable(err)
	}
	if response.StatusCode != http.StatusOK {
		r := &refusal{Status: response.StatusCode}
		_ = json.Unmarshal(content, r) // an answer that is no Matrix error is told by its status
		return r
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return unavailable(fmt.Errorf("read the answer: %w", err))
	}
	return nil
}

func unavailable(err error) error {
	return &tenant.Fault{Kind: tenant.Unavailable, Code: "server.unavailable", Err: err}
}

func refused(err error, code string) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.Code == code
}

// Ready implements [homeserver.Server]. The versions alone are answered before and without the database, so a profile is
// asked for as well: that of an account which exists or does not, either will do.
func (s *server) Ready(ctx context.Context) error {
	if err := s.call(ctx, http.MethodGet, "/_matrix/client/versions", "", nil, nil); err != nil {
		return fmt.Errorf("dendrite: ask for the versions: %w", err)
	}
	err := s.call(ctx, http.MethodGet, "/_matrix/client/v3/profile/"+url.PathEscape(s.userID(tenant.ControlAccount)), "", nil, nil)
	if err != nil && !refused(err, "M_NOT_FOUND") {
		return fmt.Errorf("dendrite: ask for a profile: %w", err)
	}
	return nil
}

func (s *server) userID(l tenant.Localpart) string { return l.UserID(s.Spec.ServerName) }
