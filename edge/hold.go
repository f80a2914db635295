package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	errAway    = errors.New("the homeserver did not come up in time")
	errCrowded = errors.New("too many requests wait for the homeserver")
)

// Requests that may wait at once, for one homeserver and in all: each costs a goroutine and a client's connection.
const (
	maxWaitingTenant = 512
	maxWaiting       = 8192
)

// How often a homeserver that is away is dialled. A Dendrite restart takes 0.4 s, so 20 ms cost at most 5 % of it.
const knockInterval = 20 * time.Millisecond

// waitingRoom holds the requests of one homeserver that is away. While anyone waits, one goroutine knocks at the socket;
// the first successful dial lets all in.
type waitingRoom struct {
	mu      sync.Mutex
	waiting int
	opened  chan struct{} // closed when the homeserver answers; nil while nobody waits
	leave   context.CancelFunc

	complaint time.Time // the last one
}

// How often the log is told that a homeserver is away.
const complainInterval = 10 * time.Second

func (w *waitingRoom) mayComplain(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.complaint) < complainInterval {
		return false
	}
	w.complaint = now
	return true
}

// wait returns nil when the homeserver accepts connections, errCrowded at once when the room is full, or ctx's end.
func (w *waitingRoom) wait(ctx context.Context, total *atomic.Int64, backend *atomic.Pointer[string]) error {
	if total.Add(1) > maxWaiting {
		total.Add(-1)
		return errCrowded
	}
	defer total.Add(-1)
	opened, err := w.enter(backend)
	if err != nil {
		return err
	}
	defer w.exit()
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *waitingRoom) enter(backend *atomic.Pointer[string]) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting >= maxWaitingTenant {
		return nil, errCrowded
	}
	w.waiting++
	if w.opened == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w.opened, w.leave = make(chan struct{}), cancel
		go w.knock(ctx, w.opened, backend)
	}
	return w.opened, nil
}

func (w *waitingRoom) exit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting--
	if w.waiting == 0 && w.opened != nil {
		w.leave()
		w.opened = nil
	}
}

func (w *waitingRoom) knock(ctx context.Context, opened chan struct{}, backend *atomic.Pointer[string]) {
	tick := time.NewTicker(knockInterval)
	defer tick.Stop()
	for {
		// The pause comes first, so that a homeserver which accepts and then drops connections is not asked in a spin.
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		conn, err := dialBackend(ctx, *backend.Load())
		if err != nil {
			continue
		}
		conn.Close()
		w.mu.Lock()
		if w.opened == opened {
			w.leave()
			w.opened = nil
		}
		w.mu.Unlock()
		close(opened)
		return
	}
}

// A local socket answers at once or not at all; only "tcp:" backends can hang.
const dialTimeout = 3 * time.Second

func dialBackend(ctx context.Context, backend string) (net.Conn, error) {
	network, address, err := splitBackend(backend)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	if network == "unix" {
		return dialSocket(ctx, dialer, address)
	}
	return dialer.DialContext(ctx, network, address)
}

// splitBackend reads "unix:/path" or "tcp:host:port".
func splitBackend(backend string) (network, address string, err error) {
	network, address, ok := strings.Cut(backend, ":")
	if !ok || address == "" || network != "unix" && network != "tcp" {
		return "", "", fmt.Errorf("backend %q is neither unix:PATH nor tcp:HOST:PORT", backend)
	}
	return network, address, nil
}

// away reports whether a dial failed because nobody listens (yet, or any more) or the listener's queue is full, all of
// which pass when a homeserver has come up.
func away(err error) bool {
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" {
		return false
	}
	for _, passing := range []error{syscall.ECONNREFUSED, syscall.ENOENT, syscall.EAGAIN, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return dial.Timeout()
}
