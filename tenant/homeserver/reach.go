package homeserver

import (
	"net/netip"
	"slices"
)

// Unreachable lists the networks no tenant has business in: those that the IANA special-purpose registries (RFC 6890,
// state of 2025) do not call globally reachable, multicast, and what IPv6 once had for private networks (RFC 3879) and for
// IPv4 (RFC 4291, section 2.5.5.1). Among them are the host's own private networks and the metadata service of clouds,
// 169.254.169.254.
var Unreachable = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	// IPv4 addresses in IPv6 clothes are among these: compatible, mapped, translated, 6to4 and Teredo.
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
	"2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// UnreachableBut is Unreachable with holes: it covers the same addresses except those given. For homeservers that look
// at a list of forbidden networks before one of allowed ones, so that an exception can only be a hole.
func UnreachableBut(exceptions []netip.Addr) []netip.Prefix {
	list := slices.Clone(Unreachable)
	for _, a := range exceptions {
		i := slices.IndexFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
		if i >= 0 {
			list = slices.Replace(list, i, i+1, without(list[i], a)...)
		}
	}
	return list
}

// without splits a network into the networks that cover it except one address: the halves without it, from the largest.
func without(p netip.Prefix, a netip.Addr) []netip.Prefix {
	var rest []netip.Prefix
	for p.Bits() < a.BitLen() {
		low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
		high := netip.PrefixFrom(flip(p.Addr(), p.Bits()), p.Bits()+1)
		if low.Contains(a) {
			rest, p = append(rest, high), low
		} else {
			rest, p = append(rest, low), high
		}
	}
	return rest
}

// flip turns over one bit of an address, counted from the left.
func flip(a netip.Addr, bit int) netip.Addr {
	b := a.AsSlice()
	b[bit/8] ^= 0x80 >> (bit % 8)
	flipped, _ := netip.AddrFromSlice(b)
	return flipped
}
