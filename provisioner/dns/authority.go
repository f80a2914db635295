package dns

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	wire "github.com/miekg/dns"

	"hafen/tenant"
)

const (
	// Enough that one dead server does not matter; more would only use up the budget.
	maxAuthorities = 3
	// For one question to all of them, so that the resolver still has its turn.
	authorityTime = 3 * time.Second
)

// authority are the name servers of one zone.
type authority struct {
	zone    tenant.Domain
	servers []string // "address:port"
}

// findAuthority climbs from name to the zone it lies in. It is nil where that fails: the resolver then says why.
func (c *Checker) findAuthority(ctx context.Context, name tenant.Domain) *authority {
	if c.config.ResolverOnly {
		return nil
	}
	for top := apex(name); name.Within(top); name = parent(name) {
		found, err := c.resolver.lookup(ctx, question{name: name, kind: wire.TypeNS})
		if err != nil {
			return nil
		}
		if len(found.records) == 0 || len(found.aliases) > 0 {
			continue
		}
		if servers := c.addressesOf(ctx, found.records); len(servers) > 0 {
			return &authority{zone: name, servers: servers}
		}
		return nil
	}
	return nil
}

// addressesOf takes one address of each name server. The customer chooses these names, hence the guard.
func (c *Checker) addressesOf(ctx context.Context, nameServers []wire.RR) []string {
	found := make([]string, min(len(nameServers), maxAuthorities))
	var wg sync.WaitGroup
	for i := range found {
		ns, ok := nameServers[i].(*wire.NS)
		if !ok {
			continue
		}
		wg.Go(func() {
			host := tenant.Domain(strings.TrimSuffix(strings.ToLower(ns.Ns), "."))
			v4, v6, _, _ := both(func(kind uint16) (answer, error) {
				return c.resolver.lookup(ctx, question{name: host, kind: kind})
			})
			for _, a := range append(v4.addresses(), v6.addresses()...) { // v4 first: not every host has a way for v6
				if c.config.AllowPrivate || public(a) {
					found[i] = c.authorityAddress(a)
					return
				}
			}
		})
	}
	wg.Wait()
	var servers []string
	for _, s := range found {
		if s != "" {
			servers = append(servers, s)
		}
	}
	return servers
}

func (c *Checker) authorityAddress(a netip.Addr) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(c.config.AuthorityPort))
}

// lookup reports false when none of the servers is an authority for the name: dead, lame, or the name lies in a zone below.
// An alias that leads out of the answer is followed by the resolver.
func (a *authority) lookup(ctx context.Context, q question, r *resolver) (answer, bool) {
	bounded, cancel := context.WithTimeout(ctx, authorityTime)
	defer cancel()
	for _, server := range a.servers {
		reply, err := exchange(bounded, server, q, false)
		if err != nil || !reply.Authoritative || (reply.Rcode != wire.RcodeSuccess && reply.Rcode != wire.RcodeNameError) {
			continue
		}
		found := read(reply, q)
		if len(found.records) > 0 || len(found.aliases) == 0 {
			return found, true
		}
		target := tenant.Domain(found.aliases[len(found.aliases)-1])
		rest, err := r.lookup(ctx, question{name: target, kind: q.kind, stream: q.stream})
		if err != nil {
			return answer{}, false
		}
		rest.aliases = append(found.aliases, rest.aliases...)
		return rest, true
	}
	return answer{}, false
}

func parent(d tenant.Domain) tenant.Domain {
	_, rest, _ := strings.Cut(string(d), ".")
	return tenant.Domain(rest)
}
