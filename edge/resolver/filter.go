package resolver

import (
	"net/netip"

	"github.com/miekg/dns"
)

// harmless keeps the records a homeserver may see: names, and addresses on the public internet.
func harmless(records []dns.RR) (kept []dns.RR, dropped int) {
	for _, record := range records {
		switch record := record.(type) {
		case *dns.CNAME, *dns.SRV:
			kept = append(kept, record)
		case *dns.A:
			if address, ok := netip.AddrFromSlice(record.A.To4()); ok && public(address) {
				kept = append(kept, record)
				continue
			}
			dropped++
		case *dns.AAAA:
			// An IPv4 address in IPv6 dress is judged as what it is.
			if address, ok := netip.AddrFromSlice(record.AAAA.To16()); ok && public(address.Unmap()) {
				kept = append(kept, record)
				continue
			}
			dropped++
		}
	}
	return kept, dropped
}

// Everything in IANA's special-purpose registries (RFC 6890) that is not globally reachable, and the ranges for multicast.
var special4 = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
)

// Of IPv6 only 2000::/3 is given out; in it: protocol assignments with Teredo, documentation, 6to4.
var (
	given6   = netip.MustParsePrefix("2000::/3")
	special6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
	nat64    = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last four bytes are an IPv4 address
)

func public(address netip.Addr) bool {
	if nat64.Contains(address) {
		bytes := address.As16()
		return public(netip.AddrFrom4([4]byte(bytes[12:])))
	}
	if address.Is4() {
		return !within(special4, address)
	}
	return given6.Contains(address) && !within(special6, address)
}

func within(list []netip.Prefix, address netip.Addr) bool {
	for _, prefix := range list {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(list))
	for i, s := range list {
		parsed[i] = netip.MustParsePrefix(s)
	}
	return parsed
}
