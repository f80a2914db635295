package matrix

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// send sends a bare request and reads a JSON answer.
func send(t *testing.T, client *http.Client, method, address string) (*http.Response, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader("{}"))
	must(t, err)
	answer, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	defer answer.Body.Close()
	var said map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		t.Fatalf("%s %s: %s is no JSON: %v", method, address, answer.Status, err)
	}
	return answer, said
}
