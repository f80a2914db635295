package pebble_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"hafen/internal/pebble"
)

func TestAnswersAndEnds(t *testing.T) {
	t.Parallel()
	s, err := pebble.Launch(t.Context(), t.TempDir(), pebble.Config{})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Directory, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var directory struct{ NewOrder string }
	if err := json.NewDecoder(resp.Body).Decode(&directory); err != nil || directory.NewOrder == "" {
		t.Fatalf("a directory with newOrder expected: %v %+v", err, directory)
	}
	s.Close()
	if resp, err := s.Client().Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("it still answers after Close")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			if s := pebble.Start(t, pebble.Config{}); len(s.RootPEM) == 0 {
				t.Fatal("no issuing root")
			}
		})
	}
}
