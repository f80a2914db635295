package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

var errDraining = errors.New("the edge is stopping")

// net/http logs a line for every stranger that breaks off a handshake.
var silent = log.New(io.Discard, "", 0)

// Edge is one running edge. Make it with New, run it once.
type Edge struct {
	config     Config
	log        *slog.Logger
	metrics    *metrics
	forwarder  *forwarder
	challenges *challenges
	dashboard  dashboardSite

	connections *shares
	requests    *shares

	index     atomic.Pointer[index]
	occupants *occupants
	copy      copyFile
	journal   *journal
	kept      Revision // what the local copy holds; with keptAt, the follower's own
	keptAt    time.Time

	cutoff context.Context // ends when requests that still wait must go
	cut    context.CancelFunc
	ready  chan struct{}
	once   sync.Once
}

// New reads the local copy and prepares to serve from it. A copy that cannot be read is reported in the log and done
// without: the source has the same.
func New(config Config) (*Edge, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Edge{
		config: config, log: config.Log, forwarder: newForwarder(config.Hold), challenges: newChallenges(config.Source),
		occupants: &occupants{}, copy: copyFile{config.Copy, config.Sealer}, ready: make(chan struct{}),
		journal: &journal{path: config.Copy + ".uploads", log: config.Log},
	}
	e.dashboard.backend.Store(&e.config.Dashboard.Backend)
	e.cutoff, e.cut = context.WithCancel(context.Background())
	e.metrics, err = newMetrics(config.Metrics, func() float64 { return float64(e.forwarder.waiting.Load()) }, config.Now)
	if err != nil {
		return nil, fmt.Errorf("register the edge's metrics: %w", err)
	}
	e.connections, e.requests = newConnections(config.ClientConnections), newRequests(config.ClientRequests)
	e.index.Store(&index{})
	if e.occupants.remembered, err = e.journal.load(); err != nil {
		e.log.Error("edge starts without what was uploaded since the last measurements", "error", err)
	}
	kept, err := e.copy.load()
	if err != nil {
		e.log.Error("edge starts without its local copy", "error", err)
		return e, nil
	}
	e.put(kept)
	if len(kept.Routes) > 0 {
		e.loaded()
	}
	return e, nil
}

// Ready is closed once there is something to serve: from the local copy, or after the first successful Load.
func (e *Edge) Ready() <-chan struct{} { return e.ready }

func (e *Edge) loaded() { e.once.Do(func() { close(e.ready) }) }

// Run opens the listeners and serves until ctx ends; then it drains and returns nil. A listener that cannot be opened is
// a *tenant.Fault with the code edge.port_taken, edge.port_denied or edge.address.
func (e *Edge) Run(ctx context.Context) error {
	defer e.cut()
	defer e.forwarder.transport.CloseIdleConnections()
	sockets, err := e.config.Sockets.open(ctx, e.config)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var background sync.WaitGroup
	background.Go(func() { e.follow(ctx) })
	servers := e.serve(sockets, stop)
	<-ctx.Done()
	e.drain(servers)
	background.Wait()
	e.journal.end()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// serve starts a server for each socket. One that fails stops the edge with its error.
func (e *Edge) serve(sockets Sockets, stop context.CancelCauseFunc) []*http.Server {
	on := func(listener string, handle http.HandlerFunc) *http.Server {
		return e.server(e.metrics.count(listener, e.config.Stall, e.share(handle)))
	}
	plain := on(plainListener, e.servePlain)
	clients := on(tlsListener, func(w http.ResponseWriter, r *http.Request) { e.serveTLS(w, r, false) })
	peers := on(federationListener, func(w http.ResponseWriter, r *http.Request) { e.serveTLS(w, r, true) })
	start := func(listeners []net.Listener, serve func(net.Listener) error) {
		for _, listener := range listeners {
			go func() {
				if err := serve(e.guard(listener)); !errors.Is(err, http.ErrServerClosed) {
					stop(fmt.Errorf("serve on %s: %w", listener.Addr(), err))
				}
			}()
		}
	}
	start(sockets.HTTP, plain.Serve)
	start(sockets.HTTPS, func(l net.Listener) error { return clients.ServeTLS(l, "", "") })
	start(sockets.Federation, func(l net.Listener) error { return peers.ServeTLS(l, "", "") })
	return []*http.Server{plain, clients, peers}
}

func (e *Edge) server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		TLSConfig:         e.tlsConfig(),
		ReadHeaderTimeout: 10 * time.Second, // bounds the handshake too
		IdleTimeout:       2 * time.Minute,
		// No ReadTimeout or WriteTimeout: a sync waits for minutes, an upload takes what it takes. Bodies and writes
		// have bounds of their own.
		MaxHeaderBytes:               64 << 10,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is refused like every other strange target
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			SendPingTimeout:      30 * time.Second, // finds clients that vanished during a sync
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     e.config.Stall, // of the whole connection; see watchedWriter for one request's
		},
		ErrorLog: silent,
	}
}

// drain closes the listeners, lets requests finish for half of the time, then ends those that wait (a sync is asked again),
// and at the end of the time closes what is left.
func (e *Edge) drain(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), e.config.Drain)
	defer cancel()
	defer time.AfterFunc(e.config.Drain/2, e.cut).Stop()
	var stopping sync.WaitGroup
	for _, server := range servers {
		stopping.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close()
			}
		})
	}
	stopping.Wait()
}
