package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"maunium.net/go/mautrix"

	"hafen/internal/hafentest"
)

// slide asks Simplified Sliding Sync (MSC4186), as Element X does.
func slide(ctx context.Context, c *mautrix.Client, pos, timeout string) (slid, error) {
	body := []byte(`{"conn_id":"main","lists":{"all":{"ranges":[[0,19]],"timeline_limit":10,"required_state":[["m.room.name",""]]}}}`)
	address := c.BuildURL(mautrix.BaseURLPath{"_matrix", "client", "unstable", "org.matrix.simplified_msc3575", "sync"}) + "?timeout=" + timeout
	if pos != "" {
		address += "&pos=" + pos
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return slid{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.AccessToken)
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.Client.Do(request)
	if err != nil {
		return slid{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return slid{}, err
	}
	if answer.StatusCode != http.StatusOK {
		return slid{}, fmt.Errorf("%s %s", answer.Status, text)
	}
	said := slid{at: time.Now()}
	return said, json.Unmarshal(text, &said)
}

type slid struct {
	Pos   string                     `json:"pos"`
	Rooms map[string]json.RawMessage `json:"rooms"`
	at    time.Time
	err   error
}

// testSlidingSync has one device wait in a sliding sync while another speaks.
func testSlidingSync(t *testing.T, p port) {
	server := p.order(t, "basic", "slide")[0]
	server.AddMember("xenia")
	xenia := logIn(t, p.Hafen, server.Name, "xenia", hafentest.Password)
	other := logIn(t, p.Hafen, server.Name, "xenia", hafentest.Password)
	room, err := other.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{Preset: "private_chat", Name: "Slipway"})
	must(t, err)
	first, err := slide(t.Context(), xenia, "", "0")
	must(t, err)
	if _, seen := first.Rooms[string(room.RoomID)]; !seen {
		t.Fatalf("the room is not in the first answer: %v", first.Rooms)
	}
	waiting := make(chan slid, 1)
	go func() {
		got, err := slide(t.Context(), xenia, first.Pos, "30000")
		got.err = err
		waiting <- got
	}()
	sent, err := other.SendText(t.Context(), room.RoomID, "Launched")
	must(t, err)
	said := time.Now()
	got := <-waiting
	if got.err != nil || !bytes.Contains(got.Rooms[string(room.RoomID)], []byte(sent.EventID)) {
		t.Errorf("the waiting answer does not bring what was said: %v %v", got.Rooms, got.err)
	}
	t.Logf("a sliding sync that waited brought it after %s", got.at.Sub(said))
}
