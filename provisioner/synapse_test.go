package provisioner_test

import (
	"testing"

	"hafen/images"
	"hafen/tenant"
)

// synapseSpec is a new tenant's on Synapse.
func (s *site) synapseSpec(t testing.TB) tenant.Spec {
	t.Helper()
	spec := s.spec(t)
	image, err := images.Recipe{Engine: images.Synapse, Source: "../images", Cache: "../.cache"}.Ensure(t.Context(), s.docker)
	must(t, err)
	spec.Engine, spec.Image = tenant.Synapse, image
	return spec
}

// A server of Synapse comes up, and is what was asked for.
func TestSynapse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	spec := s.synapseSpec(t)
	s.converge(t, t.Context(), spec)
	observed, err := s.Observe(t.Context(), spec)
	must(t, err)
	if !observed.Healthy || !observed.Administrator {
		t.Errorf("%+v", observed)
	}
}
