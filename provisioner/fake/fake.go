// Package fake is a provisioner whose outside world is in memory, for tests of whatever uses one. It follows the same
// rules as the real one, which one suite, package conformance, holds both to.
//
// A test makes it fail, wait or count through [World.Hook].
package fake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"hafen/provisioner"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Phase is when a Hook is called.
type Phase string

// The phases of a step.
const (
	Before Phase = "before" // nothing has been done; an error is a step that failed
	After  Phase = "after"  // it has been done; an error is a step that was killed before it could be recorded
)

// Config says which ports the world uses; those that are nil are kept in memory.
type Config struct {
	Secrets      provisioner.Secrets
	Routes       provisioner.Routes
	Certificates provisioner.Certificates
	Issuer       provisioner.Issuer
	Now          func() time.Time // nil: the clock
}

// World is the provisioner and all that it provisions. Safe for concurrent use.
type World struct {
	config Config

	mu      sync.Mutex
	hook    func(context.Context, tenant.Spec, tenant.Step, Phase) error
	applied []Applied
	tenants map[tenant.ID]*objects
}

// Applied is one step that was done.
type Applied struct {
	Tenant tenant.ID
	Step   tenant.Step
}

// objects is all that exists outside of one tenant.
type objects struct {
	role, database bool
	files          string
	leftovers      bool
	container      tenant.ContainerState
	revision       string // of the container
	loaded         string // revision of the files the running server has read
	limits         tenant.Limits
	starts         int // of the container
	accounts       *accounts
	usage          tenant.Usage
}

// New makes an empty World.
func New(c Config) *World {
	memory := NewPorts()
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Secrets == nil {
		c.Secrets = Secrets{Ports: memory}
	}
	if c.Routes == nil {
		c.Routes = Routes{Ports: memory}
	}
	if c.Certificates == nil {
		c.Certificates = Certificates{Ports: memory}
	}
	if c.Issuer == nil {
		c.Issuer = Issuer{Now: c.Now}
	}
	return &World{config: c, tenants: map[tenant.ID]*objects{}}
}

// Hook sets a function that is called before and after each step is done, without any lock held. Its error fails the
// step. nil takes it away.
func (w *World) Hook(f func(context.Context, tenant.Spec, tenant.Step, Phase) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = f
}

// Applied lists all steps that were done, in order.
func (w *World) Applied() []Applied {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Applied(nil), w.applied...)
}

// Crash ends a tenant's container, as a failure would.
func (w *World) Crash(id tenant.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.tenants[id]; o != nil && o.container == tenant.ContainerRunning {
		o.container = tenant.ContainerStopped
	}
}

// SetUsage sets what Usage measures.
func (w *World) SetUsage(id tenant.ID, u tenant.Usage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of(id).usage = u
}

// Starts is how often the tenant's container was started.
func (w *World) Starts(id tenant.ID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of(id).starts
}

// Left lists what exists of a tenant outside of the ports.
func (w *World) Left(id tenant.ID) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.of(id)
	var left []string
	for what, there := range map[string]bool{
		"role": o.role, "database": o.database, "files": o.leftovers, "container": o.container != tenant.ContainerAbsent,
	} {
		if there {
			left = append(left, what)
		}
	}
	return left
}

// Backend is where a tenant's server would listen.
func (w *World) Backend(spec tenant.Spec) string {
	return "unix:/run/fake/" + string(spec.ID) + "/hs.sock"
}

// Usage gives what SetUsage has set.
func (w *World) Usage(_ context.Context, spec tenant.Spec) (tenant.Usage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of(spec.ID).usage, nil
}

// Orphans gives what SetUsage has set.
func (w *World) Orphans(_ context.Context, spec tenant.Spec) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of(spec.ID).usage.OrphanBytes, nil
}

// Inventory lists the tenants of which a container or files exist.
func (w *World) Inventory(context.Context) ([]tenant.ID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []tenant.ID
	for id, o := range w.tenants {
		if o.leftovers || o.container != tenant.ContainerAbsent {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// EnsureNetwork has nothing to do.
func (w *World) EnsureNetwork(context.Context) error { return nil }

// Server reaches a tenant's server.
func (w *World) Server(_ context.Context, spec tenant.Spec) (homeserver.Server, error) {
	return &server{Limited: homeserver.Limited{Engine: spec.Engine}, world: w, spec: spec}, nil
}

// Observe tells what exists.
func (w *World) Observe(ctx context.Context, spec tenant.Spec) (tenant.Observed, error) {
	secrets, err := w.config.Secrets.Load(ctx, spec.ID)
	if err != nil {
		return tenant.Observed{}, fmt.Errorf("load the secrets: %w", err)
	}
	expiry, err := w.config.Certificates.Expiry(ctx, spec.Host)
	if err != nil {
		return tenant.Observed{}, fmt.Errorf("look for the certificate: %w", err)
	}
	route, err := w.config.Routes.Find(ctx, spec.ID)
	if err != nil {
		return tenant.Observed{}, fmt.Errorf("look for the route: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.of(spec.ID)
	return tenant.Observed{
		Secrets: len(secrets) > 0, Administrator: len(secrets[tokenName]) > 0, Certificate: expiry, Route: route,
		Role: o.role, Database: o.database, Files: o.files, Leftovers: o.leftovers,
		Container: o.container, Revision: o.revision, Limits: o.limits,
		Healthy: spec.Goal == tenant.GoalRun && o.healthy(),
	}, nil
}

func (o *objects) healthy() bool {
	return o.container == tenant.ContainerRunning && o.role && o.database && o.loaded != ""
}

// Apply does one step.
func (w *World) Apply(ctx context.Context, spec tenant.Spec, step tenant.Step) error {
	w.mu.Lock()
	hook := w.hook
	w.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, spec, step, Before); err != nil {
			return failure(err)
		}
	}
	if err := ctx.Err(); err != nil {
		return failure(err)
	}
	if err := w.act(ctx, spec, step); err != nil {
		return failure(err)
	}
	w.mu.Lock()
	w.applied = append(w.applied, Applied{spec.ID, step})
	w.mu.Unlock()
	if hook != nil {
		return failure(hook(ctx, spec, step, After))
	}
	return nil
}

func failure(err error) error {
	if err == nil {
		return nil
	}
	return tenant.FailureOf(err)
}

// of gives the objects of a tenant. Call it with the lock held.
func (w *World) of(id tenant.ID) *objects {
	if w.tenants[id] == nil {
		w.tenants[id] = &objects{container: tenant.ContainerAbsent, accounts: newAccounts()}
	}
	return w.tenants[id]
}

var errNotReady = errors.New("what the step needs does not exist")
