package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hafen/tenant"
)

// Hints listens to the database's notifications on one connection and hands them to whoever waits. A hint may be lost, late
// or one too many: it only ever says "look again".
type Hints struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool
}

// The channels: a tenant's rows moved (payload: its id), and something the edge holds moved.
const (
	channelTenant = "hafen_tenant"
	channelEdge   = "hafen_edge"
)

func newHints() *Hints { return &Hints{waiting: map[string]map[chan struct{}]bool{}} }

// run listens until ctx ends. After a lost connection everybody gets a hint, for nobody knows what was missed.
func (h *Hints) run(ctx context.Context, pool *pgxpool.Pool) {
	for ctx.Err() == nil {
		h.listen(ctx, pool)
		h.tellAll()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second): // the database may be away; asking more often does not bring it back
		}
	}
}

func (h *Hints) listen(ctx context.Context, pool *pgxpool.Pool) {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig.Copy())
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen "+channelTenant+"; listen "+channelEdge); err != nil {
		return
	}
	h.tellAll()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return
		}
		h.tell(n.Channel + " " + n.Payload)
	}
}

func (h *Hints) tell(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.waiting[key] {
		poke(c)
	}
}

func (h *Hints) tellAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, all := range h.waiting {
		for c := range all {
			poke(c)
		}
	}
}

// poke leaves one hint; more than one unread says no more.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (h *Hints) watch(ctx context.Context, key string) <-chan struct{} {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	if h.waiting[key] == nil {
		h.waiting[key] = map[chan struct{}]bool{}
	}
	h.waiting[key][c] = true
	h.mu.Unlock()
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiting[key], c)
		if len(h.waiting[key]) == 0 {
			delete(h.waiting, key)
		}
	})
	return c
}

// Listen passes the database's notifications on to Watch and WatchEdge until ctx ends. Without it they stay silent.
func (s *Store) Listen(ctx context.Context) { s.hints.run(ctx, s.pool) }

// Watch gives a hint whenever a row of the tenant moved, until ctx ends.
func (s *Store) Watch(ctx context.Context, id tenant.ID) <-chan struct{} {
	return s.hints.watch(ctx, channelTenant+" "+string(id))
}

// WatchEdge gives a hint whenever something the edge holds moved, until ctx ends.
func (s *Store) WatchEdge(ctx context.Context) <-chan struct{} {
	return s.hints.watch(ctx, channelEdge+" ")
}
