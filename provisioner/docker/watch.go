package docker

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"hafen/tenant"
)

// Time between two attempts to follow an engine that is away.
const followAgain = 2 * time.Second

// Watch calls ended with each tenant of this installation whose container has ended, until ctx is done. It follows the
// engine through its restarts, but what happens meanwhile is missed: it is a hint, and looking is the truth.
func (e *Engine) Watch(ctx context.Context, ended func(tenant.ID)) {
	for ctx.Err() == nil {
		_ = e.follow(ctx, ended) // whatever ended it, we look again
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
}

// follow returns when the engine ends the stream, or ctx is done.
func (e *Engine) follow(ctx context.Context, ended func(tenant.ID)) error {
	// The client settles the API's version with its first request, under a lock that Events alone does not take.
	if _, err := e.client.ServerVersion(ctx); err != nil {
		return err
	}
	messages, failed := e.client.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)), filters.Arg("event", string(events.ActionDie)),
		filters.Arg("label", tenant.LabelInstallation+"="+e.installation),
	)})
	for {
		select {
		case m := <-messages:
			if id, err := tenant.ParseID(m.Actor.Attributes[tenant.LabelTenant]); err == nil {
				ended(id)
			}
		case err := <-failed:
			return err
		}
	}
}
