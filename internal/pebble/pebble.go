// Package pebble runs Let's Encrypt's own test authority for tests: a real ACME server in a process of its own, with its
// habits kept that a client must live with, the refusal of good nonces above all.
//
// The program is built once from the module in build/ (a module of its own, so that its dependencies never meet ours) and
// kept in the repository's .cache. The process dies with the test process, also when that is killed.
package pebble

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Config is how the authority shall behave. The zero value has no resolver of its own and validates on 80 and 443.
type Config struct {
	Resolver  string // "host:port" of the DNS server it asks; "" for the system's
	HTTPPort  int    // where HTTP-01 is looked for; 0 for 80
	TLSPort   int    // where TLS-ALPN-01 is looked for; 0 for 443
	BadNonce  int    // per cent of good nonces refused; 0 for Pebble's own 5, -1 for none
	Retry     int    // seconds of Retry-After on what is pending; 0 sends no such header
	Blocked   []string
	ReuseAuth bool // let a proof serve for later orders, half of the time; off so that every order is validated
}

// Server is a running authority.
type Server struct {
	Directory string         // URL of the ACME directory
	Trust     *x509.CertPool // verifies the ACME endpoint itself
	Issuing   *x509.CertPool // verifies what it issues; made anew at each start
	RootPEM   []byte         // the issuing root

	log  *syncBuffer
	stop func()
}

// Start runs an authority until the test ends. What it logged is shown when the test failed.
func Start(tb testing.TB, c Config) *Server {
	tb.Helper()
	s, err := Launch(context.Background(), tb.TempDir(), c)
	if err != nil {
		tb.Fatalf("pebble: %v", err)
	}
	tb.Cleanup(func() {
		s.Close()
		if tb.Failed() {
			tb.Logf("pebble said:\n%s", s.Log())
		}
	})
	return s
}

// Launch runs an authority, with its files in dir, until Close. It returns when the authority answers.
func Launch(ctx context.Context, dir string, c Config) (*Server, error) {
	program, err := build(ctx)
	if err != nil {
		return nil, err
	}
	certFile, keyFile, trust, err := writeEndpointCertificate(dir)
	if err != nil {
		return nil, err
	}
	// Pebble cannot take an open socket, so between our finding a free port and its taking it another process may come.
	for range 5 {
		var s *Server
		s, err = launchOnce(ctx, dir, program, certFile, keyFile, trust, c)
		if !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
	return nil, err
}

var errPortTaken = errors.New("port taken by another process")

func launchOnce(ctx context.Context, dir, program, certFile, keyFile string, trust *x509.CertPool, c Config) (*Server, error) {
	acme, management, err := freeAddresses(ctx)
	if err != nil {
		return nil, err
	}
	configFile := filepath.Join(dir, "pebble.json")
	if err := writeConfig(configFile, acme, management, certFile, keyFile, c); err != nil {
		return nil, err
	}
	args := []string{"-config", configFile}
	if c.Resolver != "" {
		args = append(args, "-dnsserver", c.Resolver)
	}
	s := &Server{Directory: "https://" + acme + "/dir", Trust: trust, log: new(syncBuffer)}
	exited, stop, err := run(program, args, environment(c), s.log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	s.stop = stop
	if err := s.await(ctx, exited, management); err != nil {
		stop()
		if strings.Contains(s.Log(), "address already in use") {
			return nil, errPortTaken
		}
		return nil, fmt.Errorf("%w; it said: %s", err, s.Log())
	}
	return s, nil
}

// Close ends the process.
func (s *Server) Close() { s.stop() }

// Log is what the process wrote so far.
func (s *Server) Log() string { return s.log.String() }

// Client trusts the ACME endpoint.
func (s *Server) Client() *http.Client { return clientTrusting(s.Trust) }

// await waits until both interfaces answer, and fetches the issuing root, which Pebble makes anew at each start.
func (s *Server) await(ctx context.Context, exited <-chan struct{}, management string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	client := s.Client()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		root, err := fetch(ctx, client, "https://"+management+"/roots/0")
		if err == nil {
			_, err = fetch(ctx, client, s.Directory)
		}
		if err == nil {
			s.RootPEM, s.Issuing = root, x509.NewCertPool()
			if !s.Issuing.AppendCertsFromPEM(root) {
				return errors.New("read the issuing root: no certificate in it")
			}
			return nil
		}
		select {
		case <-exited:
			return errors.New("the process ended")
		case <-ctx.Done():
			return fmt.Errorf("wait for it to answer: %w", err)
		case <-tick.C:
		}
	}
}

func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return body, err
}

func writeConfig(path, acme, management, certFile, keyFile string, c Config) error {
	settings := map[string]any{
		"listenAddress": acme, "managementListenAddress": management,
		"certificate": certFile, "privateKey": keyFile,
		"httpPort": orDefault(c.HTTPPort, 80), "tlsPort": orDefault(c.TLSPort, 443),
		"domainBlocklist": c.Blocked, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": c.Retry, "order": c.Retry},
		"profiles":   map[string]any{"default": map[string]any{"description": "90 days", "validityPeriod": 7776000}},
	}
	b, err := json.Marshal(map[string]any{"pebble": settings})
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func orDefault(port, otherwise int) int {
	if port == 0 {
		return otherwise
	}
	return port
}

func environment(c Config) []string {
	env := append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	if c.BadNonce != 0 {
		env = append(env, "PEBBLE_WFE_NONCEREJECT="+strconv.Itoa(max(c.BadNonce, 0)))
	}
	if !c.ReuseAuth {
		env = append(env, "PEBBLE_AUTHZREUSE=0")
	}
	return env
}

// freeAddresses holds both ports while choosing, so that they differ.
func freeAddresses(ctx context.Context) (acme, management string, err error) {
	var lc net.ListenConfig
	a, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	b, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", errors.Join(err, a.Close())
	}
	return a.Addr().String(), b.Addr().String(), errors.Join(a.Close(), b.Close())
}
