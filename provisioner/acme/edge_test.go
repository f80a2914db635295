package acme_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	hafenedge "hafen/edge"
	"hafen/internal/dnstest"
	"hafen/internal/pebble"
	"hafen/provisioner/acme"
	"hafen/tenant"
)

// source gives the real edge nothing but the challenges presented.
type source struct{ rows *edge }

func (source) Load(context.Context, hafenedge.Revision) (hafenedge.Snapshot, error) {
	return hafenedge.Snapshot{
		Revision: hafenedge.Revision{Routes: "1", Certificates: "1", Usage: "1"},
		Routes:   []tenant.Route{}, Certificates: []tenant.Certificate{}, Usage: []tenant.StorageUse{},
	}, nil
}

func (source) Changes(context.Context) <-chan struct{} { return nil }

func (s source) Challenge(_ context.Context, host tenant.Domain, token string) (tenant.Challenge, error) {
	if c, ok := s.rows.find(string(host), token); ok {
		return c, nil
	}
	return tenant.Challenge{}, hafenedge.ErrNoChallenge
}

// plain stands for the sealing of the edge's copy, which holds nothing here.
type plain struct{}

func (plain) Seal(b, _ []byte) ([]byte, error) { return b, nil }
func (plain) Open(b, _ []byte) ([]byte, error) { return b, nil }

// The edge that will answer in earnest, for more names in a row than a burst of its limits: a sign-up day, or a night of renewals.
func TestTheRealEdgeAnswersForManyNames(t *testing.T) {
	t.Parallel()
	for _, method := range []acme.Method{acme.HTTP01, acme.TLSALPN01} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			w := &world{dns: dnstest.Start(t), edge: startEdge(t), accounts: &accounts{}}
			httpPort, tlsPort := startRealEdge(t, w.edge)
			w.authority = pebble.Start(t, pebble.Config{Resolver: w.dns.Addr(), HTTPPort: httpPort, TLSPort: tlsPort, BadNonce: -1})
			w.wire = &wire{base: w.authority.Client().Transport}
			issuer := w.issuer(t, method)
			for i := range 12 {
				name := tenant.MustDomain(fmt.Sprintf("%d.example.org", i))
				w.dns.Set(string(name), "A", "127.0.0.1")
				c, err := issuer.Issue(t.Context(), name)
				if err != nil {
					t.Fatalf("name %d: %v", i, err)
				}
				verify(t, w, name, c)
			}
		})
	}
}

func startRealEdge(t *testing.T, rows *edge) (httpPort, tlsPort int) {
	t.Helper()
	open := func(port *int) []net.Listener {
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*port = l.Addr().(*net.TCPAddr).Port
		return []net.Listener{l}
	}
	var peers int
	e, err := hafenedge.New(hafenedge.Config{
		Source: source{rows}, Sealer: plain{}, Copy: filepath.Join(t.TempDir(), "copy"), Log: slog.New(slog.DiscardHandler),
		Sockets: hafenedge.Sockets{HTTP: open(&httpPort), HTTPS: open(&tlsPort), Federation: open(&peers)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = e.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return httpPort, tlsPort
}
