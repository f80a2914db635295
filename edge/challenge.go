package edge

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash/maphash"
	"math/big"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"hafen/tenant"
)

var errChallengeRate = errors.New("too many challenge requests")

// Bounds for look-ups that strangers cause. A network gets a few at once and then one a second, all together get what the
// database does not notice. What was found costs nothing, so the few bound an authority's questions at one moment: as many
// as we have orders under way.
const (
	challengeRate     = 50
	challengeBurst    = 100
	networkRate       = 1
	networkBurst      = 16
	networkBuckets    = 2048
	challengeTimeout  = 5 * time.Second
	minToken          = 16 // RFC 8555 section 8.1: 128 bits of entropy, base64url
	maxToken          = 128
	challengeValidity = time.Hour
)

// challenges looks up what certificate authorities ask for. It is the only question a stranger can put to the source.
type challenges struct {
	source   Source
	flight   singleflight.Group
	all      *rate.Limiter
	networks [networkBuckets]*rate.Limiter // by hash: constant memory, whoever asks
	seed     maphash.Seed
}

func newChallenges(source Source) *challenges {
	c := &challenges{source: source, all: rate.NewLimiter(challengeRate, challengeBurst), seed: maphash.MakeSeed()}
	for i := range c.networks {
		c.networks[i] = rate.NewLimiter(networkRate, networkBurst)
	}
	return c
}

// find asks the source, once for all who ask the same at the same time. The token is well-formed, or empty for TLS-ALPN-01.
func (c *challenges) find(ctx context.Context, host tenant.Domain, token, remote string) (tenant.Challenge, error) {
	network := c.network(remote)
	if !network.Allow() {
		return tenant.Challenge{}, errChallengeRate
	}
	if !c.all.Allow() {
		giveBack(network) // others have used it up
		return tenant.Challenge{}, errChallengeRate
	}
	result := c.flight.DoChan(string(host)+" "+token, func() (any, error) {
		// Not the asker's context: others may wait for the same answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), challengeTimeout)
		defer cancel()
		return c.source.Challenge(ctx, host, token)
	})
	select {
	case <-ctx.Done():
		return tenant.Challenge{}, ctx.Err()
	case r := <-result:
		if r.Err != nil {
			return tenant.Challenge{}, fmt.Errorf("look up the challenge of %s: %w", host, r.Err)
		}
		// An authority finds what it asks for, and asks for many names from one network in a night of renewals; to refuse
		// it there would fail their validations.
		giveBack(network)
		return r.Val.(tenant.Challenge), nil
	}
}

// giveBack undoes an Allow. (A Reservation could not: its time to cancel is over at once.)
func giveBack(l *rate.Limiter) { l.AllowN(time.Now(), -1) }

// network is the limiter of a client's network: /24 or /48, what one party commonly holds.
func (c *challenges) network(remote string) *rate.Limiter {
	key := remote
	if address, err := netip.ParseAddrPort(remote); err == nil {
		ip := address.Addr().Unmap()
		bits := 48
		if ip.Is4() {
			bits = 24
		}
		if prefix, err := ip.Prefix(bits); err == nil {
			key = prefix.String()
		}
	}
	return c.networks[maphash.String(c.seed, key)%networkBuckets]
}

func wellFormedToken(token string) bool {
	return len(token) >= minToken && len(token) <= maxToken &&
		strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// id-pe-acmeIdentifier, RFC 8737 section 6.1.
var acmeIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

// challengeCertificate is the self-signed certificate of RFC 8737 section 3. It is made per handshake with an ECDSA key,
// which takes a tenth of a millisecond; lego's helper makes an RSA key, which takes a hundred.
func challengeCertificate(challenge tenant.Challenge, now time.Time) (tls.Certificate, error) {
	digest := sha256.Sum256([]byte(challenge.KeyAuthorization))
	identifier, err := asn1.Marshal(digest[:])
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("encode the challenge of %s: %w", challenge.Host, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key for the challenge of %s: %w", challenge.Host, err)
	}
	template := &x509.Certificate{
		SerialNumber:    big.NewInt(1),
		Subject:         pkix.Name{CommonName: "ACME challenge"},
		DNSNames:        []string{string(challenge.Host)},
		NotBefore:       now.Add(-challengeValidity),
		NotAfter:        now.Add(challengeValidity),
		ExtraExtensions: []pkix.Extension{{Id: acmeIdentifier, Critical: true, Value: identifier}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the certificate for the challenge of %s: %w", challenge.Host, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
