package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-acme/lego/v4/acme"
	"github.com/go-acme/lego/v4/acme/api"

	"hafen/tenant"
)

const (
	// An authority in the same house validates in a few milliseconds, Let's Encrypt in one to three seconds: begin fast, end
	// polite. 1.5 makes thirteen questions in the first eight seconds.
	firstPoll  = 20 * time.Millisecond
	longest    = 3 * time.Second
	pollGrowth = 1.5
	// A Retry-After beyond this would outlive the bound on the whole order.
	longestAsked = 30 * time.Second
	// For taking a challenge back after the order's own context may have ended.
	cleanUpTime = 5 * time.Second
)

// order is one attempt to get one certificate by one method.
type order struct {
	name       tenant.Domain
	method     Method
	core       *api.Core
	challenges Challenges
	wire       *boundTransport
}

func (o *order) run(ctx context.Context) (tenant.Certificate, error) {
	made, err := o.core.Orders.New([]string{string(o.name)})
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("order: %w", err)
	}
	for _, at := range made.Authorizations {
		if err := o.authorize(ctx, at); err != nil {
			return tenant.Certificate{}, err
		}
	}
	ready, err := o.core.Orders.Get(made.Location)
	if err == nil {
		ready, err = o.awaitOrder(ctx, made.Location, ready, acme.StatusPending)
	}
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("wait for the order to be ready: %w", err)
	}
	return o.finalize(ctx, made.Location, ready)
}

// authorize proves the name, unless the authority still remembers a proof.
func (o *order) authorize(ctx context.Context, at string) error {
	authorization, err := o.core.Authorizations.Get(at)
	if err != nil {
		return fmt.Errorf("read the authorization: %w", err)
	}
	if authorization.Status != acme.StatusPending {
		return o.authorized(authorization)
	}
	challenge, err := o.choose(authorization)
	if err != nil {
		return err
	}
	answer, err := o.core.GetKeyAuthorization(challenge.Token)
	if err != nil {
		return fmt.Errorf("answer the challenge: %w", err)
	}
	shown := tenant.Challenge{Host: o.name, Token: challenge.Token, KeyAuthorization: answer}
	defer o.cleanUp(ctx, shown) // also when Present failed half-way
	if err := o.challenges.Present(ctx, shown); err != nil {
		return &portError{"present the challenge", err}
	}
	if _, err := o.core.Challenges.New(challenge.URL); err != nil {
		return fmt.Errorf("start the validation: %w", err)
	}
	for pause := firstPoll; ; pause = longer(pause) {
		if err := o.pause(ctx, pause); err != nil {
			return err
		}
		authorization, err = o.core.Authorizations.Get(at)
		if err != nil {
			return fmt.Errorf("read the authorization: %w", err)
		}
		if authorization.Status != acme.StatusPending && authorization.Status != acme.StatusProcessing {
			return o.authorized(authorization)
		}
	}
}

// cleanUp does its best: a challenge left behind proves nothing new, and the certificate may already be ours.
func (o *order) cleanUp(ctx context.Context, c tenant.Challenge) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	_ = o.challenges.CleanUp(ctx, c)
}

func (o *order) choose(a acme.Authorization) (acme.Challenge, error) {
	for _, c := range a.Challenges {
		if c.Type == string(o.method) {
			return c, nil
		}
	}
	return acme.Challenge{}, &validationError{method: o.method, problem: acme.ProblemDetails{Detail: "the authority does not offer this method"}}
}

// authorized is nil for a proven name, and otherwise tells why it is not.
func (o *order) authorized(a acme.Authorization) error {
	if a.Status == acme.StatusValid {
		return nil
	}
	failed := &validationError{method: o.method, problem: acme.ProblemDetails{Detail: "the authorization is " + a.Status}}
	for _, c := range a.Challenges {
		if c.Error != nil {
			failed.problem = *c.Error
		}
	}
	return failed
}

func (o *order) finalize(ctx context.Context, at string, ready acme.ExtendedOrder) (tenant.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	// No common name: it is limited to 64 octets, ignored by clients, and Let's Encrypt's newer profiles leave it out.
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{string(o.name)}}, key)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("make a request: %w", err)
	}
	sent, err := o.core.Orders.UpdateForCSR(ready.Finalize, request)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("finalize: %w", err)
	}
	valid, err := o.awaitOrder(ctx, at, sent, acme.StatusProcessing, acme.StatusReady)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("wait for the certificate: %w", err)
	}
	chain, _, err := o.core.Certificates.Get(valid.Certificate, true)
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("fetch the certificate: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return tenant.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(chain, keyPEM)
	if err == nil {
		err = pair.Leaf.VerifyHostname(string(o.name))
	}
	if err != nil {
		return tenant.Certificate{}, fmt.Errorf("check what was issued: %w", err)
	}
	return tenant.Certificate{Host: o.name, ChainPEM: chain, KeyPEM: keyPEM, NotAfter: pair.Leaf.NotAfter}, nil
}

// awaitOrder polls while the order, first seen as given, has one of these states.
func (o *order) awaitOrder(ctx context.Context, at string, seen acme.ExtendedOrder, while ...string) (acme.ExtendedOrder, error) {
	for pause := firstPoll; slices.Contains(while, seen.Status); pause = longer(pause) {
		err := o.pause(ctx, pause)
		if err == nil {
			seen, err = o.core.Orders.Get(at)
		}
		if err != nil {
			return acme.ExtendedOrder{}, err
		}
	}
	if seen.Status == acme.StatusInvalid {
		if seen.Error != nil {
			return acme.ExtendedOrder{}, fmt.Errorf("the order failed: %w", seen.Error)
		}
		return acme.ExtendedOrder{}, errors.New("the order failed without a reason")
	}
	return seen, nil
}

// pause waits as long as the last answer asked for, or else as long as given.
func (o *order) pause(ctx context.Context, d time.Duration) error {
	if asked := o.wire.retryAfter(); asked > 0 {
		d = min(asked, longestAsked)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for the authority: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}

func longer(d time.Duration) time.Duration {
	return min(time.Duration(float64(d)*pollGrowth), longest)
}
