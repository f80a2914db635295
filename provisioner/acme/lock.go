package acme

import (
	"context"
	"sync"

	"hafen/tenant"
)

// nameLocks lets one order for a name run at a time in this process. Two at once would overwrite each other's
// answer at the edge and count twice against the authority's limits.
type nameLocks struct {
	mu   *sync.Mutex
	held map[tenant.Domain]chan struct{} // closed when released
}

func newNameLocks() nameLocks {
	return nameLocks{mu: new(sync.Mutex), held: map[tenant.Domain]chan struct{}{}}
}

func (l nameLocks) acquire(ctx context.Context, name tenant.Domain) (release func(), err error) {
	for {
		l.mu.Lock()
		other, taken := l.held[name]
		if !taken {
			mine := make(chan struct{})
			l.held[name] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, name)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
