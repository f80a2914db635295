package dnstest

import (
	"strings"

	"github.com/miekg/dns"
)

// Longest chain of aliases followed, so that a loop in a test's zone ends as it does at a real resolver.
const maxAliases = 8

// ServeDNS answers one query; it makes Server a dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := s.answer(query)
	if reply == nil {
		return
	}
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if opt := query.IsEdns0(); opt != nil {
			size = max(size, int(opt.UDPSize()))
		}
		reply.Truncate(size)
	}
	_ = w.WriteMsg(reply)
}

// answer is nil where the server shall stay silent.
func (s *Server) answer(query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg)
	if len(query.Question) != 1 {
		return reply.SetRcode(query, dns.RcodeFormatError)
	}
	reply.SetReply(query)
	reply.RecursionAvailable = true
	q := query.Question[0]
	k := key{dns.CanonicalName(q.Name), q.Qtype}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries[k]++
	switch s.fault(k.name) {
	case ServFail:
		return reply.SetRcode(query, dns.RcodeServerFailure)
	case Bogus:
		if !query.CheckingDisabled {
			return reply.SetRcode(query, dns.RcodeServerFailure)
		}
	case Refused:
		return reply.SetRcode(query, dns.RcodeRefused)
	case Silent:
		return nil
	case Lame:
		return reply
	}

	reply.Authoritative = true
	found, exists := s.follow(k)
	reply.Answer = found
	if !exists {
		reply.Rcode = dns.RcodeNameError
	}
	return reply
}

// fault finds the fault of the nearest name above or at name.
func (s *Server) fault(name string) Fault {
	for {
		if f, ok := s.faults[name]; ok {
			return f
		}
		if name == "." {
			return ""
		}
		if i, end := dns.NextLabel(name, 0); end {
			name = "."
		} else {
			name = name[i:]
		}
	}
}

// follow collects the records of k along aliases, and whether the last name exists.
func (s *Server) follow(k key) ([]dns.RR, bool) {
	var found []dns.RR
	for range maxAliases {
		if set := s.zone[k]; len(set) > 0 {
			return append(found, copies(set)...), true
		}
		alias := s.zone[key{k.name, dns.TypeCNAME}]
		if len(alias) == 0 {
			return found, s.exists(k.name)
		}
		found = append(found, copies(alias)...)
		k.name = dns.CanonicalName(alias[0].(*dns.CNAME).Target)
	}
	return found, true
}

// exists reports whether the name or anything below it has a record (an empty non-terminal is no NXDOMAIN, RFC 8020).
func (s *Server) exists(name string) bool {
	for k, set := range s.zone {
		if len(set) > 0 && (k.name == name || strings.HasSuffix(k.name, "."+name)) {
			return true
		}
	}
	return false
}

// copies keeps the zone apart from a message that is being packed while a test changes the zone.
func copies(set []dns.RR) []dns.RR {
	out := make([]dns.RR, len(set))
	for i, rr := range set {
		out[i] = dns.Copy(rr)
	}
	return out
}
