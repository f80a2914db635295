package dnstest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hafen/internal/dnstest"
)

func ask(t *testing.T, s *dnstest.Server, network, name string, kind uint16) (*dns.Msg, error) {
	t.Helper()
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	c := &dns.Client{Net: network, Timeout: 300 * time.Millisecond}
	reply, _, err := c.Exchange(q, s.Addr())
	return reply, err
}

func TestAnswersFromAZoneThatChanges(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	s.Set("Example.org", "A", "192.0.2.1", "192.0.2.2")
	s.Set("www.example.org", "CNAME", "example.org.")

	reply, err := ask(t, s, "udp", "www.EXAMPLE.org", dns.TypeA)
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.Answer) != 3 || reply.Answer[0].Header().Rrtype != dns.TypeCNAME || !reply.Authoritative {
		t.Fatalf("an alias and two addresses expected, got %v", reply)
	}
	if reply, _ := ask(t, s, "tcp", "example.org", dns.TypeAAAA); reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 0 {
		t.Fatalf("a name with other records must be empty, not absent: %v", reply)
	}
	if reply, _ := ask(t, s, "tcp", "nothing.example.org", dns.TypeA); reply.Rcode != dns.RcodeNameError {
		t.Fatalf("NXDOMAIN expected: %v", reply)
	}
	s.Delete("example.org", "A")
	if reply, _ := ask(t, s, "tcp", "example.org", dns.TypeA); len(reply.Answer) != 0 {
		t.Fatalf("deleted records are still there: %v", reply)
	}
	if n := s.Queries("example.org", "A"); n != 1 {
		t.Fatalf("Queries = %d, want 1", n)
	}
}

func TestLongAnswersComeOverTCP(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	long := strings.Repeat("0123456789", 200)
	s.Set("example.org", "TXT", long)
	reply, err := ask(t, s, "udp", "example.org", dns.TypeTXT)
	if err != nil || !reply.Truncated {
		t.Fatalf("truncation expected: %v %v", reply, err)
	}
	reply, err = ask(t, s, "tcp", "example.org", dns.TypeTXT)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(reply.Answer[0].(*dns.TXT).Txt, ""); got != long {
		t.Fatalf("got %d octets of %d", len(got), len(long))
	}
}

func TestBreaksAndMends(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	s.Set("a.example.org", "A", "192.0.2.1")
	for fault, rcode := range map[dnstest.Fault]int{dnstest.ServFail: dns.RcodeServerFailure, dnstest.Refused: dns.RcodeRefused} {
		s.Break("example.org", fault)
		if reply, err := ask(t, s, "udp", "a.example.org", dns.TypeA); err != nil || reply.Rcode != rcode {
			t.Fatalf("%s: %v %v", fault, reply, err)
		}
	}
	s.Break("example.org", dnstest.Lame)
	if reply, err := ask(t, s, "udp", "a.example.org", dns.TypeA); err != nil || reply.Authoritative || len(reply.Answer) != 0 {
		t.Fatalf("lame: %v %v", reply, err)
	}
	s.Break("example.org", dnstest.Silent)
	if reply, err := ask(t, s, "udp", "a.example.org", dns.TypeA); err == nil {
		t.Fatalf("silence expected: %v", reply)
	}
	s.Mend("example.org")
	if reply, err := ask(t, s, "udp", "a.example.org", dns.TypeA); err != nil || len(reply.Answer) != 1 {
		t.Fatalf("mended: %v %v", reply, err)
	}
}
