package resolver_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hafen/edge/resolver"
	"hafen/tenant"
)

// upstream is a DNS server with a zone of our choice.
type upstream struct {
	address string
	asked   atomic.Int64

	mu   sync.Mutex
	zone map[string][]string // "NAME TYPE" to records
}

func newUpstream(t *testing.T, zone map[string][]string) *upstream {
	t.Helper()
	u := &upstream{zone: zone}
	packets, streams, err := resolver.Bind("127.0.0.1:0") // one port for both, as ours does it
	must(t, err)
	u.address = packets.LocalAddr().String()
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: u}, {Listener: streams, Handler: u}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return u
}

func (u *upstream) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	u.asked.Add(1)
	q := question.Question[0]
	reply := new(dns.Msg).SetReply(question)
	u.mu.Lock()
	records, ok := u.zone[strings.ToLower(q.Name)+" "+dns.TypeToString[q.Qtype]]
	u.mu.Unlock()
	if !ok {
		reply.Rcode = dns.RcodeNameError
	}
	for _, record := range records {
		rr, err := dns.NewRR(record)
		if err != nil {
			panic(err)
		}
		reply.Answer = append(reply.Answer, rr)
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		reply.Truncate(1232)
	}
	w.WriteMsg(reply)
}

func start(t *testing.T, config resolver.Config) string {
	t.Helper()
	config.Addr = "127.0.0.1:0"
	if config.Lookup == nil {
		config.Lookup = func(name string) (netip.Addr, bool) {
			switch name {
			case "alpha.hafen.localhost", "chat.example.org":
				return netip.MustParseAddr("172.30.0.1"), true
			case "six.example.org":
				return netip.MustParseAddr("fd00::1"), true
			}
			return netip.Addr{}, false
		}
	}
	r, err := resolver.Open(config)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
	return r.Addr().String()
}

func ask(t *testing.T, network, server, name string, kind uint16) *dns.Msg {
	t.Helper()
	client := dns.Client{Net: network, Timeout: 30 * time.Second}
	reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), server)
	must(t, err)
	return reply
}

// addresses are the A and AAAA records of a reply.
func addresses(reply *dns.Msg) []string {
	var list []string
	for _, record := range reply.Answer {
		switch record := record.(type) {
		case *dns.A:
			list = append(list, record.A.String())
		case *dns.AAAA:
			list = append(list, record.AAAA.String())
		}
	}
	return list
}

func TestServedNames(t *testing.T) {
	t.Parallel()
	outside := newUpstream(t, nil)
	server := start(t, resolver.Config{Upstreams: []string{outside.address}})
	for _, network := range []string{"udp", "tcp"} {
		for _, row := range []struct {
			name string
			kind uint16
			want []string
		}{
			{"alpha.hafen.localhost", dns.TypeA, []string{"172.30.0.1"}},
			{"ALPHA.Hafen.localhost", dns.TypeA, []string{"172.30.0.1"}},
			{"chat.example.org", dns.TypeA, []string{"172.30.0.1"}},
			{"six.example.org", dns.TypeAAAA, []string{"fd00::1"}},
			// The name exists, but not with these: no error, or a client would give up on the name.
			{"chat.example.org", dns.TypeAAAA, nil},
			{"six.example.org", dns.TypeA, nil},
			{"chat.example.org", dns.TypeTXT, nil},
			{"chat.example.org", dns.TypeHTTPS, nil},
			{"_matrix-fed._tcp.chat.example.org", dns.TypeSRV, nil},
			{"_matrix._tcp.alpha.hafen.localhost", dns.TypeSRV, nil},
		} {
			reply := ask(t, network, server, row.name, row.kind)
			if reply.Rcode != dns.RcodeSuccess || !slices.Equal(addresses(reply), row.want) {
				t.Errorf("%s %s %s: %s", network, row.name, dns.TypeToString[row.kind], reply)
			}
		}
	}
	if n := outside.asked.Load(); n != 0 {
		t.Errorf("names of ours were asked outside %d times", n)
	}
}

func TestLocalNamesStayInside(t *testing.T) {
	t.Parallel()
	outside := newUpstream(t, map[string][]string{"printer.local. A": {"printer.local. 60 IN A 8.8.8.8"}})
	server := start(t, resolver.Config{Upstreams: []string{outside.address}})
	for _, name := range []string{"other.hafen.localhost", "localhost", "printer.local", "db.internal", "x.home.arpa", "x.test"} {
		if reply := ask(t, "udp", server, name, dns.TypeA); reply.Rcode != dns.RcodeNameError || len(reply.Answer) > 0 {
			t.Errorf("%s: %s", name, reply)
		}
	}
	if n := outside.asked.Load(); n != 0 {
		t.Errorf("asked outside %d times", n)
	}
}

func TestForwarding(t *testing.T) {
	t.Parallel()
	many := make([]string, 100)
	for i := range many {
		many[i] = "many.example.com. 60 IN A 8.8.4." + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
		many[i] = strings.Replace(many[i], "4.0", "4.1", 1)
	}
	outside := newUpstream(t, map[string][]string{
		"matrix.example.com. A":             {"matrix.example.com. 60 IN CNAME real.example.com.", "real.example.com. 60 IN A 8.8.8.8"},
		"_matrix-fed._tcp.example.com. SRV": {"_matrix-fed._tcp.example.com. 60 IN SRV 10 0 8448 matrix.example.com."},
		"six.example.com. AAAA":             {"six.example.com. 60 IN AAAA 2606:4700::1"},
		"many.example.com. A":               many,
		"text.example.com. TXT":             {`text.example.com. 60 IN TXT "x"`},
		"www.example.com. HTTPS":            {"www.example.com. 60 IN HTTPS 1 . ipv4hint=192.168.0.1"},
	})
	// The first upstream is dead; that must cost time only.
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	dead.Close()
	server := start(t, resolver.Config{Upstreams: []string{dead.LocalAddr().String(), outside.address}})

	if reply := ask(t, "udp", server, "matrix.example.com", dns.TypeA); len(reply.Answer) != 2 || addresses(reply)[0] != "8.8.8.8" || !reply.RecursionAvailable {
		t.Errorf("chain: %s", reply)
	}
	reply := ask(t, "udp", server, "_matrix-fed._tcp.example.com", dns.TypeSRV)
	if len(reply.Answer) != 1 || reply.Answer[0].(*dns.SRV).Port != 8448 {
		t.Errorf("service: %s", reply)
	}
	if reply := ask(t, "udp", server, "six.example.com", dns.TypeAAAA); !slices.Equal(addresses(reply), []string{"2606:4700::1"}) {
		t.Errorf("six: %s", reply)
	}
	if reply := ask(t, "udp", server, "nothing.example.com", dns.TypeA); reply.Rcode != dns.RcodeNameError {
		t.Errorf("nothing: %s", reply)
	}
	if reply := ask(t, "udp", server, "many.example.com", dns.TypeA); !reply.Truncated {
		t.Errorf("%d records in a UDP answer of 512 bytes", len(reply.Answer))
	}
	if reply := ask(t, "tcp", server, "many.example.com", dns.TypeA); len(reply.Answer) != 100 || reply.Truncated {
		t.Errorf("over TCP %d records of 100", len(reply.Answer))
	}
	before := outside.asked.Load()
	for name, kind := range map[string]uint16{"text.example.com": dns.TypeTXT, "www.example.com": dns.TypeHTTPS, "any.example.com": dns.TypeANY} {
		if reply := ask(t, "udp", server, name, kind); reply.Rcode != dns.RcodeRefused {
			t.Errorf("%s: %s", name, reply)
		}
	}
	if outside.asked.Load() != before {
		t.Error("types a homeserver does not need were asked outside")
	}
}

// Every range an owner of a domain could aim a homeserver at, in every dress an address can wear.
func TestRebindingIsTakenOut(t *testing.T) {
	t.Parallel()
	zone := map[string][]string{
		"mixed.example.com. A": {"mixed.example.com. 60 IN A 10.0.0.1", "mixed.example.com. 60 IN A 8.8.8.8"},
	}
	bad4 := []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.170",
		"192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	}
	bad6 := []string{
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fec0::1", "fc00::1", "fd00::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "100::1", "3fff::1", "4000::1",
	}
	for i, address := range bad4 {
		zone[label(i)+" A"] = []string{label(i) + " 60 IN A " + address}
	}
	for i, address := range bad6 {
		zone[label(i)+" AAAA"] = []string{label(i) + " 60 IN AAAA " + address}
	}
	server := start(t, resolver.Config{Upstreams: []string{newUpstream(t, zone).address}})
	for i, address := range bad4 {
		if reply := ask(t, "udp", server, label(i), dns.TypeA); len(reply.Answer) > 0 || reply.Rcode != dns.RcodeSuccess {
			t.Errorf("%s: %s", address, reply)
		}
	}
	for i, address := range bad6 {
		if reply := ask(t, "udp", server, label(i), dns.TypeAAAA); len(reply.Answer) > 0 || reply.Rcode != dns.RcodeSuccess {
			t.Errorf("%s: %s", address, reply)
		}
	}
	if reply := ask(t, "udp", server, "mixed.example.com", dns.TypeA); !slices.Equal(addresses(reply), []string{"8.8.8.8"}) {
		t.Errorf("mixed: %s", reply)
	}
}

func label(i int) string {
	return "n" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + ".example.com."
}

func TestWithoutInternet(t *testing.T) {
	t.Parallel()
	server := start(t, resolver.Config{})
	if reply := ask(t, "udp", server, "matrix.org", dns.TypeA); reply.Rcode != dns.RcodeNameError {
		t.Errorf("%s", reply)
	}
	if reply := ask(t, "udp", server, "chat.example.org", dns.TypeA); len(reply.Answer) != 1 {
		t.Errorf("%s", reply)
	}
}

func TestStrangeQuestions(t *testing.T) {
	t.Parallel()
	server := start(t, resolver.Config{})
	client := dns.Client{Timeout: 30 * time.Second}
	class := new(dns.Msg).SetQuestion("chat.example.org.", dns.TypeA)
	class.Question[0].Qclass = dns.ClassCHAOS
	update := new(dns.Msg).SetUpdate("example.org.")
	for want, question := range map[int]*dns.Msg{dns.RcodeRefused: class, dns.RcodeNotImplemented: update} {
		if reply, _, err := client.Exchange(question, server); err != nil || reply.Rcode != want {
			t.Errorf("%v: %v %v", question, reply, err)
		}
	}
	// Garbage must not stop it.
	conn, err := net.Dial("udp", server)
	must(t, err)
	defer conn.Close()
	for _, garbage := range [][]byte{{}, {0}, []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 1400)} {
		conn.Write(garbage)
	}
	if reply := ask(t, "udp", server, "chat.example.org", dns.TypeA); len(reply.Answer) != 1 {
		t.Errorf("%s", reply)
	}
}

// A silent upstream costs the asker an error, and nobody else anything.
func TestSilentUpstream(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	server := start(t, resolver.Config{Upstreams: []string{silent.LocalAddr().String()}})
	var all sync.WaitGroup
	for range 64 { // as many as one client may have under way
		all.Go(func() {
			if reply := ask(t, "udp", server, "matrix.org", dns.TypeA); reply.Rcode != dns.RcodeServerFailure {
				t.Errorf("%s", reply)
			}
		})
	}
	all.Wait()
	if reply := ask(t, "udp", server, "chat.example.org", dns.TypeA); len(reply.Answer) != 1 {
		t.Errorf("%s", reply)
	}
}

// A container that was taken over may open connections without end; the process that serves them serves everybody.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	server := start(t, resolver.Config{})
	refused := func(conn net.Conn) bool {
		conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, err := conn.Read(make([]byte, 1))
		return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	dial := func(from byte) net.Conn {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}
		conn, err := dialer.DialContext(t.Context(), "tcp", server)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	var open atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		conn := dial(1)
		all.Go(func() {
			if !refused(conn) {
				open.Add(1)
			}
		})
	}
	if refused(dial(2)) {
		t.Error("another client is refused")
	}
	all.Wait()
	if n := open.Load(); n == 0 || n > 32 {
		t.Errorf("one client has %d connections", n)
	}
	// Those the server has closed for being silent make room again.
	eventually(t, "the client is let in again", func() bool { return !refused(dial(1)) })
}

func TestOpen(t *testing.T) {
	t.Parallel()
	lookup := func(string) (netip.Addr, bool) { return netip.Addr{}, false }
	first, err := resolver.Open(resolver.Config{Addr: "127.0.0.1:0", Lookup: lookup})
	must(t, err)
	_, err = resolver.Open(resolver.Config{Addr: first.Addr().String(), Lookup: lookup})
	var fault *tenant.Fault
	if !errors.As(err, &fault) || fault.Code != "resolver.port_taken" || fault.Params["address"] != first.Addr().String() {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, first.Run(ctx)) // ends at once, and frees the port
	again, err := resolver.Open(resolver.Config{Addr: first.Addr().String(), Lookup: lookup})
	must(t, err)
	must(t, again.Run(ctx))
	if _, err := resolver.Open(resolver.Config{Addr: first.Addr().String(), Lookup: lookup, Upstreams: []string{first.Addr().String()}}); err == nil {
		t.Error("it would ask itself")
	}
}

func TestFromFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	must(t, os.WriteFile(path, []byte("search example.org\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions edns0\n"), 0o600))
	got, err := resolver.FromFile(path)
	must(t, err)
	if !slices.Equal(got, []string{"192.0.2.1:53", "[2001:db8::1]:53"}) {
		t.Errorf("got %q", got)
	}
	if _, err := resolver.FromFile(path + "x"); err == nil {
		t.Error("a missing file is no error")
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
