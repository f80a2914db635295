package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"hafen/tenant"
)

const (
	// A name server that has not answered by then seldom does; two tries fit into the budget with room for the rest.
	tryTime = 1500 * time.Millisecond
	tries   = 2
	// The size that passes unfragmented everywhere; dnsflagday.net/2020.
	packetSize = 1232
	// As far as resolvers commonly follow.
	maxAliases = 8
)

type question struct {
	name   tenant.Domain
	kind   uint16
	stream bool // ask by TCP, where that is possible: for what must not be forged
}

// answer is what was found: the records asked for, and the aliases on the way to them. Both empty: nothing is there.
type answer struct {
	records []wire.RR
	aliases []string // lower case without trailing dot
}

func (a answer) addresses() []netip.Addr {
	var list []netip.Addr
	for _, rr := range a.records {
		var ip net.IP
		switch rr := rr.(type) {
		case *wire.A:
			ip = rr.A
		case *wire.AAAA:
			ip = rr.AAAA
		}
		if addr, ok := netip.AddrFromSlice(ip); ok {
			list = append(list, addr.Unmap())
		}
	}
	return list
}

// lookupError is a question nobody answered. Its code is one of tenant.DomainCodes.
type lookupError struct {
	code string
	err  error
}

func (e *lookupError) Error() string { return e.code + ": " + e.err.Error() }
func (e *lookupError) Unwrap() error { return e.err }

func lookupCode(err error) string {
	if e, ok := errors.AsType[*lookupError](err); ok {
		return e.code
	}
	return "dns.invalid"
}

// resolver asks the configured recursive servers.
type resolver struct {
	servers []string
}

// lookup asks each server in turn until one knows.
func (r *resolver) lookup(ctx context.Context, q question) (answer, error) {
	var failed error
	for range tries {
		for _, server := range r.servers {
			reply, err := exchange(ctx, server, q, true)
			if err == nil {
				if reply.Rcode == wire.RcodeSuccess || reply.Rcode == wire.RcodeNameError {
					return read(reply, q), nil
				}
				err = r.refusal(ctx, server, q, reply.Rcode)
			}
			failed = err
			if ctx.Err() != nil {
				return answer{}, failed
			}
		}
		if lookupCode(failed) != "dns.timeout" {
			break // an answer, though not a good one: asking again would bring it again
		}
	}
	return answer{}, failed
}

// refusal finds out whether a failure is one of signatures: then the records come once their checking is switched off.
func (r *resolver) refusal(ctx context.Context, server string, q question, rcode int) error {
	what := fmt.Errorf("%s answers %s for %s", server, wire.RcodeToString[rcode], q.name)
	switch rcode {
	case wire.RcodeRefused:
		return &lookupError{"dns.refused", what}
	case wire.RcodeServerFailure:
		unchecked := newQuery(q, true)
		unchecked.CheckingDisabled = true
		if reply, err := send(ctx, server, "udp", unchecked); err == nil && reply.Rcode == wire.RcodeSuccess {
			return &lookupError{"dns.dnssec", what}
		}
		return &lookupError{"dns.servfail", what}
	}
	return &lookupError{"dns.invalid", what}
}

// addresses finds all addresses of a name. One family failing does not hide the other.
func (r *resolver) addresses(ctx context.Context, name tenant.Domain) ([]netip.Addr, error) {
	v4, v6, err4, err6 := both(func(kind uint16) (answer, error) {
		return r.lookup(ctx, question{name: name, kind: kind})
	})
	found := append(v4.addresses(), v6.addresses()...)
	if len(found) == 0 {
		return nil, errors.Join(err4, err6)
	}
	return found, nil
}

// both asks for the two families at once.
func both(ask func(kind uint16) (answer, error)) (v4, v6 answer, err4, err6 error) {
	done := make(chan struct{})
	go func() {
		v6, err6 = ask(wire.TypeAAAA)
		close(done)
	}()
	v4, err4 = ask(wire.TypeA)
	<-done
	return v4, v6, err4, err6
}

// exchange puts one question to one server, by TCP where the question or a cut answer demands it. A server that takes no TCP is
// asked by UDP after all: refusing a customer whose name server is old would not make the others safer.
func exchange(ctx context.Context, server string, q question, recursive bool) (*wire.Msg, error) {
	query := newQuery(q, recursive)
	if q.stream {
		if reply, err := send(ctx, server, "tcp", query); err == nil {
			return reply, nil
		}
	}
	reply, err := send(ctx, server, "udp", query)
	if err == nil && reply.Truncated {
		reply, err = send(ctx, server, "tcp", query)
	}
	return reply, err
}

func newQuery(q question, recursive bool) *wire.Msg {
	query := new(wire.Msg).SetQuestion(wire.Fqdn(string(q.name)), q.kind)
	query.RecursionDesired = recursive
	return query.SetEdns0(packetSize, false)
}

func send(ctx context.Context, server, transport string, query *wire.Msg) (*wire.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	client := &wire.Client{Net: transport, Timeout: tryTime, UDPSize: packetSize}
	reply, _, err := client.ExchangeContext(ctx, query, server)
	var network net.Error // also of a refused or unreachable port, which is silence as well
	switch {
	case err == nil && !answers(reply, query):
		return nil, &lookupError{"dns.invalid", fmt.Errorf("%s answers another question", server)}
	case err == nil:
		return reply, nil
	case ctx.Err() != nil, errors.As(err, &network):
		return nil, &lookupError{"dns.timeout", fmt.Errorf("ask %s: %w", server, err)}
	}
	return nil, &lookupError{"dns.invalid", fmt.Errorf("ask %s: %w", server, err)}
}

func answers(reply, query *wire.Msg) bool {
	return len(reply.Question) == 1 && reply.Question[0].Qtype == query.Question[0].Qtype &&
		strings.EqualFold(reply.Question[0].Name, query.Question[0].Name)
}

// read follows the aliases of a reply and takes the records at their end, so that records thrown in for other names are ignored.
func read(reply *wire.Msg, q question) answer {
	var found answer
	name := wire.CanonicalName(string(q.name))
	for range maxAliases {
		var next string
		for _, rr := range reply.Answer {
			if wire.CanonicalName(rr.Header().Name) != name {
				continue
			}
			if rr.Header().Rrtype == q.kind {
				found.records = append(found.records, rr)
			} else if alias, ok := rr.(*wire.CNAME); ok {
				next = wire.CanonicalName(alias.Target)
			}
		}
		if len(found.records) > 0 || next == "" {
			return found
		}
		found.aliases = append(found.aliases, strings.TrimSuffix(next, "."))
		name = next
	}
	return found
}
