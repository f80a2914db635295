package edge

import (
	"context"
	"time"
)

// follow keeps the index up to date until ctx ends. It is the only writer of the index.
func (e *Edge) follow(ctx context.Context) {
	changes := e.config.Source.Changes(ctx)
	poll := time.NewTicker(e.config.Poll)
	defer poll.Stop()

	// What the copy on disk says about revisions is not believed: a database restored from a backup may count the
	// same numbers again. So the first load is a full one.
	have := Revision{}
	for {
		if loaded, err := e.refresh(ctx, have); err != nil {
			e.log.Warn("edge keeps serving from its copy: loading routes failed", "error", err)
			// Now it is the copy that a restart would serve: what a burst of changes still holds back belongs into it.
			e.save(e.config.Now())
		} else {
			have = loaded
		}
		select {
		case <-ctx.Done():
			e.save(e.config.Now())
			return
		case _, open := <-changes:
			if !open {
				changes = nil // polling remains
			}
		case <-poll.C:
		}
	}
}

// A load that takes longer than this is given up and tried again; the index serves meanwhile.
const loadTimeout = 30 * time.Second

// refresh asks the source for what is newer than have, and puts it in place.
func (e *Edge) refresh(ctx context.Context, have Revision) (Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	newer, err := e.config.Source.Load(ctx, have)
	if err != nil {
		return have, err
	}
	e.metrics.confirmed(e.config.Now())
	base := e.index.Load().snapshot
	base.Revision = have
	switch {
	case have == (Revision{}) || newer.Revision.Routes != have.Routes || newer.Revision.Certificates != have.Certificates:
		e.put(base.apply(newer))
	case newer.Revision.Usage != have.Usage:
		e.remeasure(base.apply(newer))
	}
	e.keep()
	e.loaded()
	return newer.Revision, nil
}

// put makes a snapshot the one that is served.
func (e *Edge) put(s Snapshot) {
	next, failures := newIndex(s, e.index.Load(), e.occupants)
	for _, err := range failures {
		e.log.Error("edge leaves out a certificate", "error", err)
	}
	e.index.Store(next)
	e.metrics.served(len(s.Routes))
}

// remeasure is put for measurements alone, which come all the time and of thousands of tenants.
func (e *Edge) remeasure(s Snapshot) {
	e.occupants.measure(s.Usage)
	x := *e.index.Load()
	x.snapshot = s
	e.index.Store(&x)
}

// keep writes the local copy when it is worth it; after a failure it is tried again at the next poll.
func (e *Edge) keep() {
	now, served := e.config.Now(), e.index.Load().snapshot.Revision
	pause := copyInterval
	if served.Routes == e.kept.Routes && served.Certificates == e.kept.Certificates {
		pause = usageCopyInterval
	}
	if now.Sub(e.keptAt) >= pause {
		e.save(now)
	}
}

func (e *Edge) save(now time.Time) {
	s := e.index.Load().snapshot
	if s.Revision == e.kept && !e.journal.long() {
		return
	}
	if err := e.copy.save(s); err != nil {
		e.log.Error("edge could not keep its local copy; a restart without the database would serve an older one", "error", err)
		return
	}
	e.kept, e.keptAt = s.Revision, now
	if err := e.journal.rewrite(e.occupants.pending); err != nil {
		e.log.Error("edge's journal of uploads is longer than it need be", "error", err)
	}
}
