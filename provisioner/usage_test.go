package provisioner_test

import (
	"bytes"
	"net/http"
	"testing"

	"hafen/tenant/homeserver"
)

// A picture of known size is uploaded, and an orphan left beside it as a deleted room would.
func TestUsage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.spec(t)
	s.converge(t, t.Context(), spec)
	server, err := s.Server(t.Context(), spec)
	must(t, err)
	must(t, server.Create(t.Context(), homeserver.NewAccount{Localpart: "bert", Password: "long enough"}))
	client := s.person(spec)
	client.Localpart = "bert"
	if !client.LogIn(t, "long enough") {
		t.Fatal("cannot log in")
	}
	before, err := s.Usage(t.Context(), spec)
	must(t, err)
	if before.DatabaseBytes < 1<<20 {
		t.Errorf("a database of %d bytes", before.DatabaseBytes)
	}
	const size = 300_000
	answer := client.Send(t, http.MethodPost, "/_matrix/media/v3/upload", "application/octet-stream", bytes.Repeat([]byte("hafen!"), size/6))
	if answer.Status != http.StatusOK {
		t.Fatalf("upload: %d %s", answer.Status, answer.Raw)
	}
	after, err := s.Usage(t.Context(), spec)
	must(t, err)
	if grown := after.MediaBytes - before.MediaBytes; grown < size || grown > size+64<<10 {
		t.Errorf("media grew by %d bytes for a file of %d", grown, size)
	}
	expectAllowed(t, s.try(t, spec, attempt{Do: "write", Target: "/data/media/orphan"}))
	// A link to the host's files is not followed.
	expectAllowed(t, s.try(t, spec, attempt{Do: "link", Target: "/ /data/media/everything"}))
	orphaned, err := s.Usage(t.Context(), spec)
	must(t, err)
	if grown := orphaned.MediaBytes - after.MediaBytes; grown < 1 || grown > 64<<10 {
		t.Errorf("an orphan of one byte is measured as %d", grown)
	}
}
