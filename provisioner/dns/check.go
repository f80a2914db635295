// Package dns looks at a customer's own domain: whether the records and answers we asked for are there, and what is there instead.
//
// Records is pure: what to set. A Checker looks, over the wire and anew each time: it keeps nothing, so a crash leaves
// nothing, and a record set a second ago is seen. For that it asks the zone's own name servers where it can, and the configured
// resolver where it cannot, for a resolver may remember for an hour that a record was not there.
//
// Whatever is seen comes from strangers. Names and addresses a customer controls never lead into private networks (see public),
// answers are bounded in size and time, and what is shown of them is cut and printable. The proof of ownership is asked
// for by TCP, which somebody off the path cannot forge.
package dns

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	wire "github.com/miekg/dns"

	"hafen/tenant"
)

// Config of a Checker. The zero value works on the public internet with the system's resolvers.
type Config struct {
	Resolvers []string // "host:port"; none for those of /etc/resolv.conf
	// ResolverOnly never asks a zone's own name servers: for networks where only the resolver may be reached.
	ResolverOnly bool
	// AllowPrivate lets names lead to private addresses: for the trial mode, air-gapped installations and tests.
	AllowPrivate bool
	// Issuers are the names our certificate authority goes by in CAA records ("letsencrypt.org"); none to not look at CAA, for a
	// private authority does not.
	Issuers []string
	// AccountURI is our account with the authority, which a CAA record may demand (RFC 8657); "" refuses such records.
	AccountURI string
	Roots      *x509.CertPool // for the well-known answers; nil for the system's
	Budget     time.Duration  // for one Check; 0 for 8 s

	AuthorityPort int // of name servers; 0 for 53. Other than 53 in tests only
	HTTPSPort     int // dialled instead of 443, with the URL left as it is. For tests
}

// Checker looks at domains. Safe for concurrent use.
type Checker struct {
	config   Config
	resolver *resolver
	web      *http.Client
}

// New reads the system's resolvers when none are configured.
func New(c Config) (*Checker, error) {
	if len(c.Resolvers) == 0 {
		system, err := wire.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("read the system's resolvers: %w", err)
		}
		for _, host := range system.Servers {
			c.Resolvers = append(c.Resolvers, net.JoinHostPort(host, system.Port))
		}
	}
	if len(c.Resolvers) == 0 {
		return nil, errors.New("no resolver is configured, and the system has none")
	}
	if c.Budget == 0 {
		c.Budget = 8 * time.Second
	}
	if c.AuthorityPort == 0 {
		c.AuthorityPort = 53
	}
	checker := &Checker{config: c, resolver: &resolver{servers: c.Resolvers}}
	checker.web = checker.webClient()
	return checker, nil
}

// Check looks at everything at once and returns within the budget; what was not answered by then is unreachable.
func (c *Checker) Check(ctx context.Context, w Wanted) tenant.DomainReport {
	ctx, cancel := context.WithTimeout(ctx, c.config.Budget)
	defer cancel()
	l := &look{checker: c, wanted: w}
	l.authority = sync.OnceValue(func() *authority { return c.findAuthority(ctx, w.ServerName) })

	var (
		host          []tenant.Record
		proof, server tenant.Record
		client        tenant.Record
		caa           *tenant.Record
		ready         bool
		wg            sync.WaitGroup
	)
	wg.Go(func() { proof = l.proof(ctx) })
	wg.Go(func() { host, ready = l.host(ctx) })
	wg.Go(func() { caa = l.caa(ctx) })
	if w.delegates() {
		wg.Go(func() { server = l.wellKnown(ctx, w.serverRecord(), l.judgeServer) })
		wg.Go(func() { client = l.wellKnown(ctx, w.clientRecord(), l.judgeClient) })
	}
	wg.Wait()

	report := tenant.DomainReport{
		Records:   append([]tenant.Record{proof}, host...),
		Verified:  proof.State == tenant.RecordFound,
		HostReady: ready,
		Delegated: true,
		Issuable:  caa == nil,
		CheckedAt: time.Now().UTC(),
	}
	if w.delegates() {
		report.Records = append(report.Records, server, client)
		report.Delegated = server.State == tenant.RecordFound && client.State == tenant.RecordFound
	}
	if caa != nil {
		report.Records = append(report.Records, *caa)
	}
	return report
}

// look is one Check under way.
type look struct {
	checker   *Checker
	wanted    Wanted
	authority func() *authority // nil where the resolver has to do
}

// lookup asks the zone's own servers for names of the zone, and else the resolver.
func (l *look) lookup(ctx context.Context, q question) (answer, error) {
	if a := l.authority(); a != nil && q.name.Within(a.zone) {
		if found, ok := a.lookup(ctx, q, l.checker.resolver); ok {
			return found, nil
		}
	}
	return l.checker.resolver.lookup(ctx, q)
}

func (c *Checker) portFor(port string) string {
	if port == "443" && c.config.HTTPSPort != 0 {
		return strconv.Itoa(c.config.HTTPSPort)
	}
	return port
}
