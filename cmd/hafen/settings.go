package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"hafen/provisioner/network"
	"hafen/tenant"
)

// settings are what more than one role needs to know. Every one is a flag and an environment variable.
type settings struct {
	Data        string `help:"Directory of Hafen's data." default:"/var/lib/hafen" env:"HAFEN_DATA" type:"path"`
	DatabaseURL string `help:"PostgreSQL server to use, reached over a Unix socket; without it Hafen runs its own." env:"DATABASE_URL"`
	BaseDomain  string `help:"Domain of the website; customers' names are below it." default:"hafen.localhost" env:"HAFEN_BASE_DOMAIN"`
	Production  bool   `help:"Sell for real: orders wait for payment, mails are sent, certificates come from an ACME authority." env:"HAFEN_PRODUCTION"`
	Contact     string `help:"Where members of a server find help, as a URI." default:"mailto:support@hafen.localhost" env:"HAFEN_CONTACT"`

	Listen         []string `help:"Addresses the edge listens on. In trial mode this machine only." env:"HAFEN_LISTEN"`
	HTTPPort       int      `name:"http-port" help:"Port for HTTP." default:"80" env:"HAFEN_HTTP_PORT"`
	HTTPSPort      int      `name:"https-port" help:"Port for HTTPS." default:"443" env:"HAFEN_HTTPS_PORT"`
	FederationPort int      `help:"Port for other Matrix servers." default:"8448" env:"HAFEN_FEDERATION_PORT"`
	ClientMost     int      `name:"client-most" help:"Connections, and requests at once, of one address; 0 for a fair share. Raise it where clients come through a proxy." env:"HAFEN_CLIENT_MOST"`
	PublicAddress  []string `help:"Addresses of this machine on the internet, for customers' DNS records." env:"HAFEN_PUBLIC_ADDRESS"`

	Bridge string `help:"Prefix of the network bridges of federating tenants." default:"hafen" env:"HAFEN_BRIDGE"`
	Subnet string `help:"Private IPv4 network of federating tenants." default:"10.203.0.0/16" env:"HAFEN_SUBNET"`
}

func (s settings) base() (tenant.Domain, error) {
	base, err := tenant.ParseDomain(s.BaseDomain)
	if err != nil {
		return "", fmt.Errorf("base domain %q: %w", s.BaseDomain, err)
	}
	return base, nil
}

func (s settings) check() error {
	if _, err := s.base(); err != nil {
		return err
	}
	if s.Production && strings.HasSuffix(s.BaseDomain, "localhost") {
		return errors.New("--production needs --base-domain: a domain of yours that leads here")
	}
	if s.Production && len(s.PublicAddress) == 0 {
		return errors.New("--production needs --public-address: what customers' DNS records must point to")
	}
	if _, err := s.publicAddresses(); err != nil {
		return err
	}
	_, err := s.plan()
	return err
}

// Places in the data directory.
func (s settings) keys() string           { return filepath.Join(s.Data, "keys") }
func (s settings) runDir() string         { return filepath.Join(s.Data, "run") }
func (s settings) databaseSocket() string { return filepath.Join(s.Data, "run", "pg") }
func (s settings) webSocket() string      { return filepath.Join(s.Data, "run", "web.sock") }
func (s settings) authority() string      { return filepath.Join(s.Data, "ca") }
func (s settings) trust() string          { return filepath.Join(s.Data, "ca", "bundle.pem") }
func (s settings) edgeCopy() string       { return filepath.Join(s.Data, "edge", "copy") }

// publicURL is where browsers find the website. In trial mode over plain HTTP: no browser knows the trial's authority yet.
func (s settings) publicURL() string {
	if s.Production {
		return address("https", s.BaseDomain, s.HTTPSPort, 443)
	}
	return address("http", s.BaseDomain, s.HTTPPort, 80)
}

func address(scheme, host string, port, usual int) string {
	if port != usual {
		host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return scheme + "://" + host
}

func (s settings) publicAddresses() ([]netip.Addr, error) {
	list := s.PublicAddress
	if !s.Production && len(list) == 0 {
		list = []string{"127.0.0.1"}
	}
	addresses := make([]netip.Addr, len(list))
	for i, text := range list {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("public address %q is no IP address", text)
		}
		addresses[i] = a
	}
	return addresses, nil
}

// discoveryPort is where a homeserver asks for another's well-known document (Server-Server API, "Resolving server names").
// The document names the port for all the rest, but this one is fixed, wherever the world's 443 may lead on this machine.
const discoveryPort = 443

// plan is the address plan of federating tenants. A tenant reaches other tenants of this machine at its public addresses
// too, so those are open to it at the edge's ports.
func (s settings) plan() (network.Plan, error) {
	subnet, err := netip.ParsePrefix(s.Subnet)
	if err != nil {
		return network.Plan{}, fmt.Errorf("subnet %q: %w", s.Subnet, err)
	}
	plan := network.Plan{
		BridgePrefix: s.Bridge, Subnet: subnet,
		EdgePorts: []uint16{discoveryPort, uint16(s.FederationPort)},
	}
	addresses, err := s.publicAddresses()
	if err != nil {
		return plan, err
	}
	for _, a := range addresses {
		if a.Is4() && s.Production {
			plan.EdgeAddresses = append(plan.EdgeAddresses, a)
		}
	}
	return plan, plan.Check()
}

// listen lists where the edge listens on a port.
func (s settings) listen(port int) []string {
	addresses := s.Listen
	switch {
	case s.listensEverywhere():
		addresses = []string{""}
	case len(addresses) == 0:
		addresses = loopback()
	}
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = net.JoinHostPort(a, strconv.Itoa(port))
	}
	return list
}

func (s settings) listensEverywhere() bool { return s.Production && len(s.Listen) == 0 }

// loopback is how this machine reaches itself. Some have no IPv6 at all, and then there is no ::1 to listen on.
func loopback() []string {
	addresses := []string{"127.0.0.1"}
	if assigned, err := net.InterfaceAddrs(); err == nil {
		for _, a := range assigned {
			if prefix, ok := a.(*net.IPNet); ok && prefix.IP.Equal(net.IPv6loopback) {
				addresses = append(addresses, "::1")
			}
		}
	}
	return addresses
}
