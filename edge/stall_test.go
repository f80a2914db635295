package edge_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

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
		"HTTP/2": func(t *testing.T, w *world) { w.askWithoutWindow(t) },
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
				case <-time.After(time.Minute):
					t.Error("the homeserver still sends, to nobody")
				}
			})
		}
	}
}

// askWithoutWindow sends one request over HTTP/2 and allows no byte of an answer's body.
func (w *world) askWithoutWindow(t *testing.T) {
	t.Helper()
	conn, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: string(alpha), RootCAs: w.ca.pool, NextProtos: []string{"h2"}})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, http2.ClientPreface)
	must(t, err)
	framer := http2.NewFramer(conn, conn)
	must(t, framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	var header bytes.Buffer
	encoder := hpack.NewEncoder(&header)
	for _, field := range [][2]string{
		{":method", "GET"}, {":scheme", "https"}, {":authority", string(alpha)}, {":path", "/_matrix/client/versions"},
	} {
		must(t, encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	must(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: header.Bytes(), EndStream: true, EndHeaders: true}))
	go func() { // an honest connection in all else
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					framer.WriteSettingsAck()
				}
			case *http2.PingFrame:
				if !frame.IsAck() {
					framer.WritePing(true, frame.Data)
				}
			}
		}
	}()
}
