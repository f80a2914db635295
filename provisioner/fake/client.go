package fake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Client reaches the client API of a tenant's homeserver, as far as it is in memory: logging in and out, and who one is.
func (w *World) Client(spec tenant.Spec) *http.Client {
	return &http.Client{Transport: clientAPI{&server{world: w, spec: spec}}}
}

// clientAPI answers requests in the place of a network.
type clientAPI struct{ server *server }

type refused struct {
	Code string `json:"errcode"`
}

// RoundTrip implements http.RoundTripper.
func (c clientAPI) RoundTrip(request *http.Request) (*http.Response, error) {
	status, answer := http.StatusNotFound, any(refused{"M_UNRECOGNIZED"})
	err := c.server.with(func(a *accounts) error {
		if path, found := strings.CutPrefix(request.URL.Path, "/_matrix/client/v3/"); found {
			status, answer = c.answer(a, path, request)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: request,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(content)),
	}, nil
}

func (c clientAPI) answer(a *accounts, path string, request *http.Request) (int, any) {
	token := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
	switch path {
	case "login":
		return a.logIn(request)
	case "register":
		return http.StatusForbidden, refused{"M_FORBIDDEN"}
	}
	if id, found := strings.CutPrefix(path, "profile/"); found {
		if account, there := a.byName[c.localpart(id)]; there {
			return http.StatusOK, map[string]string{"displayname": account.DisplayName}
		}
		return http.StatusNotFound, refused{"M_NOT_FOUND"}
	}
	who, err := a.whose(token)
	switch {
	case err != nil:
		return http.StatusUnauthorized, refused{err.Error()}
	case path == "account/whoami":
		return http.StatusOK, map[string]string{"user_id": who.UserID(c.server.spec.ServerName)}
	case path == "sync":
		return http.StatusOK, map[string]any{"account_data": map[string]any{"events": []map[string]any{{"type": "m.push_rules", "content": struct{}{}}}}}
	case path == "logout":
		delete(a.sessions, token)
		return http.StatusOK, struct{}{}
	case strings.HasPrefix(path, "admin/whois/") && a.byName[who].Admin:
		return http.StatusOK, struct{}{}
	}
	return http.StatusForbidden, refused{"M_FORBIDDEN"}
}

func (c clientAPI) localpart(id string) tenant.Localpart {
	return tenant.Localpart(strings.TrimSuffix(strings.TrimPrefix(id, "@"), ":"+string(c.server.spec.ServerName)))
}

func (a *accounts) logIn(request *http.Request) (int, any) {
	var asked struct {
		Who struct {
			User tenant.Localpart `json:"user"`
		} `json:"identifier"`
		Password string `json:"password"`
	}
	if err := json.NewDecoder(request.Body).Decode(&asked); err != nil {
		return http.StatusBadRequest, refused{"M_NOT_JSON"}
	}
	account, there := a.byName[asked.Who.User]
	if kept := a.passwords[asked.Who.User]; !there || !open(account) || kept == "" || kept != asked.Password {
		return http.StatusForbidden, refused{"M_FORBIDDEN"}
	}
	return http.StatusOK, map[string]string{"access_token": a.begin(asked.Who.User), "device_id": "A"}
}

func open(a homeserver.Account) bool { return !a.Deactivated && !a.Locked }

var (
	errToken  = errors.New("M_UNKNOWN_TOKEN")
	errLocked = errors.New("M_USER_LOCKED")
)

// whose finds the owner of a session.
func (a *accounts) whose(token string) (tenant.Localpart, error) {
	who, there := a.sessions[token]
	switch {
	case !there:
		return "", errToken
	case a.byName[who].Locked:
		return "", errLocked
	}
	return who, nil
}
