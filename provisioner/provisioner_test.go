package provisioner_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"hafen/images"
	"hafen/internal/pgtest"
	"hafen/provisioner"
	"hafen/provisioner/conformance"
	"hafen/provisioner/database"
	"hafen/provisioner/fake"
	"hafen/provisioner/network"
	"hafen/tenant"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/dendrite"
	"hafen/tenant/homeserver/synapse"
)

// site is one installation on the machine's Docker Engine and the test cluster.
type site struct {
	*provisioner.Provisioner
	config provisioner.Config
	memory *fake.Ports
	docker *client.Client
	image  string
}

// newSite makes an installation that shares nothing with any other, and removes it at the end.
func newSite(t testing.TB) *site {
	t.Helper()
	return newSiteOn(t, testPlan(), t.TempDir(), shortDir(t))
}

func newSiteOn(t testing.TB, plan network.Plan, data, run string) *site {
	t.Helper()
	cluster := pgtest.Cluster(t)
	s := &site{memory: fake.NewPorts(), docker: dockerClient(t)}
	image, err := images.Recipe{Engine: images.Dendrite, Source: "../images", Cache: "../.cache"}.Ensure(t.Context(), s.docker)
	must(t, err)
	s.image = image
	installation := "test-" + string(tenant.NewID())
	s.config = provisioner.Config{
		Installation: installation,
		DataDir:      data, RunDir: run,
		Database: database.Config{DSN: cluster.DSN, SocketDir: cluster.SocketDir},
		Network:  plan,
		Engines:  []homeserver.Engine{dendrite.Engine{}, synapse.Engine{}},
		Secrets:  fake.Secrets{Ports: s.memory}, Routes: fake.Routes{Ports: s.memory},
		Certificates: fake.Certificates{Ports: s.memory}, Issuer: fake.Issuer{Now: time.Now},
	}
	s.Provisioner, err = provisioner.New(t.Context(), s.config)
	must(t, err)
	t.Cleanup(func() {
		must(t, s.RemoveNetwork(context.Background()))
		must(t, s.Close())
	})
	return s
}

// testPlan draws one of the 4096 networks of 16 addresses in a range no installation uses by default.
func testPlan() network.Plan {
	n := rand.IntN(1 << 12)
	return network.Plan{
		BridgePrefix: fmt.Sprintf("hft%03x-", n),
		Subnet:       netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 199, byte(n >> 4), byte(n << 4)}), 28),
		EdgePorts:    []uint16{443, 8448},
	}
}

// shortDir is a directory with a path short enough for a socket in it; t.TempDir's grows with the test's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hf")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

func dockerClient(t testing.TB) *client.Client {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	must(t, err)
	t.Cleanup(func() { docker.Close() })
	return docker
}

// spec is that of a new tenant, which is removed at the end.
func (s *site) spec(t testing.TB) tenant.Spec {
	t.Helper()
	spec := conformance.Spec()
	spec.Number, spec.Image = 1+rand.IntN(10), s.image
	t.Cleanup(func() {
		spec.Goal = tenant.GoalRemove
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.converge(t, ctx, spec)
	})
	return spec
}

// converge makes the spec true.
func (s *site) converge(t testing.TB, ctx context.Context, spec tenant.Spec) {
	t.Helper()
	for range 3 {
		observed, err := s.Observe(ctx, spec)
		must(t, err)
		steps := tenant.Diff(spec, s.Backend(spec), observed, time.Now())
		if len(steps) == 0 {
			return
		}
		for _, step := range steps {
			if err := s.Apply(ctx, spec, step); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
		}
	}
	t.Fatal("no fixed point")
}

// left looks for what exists of a tenant without asking the provisioner.
func (s *site) left(t *testing.T, spec tenant.Spec) []string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	left := s.memory.Left(spec)
	if _, err := s.docker.ContainerInspect(ctx, spec.ID.Container()); err == nil {
		left = append(left, "container")
	}
	for _, dir := range []string{filepath.Join(s.config.DataDir, "tenants", string(spec.ID)), filepath.Join(s.config.RunDir, string(spec.ID))} {
		if _, err := os.Lstat(dir); err == nil {
			left = append(left, dir)
		}
	}
	cluster, err := database.Open(ctx, s.config.Database)
	must(t, err)
	defer cluster.Close()
	if exists, err := cluster.Exists(ctx, spec.ID); err != nil || exists {
		left = append(left, "role or database")
	}
	return left
}

func (s *site) process(t *testing.T, spec tenant.Spec) string {
	t.Helper()
	c, err := s.docker.ContainerInspect(t.Context(), spec.ID.Container())
	must(t, err)
	return c.ID + " " + c.State.StartedAt
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	conformance.Run(t, conformance.Bench{Subject: s, Spec: func(t *testing.T) tenant.Spec { return s.spec(t) }, Left: s.left, Process: s.process})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
