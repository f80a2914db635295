package edge_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"hafen/edge"
)

// A client that asks and then leaves the answer unread must not keep one of its server's places, nor the homeserver
// waiting: a few such clients would keep everybody else out. On HTTP/2 that takes no more than a window of no size.
func TestUnreadAnswersEnd(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*testing.T, *world){
		"HTTP/1": func(t *testing.T, w *world) {
			conn := w.dial(t, w.https, string(alpha))
			fmt.Fprintf(conn, "GET /_matrix/client/versions HTTP/1.1\r\nHost: %s\r\n\r\n", alpha)
		},
		"HTTP/2": func(t *testing.T, w *world) {
			frames := w.frames(t, w.https, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}) // not a byte of a body
			frames.send(t, "GET", "/_matrix/client/versions")
			go func() {
				for open := true; open; { // an honest connection in all else
					_, open = frames.answer()
				}
			}()
		},
	} {
		for _, piece := range []int{1, 32 * kib} {
			t.Run(fmt.Sprintf("%s in pieces of %d", name, piece), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, func(c *edge.Config, _ *source) { c.Stall = 300 * time.Millisecond })
				ended := make(chan struct{})
				w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
					defer close(ended)
					content := bytes.Repeat([]byte("x"), piece)
					for r.Context().Err() == nil { // more than every buffer on the way holds
						if _, err := rw.Write(content); err != nil || http.NewResponseController(rw).Flush() != nil {
							return
						}
					}
				})
				ask(t, w)
				select {
				case <-ended:
				case <-time.After(4 * time.Minute): // byte by byte the buffers on the way fill slowly, on a busy machine very
					t.Error("the homeserver still sends, to nobody")
				}
			})
		}
	}
}
