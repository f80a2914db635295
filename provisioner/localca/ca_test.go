package localca_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hafen/provisioner/localca"
	"hafen/tenant"
)

func open(t *testing.T, dir string) *localca.CA {
	t.Helper()
	ca, err := localca.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestIssuedCertificateServesItsNameOnly(t *testing.T) {
	t.Parallel()
	ca := open(t, t.TempDir())
	cert, err := ca.Issue(t.Context(), "chat.example.org")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert.ChainPEM, cert.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.RootPEM())
	shake := func(name string) error {
		d := &tls.Dialer{NetDialer: new(net.Dialer), Config: &tls.Config{RootCAs: roots, ServerName: name}}
		conn, err := d.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	if err := shake("chat.example.org"); err != nil {
		t.Errorf("its own name: %v", err)
	}
	for _, other := range []string{"example.org", "a.chat.example.org", "chat.example.com"} {
		if shake(other) == nil {
			t.Errorf("the certificate of chat.example.org serves %s", other)
		}
	}
}

func TestLeafFields(t *testing.T) {
	t.Parallel()
	ca := open(t, t.TempDir())
	long := tenant.MustDomain("a-label-of-thirty-two-characters.another-label-of-thirty-two-chars.example.org") // no common name could hold it
	cert, err := ca.Issue(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert.ChainPEM, cert.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	leaf := pair.Leaf
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key: %T", leaf.PublicKey)
	}
	if len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != string(long) || len(leaf.IPAddresses)+len(leaf.EmailAddresses) != 0 {
		t.Errorf("names: %v", leaf.DNSNames)
	}
	if len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || leaf.IsCA {
		t.Errorf("usage: %v, authority: %v", leaf.ExtKeyUsage, leaf.IsCA)
	}
	if n := len(leaf.SerialNumber.Bytes()); n != 16 {
		t.Errorf("serial of %d octets", n)
	}
	if age := time.Since(leaf.NotBefore); age < time.Hour || age > time.Hour+time.Minute {
		t.Errorf("begins %v ago", age)
	}
	if life := time.Until(leaf.NotAfter); life < 89*24*time.Hour || life > 90*24*time.Hour {
		t.Errorf("ends in %v", life)
	}
	if !leaf.NotAfter.Equal(cert.NotAfter) || cert.Host != long {
		t.Errorf("told %v for %s, the certificate says %v", cert.NotAfter, cert.Host, leaf.NotAfter)
	}
}

func TestBundleHoldsTheSystemsRootsAndOurs(t *testing.T) {
	t.Parallel()
	ca, other := open(t, t.TempDir()), open(t, t.TempDir())
	system := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(system, bytes.TrimRight(other.RootPEM(), "\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bundle, err := ca.Bundle(system)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	for _, each := range []*localca.CA{ca, other} {
		cert, err := each.Issue(t.Context(), "example.org")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(cert.ChainPEM, cert.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "example.org"}); err != nil {
			t.Error(err)
		}
	}
	if alone, err := ca.Bundle(filepath.Join(t.TempDir(), "none")); err != nil || !bytes.Equal(alone, ca.RootPEM()) {
		t.Errorf("without system roots: %v", err)
	}
	if _, err := ca.Bundle(t.TempDir()); err == nil {
		t.Error("a directory passes for a bundle")
	}
}
