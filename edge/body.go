package edge

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// Request bodies other than uploads: a transaction of 50 events of 64 KiB and 100 ephemeral ones, with room to spare.
// Synapse's own bound (MAX_REQUEST_SIZE: 200 times 64 KiB).
const maxBody = 200 * 64 << 10

// A body must keep coming: no pause longer than bodyPause, and after a minute no slower than a poor mobile link. Without
// this a stranger could hold a tenant's storage reserved for as long as they like.
const (
	bodyPause   = 30 * time.Second
	bodyGrace   = time.Minute
	bodyMinimum = 1 << 10 // bytes a second
)

var (
	errTooLarge    = errors.New("request body over its limit")
	errOverStorage = errors.New("upload over the storage quota")
	errTooSlow     = errors.New("request body too slow")
	errClientLeft  = errors.New("the client went away in the middle of a body")
)

// meteredBody passes a request's body on while it keeps within its limit and its pace. Reads may outlive the handler: the
// transport's goroutine makes them. After finish nothing is passed on or counted any more, and the connection, which is
// another request's by then, is not touched.
type meteredBody struct {
	source  io.ReadCloser
	limit   int64
	length  int64               // as declared; -1 without
	take    func(n int64) error // when set, must agree to every piece before it is passed on
	most    time.Duration       // for the whole of it; 0 for none
	control *http.ResponseController
	now     func() time.Time

	mu       sync.Mutex
	began    time.Time
	read     int64
	ended    bool  // the source has no more
	err      error // the first of ours; it explains a failed request better than what the transport makes of it
	finished bool
}

func (e *Edge) metered(w http.ResponseWriter, r *http.Request, limit int64) *meteredBody {
	control := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		// Or net/http would read the body before it writes an answer that a homeserver gave without reading it.
		if err := control.EnableFullDuplex(); err != nil {
			e.log.Warn("early answers to uploads wait for the upload's end", "error", err) // only a foreign ResponseWriter refuses
		}
	}
	return &meteredBody{source: r.Body, limit: limit, length: r.ContentLength, control: control, now: e.config.Now}
}

func (b *meteredBody) Read(p []byte) (int, error) {
	if err := b.begin(); err != nil {
		return 0, err
	}
	n, err := b.source.Read(p)
	if mine := b.account(n, err); mine != nil {
		return 0, mine
	}
	return n, err
}

func (b *meteredBody) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.finished {
		return http.ErrBodyReadAfterClose
	}
	if b.began.IsZero() {
		b.began = b.now()
	}
	if b.err == nil {
		b.control.SetReadDeadline(time.Now().Add(bodyPause)) // a writer that cannot is one in a test
	}
	return b.err
}

func (b *meteredBody) account(n int, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.finished {
		return http.ErrBodyReadAfterClose
	}
	b.read += int64(n)
	b.ended = b.ended || errors.Is(err, io.EOF)
	took := b.now().Sub(b.began)
	switch {
	case b.read > b.limit:
		b.err = errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded), err == nil && b.slow(took):
		b.err = errTooSlow
	case err != nil && !errors.Is(err, io.EOF):
		b.err = errClientLeft
	}
	if b.err == nil && n > 0 && b.take != nil {
		b.err = b.take(int64(n))
	}
	if b.err != nil || err != nil {
		// A deadline left behind would end the wait for the answer: net/http goes on reading to notice a client's leaving.
		b.control.SetReadDeadline(time.Time{})
	}
	return b.err
}

func (b *meteredBody) slow(took time.Duration) bool {
	late := took - bodyGrace
	return b.most > 0 && took > b.most || late > 0 && b.read < int64(late/time.Second)*bodyMinimum
}

// Close leaves the source to net/http, which needs it to decide on the connection.
func (b *meteredBody) Close() error { return nil }

func (b *meteredBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// finish ends the counting and returns how much was passed on, and whether that was all there is.
func (b *meteredBody) finish() (read int64, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finished = true
	return b.read, b.err == nil && b.read > 0 && (b.ended || b.read == b.length)
}

// linger reads on for a while after a refusal: a client that sends before it reads would otherwise meet a reset
// connection instead of the answer (RFC 9112 section 9.6).
func linger(w http.ResponseWriter, body io.Reader) {
	control := http.NewResponseController(w)
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, body, lingerBytes)
}

// Bounds of lingering: nginx waits as long (lingering_timeout 5 s); the bytes are what a client on a fast line may have
// sent before our answer reaches it.
const (
	lingerTime  = 5 * time.Second
	lingerBytes = 32 << 20
)
