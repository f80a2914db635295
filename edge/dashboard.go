package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
)

// dashboardSite is Hafen's own website as a thing to forward to.
type dashboardSite struct {
	backend atomic.Pointer[string]
	room    waitingRoom
}

// serveDashboard forwards every path of the base domain: the website has its own table of routes.
func (e *Edge) serveDashboard(w http.ResponseWriter, r *http.Request) {
	path, query, ask := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || !printable(path) || !printable(query) || !methods[r.Method] {
		http.Error(w, "Bad request", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(e.cutoff, func() { cancel(errDraining) })()

	p := &passage{
		forwarder: e.forwarder, backend: &e.dashboard.backend, room: &e.dashboard.room,
		target: target{path: path, query: query, ask: ask}, body: e.metered(w, r, maxBody),
	}
	defer p.body.finish()
	p.fail = func(w http.ResponseWriter, _ *http.Request, err error) {
		switch {
		case errors.Is(p.body.failure(), errTooLarge):
			w.Header().Set("Connection", "close")
			http.Error(w, "Request too large", http.StatusRequestEntityTooLarge)
		case errors.Is(p.body.failure(), errClientLeft), r.Context().Err() != nil:
			panic(http.ErrAbortHandler)
		default:
			e.complain(p.room, "edge forwards to the dashboard in vain", r, err)
			w.Header().Set("Retry-After", "5")
			http.Error(w, "Hafen is starting. Please try again in a moment.", http.StatusServiceUnavailable)
		}
	}
	guarded := r.WithContext(ctx)
	guarded.Body = p.body
	p.serve(w, guarded)
}
