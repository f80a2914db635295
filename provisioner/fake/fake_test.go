package fake_test

import (
	"strconv"
	"testing"

	"hafen/provisioner/conformance"
	"hafen/provisioner/fake"
	"hafen/tenant"
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
