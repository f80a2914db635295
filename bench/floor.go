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
)

// floor starts servers of one engine with nothing but the Docker Engine: what an order cannot be faster than. Its databases
// are in the installation's own cluster, and its containers have the profile of the installation's tenants.
type floor struct {
	provisioner *provisioner.Provisioner
	cluster     *database.Cluster
	secrets     fake.Secrets
	docker      *docker.Engine
	engine      homeserver.Engine
	image       string
	plan        network.Plan
	data, run   string
	h           *hafentest.Hafen
}

// floorTimes are the seconds of one server's starts until it is ready.
type floorTimes struct {
	empty    float64 // container made and started for the first time, database empty
	template float64 // the same, with a database from the template
	restart  float64 // container started again
	create   float64 // making the container alone
}

// Numbers of floors' servers, from which their user ids derive, are far from those of tenants.
const firstFloorNumber = 900_000

func newFloor(b *bed, h *hafentest.Hafen, server homeserver.Engine) *floor {
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	b.must("make Docker's client", err)
	defer api.Close()
	image, err := images.Find(b.ctx, api, string(server.Describe().Name))
	b.must("look for the image", err)
	engine, err := docker.New(docker.Config{Installation: "bench"})
	b.must("make Docker's client", err)
	b.Cleanup(func() { engine.Close() })

	ports := fake.NewPorts()
	f := &floor{
		secrets: fake.Secrets{Ports: ports}, docker: engine, engine: server, image: image, h: h,
		data: filepath.Join(h.Data, "floor"), run: filepath.Join(h.Data, "run", "f"),
	}
	f.plan.BridgePrefix, f.plan.Subnet = h.Network()
	cluster := database.Config{DSN: h.DSN("postgres"), SocketDir: filepath.Join(h.Data, "run", "pg")}
	f.cluster, err = database.Open(b.ctx, cluster)
	b.must("open the cluster", err)
	b.Cleanup(f.cluster.Close)
	f.provisioner, err = provisioner.New(b.ctx, provisioner.Config{
		Installation: "bench", DataDir: f.data, RunDir: f.run,
		Database: cluster,
		Network:  f.plan,
		Engines:  []homeserver.Engine{server},
		Secrets:  f.secrets, Routes: fake.Routes{Ports: ports}, Certificates: fake.Certificates{Ports: ports},
		Issuer: fake.Issuer{Now: time.Now},
	})
	b.must("prepare the floor", err)
	b.Cleanup(func() { f.provisioner.Close() })
	return f
}

// measure makes and starts two servers, one on an empty database and one on a database from the template, and the latter once
// more. Role, database, files and the clients are there before, and all is removed after.
func (f *floor) measure(b *bed, i int) (t floorTimes) {
	empty := f.prepare(b, 2*i, func(spec tenant.Spec) {
		kept, err := f.secrets.Load(b.ctx, spec.ID)
		b.must("load a floor's secrets", err)
		b.must("make a floor's database", f.cluster.Create(b.ctx, spec.ID, database.New{
			Password: kept[homeserver.DatabasePassword], Connections: spec.Limits.DatabaseConnections,
		}))
	})
	t.empty, _ = f.start(b, empty)
	f.remove(b, empty)

	spec := f.prepare(b, 2*i+1, func(spec tenant.Spec) {
		b.must("make a floor's database", f.provisioner.Apply(b.ctx, spec, tenant.CreateDatabase))
	})
	defer f.remove(b, spec)
	t.template, t.create = f.start(b, spec)
	b.must("stop a floor", f.docker.Stop(b.ctx, spec.ID))
	watch := newStopwatch()
	b.must("start a floor", f.docker.Start(b.ctx, spec.ID))
	f.awaitReady(b, spec)
	t.restart = watch.seconds()
	return t
}

func (f *floor) prepare(b *bed, i int, makeDatabase func(tenant.Spec)) tenant.Spec {
	spec := f.spec(b, i)
	b.must("make a floor's secrets", f.provisioner.Apply(b.ctx, spec, tenant.CreateSecrets))
	makeDatabase(spec)
	b.must("write a floor's files", f.provisioner.Apply(b.ctx, spec, tenant.WriteFiles))
	return spec
}

// start makes and starts a container, and gives the seconds until its server is ready, and those of the making alone.
func (f *floor) start(b *bed, spec tenant.Spec) (total, create float64) {
	home := filepath.Join(f.data, "tenants", string(spec.ID))
	profile := docker.Profile{
		Spec: spec, Command: f.engine.Describe().Command,
		ConfigDir: filepath.Join(home, "config"), DataDir: filepath.Join(home, "data"), SocketDir: filepath.Join(f.run, string(spec.ID)),
		DatabaseSocketDir: filepath.Join(f.h.Data, "run", "pg"), TrustFile: filepath.Join(f.h.Data, "ca", "bundle.pem"),
		Attachment: f.attachment(),
	}
	watch := newStopwatch()
	b.must("create a floor", f.docker.Create(b.ctx, profile))
	create = watch.seconds()
	b.must("start a floor", f.docker.Start(b.ctx, spec.ID))
	f.awaitReady(b, spec)
	return watch.seconds(), create
}

// attachment is a place in the installation's network, as its tenants have one: to make it is part of each start. The address is
// one of those at the network's end that no tenant gets.
func (f *floor) attachment() *docker.Attachment {
	bridge := f.plan.First()
	address := bridge.Subnet.Addr().As4()
	address[2], address[3] = address[2]|1, 250
	return &docker.Attachment{Bridge: bridge, Address: netip.AddrFrom4(address), DNS: f.plan.Gateway()}
}

func (f *floor) awaitReady(b *bed, spec tenant.Spec) {
	server, err := f.provisioner.Server(b.ctx, spec)
	b.must("connect to a floor", err)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if err = server.Ready(b.ctx); err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("a floor is not ready: %v", err)
		}
	}
}

// spec is a tenant of the plan that is ordered.
func (f *floor) spec(b *bed, i int) tenant.Spec {
	limits := hafentest.Query[[]int64](f.h, `
select array[memory_bytes, cpu_millis, pids, database_connections, upload_bytes] from plans where id = 'basic'`)
	quota := tenant.Quota{UploadBytes: limits[4]}
	name := tenant.MustDomain(string(tenant.NewID()) + ".floor.localhost")
	return tenant.Spec{
		ID: tenant.NewID(), Number: firstFloorNumber + i, ServerName: name, Host: name, Engine: f.engine.Describe().Name, Image: f.image,
		Goal: tenant.GoalRun, FirstAdmin: "admin", Quota: quota, Settings: tenant.DefaultSettings(quota),
		Limits: tenant.Limits{MemoryBytes: limits[0], CPUMillis: int(limits[1]), PIDs: int(limits[2]), DatabaseConnections: int(limits[3])},
	}
}

func (f *floor) remove(b *bed, spec tenant.Spec) {
	for _, step := range []tenant.Step{tenant.RemoveContainer, tenant.DropDatabase, tenant.RemoveFiles} {
		b.must(string(step)+" of a floor", f.provisioner.Apply(b.ctx, spec, step))
	}
}
