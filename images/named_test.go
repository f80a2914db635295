package images_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/client"

	"hafen/images"
)

const named = "registry.example/synapse@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// registry is an engine that has the named image only after it was told to pull it, which may fail.
func registry(t *testing.T, labels, pulling string) *client.Client {
	t.Helper()
	pulled := false
	return speaks(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/images/create"):
			if asked := r.URL.Query(); asked.Get("fromImage")+"@"+asked.Get("tag") != named && asked.Get("fromImage") != named {
				t.Errorf("pulls %v", asked)
			}
			pulled = true
			io.WriteString(w, pulling)
		case pulled:
			io.WriteString(w, `{"Id": "sha256:77", "Config": {"Labels": {`+labels+`}}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message": "No such image"}`)
		}
	})
}

func TestImageOfTheOperatorsOwn(t *testing.T) {
	t.Parallel()
	engine := registry(t, `"hafen.engine": "synapse", "hafen.engine.version": "v9"`, `{"status":"Pulling"}{"status":"Done"}`)
	_, err := images.FindNamed(t.Context(), engine, images.Synapse, named)
	if !errors.Is(err, images.ErrAbsent) || !strings.Contains(err.Error(), named) {
		t.Errorf("not pulled yet: %v", err)
	}
	for _, call := range []string{"pulled", "there already"} {
		if id, err := images.Pull(t.Context(), engine, images.Synapse, named); id != "sha256:77" || err != nil {
			t.Errorf("%s: %q, %v", call, id, err)
		}
	}
	if id, err := images.FindNamed(t.Context(), engine, images.Synapse, named); id != "sha256:77" || err != nil {
		t.Errorf("found %q, %v", id, err)
	}
	if _, err := images.FindNamed(t.Context(), engine, images.Dendrite, named); !errors.Is(err, images.ErrForeign) {
		t.Errorf("as an image of Dendrite: %v", err)
	}
}

func TestUnfitImageOfTheOperatorsOwn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ reference, labels, pulling, says string }{
		"by a tag":         {"registry.example/synapse:latest", "", "", "digest"},
		"short digest":     {"synapse@sha256:0123", "", "", "digest"},
		"registry refuses": {named, "", `{"status":"Pulling"}{"error":"denied: who are you?"}`, "denied: who are you?"},
		"no labels":        {named, "", `{}`, "hafen.engine"},
		"no version":       {named, `"hafen.engine": "synapse"`, `{}`, "hafen.engine.version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := images.Pull(t.Context(), registry(t, test.labels, test.pulling), images.Synapse, test.reference)
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), test.reference) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}
