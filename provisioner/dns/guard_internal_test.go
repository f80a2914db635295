package dns

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"1.1.1.1", "9.9.9.9", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"} {
		if !public(netip.MustParseAddr(s)) {
			t.Errorf("%s is public", s)
		}
	}
	for _, s := range []string{
		"0.0.0.0", "0.1.2.3", "10.1.2.3", "127.0.0.1", "127.9.9.9", "100.100.100.200", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
		"fec0::1", "ff02::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "2606:4700::1111%eth0",
	} {
		if public(netip.MustParseAddr(s)) {
			t.Errorf("%s passes for public", s)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address passes for public")
	}
}

// A redirect may name an address itself, so no name is looked up.
func TestAddressLiteralsAreGuarded(t *testing.T) {
	t.Parallel()
	c := &Checker{resolver: &resolver{}}
	for _, host := range []string{"127.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1"} {
		_, err := c.addressesFor(context.Background(), host)
		if web, ok := errors.AsType[*webError](err); !ok || web.code != "wellknown.private" {
			t.Errorf("%s: %v", host, err)
		}
	}
}
