package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"hafen/controlplane/keyring"
	"hafen/controlplane/postgres"
	"hafen/edge"
	"hafen/edge/resolver"
	"hafen/tenant"
)

// edgeCommand is `hafen edge`. It reads routes and certificates, and starts from its local copy when the database is away.
type edgeCommand struct{ settings }

// Run serves until the signal.
func (c edgeCommand) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	// The database's address alone: whether it is up is not for the edge to wait for.
	dsn := c.DatabaseURL
	if dsn == "" {
		dsn = fmt.Sprintf("postgres://hafen@/hafen?host=%s&sslmode=disable", c.databaseSocket())
	}
	return runEdge(ctx, c.settings, dsn, prometheus.NewRegistry(), slog.Default())
}

func runEdge(ctx context.Context, s settings, dsn string, metrics prometheus.Registerer, log *slog.Logger) error {
	base, err := s.base()
	if err != nil {
		return err
	}
	plan, err := s.plan()
	if err != nil {
		return err
	}
	key, err := keyring.OpenEdge(s.keys())
	if err != nil {
		return fmt.Errorf("open the edge's key: %w", err)
	}
	store, err := postgres.OpenLazily(ctx, dsn, postgres.Config{Edge: key, MaxConns: 4})
	if err != nil {
		return err
	}
	defer store.Close()
	go store.Listen(ctx)
	if err := os.MkdirAll(filepath.Dir(s.edgeCopy()), 0o700); err != nil {
		return fmt.Errorf("make the directory of the edge's copy: %w", err)
	}
	gateway := plan.Gateway()
	sockets, err := s.gatewaySockets(ctx, gateway)
	if err != nil {
		return err
	}
	e, err := edge.New(edge.Config{
		HTTP: s.listen(s.HTTPPort), HTTPS: s.listen(s.HTTPSPort), Federation: s.listen(s.FederationPort), Sockets: sockets,
		Source: edgeSource{store}, Copy: s.edgeCopy(), Sealer: key,
		Dashboard:       edge.Dashboard{Host: base, Backend: "unix:" + s.webSocket(), PlainHTTP: !s.Production},
		PublicHTTPSPort: s.HTTPSPort, PublicFederationPort: s.FederationPort, ClientConnections: s.ClientMost, ClientRequests: s.ClientMost,
		Log: log, Metrics: metrics,
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.Run(ctx) })
	group.Go(func() error { return answerNames(ctx, s, base, gateway, e, log) })
	return group.Wait()
}

// answerNames runs the tenants' resolver. Its address comes with the bridge, which Docker or the control plane makes: until it is
// there, the edge serves all the same.
func answerNames(ctx context.Context, s settings, base tenant.Domain, gateway netip.Addr, e *edge.Edge, log *slog.Logger) error {
	for {
		names, err := newResolver(s, base, gateway, e, log)
		if err == nil {
			return names.Run(ctx)
		}
		log.WarnContext(ctx, "tenants have no resolver yet, will be tried again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}

// gatewaySockets opens what tenants look for at the bridges' gateway, where they reach one another. The sockets are bound
// freely (ip(7), IP_FREEBIND), because the address may come later than the edge. An edge that listens everywhere has most of
// it already.
func (s settings) gatewaySockets(ctx context.Context, gateway netip.Addr) (sockets edge.Sockets, err error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var bound error
		err := raw.Control(func(fd uintptr) { bound = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(err, bound)
	}}
	open := func(port int) ([]net.Listener, error) {
		listener, err := config.Listen(ctx, "tcp", netip.AddrPortFrom(gateway, uint16(port)).String())
		if err != nil {
			return nil, fmt.Errorf("listen for tenants on port %d: %w", port, err)
		}
		return []net.Listener{listener}, nil
	}
	if !s.listensEverywhere() || s.HTTPSPort != discoveryPort {
		if sockets.HTTPS, err = open(discoveryPort); err != nil {
			return edge.Sockets{}, err
		}
	}
	if !s.listensEverywhere() {
		sockets.Federation, err = open(s.FederationPort)
	}
	return sockets, err
}

// newResolver answers tenants' questions for names: those this machine serves lead to the gateway, the rest is asked of the
// machine's own resolvers. A trial's tenants know each other and nobody else by name below .localhost.
func newResolver(s settings, base tenant.Domain, gateway netip.Addr, e *edge.Edge, log *slog.Logger) (*resolver.Resolver, error) {
	upstreams, err := resolver.FromFile("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	return resolver.Open(resolver.Config{
		Addr: netip.AddrPortFrom(gateway, 53).String(),
		Lookup: func(name string) (netip.Addr, bool) {
			return gateway, tenant.Domain(name) == base || e.Serves(tenant.Domain(name))
		},
		Upstreams: upstreams, Log: log,
	})
}

// edgeSource gives the edge what the store has for it.
type edgeSource struct{ store *postgres.Store }

func (s edgeSource) Load(ctx context.Context, have edge.Revision) (edge.Snapshot, error) {
	state, err := s.store.LoadEdge(ctx, have.Routes, have.Certificates, have.Usage)
	if err != nil {
		return edge.Snapshot{}, err
	}
	return edge.Snapshot{
		Revision: edge.Revision{Routes: state.Routes, Certificates: state.Certificates, Usage: state.Usage},
		Routes:   state.RouteList, Certificates: state.CertificateList, Usage: state.UsageList,
	}, nil
}

func (s edgeSource) Changes(ctx context.Context) <-chan struct{} { return s.store.WatchEdge(ctx) }

func (s edgeSource) Challenge(ctx context.Context, host tenant.Domain, token string) (tenant.Challenge, error) {
	challenge, ok, err := s.store.Challenges().FindChallenge(ctx, host, token)
	if err == nil && !ok {
		err = edge.ErrNoChallenge
	}
	return challenge, err
}
