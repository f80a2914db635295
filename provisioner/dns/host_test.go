package dns_test

import (
	"net/netip"
	"strings"
	"testing"

	"hafen/provisioner/dns"
	"hafen/tenant"
)

// judged is a row's verdict, "state code", or "" where no such row may be.
type judged struct{ cname, a, aaaa string }

func TestHost(t *testing.T) {
	t.Parallel()
	const (
		foundIt, missing = "found ", "missing host.missing"
		elsewhere        = "wrong host.points_elsewhere"
		partly           = "wrong host.partly_elsewhere"
		stray            = "wrong host.stray_aaaa"
	)
	v4only := own
	v4only.Edge = own.Edge[:1]
	v6only := own
	v6only.Edge = own.Edge[1:]
	named := own
	named.Edge = nil
	for _, c := range []struct {
		name   string
		wanted dns.Wanted
		zone   string // records of matrix.example.org unless named, one a line
		want   judged
		ready  bool
	}{
		{"both families", own, "A 192.0.2.1\nAAAA 2001:db8::1", judged{missing, foundIt, foundIt}, true},
		{"v4 suffices", own, "A 192.0.2.1", judged{missing, foundIt, missing}, true},
		{"v6 alone does not", own, "AAAA 2001:db8::1", judged{missing, missing, foundIt}, false},
		{"v6 alone where we have only that", v6only, "AAAA 2001:db8::1", judged{missing, "", foundIt}, true},
		{"alias to us", own, "CNAME edge.hoster.example.\nedge.hoster.example A 192.0.2.1", judged{foundIt, foundIt, missing}, true},
		{"alias to us, with an address we were not told of", own, "CNAME edge.hoster.example.\nedge.hoster.example A 192.0.2.77", judged{foundIt, foundIt, missing}, true},
		{"alias to us, which leads nowhere", own, "CNAME edge.hoster.example.", judged{foundIt, missing, missing}, false},
		{"alias by way of another", own, "CNAME a.example.\na.example CNAME edge.hoster.example.\nedge.hoster.example A 192.0.2.1", judged{foundIt, foundIt, missing}, true},
		{"alias to another name of our address", own, "CNAME a.example.\na.example A 192.0.2.1", judged{foundIt, foundIt, missing}, true},
		{"alias elsewhere", own, "CNAME a.example.\na.example A 198.51.100.9", judged{elsewhere, elsewhere, missing}, false},
		{"aliases in a circle", own, "CNAME a.example.\na.example CNAME matrix.example.org.", judged{elsewhere, missing, missing}, false},
		{"elsewhere", own, "A 198.51.100.9\nAAAA 2001:db8::9", judged{missing, elsewhere, elsewhere}, false},
		{"partly elsewhere", own, "A 192.0.2.1 198.51.100.9", judged{missing, partly, missing}, false},
		{"stray v6", own, "A 192.0.2.1\nAAAA 2001:db8::9", judged{missing, foundIt, stray}, false},
		{"stray v6 where we have none", v4only, "A 192.0.2.1\nAAAA 2001:db8::1", judged{missing, foundIt, stray}, false},
		{"v4 where we have none", v6only, "A 192.0.2.1\nAAAA 2001:db8::1", judged{missing, elsewhere, foundIt}, false},
		{"only a name, alias set", named, "CNAME edge.hoster.example.\nedge.hoster.example A 192.0.2.77", judged{foundIt, "", ""}, true},
		{"only a name, address set", named, "A 192.0.2.77", judged{missing, "", ""}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for line := range strings.SplitSeq(c.zone, "\n") {
				fields := strings.Fields(line)
				name := "matrix.example.org"
				if strings.Contains(fields[0], ".") {
					name, fields = fields[0], fields[1:]
				}
				w.dns.Set(name, fields[0], fields[1:]...)
			}
			report := w.check(t, c.wanted)
			var got judged
			for _, r := range report.Records {
				verdict := string(r.State) + " " + r.Code
				switch r.Kind {
				case tenant.RecordCNAME:
					got.cname = verdict
				case tenant.RecordA:
					got.a = verdict
				case tenant.RecordAAAA:
					got.aaaa = verdict
				}
			}
			if got != c.want || report.HostReady != c.ready {
				t.Errorf("got %+v, ready %v; want %+v, %v", got, report.HostReady, c.want, c.ready)
			}
		})
	}
}

func TestAnApexIsNotOfferedAnAliasButMayBeJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dns.Set("example.org", "A", "192.0.2.1")
	if report := w.check(t, whole); !report.HostReady {
		t.Errorf("%+v", report)
	}
	sub := own
	sub.ServerName, sub.Host = "chat.example.co.uk", "chat.example.co.uk" // no apex, so an alias is offered
	if kind := dns.Records(sub)[1].Kind; kind != tenant.RecordCNAME {
		t.Errorf("first offered: %s", kind)
	}
	mapped := own
	mapped.Edge = []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1")}
	w.dns.Set("matrix.example.org", "A", "192.0.2.1")
	if report := w.check(t, mapped); !report.HostReady {
		t.Errorf("an address configured in its mapped form: %+v", report)
	}
}

func TestCAA(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, at string
		records  []string
		issuable bool
	}{
		{"ours", "matrix.example.org", []string{`0 issue "letsencrypt.org"`}, true},
		{"ours in capitals", "matrix.example.org", []string{`0 ISSUE "LetsEncrypt.org"`}, true},
		{"ours among others", "example.org", []string{`0 issue "digicert.com"`, `0 issue "letsencrypt.org"`}, true},
		{"only mail and reports", "example.org", []string{`0 issuemail ";"`, `0 iodef "mailto:a@example.org"`}, true},
		{"only wildcards restricted", "example.org", []string{`0 issuewild ";"`}, true},
		{"another above", "example.org", []string{`0 issue "digicert.com"`}, false},
		{"nobody", "matrix.example.org", []string{`0 issue ";"`}, false},
		{"critical and unknown", "matrix.example.org", []string{`0 issue "letsencrypt.org"`, `128 tbs "x"`}, false},
		{"our methods", "example.org", []string{`0 issue "letsencrypt.org; validationmethods=dns-01,http-01"`}, true},
		{"other methods", "example.org", []string{`0 issue "letsencrypt.org; validationmethods=dns-01"`}, false},
		{"our account", "example.org", []string{`0 issue "letsencrypt.org; accounturi=https://ca.example/acct/1"`}, true},
		{"another account", "example.org", []string{`0 issue "letsencrypt.org; accounturi=https://ca.example/acct/2"`}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.set()
			w.dns.Set(c.at, "CAA", c.records...)
			cfg := w.config()
			cfg.AccountURI = "https://ca.example/acct/1"
			report := newChecker(t, cfg).Check(t.Context(), own)
			if report.Issuable != c.issuable || report.Ready() != c.issuable {
				t.Fatalf("issuable: %v; %+v", report.Issuable, report)
			}
			if !c.issuable {
				r := find(t, report, tenant.RecordCAA, tenant.PurposeCAA)
				want(t, r, tenant.RecordWrong, "caa.forbids")
				if r.Name != c.at || len(r.Seen) != len(c.records) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func TestTheNearestCAARecordsAloneCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set()
	w.dns.Set("matrix.example.org", "CAA", `0 issue "letsencrypt.org"`)
	w.dns.Set("example.org", "CAA", `0 issue "digicert.com"`)
	if report := w.check(t, own); !report.Issuable {
		t.Errorf("%+v", report)
	}
	cfg := w.config()
	cfg.Issuers = nil // a private authority
	w.dns.Set("matrix.example.org", "CAA", `0 issue ";"`)
	if report := newChecker(t, cfg).Check(t.Context(), own); !report.Issuable {
		t.Errorf("%+v", report)
	}
}
