package edge

import (
	"bytes"
	"crypto/tls"
	"strings"

	"hafen/tenant"
)

// site is what a name leads to.
type site struct {
	route  tenant.Route
	tenant *occupant

	// discovery marks a server name whose host is another name: only the well-known answers are given under it.
	discovery bool
}

// index answers everything a request asks of the edge. It is never changed; the follower builds the next one and swaps.
type index struct {
	snapshot Snapshot
	sites    map[tenant.Domain]site
	certs    certificates
}

// certificates finds the certificate for a name: by the name it is kept under first, then by what the leaf itself lists,
// so that one wildcard serves every name below the base domain.
type certificates struct {
	kept   map[string]keptCertificate
	listed map[string]*tls.Certificate
}

type keptCertificate struct {
	source tenant.Certificate
	parsed *tls.Certificate
}

// certificate returns nil when there is none for the name.
func (c certificates) find(name string) *tls.Certificate {
	if kept, ok := c.kept[name]; ok && kept.parsed.Leaf.VerifyHostname(name) == nil {
		return kept.parsed
	}
	if cert, ok := c.listed[name]; ok {
		return cert
	}
	_, parent, _ := strings.Cut(name, ".")
	return c.listed["*."+parent]
}

// newCertificates parses what is not already parsed in old. A certificate that cannot be read is left out and reported:
// it must not take the others with it.
func newCertificates(list []tenant.Certificate, old certificates) (certificates, []error) {
	c := certificates{kept: make(map[string]keptCertificate, len(list)), listed: make(map[string]*tls.Certificate, len(list))}
	var failures []error
	for _, source := range list {
		kept, known := old.kept[string(source.Host)]
		if !known || !bytes.Equal(kept.source.ChainPEM, source.ChainPEM) || !bytes.Equal(kept.source.KeyPEM, source.KeyPEM) {
			parsed, err := tls.X509KeyPair(source.ChainPEM, source.KeyPEM)
			if err != nil {
				failures = append(failures, &certificateError{source.Host, err})
				continue
			}
			kept = keptCertificate{source, &parsed}
		}
		c.kept[string(source.Host)] = kept
		for _, name := range kept.parsed.Leaf.DNSNames {
			name = strings.ToLower(name)
			if other, taken := c.listed[name]; !taken || kept.parsed.Leaf.NotAfter.After(other.Leaf.NotAfter) {
				c.listed[name] = kept.parsed
			}
		}
	}
	return c, failures
}

type certificateError struct {
	host tenant.Domain
	err  error
}

func (e *certificateError) Error() string {
	return "read the certificate of " + string(e.host) + ": " + e.err.Error()
}

func (e *certificateError) Unwrap() error { return e.err }

// newIndex builds the index of a snapshot. Occupants outlive indexes: they hold what is under way.
func newIndex(s Snapshot, old *index, occupants *occupants) (*index, []error) {
	x := &index{snapshot: s, sites: make(map[tenant.Domain]site, len(s.Routes))}
	var failures []error
	x.certs, failures = newCertificates(s.Certificates, old.certs)
	current := occupants.update(s)
	for _, route := range s.Routes {
		x.sites[route.Host] = site{route: route, tenant: current[route.Tenant]}
	}
	for _, route := range s.Routes {
		if _, taken := x.sites[route.ServerName]; !taken {
			x.sites[route.ServerName] = site{route: route, tenant: current[route.Tenant], discovery: true}
		}
	}
	return x, failures
}

// Serves reports whether the edge answers for a name.
func (e *Edge) Serves(name tenant.Domain) bool {
	_, ok := e.index.Load().sites[name]
	return ok
}
