package edge

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"hafen/tenant"
)

// RFC 8737 section 6.2.
const challengeProtocol = "acme-tls/1"

var errUnknownName = errors.New("no such name is served here")

// tlsConfig is that of the HTTPS and federation listeners. It has no certificate of its own: a handshake for a name that
// is not served, or for none, ends with the alert unrecognized_name (RFC 6066 section 3) and costs a map lookup.
func (e *Edge) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert := e.certificate(hello.ServerName)
			if cert == nil {
				e.metrics.refused("name")
			}
			return cert, nil // nil and no error is what makes crypto/tls send unrecognized_name
		},
		// A resumed session asks for no certificate, and may name another server than the one it began with.
		VerifyConnection: func(state tls.ConnectionState) error {
			if e.certificate(state.ServerName) == nil {
				return errUnknownName
			}
			return nil
		},
		GetConfigForClient: e.challengeConfig,
	}
}

// certificate finds the one for a name that is served here. A wildcard alone serves no name.
func (e *Edge) certificate(name string) *tls.Certificate {
	name = strings.ToLower(name)
	x := e.index.Load()
	if _, known := x.sites[tenant.Domain(name)]; !known && (name == "" || tenant.Domain(name) != e.config.Dashboard.Host) {
		return nil
	}
	return x.certs.find(name)
}

// challengeConfig answers a certificate authority's TLS-ALPN-01 handshake, which offers that one protocol and nothing
// else (RFC 8737 section 3). net/http closes the connection afterwards: it knows no such protocol.
func (e *Edge) challengeConfig(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.Equal(hello.SupportedProtos, []string{challengeProtocol}) {
		return nil, nil
	}
	host, err := tenant.ParseDomain(hello.ServerName)
	if err != nil {
		return nil, errUnknownName
	}
	challenge, err := e.challenges.find(hello.Context(), host, "", hello.Conn.RemoteAddr().String())
	if err != nil {
		if !errors.Is(err, ErrNoChallenge) && !errors.Is(err, errChallengeRate) {
			e.log.Error("edge could not look up a challenge", "host", host, "error", err)
		}
		return nil, err
	}
	cert, err := challengeCertificate(challenge, e.config.Now())
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		Certificates:           []tls.Certificate{cert},
		NextProtos:             []string{challengeProtocol},
		SessionTicketsDisabled: true,
	}, nil
}
