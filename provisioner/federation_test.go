package provisioner_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hafen/provisioner"
	"hafen/tenant"
)

const (
	peer     = "peer.example.org"
	impostor = "impostor.example.org" // answers as its name, with a certificate for it, of an authority nobody trusts
	mistaken = "mistaken.example.org" // answers with the peer's certificate
)

// A homeserver asks another for a profile: through the resolver at the gateway, its own list of forbidden networks, the
// firewall, to the edge's port at the gateway, whose certificate is of an authority the trust file alone knows.
func TestFederationGoesThroughTheEdge(t *testing.T) {
	t.Parallel()
	s := federatingSite(t)
	must(t, s.EnsureNetwork(t.Context()))
	gateway := s.config.Network.Gateway().String()
	certificate, root := authority(t, peer)
	untrusted, _ := authority(t, impostor)
	s.config.TrustFile = filepath.Join(t.TempDir(), "trust.pem")
	must(t, os.WriteFile(s.config.TrustFile, root, 0o644))
	s.Provisioner = s.with(t, func(*provisioner.Config) {})

	serveDNS(t, gateway)
	choose := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == impostor {
			return &untrusted, nil
		}
		return &certificate, nil
	}
	serveTLS(t, gateway+":443", choose, http.NotFound) // no well-known: the name itself answers, on 8448
	serveTLS(t, gateway+":8448", choose, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_matrix/federation/v1/query/profile" {
			_, _ = w.Write([]byte(`{"displayname":"Somebody elsewhere"}`))
			return
		}
		http.NotFound(w, r)
	})

	spec := s.federating(t, 1)
	status, answer := s.person(spec).call(t, http.MethodGet, "/_matrix/client/v3/profile/@somebody:"+peer, "", nil)
	if status != http.StatusOK || answer["displayname"] != "Somebody elsewhere" {
		t.Errorf("a profile from a peer: %d %v", status, answer)
	}
	for _, wrong := range []string{impostor, mistaken} {
		if status, answer := s.person(spec).call(t, http.MethodGet, "/_matrix/client/v3/profile/@somebody:"+wrong, "", nil); status == http.StatusOK {
			t.Errorf("a profile from %s, whose certificate is wrong: %v", wrong, answer)
		}
	}

	alone := s.spec(t)
	alone.Number = 2
	s.converge(t, t.Context(), alone)
	if status, answer := s.person(alone).call(t, http.MethodGet, "/_matrix/client/v3/profile/@somebody:"+peer, "", nil); status == http.StatusOK {
		t.Errorf("a tenant without federation got %v", answer)
	}

	// The plan changes, and with it the network.
	alone.Settings.Federation = tenant.FederationOpen
	s.converge(t, t.Context(), alone)
	if status, answer := s.person(alone).call(t, http.MethodGet, "/_matrix/client/v3/profile/@somebody:"+peer, "", nil); status != http.StatusOK {
		t.Errorf("after its plan allowed federation: %d %v", status, answer)
	}
	alone.Settings.Federation = tenant.FederationOff
	s.converge(t, t.Context(), alone)
	if got := s.try(t, alone, attempt{Do: "interfaces"}); got[0].Answer != "lo" {
		t.Errorf("after its plan no longer did, it has the interfaces %q", got[0].Answer)
	}
}

func serveTLS(t *testing.T, address string, choose func(*tls.ClientHelloInfo) (*tls.Certificate, error), handler http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{GetCertificate: choose}}
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { server.Close() })
}

// authority makes a root, and a certificate of it for a name.
func authority(t *testing.T, name string) (tls.Certificate, []byte) {
	t.Helper()
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A test's authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
}
