package provisioner_test

import (
	"testing"
	"time"

	"hafen/tenant"
)

// What one look at a running tenant costs: a sweep does it for every tenant.
func BenchmarkObserve(b *testing.B) {
	s, spec := running(b)
	for b.Loop() {
		if observed, err := s.Observe(b.Context(), spec); err != nil || !observed.Healthy {
			b.Fatalf("%+v, %v", observed, err)
		}
	}
}

// From nothing to a server with its administrator, and beside it the time of each step.
func BenchmarkProvision(b *testing.B) {
	s := newSite(b)
	took := map[tenant.Step]time.Duration{}
	for b.Loop() {
		spec := s.spec(b)
		observed, err := s.Observe(b.Context(), spec)
		must(b, err)
		for _, step := range tenant.Diff(spec, s.Backend(spec), observed, time.Now()) {
			began := time.Now()
			must(b, s.Apply(b.Context(), spec, step))
			took[step] += time.Since(began)
		}
		b.StopTimer()
		spec.Goal = tenant.GoalRemove
		s.converge(b, b.Context(), spec)
		b.StartTimer()
	}
	for step, total := range took {
		b.ReportMetric(float64(total.Milliseconds())/float64(b.N), string(step)+"-ms/op")
	}
}

func running(b *testing.B) (*site, tenant.Spec) {
	s := newSite(b)
	spec := s.spec(b)
	s.converge(b, b.Context(), spec)
	return s, spec
}
