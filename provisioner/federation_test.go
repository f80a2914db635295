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
	suite "hafen/tenant/homeserver/conformance"
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
	s := trustingSite(t, []string{peer}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_matrix/federation/v1/query/profile" {
			_, _ = w.Write([]byte(`{"displayname":"Somebody elsewhere"}`))
			return
		}
		http.NotFound(w, r)
	})
	ask := func(spec tenant.Spec, where string) suite.Answer {
		return s.person(spec).Ask(t, http.MethodGet, "/_matrix/client/v3/profile/@somebody:"+where, nil)
	}

	spec := s.federating(t, 1)
	if answer := ask(spec, peer); answer.Status != http.StatusOK || answer.Body["displayname"] != "Somebody elsewhere" {
		t.Errorf("a profile from a peer: %d %s", answer.Status, answer.Raw)
	}
	for _, wrong := range []string{impostor, mistaken} {
		if answer := ask(spec, wrong); answer.Status == http.StatusOK {
			t.Errorf("a profile from %s, whose certificate is wrong: %s", wrong, answer.Raw)
		}
	}

	alone := s.spec(t)
	alone.Number = 2
	s.converge(t, t.Context(), alone)
	if answer := ask(alone, peer); answer.Status == http.StatusOK {
		t.Errorf("a tenant without federation got %s", answer.Raw)
	}

	// The plan changes, and with it the network.
	alone.Settings.Federation = tenant.FederationOpen
	s.converge(t, t.Context(), alone)
	if answer := ask(alone, peer); answer.Status != http.StatusOK {
		t.Errorf("after its plan allowed federation: %d %s", answer.Status, answer.Raw)
	}
	alone.Settings.Federation = tenant.FederationOff
	s.converge(t, t.Context(), alone)
	if got := s.try(t, alone, attempt{Do: "interfaces"}); got[0].Answer != "lo" {
		t.Errorf("after its plan no longer did, it has the interfaces %q", got[0].Answer)
	}
}

// trustingSite is a federating site around which other servers are: all names lead to the gateway, where the test answers
// for those given, with certificates of an authority that the trust file alone knows.
func trustingSite(t *testing.T, names []string, answer http.HandlerFunc) *site {
	t.Helper()
	s := federatingSite(t)
	must(t, s.EnsureNetwork(t.Context()))
	gateway := s.config.Network.Gateway().String()
	certificate, root := authority(t, names...)
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
	serveTLS(t, gateway+":8448", choose, answer)
	return s
}

func serveTLS(t *testing.T, address string, choose func(*tls.ClientHelloInfo) (*tls.Certificate, error), handler http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{GetCertificate: choose}}
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { server.Close() })
}

// authority makes a root, and a certificate of it for names.
func authority(t *testing.T, names ...string) (tls.Certificate, []byte) {
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
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names, NotAfter: time.Now().Add(time.Hour)}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
}
