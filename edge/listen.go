package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"hafen/tenant"
)

// The names of the listeners, as they appear in metrics and in the fault of a port that is taken.
const (
	plainListener      = "http"
	tlsListener        = "https"
	federationListener = "federation"
)

// open binds all addresses, or none.
func (s Sockets) open(ctx context.Context, c Config) (Sockets, error) {
	for _, group := range []struct {
		name      string
		addresses []string
		into      *[]net.Listener
	}{
		{plainListener, c.HTTP, &s.HTTP},
		{tlsListener, c.HTTPS, &s.HTTPS},
		{federationListener, c.Federation, &s.Federation},
	} {
		for _, address := range group.addresses {
			listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
			if err != nil {
				s.close()
				return Sockets{}, listenFault(group.name, address, err)
			}
			*group.into = append(*group.into, listener)
		}
	}
	return s, nil
}

func (s Sockets) close() {
	for _, group := range [][]net.Listener{s.HTTP, s.HTTPS, s.Federation} {
		for _, listener := range group {
			listener.Close()
		}
	}
}

// listenFault says which port it is and what to do. Codes: edge.port_taken, edge.port_denied, edge.address.
func listenFault(name, address string, err error) error {
	_, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		port = address
	}
	code, advice := "edge.address", "give the edge another address for "+name
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		code = "edge.port_taken"
		advice = "another program listens on port " + port + ": stop it, or give the edge another address for " + name
	case errors.Is(err, syscall.EACCES):
		code = "edge.port_denied"
		advice = "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; or give the edge another address for " + name
	}
	return &tenant.Fault{
		Kind: tenant.Unavailable, Code: code,
		Params: map[string]string{"listener": name, "address": address, "port": port},
		Err:    fmt.Errorf("listen on %s for %s: %w (%s)", address, name, err, advice),
	}
}
