// Package localca is a private certificate authority for the trial mode and for installations without a way to a public one.
//
// Its root is made once and kept: every device and every tenant that trusts it would have to be told again of a new one.
// Two files hold it. root.key (0600) has the key and the certificate and is the truth; root.crt (0644) is a copy of the
// certificate to hand out. root.key appears whole by link(2), which never replaces a file, so of two processes that start
// together one wins and the other loads; root.crt is written after it. A crash between the two leaves root.key alone, and the
// next Open writes root.crt from it; a hidden temporary file (0600) may stay behind and may be removed. What no crash can
// leave (root.crt without root.key, two different certificates, a file that cannot be read) is an error for a person to
// solve, for a new root made silently would cut everybody off.
//
// The root carries no name constraints: customers bring domains that are not known when it is made, and a list of
// permitted subtrees would refuse exactly those. What limits the damage of a stolen key is that only people who chose to
// trust this root do.
package localca

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"slices"
	"time"

	"hafen/tenant"
)

const (
	rootLife = 10 * 365 * 24 * time.Hour
	// As Let's Encrypt's, so that renewal is exercised in the same rhythm under both issuers.
	leafLife = 90 * 24 * time.Hour
	// Clients whose clocks run slow must accept a certificate made this minute.
	backdate = time.Hour
)

// CA issues certificates under one root. Safe for concurrent use; it holds no state but the root.
type CA struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

// Issue makes a certificate for exactly that name. Calling it again is how to renew.
func (c *CA) Issue(ctx context.Context, name tenant.Domain) (tenant.Certificate, error) {
	if err := ctx.Err(); err != nil {
		return tenant.Certificate{}, err
	}
	now := time.Now()
	if !now.Before(c.root.NotAfter) {
		return tenant.Certificate{}, &tenant.Failure{
			Disposition: tenant.Stop, Code: "localca.expired",
			Err: fmt.Errorf("issue a certificate for %s: the private root ended on %s", name, c.root.NotAfter.Format(time.DateOnly)),
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("make a key for %s: %w", name, err)
	}
	serial, err := newSerial()
	if err != nil {
		return tenant.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		DNSNames:     []string{string(name)},
		NotBefore:    now.Add(-backdate),
		NotAfter:     earlier(now.Add(leafLife), c.root.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.root, key.Public(), c.key)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("sign a certificate for %s: %w", name, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return tenant.Certificate{}, err
	}
	return tenant.Certificate{
		Host: name, ChainPEM: encodeCertificate(der), KeyPEM: keyPEM,
		NotAfter: template.NotAfter.UTC().Truncate(time.Second), // as the certificate itself has it
	}, nil
}

// RootPEM is the root certificate, to be trusted by browsers and tenants.
func (c *CA) RootPEM() []byte { return encodeCertificate(c.root.Raw) }

// Bundle is the system's roots with ours behind them, for tenant containers: they must reach servers of this
// installation and of the world. Without a file at systemPath the bundle is our root alone.
func (c *CA) Bundle(systemPath string) ([]byte, error) {
	system, err := os.ReadFile(systemPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the system's root certificates: %w", err)
	}
	if len(system) > 0 && !bytes.HasSuffix(system, []byte("\n")) {
		system = append(system, '\n')
	}
	return slices.Concat(system, c.RootPEM()), nil
}

func newRoot(now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the root's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// Part of the serial in the name: a verifier finds issuers by name, and somebody may trust two installations.
		Subject:               pkix.Name{Organization: []string{"Hafen"}, CommonName: fmt.Sprintf("Hafen private root %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(rootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true, // it signs servers, never another authority
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the root: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the root back: %w", err)
	}
	return &CA{key: key, root: root}, nil
}

// newSerial is 16 octets, 126 of the bits random: never negative, never shorter, well inside the 20 octets of RFC 5280
// section 4.1.2.2.
func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
