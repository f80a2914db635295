// Package network is the address plan of federating tenants: which bridge a tenant is on, and its address there. It is
// pure; package docker makes the bridges, package firewall guards them.
//
// One bridge has at most 500 tenants, because a Linux bridge has at most 1023 ports (BR_PORT_BITS) and every broadcast
// reaches all of them. Bridges are made as they are needed. All of them share the gateway address of the first: it is an
// address of this host, where the resolver and the edge listen for tenants.
package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Plan is the whole plan. Two installations on one host need plans that differ in both prefix and subnet.
type Plan struct {
	BridgePrefix string       // of the bridges' interface names: "hafen" gives hafen0, hafen1, ...
	Subnet       netip.Prefix // a private IPv4 network, cut into one /23 for each bridge
	EdgePorts    []uint16     // TCP ports a tenant may reach at EdgeAddresses and at the gateway
	// EdgeAddresses are this host's other addresses where the edge answers for tenants, such as its public one.
	EdgeAddresses []netip.Addr
}

// Bridge is one network of the plan.
type Bridge struct {
	Name    string // of the interface and of the Docker network
	Subnet  netip.Prefix
	Address netip.Addr // of this host in it
}

const (
	bridgeBits       = 23  // 510 addresses
	tenantsPerBridge = 500 // leaves room for the bridge's own address and those Docker may hold back
	maxBridges       = 256 // set elements in the firewall; 128 000 tenants are more than one host holds
	maxInterfaceName = 15  // IFNAMSIZ less its terminating zero
)

// Check reports what is wrong with a plan.
func (p Plan) Check() error {
	if p.BridgePrefix == "" || strings.Trim(p.BridgePrefix, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return errors.New("network: the prefix of the bridges must be of a-z, 0-9 and -")
	}
	if len(p.BridgePrefix)+len(strconv.Itoa(maxBridges-1)) > maxInterfaceName {
		return fmt.Errorf("network: the prefix %q is too long for an interface name", p.BridgePrefix)
	}
	if !p.Subnet.IsValid() || !p.Subnet.Addr().Is4() || !p.Subnet.Addr().IsPrivate() || p.Subnet != p.Subnet.Masked() || p.Subnet.Bits() > 28 {
		return fmt.Errorf("network: %s is no private IPv4 network of 16 addresses or more", p.Subnet)
	}
	for _, a := range p.EdgeAddresses {
		if !a.Is4() {
			return fmt.Errorf("network: edge address %s: tenants have IPv4 only", a)
		}
	}
	return nil
}

// Gateway is this host's address for all tenants: their DNS server, and where the edge answers.
func (p Plan) Gateway() netip.Addr { return p.bridge(0).Address }

// Edge lists all addresses where tenants reach the edge.
func (p Plan) Edge() []netip.Addr { return append([]netip.Addr{p.Gateway()}, p.EdgeAddresses...) }

// Bridges lists all bridges that may ever be made.
func (p Plan) Bridges() []Bridge {
	all := make([]Bridge, p.bridges())
	for i := range all {
		all[i] = p.bridge(i)
	}
	return all
}

// First is the bridge that has the gateway address.
func (p Plan) First() Bridge { return p.bridge(0) }

// Place gives the bridge and the address of the tenant with this number.
func (p Plan) Place(number int) (Bridge, netip.Addr, error) {
	each := p.tenantsEach()
	shard := number / each
	if number < 0 || shard >= p.bridges() {
		return Bridge{}, netip.Addr{}, fmt.Errorf("network: %s has no address for tenant number %d", p.Subnet, number)
	}
	b := p.bridge(shard)
	return b, offset(b.Address, number%each+1), nil
}

func (p Plan) bits() int { return max(bridgeBits, p.Subnet.Bits()) }

func (p Plan) bridges() int { return min(1<<(p.bits()-p.Subnet.Bits()), maxBridges) }

// tenantsEach leaves out network address, bridge address and broadcast address.
func (p Plan) tenantsEach() int { return min(tenantsPerBridge, 1<<(32-p.bits())-3) }

func (p Plan) bridge(i int) Bridge {
	start := offset(p.Subnet.Addr(), i<<(32-p.bits()))
	return Bridge{
		Name:    p.BridgePrefix + strconv.Itoa(i),
		Subnet:  netip.PrefixFrom(start, p.bits()),
		Address: start.Next(),
	}
}

func offset(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
