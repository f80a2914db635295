// Package dnstest is a DNS server for tests: it speaks the real protocol on UDP and TCP of one loopback port, answers from a
// zone that a test changes while it runs, and breaks on demand the ways DNS breaks in life.
//
// It plays both parts the code under test may ask. As a resolver it follows CNAMEs inside its zone; as an authoritative
// server it answers with the AA bit. A name without any record is NXDOMAIN, unless something exists below it.
// All methods are safe for concurrent use. Nothing is cached anywhere, and every record has a TTL of one second.
package dnstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// Fault is a way to break.
type Fault string

// The faults a name can be given.
const (
	ServFail Fault = "servfail" // what a resolver says of a zone it cannot reach, or whose signatures are broken
	Bogus    Fault = "bogus"    // the same, unless the question asks for no checking of signatures
	Refused  Fault = "refused"
	Silent   Fault = "silent" // no answer at all, on either transport
	Lame     Fault = "lame"   // an answer that is neither authoritative nor holds anything: a server that does not serve the zone
)

// Server is one DNS server. Make it with Start or Listen.
type Server struct {
	addr string
	udp  *dns.Server
	tcp  *dns.Server

	mu      sync.Mutex
	zone    map[key][]dns.RR
	faults  map[string]Fault
	queries map[key]int
}

type key struct {
	name string // canonical: lower case with a trailing dot
	kind uint16
}

// Start runs a server on a free port of 127.0.0.1 until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// StartOn is Start at a chosen address, for a second server that must share the first one's port: StartOn(t, "127.0.0.2", first.Port()).
func StartOn(tb testing.TB, host string, port int) *Server {
	tb.Helper()
	s, err := Listen(net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		tb.Fatalf("dnstest: %v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Listen runs a server at address ("host:port", port 0 for a free one) until Close.
func Listen(address string) (*Server, error) {
	stream, packet, err := listenBoth(address)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", address, err)
	}
	s := &Server{
		addr: stream.Addr().String(),
		zone: map[key][]dns.RR{}, faults: map[string]Fault{}, queries: map[key]int{},
	}
	var up sync.WaitGroup
	up.Add(2)
	s.tcp = &dns.Server{Listener: stream, Handler: s, NotifyStartedFunc: up.Done}
	s.udp = &dns.Server{PacketConn: packet, Handler: s, NotifyStartedFunc: up.Done}
	go func() { _ = s.tcp.ActivateAndServe() }()
	go func() { _ = s.udp.ActivateAndServe() }()
	up.Wait() // Close before both serve would leave one running
	return s, nil
}

// listenBoth takes the same port on both transports. A free TCP port may be taken on UDP, so it tries a few.
func listenBoth(address string) (net.Listener, net.PacketConn, error) {
	var lc net.ListenConfig
	var last error
	for range 20 {
		stream, err := lc.Listen(context.Background(), "tcp", address)
		if err != nil {
			return nil, nil, err
		}
		packet, err := lc.ListenPacket(context.Background(), "udp", stream.Addr().String())
		if err == nil {
			return stream, packet, nil
		}
		last = errors.Join(err, stream.Close())
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasSuffix(address, ":0") {
			break
		}
	}
	return nil, nil, last
}

// Close stops the server.
func (s *Server) Close() {
	_ = s.tcp.Shutdown()
	_ = s.udp.Shutdown()
}

// Addr is where it answers, "host:port".
func (s *Server) Addr() string { return s.addr }

// Port is the port of Addr.
func (s *Server) Port() int {
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		panic("dnstest: own address: " + err.Error())
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		panic("dnstest: own port: " + err.Error())
	}
	return n
}

// Set makes values the whole record set of that name and type. A TXT value is the bare text, however long; every other
// value is the record's data as a zone file has it: Set("a.example", "CAA", `0 issue "letsencrypt.org"`).
// It panics on a record that is none, for that is a mistake in the test.
func (s *Server) Set(name, kind string, values ...string) {
	k := key{dns.CanonicalName(name), dns.StringToType[kind]}
	if k.kind == 0 {
		panic("dnstest: no record type " + kind)
	}
	set := make([]dns.RR, 0, len(values))
	for _, v := range values {
		set = append(set, record(k, kind, v))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone[k] = set
}

func record(k key, kind, value string) dns.RR {
	if k.kind == dns.TypeTXT {
		txt := &dns.TXT{Hdr: dns.RR_Header{Name: k.name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 1}}
		for len(value) > 255 { // a TXT record is a sequence of strings of at most 255 octets, RFC 1035 section 3.3.14
			txt.Txt, value = append(txt.Txt, escape(value[:255])), value[255:]
		}
		txt.Txt = append(txt.Txt, escape(value))
		return txt
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s 1 IN %s %s", k.name, kind, value))
	if err != nil || rr == nil {
		panic(fmt.Sprintf("dnstest: %s %s %q is no record: %v", k.name, kind, value, err))
	}
	return rr
}

// escape keeps the library from reading a backslash as the beginning of an escape.
func escape(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }

// Delete removes a record set.
func (s *Server) Delete(name, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.zone, key{dns.CanonicalName(name), dns.StringToType[kind]})
}

// Break gives a name and all below it a fault; "." breaks everything.
func (s *Server) Break(name string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[dns.CanonicalName(name)] = f
}

// Mend takes the fault of exactly that name away.
func (s *Server) Mend(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.faults, dns.CanonicalName(name))
}

// Queries counts the questions asked for a name and type so far, faulty ones included.
func (s *Server) Queries(name, kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[key{dns.CanonicalName(name), dns.StringToType[kind]}]
}
