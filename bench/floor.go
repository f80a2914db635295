package main

import (
	"net/netip"
	"path/filepath"
	"time"

	"github.com/docker/docker/client"

	"hafen/images"
	"hafen/internal/hafentest"
	"hafen/provisioner"
	"hafen/provisioner/database"
	"hafen/provisioner/docker"
	"hafen/provisioner/fake"
	"hafen/provisioner/network"
	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/dendrite"
)

// floor starts servers with nothing but the Docker Engine: what an order cannot be faster than. Its databases are in the
// installation's own cluster, and its containers have the profile of the installation's tenants.
type floor struct {
	provisioner *provisioner.Provisioner
	engine      *docker.Engine
	image       string
	data, run   string
	h           *hafentest.Hafen
}

// Numbers of floors' servers, from which their user ids derive, are far from those of tenants.
const firstFloorNumber = 900_000

func newFloor(b *bed, h *hafentest.Hafen) *floor {
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	b.must("make Docker's client", err)
	defer api.Close()
	image, err := images.Find(b.ctx, api, images.Dendrite)
	b.must("look for the image", err)
	engine, err := docker.New(docker.Config{Installation: "bench"})
	b.must("make Docker's client", err)
	b.Cleanup(func() { engine.Close() })

	f := &floor{engine: engine, image: image, h: h, data: filepath.Join(h.Data, "floor"), run: filepath.Join(h.Data, "run", "f")}
	ports := fake.NewPorts()
	f.provisioner, err = provisioner.New(b.ctx, provisioner.Config{
		Installation: "bench", DataDir: f.data, RunDir: f.run,
		Database: database.Config{DSN: h.DSN("postgres"), SocketDir: filepath.Join(h.Data, "run", "pg")},
		Network:  network.Plan{BridgePrefix: "bench", Subnet: netip.MustParsePrefix("10.63.0.0/16")}, // no server here has a network
		Engines:  []homeserver.Engine{dendrite.Engine{}},
		Secrets:  fake.Secrets{Ports: ports}, Routes: fake.Routes{Ports: ports}, Certificates: fake.Certificates{Ports: ports},
		Issuer: fake.Issuer{Now: time.Now},
	})
	b.must("prepare the floor", err)
	b.Cleanup(func() { f.provisioner.Close() })
	return f
}

// measure makes and starts one server, and gives the seconds until it is ready, and those of the making alone. Role, database,
// files and the clients are there before, and all is removed after.
func (f *floor) measure(b *bed, i int) (total, create float64) {
	spec := f.spec(b, i)
	for _, step := range []tenant.Step{tenant.CreateSecrets, tenant.CreateDatabase, tenant.WriteFiles} {
		b.must(string(step)+" of a floor", f.provisioner.Apply(b.ctx, spec, step))
	}
	defer f.remove(b, spec)
	server, err := f.provisioner.Server(b.ctx, spec)
	b.must("connect to a floor", err)
	home := filepath.Join(f.data, "tenants", string(spec.ID))
	profile := docker.Profile{
		Spec: spec, Command: dendrite.Engine{}.Describe().Command,
		ConfigDir: filepath.Join(home, "config"), DataDir: filepath.Join(home, "data"), SocketDir: filepath.Join(f.run, string(spec.ID)),
		DatabaseSocketDir: filepath.Join(f.h.Data, "run", "pg"), TrustFile: filepath.Join(f.h.Data, "ca", "bundle.pem"),
	}

	watch := newStopwatch()
	b.must("create a floor", f.engine.Create(b.ctx, profile))
	create = watch.seconds()
	b.must("start a floor", f.engine.Start(b.ctx, spec.ID))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if err = server.Ready(b.ctx); err == nil {
			return watch.seconds(), create
		}
		if time.Now().After(deadline) {
			b.Fatalf("a floor is not ready: %v", err)
		}
	}
}

// spec is a tenant of the plan that is ordered.
func (f *floor) spec(b *bed, i int) tenant.Spec {
	limits := hafentest.Query[[]int64](f.h, `select array[memory_bytes, cpu_millis, pids, database_connections] from plans where id = 'basic'`)
	name := tenant.MustDomain(string(tenant.NewID()) + ".floor.localhost")
	return tenant.Spec{
		ID: tenant.NewID(), Number: firstFloorNumber + i, ServerName: name, Host: name, Engine: tenant.Dendrite, Image: f.image,
		Goal: tenant.GoalRun, FirstAdmin: "admin",
		Limits: tenant.Limits{MemoryBytes: limits[0], CPUMillis: int(limits[1]), PIDs: int(limits[2]), DatabaseConnections: int(limits[3])},
	}
}

func (f *floor) remove(b *bed, spec tenant.Spec) {
	for _, step := range []tenant.Step{tenant.RemoveContainer, tenant.DropDatabase, tenant.RemoveFiles} {
		b.must(string(step)+" of a floor", f.provisioner.Apply(b.ctx, spec, step))
	}
}
