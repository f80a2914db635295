package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Bodies up to this size are read before they are sent, so that they can be sent again. Events and transactions are small
// (an event has 64 KiB at most, most have 1); a tenant's 1024 requests in flight take 32 MiB here at the very worst.
const maxReplay = 32 << 10

// payload is a request's body over several attempts to send it: in memory, or a stream that can be sent again only as
// long as no attempt has begun to read it.
type payload struct {
	memory []byte
	stream io.Reader
	lent   *lentBody
}

// payload reads a small body. Uploads are always streams.
func (p *passage) payload(r *http.Request) (*payload, error) {
	if r.Body == nil {
		return &payload{}, nil
	}
	if p.upload != nil || r.ContentLength <= 0 || r.ContentLength > maxReplay {
		return &payload{stream: r.Body}, nil
	}
	// ReadAll grows with what arrives: who announces 32 KiB and sends nothing takes nothing.
	memory, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the request's body: %w", err)
	}
	return &payload{memory: memory}, nil
}

// next lends the body to one attempt.
func (p *payload) next() (io.ReadCloser, func() (io.ReadCloser, error)) {
	switch {
	case p.memory != nil:
		again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.memory)), nil }
		first, _ := again()
		return first, again
	case p.stream != nil:
		p.lent = &lentBody{stream: p.stream}
		return p.lent, nil
	default:
		return nil, nil
	}
}

// repeatable ends the attempt's hold on the body and reports whether another attempt would find it whole.
func (p *payload) repeatable() bool {
	return p.stream == nil || !p.lent.takeBack()
}

// lentBody is a stream lent to one attempt. The transport may read it after the attempt has failed; taken back, it no
// longer can. Closing it leaves the stream open for the next attempt.
type lentBody struct {
	stream io.Reader
	mu     sync.Mutex
	begun  bool
	back   bool
}

var errTakenBack = errors.New("this attempt to send the request is over")

func (b *lentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.back {
		b.mu.Unlock()
		return 0, errTakenBack
	}
	b.begun = true
	b.mu.Unlock()
	return b.stream.Read(p)
}

func (b *lentBody) Close() error { return nil }

// takeBack reports whether the attempt had begun to read.
func (b *lentBody) takeBack() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.back = true
	return b.begun
}
