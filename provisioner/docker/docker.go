// Package docker runs tenants' homeservers as containers of a Docker Engine, each locked up as [Profile] says.
//
// The package keeps nothing in memory: what exists is asked of the engine, by name. Containers and networks carry the
// installation's label, and whatever has one of our names without it is never touched. A crash leaves a container created
// but not started, or stopped but not removed; both are seen as what they are at the next look.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"hafen/tenant"
)

// Config says which engine, and for whom.
type Config struct {
	Host         string // address of the engine; "" is what DOCKER_HOST and its like say, or its usual socket
	Installation string // value of the label that tells this installation's containers from another's
}

// Engine is a Docker Engine as this installation sees it. Safe for concurrent use.
type Engine struct {
	client       *client.Client
	installation string
}

// New makes an Engine. It does not connect yet: an engine that is away is found out, and named, when it is needed.
func New(c Config) (*Engine, error) {
	// Negotiated, so that everything from Engine 20.10 (API 1.41) to the newest will do.
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if c.Host != "" {
		options = append(options, client.WithHost(c.Host))
	}
	docker, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("docker: make the client: %w", err)
	}
	return &Engine{client: docker, installation: c.Installation}, nil
}

// Close ends the connections to the engine.
func (e *Engine) Close() error { return e.client.Close() }

// Errors a caller can do something about.
var (
	ErrForeign      = errors.New("an object with a name of ours does not belong to this installation")
	ErrImageAbsent  = errors.New("the image is absent")
	ErrAddressTaken = errors.New("the address is taken")
	ErrDiskFull     = errors.New("the disk is full")
)

// Error is every error of this package: what was being done, and what the engine said.
type Error struct {
	Doing string
	Err   error
}

func (e *Error) Error() string { return "docker: " + e.Doing + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Absent reports whether err means that the engine cannot be reached, or went away in the middle.
func Absent(err error) bool {
	ours, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	_, network := errors.AsType[net.Error](ours.Err)
	return network || client.IsErrConnectionFailed(ours.Err) || errors.Is(ours.Err, io.EOF) || errors.Is(ours.Err, io.ErrUnexpectedEOF)
}

// Container is what exists of a tenant's container.
type Container struct {
	State    tenant.ContainerState
	Revision string
	Limits   tenant.Limits // without database connections
	Crashed  bool          // it ended by itself, or is being started again after it did
	Killed   bool          // the last end was for want of memory
	ExitCode int
	PID      int // of its first process, on this host
}

// Find gives the tenant's container; State is ContainerAbsent when there is none.
func (e *Engine) Find(ctx context.Context, id tenant.ID) (Container, error) {
	c, err := e.client.ContainerInspect(ctx, id.Container())
	if errdefs.IsNotFound(err) {
		return Container{State: tenant.ContainerAbsent}, nil
	}
	if err != nil {
		return Container{}, wrap("inspect the container", err)
	}
	if !e.owns(c.Config.Labels, id) {
		return Container{}, wrap("inspect the container", ErrForeign)
	}
	found := Container{
		State:    tenant.ContainerStopped,
		Revision: c.Config.Labels[tenant.LabelRevision],
		Limits:   limits(c.HostConfig.Resources),
		Crashed:  c.State.Restarting || (!c.State.Running && c.State.ExitCode != 0),
		Killed:   c.State.OOMKilled,
		ExitCode: c.State.ExitCode,
		PID:      c.State.Pid,
	}
	if c.State.Running || c.State.Restarting {
		found.State = tenant.ContainerRunning
	}
	return found, nil
}

// Create makes the container. One that is there already is kept when it is of the same revision, and replaced when not.
func (e *Engine) Create(ctx context.Context, p Profile) error {
	config, host, networking := p.render(e.installation)
	for {
		_, err := e.client.ContainerCreate(ctx, config, host, networking, nil, p.Spec.ID.Container())
		if !errdefs.IsConflict(err) {
			return wrap("create the container", err)
		}
		found, lookErr := e.Find(ctx, p.Spec.ID)
		switch {
		case lookErr != nil:
			return lookErr
		case found.State == tenant.ContainerAbsent:
			// The name is taken by a container that is just being made, for a caller that was killed, or removed: the
			// engine goes on with both. Soon it is there, or the name is free.
			select {
			case <-ctx.Done():
				return wrap("create the container", errors.Join(ctx.Err(), err))
			case <-time.After(25 * time.Millisecond):
			}
		case found.Revision == p.Spec.Revision():
			return nil
		default:
			if err := e.Remove(ctx, p.Spec.ID); err != nil {
				return err
			}
		}
	}
}

// Start starts the container; one that runs is left alone.
func (e *Engine) Start(ctx context.Context, id tenant.ID) error {
	if _, err := e.Find(ctx, id); err != nil { // a foreign one
		return err
	}
	return wrap("start the container", e.client.ContainerStart(ctx, id.Container(), container.StartOptions{}))
}

// Stop ends the container, with a signal first and by force after StopSeconds. An absent one is no error, a foreign one is.
func (e *Engine) Stop(ctx context.Context, id tenant.ID) error {
	if _, err := e.Find(ctx, id); err != nil {
		return err
	}
	return e.stop(ctx, id)
}

func (e *Engine) stop(ctx context.Context, id tenant.ID) error {
	err := e.client.ContainerStop(ctx, id.Container(), container.StopOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return wrap("stop the container", err)
}

// Remove ends the container and removes it. An absent one is no error, a foreign one is.
func (e *Engine) Remove(ctx context.Context, id tenant.ID) error {
	found, err := e.Find(ctx, id)
	if err != nil || found.State == tenant.ContainerAbsent {
		return err
	}
	// Gently, so that the homeserver closes its streams.
	if err := e.stop(ctx, id); err != nil {
		return err
	}
	err = e.client.ContainerRemove(ctx, id.Container(), container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	// Somebody else is removing it: it is as good as gone, and the next look tells.
	if errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	return wrap("remove the container", err)
}

// UpdateLimits changes the limits of a container, also while it runs.
func (e *Engine) UpdateLimits(ctx context.Context, id tenant.ID, l tenant.Limits) error {
	if _, err := e.Find(ctx, id); err != nil { // a foreign one
		return err
	}
	_, err := e.client.ContainerUpdate(ctx, id.Container(), container.UpdateConfig{Resources: resources(l)})
	return wrap("update the limits", err)
}

// List gives the tenants that have a container of this installation.
func (e *Engine) List(ctx context.Context) ([]tenant.ID, error) {
	all, err := e.client.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", tenant.LabelInstallation+"="+e.installation)),
	})
	if err != nil {
		return nil, wrap("list the containers", err)
	}
	var ids []tenant.ID
	for _, c := range all {
		if id, err := tenant.ParseID(c.Labels[tenant.LabelTenant]); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (e *Engine) owns(labels map[string]string, id tenant.ID) bool {
	return labels[tenant.LabelInstallation] == e.installation && labels[tenant.LabelTenant] == string(id)
}

// wrap says what we were doing, and gives those of the engine's errors a type that a caller needs one of: the engine
// tells them apart in words only.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	said := strings.ToLower(err.Error())
	switch {
	case errors.Is(err, ErrForeign):
	case errdefs.IsNotFound(err) && strings.Contains(said, "no such image"):
		err = fmt.Errorf("%w: %w", ErrImageAbsent, err)
	case strings.Contains(said, "address already in use"), strings.Contains(said, "pool overlaps"):
		err = fmt.Errorf("%w: %w", ErrAddressTaken, err)
	case strings.Contains(said, "no space left on device"):
		err = fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return &Error{doing, err}
}
