package provisioner_test

import (
	"testing"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
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

// From nothing to a server with its administrator, and beside it the time of each step: with an empty database, and with one
// that is a copy of the engine's template.
func BenchmarkProvision(b *testing.B) {
	for _, engine := range newSite(b).config.Engines {
		for _, start := range []string{"empty", "template", "spare"} {
			b.Run(string(engine.Describe().Name)+"/"+start, func(b *testing.B) {
				s := newSite(b)
				s.ownImage(b, engine)
				if start != "empty" {
					s.template(b, engine)
				}
				s.provision(b, engine, start == "spare")
			})
		}
	}
}

func (s *site) provision(b *testing.B, engine homeserver.Engine, spare bool) {
	took := map[tenant.Step]time.Duration{}
	var bytes int64
	for b.Loop() {
		b.StopTimer()
		if spare {
			must(b, s.EnsureSpares(b.Context(), engine.Describe().Name, s.image))
		}
		spec := s.spec(b)
		b.StartTimer()
		spec.Engine, spec.Limits.MemoryBytes = engine.Describe().Name, 512<<20
		observed, err := s.Observe(b.Context(), spec)
		must(b, err)
		for _, step := range tenant.Diff(spec, s.Backend(spec), observed, time.Now()) {
			began := time.Now()
			must(b, s.Apply(b.Context(), spec, step))
			took[step] += time.Since(began)
		}
		b.StopTimer()
		usage, err := s.Usage(b.Context(), spec)
		must(b, err)
		bytes += usage.DatabaseBytes
		spec.Goal = tenant.GoalRemove
		s.converge(b, b.Context(), spec)
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes)/float64(b.N)/1e6, "database-MB")
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
