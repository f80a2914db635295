// Package acme gets certificates from a public authority by ACME (RFC 8555), proving names by HTTP-01 and TLS-ALPN-01.
//
// It drives lego's protocol package (acme/api: signing, nonces and their retries, problem documents) and not lego's client,
// which sleeps where it cannot be told otherwise: five seconds before it looks at an authorization for the first time when
// the authority sends no Retry-After, then longer and longer, deaf to the context. Here polling begins at 20 ms, keeps to
// Retry-After where there is one, and ends with the context.
//
// Outside state is reached by two ports. Accounts keeps the account key, stored before it is ever used, so that neither
// a crash nor a second process leads to a second account. Challenges is where the edge finds what to answer; a crash
// leaves rows there that nobody asks for. An order left behind by a crash expires at the authority.
package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"

	legolog "github.com/go-acme/lego/v4/log"

	"hafen/tenant"
)

// LetsEncrypt is the directory of the authority used when none is configured.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Method is a way to prove a name; the values are the challenge types of RFC 8555 and RFC 8737.
type Method string

// The methods.
const (
	HTTP01    Method = "http-01"
	TLSALPN01 Method = "tls-alpn-01"
)

// Challenges is where the edge finds what to answer. Present returns when every edge can find it: the authority looks at once.
// Both are idempotent.
type Challenges interface {
	Present(ctx context.Context, c tenant.Challenge) error
	CleanUp(ctx context.Context, c tenant.Challenge) error
}

// Config of an Issuer. Accounts, Challenges and AcceptTerms are required.
type Config struct {
	Directory   string // URL; "" for LetsEncrypt
	Email       string // where the authority writes to; may be empty
	AcceptTerms bool   // the operator has agreed to the authority's terms of service
	Accounts    Accounts
	Challenges  Challenges
	// Methods are tried in this order, each with an order of its own; nil for HTTP01, then TLSALPN01.
	Methods []Method
	// Transport reaches the authority; nil for one that trusts the system's roots.
	Transport http.RoundTripper
	// Timeout bounds one Issue, all methods together; 0 for 90 s.
	Timeout time.Duration
}

// Issuer gets certificates. Safe for concurrent use.
type Issuer struct {
	config  Config
	account accountCache
	names   nameLocks
}

// New checks the configuration. It reaches nobody: the account is looked up or made by the first Issue.
func New(c Config) (*Issuer, error) {
	if c.Directory == "" {
		c.Directory = LetsEncrypt
	}
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("acme: the directory %q is no https URL", c.Directory)
	}
	if !c.AcceptTerms {
		return nil, errors.New("acme: the authority's terms of service have to be accepted")
	}
	if c.Accounts == nil || c.Challenges == nil {
		return nil, errors.New("acme: a place for accounts and one for challenges are needed")
	}
	if len(c.Methods) == 0 {
		c.Methods = []Method{HTTP01, TLSALPN01}
	}
	for _, m := range c.Methods {
		if m != HTTP01 && m != TLSALPN01 {
			return nil, fmt.Errorf("acme: unknown method %q", m)
		}
	}
	if c.Timeout == 0 {
		c.Timeout = 90 * time.Second
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout:       90 * time.Second,
			ForceAttemptHTTP2:     true,
		}
	}
	return &Issuer{config: c, account: newAccountCache(), names: newNameLocks()}, nil
}

// Issue gets a certificate for exactly that name; calling it again is how to renew. A second call for the same name
// waits for the first. Errors are *tenant.Failure, except those of the ports and of a cancelled context.
func (i *Issuer) Issue(ctx context.Context, name tenant.Domain) (tenant.Certificate, error) {
	release, err := i.names.acquire(ctx, name)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("wait for another order of %s: %w", name, err)
	}
	defer release()

	bounded, cancel := context.WithTimeout(ctx, i.config.Timeout)
	defer cancel()
	wire := &boundTransport{ctx: bounded, base: i.config.Transport}
	certificate, err := i.issue(bounded, wire, name)
	if err != nil {
		if ctx.Err() != nil { // before the failure: lego and jose lose the cause on some paths
			return tenant.Certificate{}, fmt.Errorf("get a certificate for %s: %w", name, ctx.Err())
		}
		return tenant.Certificate{}, failure(fmt.Errorf("get a certificate for %s: %w", name, err), wire.retryAfter())
	}
	return certificate, nil
}

// issue tries each method until one succeeds or fails in a way the next would too.
func (i *Issuer) issue(ctx context.Context, wire *boundTransport, name tenant.Domain) (tenant.Certificate, error) {
	var first error
	for _, method := range i.config.Methods {
		certificate, err := i.orderWith(ctx, wire, name, method)
		if err == nil {
			return certificate, nil
		}
		if first == nil {
			first = err // of the preferred method: what a person should mend
		}
		if !worthAnotherMethod(err) {
			break
		}
	}
	return tenant.Certificate{}, first
}

// orderWith orders once more with the same key when the authority forgot the account.
func (i *Issuer) orderWith(ctx context.Context, wire *boundTransport, name tenant.Domain, method Method) (tenant.Certificate, error) {
	for again := false; ; again = true {
		account, err := i.useAccount(ctx, wire)
		if err != nil {
			return tenant.Certificate{}, err
		}
		o := order{name: name, method: method, core: account.core, challenges: i.config.Challenges, wire: wire}
		certificate, err := o.run(ctx)
		if err == nil || again || !isProblem(err, "accountDoesNotExist") {
			return certificate, err
		}
		i.account.forget(account.registration)
	}
}

// lego writes to standard error by itself, past our log and its levels. What matters of it comes back as an error.
func init() { legolog.Logger = log.New(io.Discard, "", 0) }
