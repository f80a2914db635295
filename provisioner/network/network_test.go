package network_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"hafen/provisioner/network"
)

func plan(subnet string) network.Plan {
	return network.Plan{BridgePrefix: "hafen", Subnet: netip.MustParsePrefix(subnet)}
}

// Two tenants never share an address, and every address lies in the subnet of its bridge without being one of the
// three that are taken.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, subnet := range []string{"10.213.0.0/16", "10.213.0.0/20", "172.20.4.0/24", "192.168.7.16/28"} {
		p := plan(subnet)
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		seen := map[netip.Addr]int{}
		number := 0
		for ; ; number++ {
			bridge, address, err := p.Place(number)
			if err != nil {
				break
			}
			if other, taken := seen[address]; taken {
				t.Fatalf("%s: %d and %d share %s", subnet, other, number, address)
			}
			seen[address] = number
			last := lastAddress(bridge.Subnet)
			if !bridge.Subnet.Contains(address) || !p.Subnet.Contains(address) || address == bridge.Address ||
				address == bridge.Subnet.Addr() || address == last {
				t.Fatalf("%s: %d has %s on %+v", subnet, number, address, bridge)
			}
		}
		if number < 13 {
			t.Errorf("%s: room for %d tenants only", subnet, number)
		}
	}
}

func TestGatewayIsOnTheFirstBridge(t *testing.T) {
	t.Parallel()
	p := plan("10.213.0.0/16")
	if p.Gateway() != netip.MustParseAddr("10.213.0.1") || p.First().Name != "hafen0" {
		t.Errorf("gateway %s on %+v", p.Gateway(), p.First())
	}
	if n := len(p.Bridges()); n != 128 {
		t.Errorf("%d bridges in a /16", n)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]network.Plan{
		"no prefix":       {Subnet: netip.MustParsePrefix("10.0.0.0/16")},
		"long prefix":     {BridgePrefix: "thirteen-long", Subnet: netip.MustParsePrefix("10.0.0.0/16")},
		"quoted prefix":   {BridgePrefix: `a" }`, Subnet: netip.MustParsePrefix("10.0.0.0/16")},
		"no subnet":       {BridgePrefix: "hafen"},
		"public subnet":   plan("9.0.0.0/16"),
		"IPv6 subnet":     plan("fd00::/64"),
		"bits beyond":     plan("10.0.0.1/16"),
		"hardly anything": plan("10.0.0.0/29"),
		"IPv6 edge": {
			BridgePrefix: "hafen", Subnet: netip.MustParsePrefix("10.0.0.0/16"),
			EdgeAddresses: []netip.Addr{netip.MustParseAddr("2001:db8::1")},
		},
	} {
		if p.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNumberWithoutPlace(t *testing.T) {
	t.Parallel()
	p := plan("10.213.0.0/16")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(-1000, 200_000).Draw(t, "number")
		if _, _, err := p.Place(n); (err == nil) != (n >= 0 && n < 64_000) {
			t.Fatalf("%d: %v", n, err)
		}
	})
}

func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
