package firewall

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"hafen/provisioner/network"
	"hafen/tenant/homeserver"
)

// Table is the name of a plan's table in the family inet.
func Table(p network.Plan) string { return "hafen-" + p.BridgePrefix }

// The rules. Ten before "filter", so that a tenant is refused before any rule of the administrator's could accept it.
//
// A tenant is told at once that it may not, instead of left waiting: its homeserver then goes on to the next thing.
const ruleset = `add table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	set bridges {
		type ifname
		elements = { %[2]s }
	}
	set edge {
		type ipv4_addr
		elements = { %[3]s }
	}
	set edge_ports {
		type inet_service
		elements = { %[4]s }
	}
	set unreachable {
		type ipv4_addr
		flags interval
		elements = { %[5]s }
	}
	chain refuse {
		meta l4proto tcp reject with tcp reset
		reject
	}
	chain to_host {
		meta nfproto ipv6 drop
		ct state established,related accept
		ip daddr %[6]s meta l4proto { tcp, udp } th dport 53 accept
		ip daddr @edge tcp dport @edge_ports accept
		goto refuse
	}
	chain from_tenant {
		meta nfproto ipv6 drop
		oifname @bridges goto refuse
		ct state established,related accept
		ct state invalid drop
		ip daddr @unreachable goto refuse
	}
	chain to_tenant {
		ct state established,related accept
		drop
	}
	chain input {
		type filter hook input priority filter - 10; policy accept;
		iifname @bridges goto to_host
	}
	chain forward {
		type filter hook forward priority filter - 10; policy accept;
		iifname @bridges goto from_tenant
		oifname @bridges goto to_tenant
	}
}
`

// Ruleset is the whole input of nft. Every part of it is a number, an address or a name that [network.Plan.Check] has
// found to be of letters, digits and hyphens.
func Ruleset(p network.Plan) string {
	var unreachable []netip.Prefix
	for _, u := range homeserver.Unreachable {
		if u.Addr().Is4() { // the bridges have no IPv6: all of it is dropped
			unreachable = append(unreachable, u)
		}
	}
	return fmt.Sprintf(ruleset, Table(p),
		list(p.Bridges(), func(b network.Bridge) string { return strconv.Quote(b.Name) }),
		list(p.Edge(), netip.Addr.String),
		list(p.EdgePorts, func(port uint16) string { return strconv.Itoa(int(port)) }),
		list(unreachable, netip.Prefix.String),
		p.Gateway(),
	)
}

func list[T any](items []T, show func(T) string) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = show(item)
	}
	return strings.Join(words, ", ")
}
