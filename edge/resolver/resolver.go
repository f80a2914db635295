// Package resolver is the DNS server of the tenants' containers. It exists because a tenant may ask only for what the
// internet is allowed to tell it: names served by this machine lead to the edge's address on the tenant's side, all other
// names are asked of the machine's own resolvers, and answers that point into private networks are taken out, so that no
// owner of a domain can aim a homeserver at the host or its neighbours (DNS rebinding).
//
// It keeps no state between questions; a crash loses the questions under way, which resolvers in libc ask again.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"hafen/tenant"
)

// Config is what a resolver needs.
type Config struct {
	// Addr is the address to listen on, UDP and TCP: "172.30.0.1:53". With port 0 a free one is taken.
	Addr string

	// Lookup says where a name served by this machine is reached. Names come in lower case without a trailing dot. It is
	// asked for every question and must not block.
	Lookup func(name string) (netip.Addr, bool)

	// Upstreams are asked for all other names, "host:port", in this order. Without any, other names do not exist: the
	// right thing for an installation without internet.
	Upstreams []string

	Log *slog.Logger // slog.Default()
}

// FromFile reads the upstreams of a resolv.conf.
func FromFile(path string) ([]string, error) {
	file, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the machine's resolvers: %w", err)
	}
	var upstreams []string
	for _, server := range file.Servers {
		upstreams = append(upstreams, net.JoinHostPort(server, file.Port))
	}
	return upstreams, nil
}

// Resolver is an open DNS server.
type Resolver struct {
	config  Config
	packets net.PacketConn
	streams net.Listener
	clients *clients // questions
	forward forwarder
}

// Open binds the address. A port that cannot be bound is a *tenant.Fault with the code resolver.port_taken or
// resolver.address.
func Open(config Config) (*Resolver, error) {
	if config.Lookup == nil {
		return nil, errors.New("resolver: Lookup is required")
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	packets, streams, err := bind(config.Addr)
	if err != nil {
		return nil, err
	}
	r := &Resolver{
		config: config, packets: packets, streams: guarded{streams, newClients(maxConnectionsClient, maxConnections)},
		clients: newClients(maxQuestionsClient, maxQuestions), forward: forwarder{upstreams: config.Upstreams},
	}
	if slices.Contains(config.Upstreams, r.Addr().String()) {
		r.close()
		return nil, fmt.Errorf("resolver: %s is its own upstream", r.Addr())
	}
	return r, nil
}

// Addr is where it listens.
func (r *Resolver) Addr() netip.AddrPort {
	return r.packets.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Time for answers under way when the resolver stops.
const drain = 2 * time.Second

// Run answers until ctx ends.
func (r *Resolver) Run(ctx context.Context) error {
	defer r.close()
	servers := []*dns.Server{
		{PacketConn: r.packets, Handler: r, UDPSize: udpSize},
		{Listener: r.streams, Handler: r, MaxTCPQueries: 64},
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	for _, server := range servers {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		running.Go(func() { stop(server.ActivateAndServe()) })
		select {
		case <-started: // Shutdown of a server that has not started is refused, and it would then start
		case <-ctx.Done():
		}
	}
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	for _, server := range servers {
		_ = server.ShutdownContext(last) // it ends anyway: what is open is a question nobody waits for
	}
	r.close()
	running.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("serve DNS on %s: %w", r.Addr(), cause)
	}
	return nil
}

func (r *Resolver) close() {
	r.packets.Close()
	r.streams.Close()
}

// bind opens UDP and TCP on one port. A free UDP port may be taken for TCP, so that is tried a few times.
func bind(address string) (net.PacketConn, net.Listener, error) {
	var failure error
	for range 8 {
		packets, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, nil, fault(address, err)
		}
		streams, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams, nil
		}
		packets.Close()
		failure = err
	}
	return nil, nil, fault(address, failure)
}

func fault(address string, err error) error {
	code := "resolver.address"
	if errors.Is(err, syscall.EADDRINUSE) {
		code = "resolver.port_taken"
	}
	return &tenant.Fault{
		Kind: tenant.Unavailable, Code: code, Params: map[string]string{"address": address},
		Err: fmt.Errorf("listen for DNS on %s: %w", address, err),
	}
}
