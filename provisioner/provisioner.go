// Package provisioner makes a tenant's outside objects what its [tenant.Spec] says: container, network, database, files,
// secrets, certificate, route.
//
// It does two things. [Provisioner.Observe] finds out what is, and remembers nothing. [Provisioner.Apply] does one
// [tenant.Step]. Deciding which steps is [tenant.Diff]'s affair, so a person can read what will be done before it is.
//
// Every step is idempotent, has a time limit, and may be killed at any point: what it leaves half done, Observe reports
// as not done. The rules behind that are in the steps: a file that says "complete" is written last and removed first, a
// database counts only once nobody else may enter it, secrets are only ever added.
//
// Isolation is made here and in the packages below: docker (what a container may), firewall (what it may reach),
// database (what a role may), and in the owners and modes of files.
package provisioner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"hafen/provisioner/cgroup"
	"hafen/provisioner/database"
	"hafen/provisioner/disk"
	"hafen/provisioner/docker"
	"hafen/provisioner/firewall"
	"hafen/provisioner/network"
	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// Config is everything a Provisioner needs.
type Config struct {
	// Installation tells this installation's containers and networks from another's on the same engine.
	Installation string
	// DataDir keeps the tenants' files, in its directory tenants.
	DataDir string
	// RunDir keeps a directory with a socket for each tenant. For the provisioner alone; a short path, because a
	// socket's is limited to 107 bytes.
	RunDir string
	// SocketGroup is the group of the edge, which may connect to the tenants' sockets. 0 is root's.
	SocketGroup int
	// DockerHost is the engine's address; "" is what DOCKER_HOST says, or its usual socket.
	DockerHost string
	// Database is the cluster of the tenants' databases.
	Database database.Config
	// Processors are the control groups of the cluster's processes; nil where there can be none, or the cluster is not Hafen's.
	Processors *cgroup.Tree
	// Network is the address plan of the tenants that federate.
	Network network.Plan
	// TrustFile, when not "", holds the certificate authorities tenants trust instead of those of their image.
	TrustFile string

	Engines      []homeserver.Engine
	Secrets      Secrets
	Routes       Routes
	Certificates Certificates
	Issuer       Issuer
	// At is called before and after each step of making a template acts. Nil but in crash tests.
	At func(step tenant.Step, acted bool)
}

// Provisioner acts on tenants' outside objects. Safe for concurrent use; two steps of one tenant must not run at once.
type Provisioner struct {
	config   Config
	engines  map[tenant.EngineName]homeserver.Engine
	docker   *docker.Engine
	database *database.Cluster
	firewall *firewall.Firewall
	files    files
	taken    chan struct{} // see SpareTaken
	swept    *atomic.Bool  // no server that made a template is left of a process before this one
}

// A Unix socket's path, less its terminating zero: sockaddr_un has 108 bytes.
const maxSocketPath = 107

// New makes a Provisioner. It connects to nothing yet. Close it.
func New(ctx context.Context, c Config) (*Provisioner, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("provisioner: %w", err)
	}
	engine, err := docker.New(docker.Config{Host: c.DockerHost, Installation: c.Installation})
	if err != nil {
		return nil, fmt.Errorf("provisioner: %w", err)
	}
	cluster, err := database.Open(ctx, c.Database)
	if err != nil {
		return nil, fmt.Errorf("provisioner: %w", err)
	}
	if c.At == nil {
		c.At = func(tenant.Step, bool) {}
	}
	data := filepath.Join(c.DataDir, "tenants")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("provisioner: make the tenants' directory: %w", err)
	}
	volumes, err := disk.Detect(data)
	if err != nil {
		return nil, fmt.Errorf("provisioner: %w", err)
	}
	p := &Provisioner{
		config: c, engines: map[tenant.EngineName]homeserver.Engine{},
		docker: engine, database: cluster, firewall: firewall.New(c.Network),
		files: files{data: data, run: c.RunDir, group: c.SocketGroup, volumes: volumes},
		taken: make(chan struct{}, 1), swept: new(atomic.Bool),
	}
	for _, e := range c.Engines {
		p.engines[e.Describe().Name] = e
	}
	return p, nil
}

func (c Config) check() error {
	switch {
	case c.Installation == "":
		return errors.New("the installation has no name")
	case !filepath.IsAbs(c.DataDir) || !filepath.IsAbs(c.RunDir) || !filepath.IsAbs(c.Database.SocketDir):
		return errors.New("the directories for data, sockets and the cluster's socket must be absolute: they are mounted into containers")
	case len(filepath.Join(c.RunDir, string(tenant.NewID()), homeserver.SocketName)) > maxSocketPath:
		return fmt.Errorf("the directory for sockets, %s, has too long a path: a socket's path has at most %d bytes", c.RunDir, maxSocketPath)
	case c.TrustFile != "" && !filepath.IsAbs(c.TrustFile):
		return errors.New("the file of certificate authorities must have an absolute path")
	case len(c.Engines) == 0 || c.Secrets == nil || c.Routes == nil || c.Certificates == nil || c.Issuer == nil:
		return errors.New("an engine or a port is missing")
	}
	return c.Network.Check()
}

// Close ends the connections to engine and cluster.
func (p *Provisioner) Close() error {
	p.database.Close()
	return p.docker.Close()
}

// Volumes says whether tenants' volumes are limited on the disk; if not, why.
func (p *Provisioner) Volumes() (why string, limited bool) { return p.files.volumes.Limits() }

// SortBackends gives each tenant's work in the database its share of the processors, until ctx ends. Where that cannot be had it
// returns at once.
func (p *Provisioner) SortBackends(ctx context.Context, log *slog.Logger) error {
	if p.config.Processors == nil {
		return nil
	}
	sorter := database.Sorter{Cluster: p.database, Groups: p.config.Processors, Log: log, Millis: func(ctx context.Context, id tenant.ID) (int, error) {
		c, err := p.docker.Find(ctx, id)
		return databaseMillis(cmp.Or(c.Limits.CPUMillis, millisWithout)), err
	}}
	return sorter.Run(ctx)
}

// databaseMillis is what a tenant's backends have beside what its container has: half as much again. A homeserver mostly waits while
// its database computes; one that took both in full would take two processors where its plan has one.
func databaseMillis(container int) int { return max(container/2, 1) }

// millisWithout is for a role whose container is not there: Hafen's own questions, before it comes or after it went.
const millisWithout = 1000

// Backend is where the tenant's homeserver listens, as the edge wants it: "unix:" and a path.
func (p *Provisioner) Backend(spec tenant.Spec) string { return "unix:" + p.files.socket(spec.ID) }

// EnsureNetwork makes the bridge with the gateway address, where resolver and edge listen for tenants, and sets the
// firewall. Call it when starting, and now and then: it costs some milliseconds, and puts the firewall back when
// somebody has removed it.
func (p *Provisioner) EnsureNetwork(ctx context.Context) error {
	if err := p.docker.EnsureBridge(ctx, p.config.Network.First()); err != nil {
		return classify(err)
	}
	return classify(p.firewall.Ensure(ctx))
}

// RemoveNetwork takes bridges and firewall away, for an installation that ends. The containers must be gone; while one is
// left on a bridge, the firewall stays.
func (p *Provisioner) RemoveNetwork(ctx context.Context) error {
	for _, b := range p.config.Network.Bridges() {
		if err := p.docker.RemoveBridge(ctx, b); err != nil {
			return classify(err)
		}
	}
	return classify(p.firewall.Remove(ctx))
}

// Server reaches a tenant's running homeserver, to manage its accounts.
func (p *Provisioner) Server(ctx context.Context, spec tenant.Spec) (homeserver.Server, error) {
	secrets, err := p.config.Secrets.Load(ctx, spec.ID)
	if err != nil {
		return nil, fmt.Errorf("load the secrets of %s: %w", spec.ID, err)
	}
	return p.connect(spec, secrets)
}

// Supports reports whether a tenant's engine has a capability.
func (p *Provisioner) Supports(name tenant.EngineName, c homeserver.Capability) bool {
	engine, ok := p.engines[name]
	return ok && engine.Describe().Supports(c)
}

// Inventory lists the tenants of which a container or files exist in this installation, to find orphans by. Databases
// are left out: a cluster may be shared with another installation.
func (p *Provisioner) Inventory(ctx context.Context) ([]tenant.ID, error) {
	ids, err := p.everything(ctx)
	return slices.DeleteFunc(ids, database.Builder), err
}

// everything is what Inventory lists, and the servers that make templates.
func (p *Provisioner) everything(ctx context.Context) ([]tenant.ID, error) {
	ids, err := p.docker.List(ctx)
	if err != nil {
		return nil, classify(err)
	}
	onDisk, err := p.files.list()
	if err != nil {
		return nil, classify(err)
	}
	seen := map[tenant.ID]bool{}
	var all []tenant.ID
	for _, id := range append(ids, onDisk...) {
		if !seen[id] {
			seen[id] = true
			all = append(all, id)
		}
	}
	return all, nil
}

// Watch calls ended with each tenant of this installation whose container has ended, until ctx is done. It is a hint: what
// happens while the engine is away is missed. A tenant that federates is started again by nobody but the reconcile loop.
func (p *Provisioner) Watch(ctx context.Context, ended func(tenant.ID)) {
	p.docker.Watch(ctx, func(id tenant.ID) {
		if !database.Builder(id) {
			ended(id)
		}
	})
}

func (p *Provisioner) engine(spec tenant.Spec) (homeserver.Engine, error) {
	engine, ok := p.engines[spec.Engine]
	if !ok {
		return nil, &tenant.Failure{Disposition: tenant.Stop, Code: "engine_unknown", Err: fmt.Errorf("no engine is called %q", spec.Engine)}
	}
	return engine, nil
}

// attachment is the tenant's place in the network, nil for one with no business on the internet: it gets no network at all.
func (p *Provisioner) attachment(spec tenant.Spec) (*docker.Attachment, error) {
	if !spec.Outbound() {
		return nil, nil
	}
	bridge, address, err := p.config.Network.Place(spec.Number)
	if err != nil {
		return nil, &tenant.Failure{Disposition: tenant.Stop, Code: "network_full", Err: err}
	}
	return &docker.Attachment{Bridge: bridge, Address: address, DNS: p.config.Network.Gateway()}, nil
}
