package homeserver

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func TestUnreachableBut(t *testing.T) {
	t.Parallel()
	hole, second, public := netip.MustParseAddr("10.213.0.1"), netip.MustParseAddr("10.213.0.2"), netip.MustParseAddr("9.9.9.9")
	list := UnreachableBut([]netip.Addr{hole, second, public})
	rapid.Check(t, func(t *rapid.T) {
		// Half of the addresses near the holes, where a mistake would be.
		a := netip.AddrFrom4([4]byte{10, 213, 0, rapid.Byte().Draw(t, "near")})
		if rapid.Bool().Draw(t, "anywhere") {
			v := rapid.Uint32().Draw(t, "address")
			a = netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		}
		want := contains(Unreachable, a) && a != hole && a != second
		if contains(list, a) != want {
			t.Fatalf("%s: %v, want %v", a, !want, want)
		}
	})
	if contains(list, hole) || contains(list, second) {
		t.Error("no hole")
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"169.254.169.254": true, "10.0.0.1": true, "172.31.255.255": true, "127.0.0.1": true, "::1": true,
		"fd00::2": true, "fec0::1": true, "::127.0.0.1": true, "::ffff:10.0.0.1": true, "2002:a00:1::": true, "255.255.255.255": true,
		"1.1.1.1": false, "172.32.0.1": false, "2606:4700::1111": false,
	} {
		if contains(Unreachable, netip.MustParseAddr(address)) != want {
			t.Errorf("%s: want %v", address, want)
		}
	}
}
