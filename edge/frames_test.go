package edge_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"strconv"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames speaks HTTP/2 frame by frame, and so says what net/http's client would not.
type frames struct {
	framer  *http2.Framer
	header  bytes.Buffer
	encoder *hpack.Encoder
	stream  uint32 // the last one
}

// frames opens a connection to an address for alpha.
func (w *world) frames(t *testing.T, address string, settings ...http2.Setting) *frames {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: string(alpha), RootCAs: w.ca.pool, NextProtos: []string{"h2"}})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, http2.ClientPreface)
	must(t, err)
	f := &frames{framer: http2.NewFramer(conn, conn)}
	f.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.encoder = hpack.NewEncoder(&f.header)
	must(t, f.framer.WriteSettings(settings...))
	must(t, f.framer.WriteWindowUpdate(0, 1<<30)) // for the bodies of thousands of answers
	return f
}

// send asks for a target as it stands.
func (f *frames) send(t *testing.T, method, target string, more ...hpack.HeaderField) {
	t.Helper()
	if f.stream++; f.stream > 1 {
		f.stream++ // a client's streams are odd
	}
	f.header.Reset()
	for _, field := range append([]hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: string(alpha)}, {Name: ":path", Value: target},
	}, more...) {
		must(t, f.encoder.WriteField(field))
	}
	must(t, f.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: f.header.Bytes(), EndStream: true, EndHeaders: true}))
}

// answer reads until the last request is answered, and gives the status: 0 when the stream was refused. It is false when
// the connection has ended.
func (f *frames) answer() (status int, open bool) {
	for {
		frame, err := f.framer.ReadFrame()
		if err != nil {
			return 0, false
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				f.framer.WritePing(true, frame.Data)
			}
		case *http2.MetaHeadersFrame:
			if frame.StreamID == f.stream {
				status, _ := strconv.Atoi(frame.PseudoValue("status"))
				return status, true
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == f.stream {
				return 0, true
			}
		}
	}
}
