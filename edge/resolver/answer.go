package resolver

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Largest UDP message we take and offer: what passes every path unfragmented (DNS Flag Day 2020).
const udpSize = 1232

// How long a tenant may remember where a served name is. Short, because routes come and go.
const servedTTL = 10

// What a homeserver asks for: addresses, and SRV records of other homeservers. Nothing else is passed on, least of all
// HTTPS and SVCB, which carry addresses where the filter would have to look for them.
var forwarded = map[uint16]bool{dns.TypeA: true, dns.TypeAAAA: true, dns.TypeCNAME: true, dns.TypeSRV: true}

// Names that mean this machine or this network and must not be asked of the internet (RFC 6761, 6762, 8375, 9476).
var local = []string{"localhost.", "local.", "internal.", "invalid.", "test.", "onion.", "home.arpa.", "alt."}

// ServeDNS answers one question.
func (r *Resolver) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	client := addressOf(w.RemoteAddr())
	if !client.IsPrivate() && !client.IsLoopback() {
		return // tenants live in private networks; to anyone else we do not exist
	}
	reply := new(dns.Msg)
	if !r.clients.enter(client) {
		r.write(w, question, reply.SetRcode(question, dns.RcodeServerFailure))
		return
	}
	defer r.clients.leave(client)
	ctx, cancel := context.WithTimeout(context.Background(), questionTimeout)
	defer cancel()
	r.write(w, question, r.answer(ctx, question))
}

func (r *Resolver) answer(ctx context.Context, question *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetReply(question)
	reply.RecursionAvailable = true
	switch {
	case question.Opcode != dns.OpcodeQuery:
		return reply.SetRcode(question, dns.RcodeNotImplemented)
	case len(question.Question) != 1:
		return reply.SetRcode(question, dns.RcodeFormatError)
	case question.Question[0].Qclass != dns.ClassINET:
		return reply.SetRcode(question, dns.RcodeRefused)
	}
	q := question.Question[0]
	if address, ok := r.served(q.Name); ok {
		reply.Answer = records(q, address)
		return reply
	}
	switch {
	case isLocal(q.Name), len(r.config.Upstreams) == 0:
		reply.Rcode = dns.RcodeNameError
	case !forwarded[q.Qtype]:
		reply.Rcode = dns.RcodeRefused
	default:
		r.ask(ctx, q, reply)
	}
	return reply
}

// served finds a name of ours. Services below one ("_matrix-fed._tcp.") are ours too, and there are none: what a peer
// needs to know stands in the well-known document.
func (r *Resolver) served(name string) (netip.Addr, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if address, ok := r.config.Lookup(name); ok {
		return address.Unmap(), true
	}
	service := false
	for strings.HasPrefix(name, "_") {
		_, name, service = strings.Cut(name, ".")
	}
	if !service {
		return netip.Addr{}, false
	}
	_, ok := r.config.Lookup(name)
	return netip.Addr{}, ok
}

// records is the address as the type that was asked for; none for every other type, which says: the name exists.
func records(q dns.Question, address netip.Addr) []dns.RR {
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: servedTTL}
	switch {
	case q.Qtype == dns.TypeA && address.Is4():
		return []dns.RR{&dns.A{Hdr: header, A: address.AsSlice()}}
	case q.Qtype == dns.TypeAAAA && address.Is6():
		return []dns.RR{&dns.AAAA{Hdr: header, AAAA: address.AsSlice()}}
	default:
		return nil
	}
}

func isLocal(name string) bool {
	name = strings.ToLower(dns.Fqdn(name))
	for _, zone := range local {
		if dns.IsSubDomain(zone, name) {
			return true
		}
	}
	return false
}

// ask puts the question to the upstreams and takes over what is harmless.
func (r *Resolver) ask(ctx context.Context, q dns.Question, reply *dns.Msg) {
	told, err := r.forward.exchange(ctx, q)
	if err != nil {
		r.config.Log.Debug("resolver got no answer", "error", err)
		reply.Rcode = dns.RcodeServerFailure
		return
	}
	reply.Rcode = told.Rcode
	answer, dropped := harmless(told.Answer)
	reply.Answer = answer
	for _, record := range told.Ns {
		if record.Header().Rrtype == dns.TypeSOA {
			reply.Ns = append(reply.Ns, record) // how long a "no" may be remembered (RFC 2308)
		}
	}
	if dropped > 0 {
		r.config.Log.Warn("resolver took out addresses in private networks", "name", q.Name, "records", dropped)
	}
}

func (r *Resolver) write(w dns.ResponseWriter, question, reply *dns.Msg) {
	size := dns.MaxMsgSize
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size = dns.MinMsgSize
		if option := question.IsEdns0(); option != nil {
			size = min(max(int(option.UDPSize()), dns.MinMsgSize), udpSize)
		}
	}
	if question.IsEdns0() != nil {
		reply.SetEdns0(udpSize, false)
	}
	reply.Compress = true
	reply.Truncate(size)
	w.WriteMsg(reply) // a client that is gone asks no more
}

func addressOf(remote net.Addr) netip.Addr {
	address, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap().WithZone("")
}
