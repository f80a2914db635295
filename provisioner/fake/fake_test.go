package fake_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"hafen/provisioner/conformance"
	"hafen/provisioner/fake"
	"hafen/tenant"
	"hafen/tenant/homeserver"
	engines "hafen/tenant/homeserver/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	memory := fake.NewPorts()
	world := fake.New(fake.Config{
		Secrets: fake.Secrets{Ports: memory}, Routes: fake.Routes{Ports: memory}, Certificates: fake.Certificates{Ports: memory},
	})
	conformance.Run(t, conformance.Bench{
		Subject: world,
		Spec:    func(*testing.T) tenant.Spec { return conformance.Spec() },
		Left: func(t *testing.T, spec tenant.Spec) []string {
			return append(world.Left(spec.ID), memory.Left(spec)...)
		},
		Process: func(_ *testing.T, spec tenant.Spec) string { return strconv.Itoa(world.Starts(spec.ID)) },
	})
}

// The homeservers in memory pass what the engines pass, as far as they claim to.
func TestServerConformance(t *testing.T) {
	t.Parallel()
	memory := fake.NewPorts()
	world := fake.New(fake.Config{Secrets: fake.Secrets{Ports: memory}})
	spec := conformance.Spec()
	converge := func(t *testing.T) {
		t.Helper()
		observed, err := world.Observe(t.Context(), spec)
		must(t, err)
		for _, step := range tenant.Diff(spec, world.Backend(spec), observed, time.Now()) {
			must(t, world.Apply(t.Context(), spec, step))
		}
	}
	converge(t)
	server, err := world.Server(t.Context(), spec)
	must(t, err)
	secrets, err := fake.Secrets{Ports: memory}.Load(t.Context(), spec.ID)
	must(t, err)
	engines.Run(t, engines.Bed{
		About: fake.Describe(spec.Engine),
		Site: engines.Site{
			Server: server, Name: spec.ServerName, Client: world.Client(spec), Control: string(secrets[homeserver.ControlToken]),
			Crowd: func(t *testing.T, count int) {
				for n := range count {
					must(t, server.Create(t.Context(), homeserver.NewAccount{
						Localpart: tenant.Localpart(fmt.Sprintf("crowd-%05d", n)), Password: "known to nobody",
						DisplayName: fmt.Sprintf("Person %05d of the crowd", n),
					}))
				}
			},
			Stop:  func(t *testing.T) { must(t, world.Apply(t.Context(), spec, tenant.StopContainer)) },
			Start: converge,
		},
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
