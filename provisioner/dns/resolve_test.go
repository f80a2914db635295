package dns_test

import (
	"testing"
	"time"

	"hafen/internal/dnstest"
	"hafen/tenant"
)

func TestNameServersThatFail(t *testing.T) {
	t.Parallel()
	for fault, code := range map[dnstest.Fault]string{
		dnstest.ServFail: "dns.servfail", dnstest.Bogus: "dns.dnssec", dnstest.Refused: "dns.refused", dnstest.Silent: "dns.timeout",
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.set()
			w.dns.Break("example.org", fault)
			cfg := w.config()
			cfg.Budget = 4 * time.Second
			checker := newChecker(t, cfg)
			begun := time.Now()
			report := checker.Check(t.Context(), own)
			if took := time.Since(begun); took > cfg.Budget+2*time.Second {
				t.Errorf("took %v", took)
			}
			if report.Verified || report.HostReady || report.Delegated || report.Issuable {
				t.Errorf("%+v", report)
			}
			for _, r := range report.Records {
				if r.Kind == tenant.RecordWellKnown && r.Code == "wellknown.timeout" {
					continue // the budget ended while its name was being looked up
				}
				want(t, r, tenant.RecordUnreachable, code)
			}
			w.dns.Mend("example.org")
			if report := checker.Check(t.Context(), own); !report.Ready() {
				t.Errorf("mended, yet %+v", report)
			}
		})
	}
}

// The certificate authority would stumble over it, too.
func TestOneNameThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	w.dns.Break("matrix.example.org", dnstest.ServFail)
	report := w.check(t, own)
	want(t, find(t, report, tenant.RecordA, tenant.PurposeHost), tenant.RecordUnreachable, "dns.servfail")
	want(t, find(t, report, tenant.RecordCAA, tenant.PurposeCAA), tenant.RecordUnreachable, "dns.servfail")
	if report.HostReady || report.Issuable || !report.Verified || !report.Delegated {
		t.Errorf("%+v", report)
	}
}

func TestTheSecondResolverHelps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	broken := dnstest.Start(t)
	broken.Break(".", dnstest.ServFail)
	cfg := w.config()
	cfg.Resolvers = []string{broken.Addr(), w.dns.Addr()}
	if report := newChecker(t, cfg).Check(t.Context(), own); !report.Ready() {
		t.Errorf("%+v", report)
	}
}

// delegate gives example.org a name server of its own beside the resolver, which then plays one with an old memory.
func delegate(t *testing.T, w *world) *dnstest.Server {
	t.Helper()
	authority := dnstest.StartOn(t, "127.0.0.2", 0)
	w.dns.Set("example.org", "NS", "ns.example.net.")
	w.dns.Set("ns.example.net", "A", "127.0.0.2")
	return authority
}

func TestTheZonesOwnServersAreAskedPastAnOldMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	w.dns.Delete("_hafen.example.org", "TXT") // what the resolver remembers
	w.dns.Set("matrix.example.org", "A", "198.51.100.9")
	authority := delegate(t, w)
	authority.Set("_hafen.example.org", "TXT", "hafen-verify=t0ken")
	authority.Set("matrix.example.org", "CNAME", "edge.hoster.example.") // leads out of the zone: the resolver goes on
	w.dns.Set("edge.hoster.example", "A", "192.0.2.1")

	cfg := w.config()
	cfg.AuthorityPort = authority.Port()
	report := newChecker(t, cfg).Check(t.Context(), own)
	if !report.Ready() {
		t.Errorf("%+v", report)
	}
	if authority.Queries("_hafen.example.org", "TXT") == 0 {
		t.Error("nobody asked the zone's own server")
	}

	cfg.ResolverOnly = true
	if report := newChecker(t, cfg).Check(t.Context(), own); report.Verified {
		t.Errorf("the resolver alone cannot know: %+v", report)
	}
}

func TestALameOrDeadNameServerLeavesItToTheResolver(t *testing.T) {
	t.Parallel()
	for _, fault := range []dnstest.Fault{dnstest.Lame, dnstest.Refused, dnstest.ServFail, dnstest.Silent} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.set()
			authority := delegate(t, w)
			authority.Break(".", fault)
			cfg := w.config()
			cfg.AuthorityPort = authority.Port()
			begun := time.Now()
			if report := newChecker(t, cfg).Check(t.Context(), own); !report.Ready() {
				t.Errorf("after %v: %+v", time.Since(begun), report)
			}
		})
	}
}

// A customer who names 127.0.0.1 as name server must not have us talk to services of our own machine.
func TestPrivateNameServersAreNotAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	authority := delegate(t, w)
	authority.Set("_hafen.example.org", "TXT", "hafen-verify=t0ken")
	w.dns.Delete("_hafen.example.org", "TXT")
	cfg := w.config()
	cfg.AuthorityPort, cfg.AllowPrivate = authority.Port(), false
	if report := newChecker(t, cfg).Check(t.Context(), own); report.Verified || authority.Queries("_hafen.example.org", "TXT") != 0 {
		t.Errorf("a loopback name server was asked: %+v", report)
	}
}
