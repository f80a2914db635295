package admin_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hafen/tenant"
	"hafen/tenant/homeserver/admin"
)

// answering is a client that reaches a homeserver which answers so, whatever it is asked.
func answering(t *testing.T, status int, body string) *http.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return &http.Client{Transport: toward(server.Listener.Addr().String())}
}

// toward sends every request to one address.
type toward string

func (a toward) RoundTrip(r *http.Request) (*http.Response, error) {
	r.URL.Host = string(a)
	return http.DefaultTransport.RoundTrip(r)
}

func TestCallSends(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"answer": 42}`)
	}))
	defer server.Close()
	var answer struct{ Answer int }
	err := admin.Call(t.Context(), &http.Client{Transport: toward(server.Listener.Addr().String())}, admin.Request{
		Method: http.MethodPut, Path: "/a/%40b%3Ac%2Fd", Token: "token", Body: map[string]int{"x": 1},
	}, &answer)
	if err != nil || answer.Answer != 42 {
		t.Fatalf("%+v, %v", answer, err)
	}
	if got.Method != http.MethodPut || got.RequestURI != "/a/%40b%3Ac%2Fd" || got.Header.Get("Authorization") != "Bearer token" ||
		got.Header.Get("X-Forwarded-For") == "" || string(body) != `{"x":1}` {
		t.Errorf("%s %s %v %s", got.Method, got.RequestURI, got.Header, body)
	}
}

func TestCallReadsRefusals(t *testing.T) {
	t.Parallel()
	err := admin.Call(t.Context(), answering(t, http.StatusNotFound, `{"errcode":"M_NOT_FOUND","error":"none","Status":200}`), admin.Request{Method: http.MethodGet, Path: "/"}, nil)
	if !admin.Missing(err) || !admin.Refused(err, "M_OTHER", "M_NOT_FOUND") || admin.Refused(err, "M_OTHER") || admin.Refused(nil) {
		t.Errorf("%v", err)
	}
	// What a server that was taken over says stays one short line of a log.
	err = admin.Call(t.Context(), answering(t, http.StatusForbidden, `{"errcode":"`+strings.Repeat("x", 9999)+`","error":"a\nb`+strings.Repeat("y", 9999)+`"}`),
		admin.Request{Method: http.MethodGet, Path: "/"}, nil)
	if err == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// Whatever comes that is no answer, the server is unavailable.
func TestCallMistrusts(t *testing.T) {
	t.Parallel()
	var answer struct{ List []string }
	for name, client := range map[string]*http.Client{
		"broken":  answering(t, http.StatusInternalServerError, `{"errcode":"M_UNKNOWN"}`),
		"not it":  answering(t, http.StatusOK, `<html>`),
		"endless": answering(t, http.StatusOK, `{"list":["`+strings.Repeat("x", 2<<20)+`"]}`),
		"nobody":  {Transport: toward("127.0.0.1:1")},
	} {
		err := admin.Call(t.Context(), client, admin.Request{Method: http.MethodGet, Path: "/"}, &answer)
		if fault, ok := errors.AsType[*tenant.Fault](err); !ok || fault.Code != "server.unavailable" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
