package dns

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"hafen/tenant"
)

const (
	// Synapse reads 50 KiB at most and some clients less; a right answer has under a hundred bytes.
	maxWellKnown = 64 << 10
	maxRedirects = 5
	webTime      = 5 * time.Second
	dialTime     = 2 * time.Second
	maxDials     = 3
	// A browser sends where the app came from, and some servers answer with that instead of "*".
	origin = "https://app.element.io"
)

// webError is why there is no answer to judge. Its code is one of tenant.DomainCodes.
type webError struct {
	code string
	err  error
}

func (e *webError) Error() string { return e.code + ": " + e.err.Error() }
func (e *webError) Unwrap() error { return e.err }

// page is a web server's answer.
type page struct {
	header http.Header
	body   []byte
}

// wellKnown fetches one answer and has it judged.
func (l *look) wellKnown(ctx context.Context, record tenant.Record, judge func(page) (code, saw string)) tenant.Record {
	p, status, err := l.checker.fetch(ctx, record.Name)
	if err != nil {
		return webFailure(record, err)
	}
	if status != http.StatusOK {
		record.State, record.Code, record.Seen = tenant.RecordWrong, "wellknown.status", seen(fmt.Sprintf("%d %s", status, http.StatusText(status)))
		if status == http.StatusNotFound || status == http.StatusGone {
			record.State = tenant.RecordMissing
		}
		return record
	}
	code, saw := judge(p)
	record.State, record.Code, record.Seen = tenant.RecordWrong, code, seen(saw)
	if code == "" {
		record.State = tenant.RecordFound
	}
	return record
}

func webFailure(record tenant.Record, err error) tenant.Record {
	record.State, record.Code = tenant.RecordUnreachable, "wellknown.unreachable"
	if lookup, ok := errors.AsType[*lookupError](err); ok {
		record.Code = lookup.code
	} else if web, ok := errors.AsType[*webError](err); ok {
		record.Code = web.code
	} else if timeout, ok := errors.AsType[net.Error](err); (ok && timeout.Timeout()) || errors.Is(err, context.DeadlineExceeded) {
		record.Code = "wellknown.timeout"
	} else if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		record.Code = "wellknown.certificate"
	}
	switch record.Code {
	case "wellknown.no_address":
		record.State = tenant.RecordMissing
	case "wellknown.private", "wellknown.redirect", "wellknown.certificate", "wellknown.too_large":
		record.State = tenant.RecordWrong
	}
	return record
}

// judgeServer follows the Matrix specification, "Resolving server names", 3: "m.server" with or without a port. Without one 8448
// is the port others end at.
func (l *look) judgeServer(p page) (code, saw string) {
	var body struct {
		Server *string `json:"m.server"`
	}
	if !isObject(p.body) || json.Unmarshal(p.body, &body) != nil {
		return "wellknown.not_json", string(p.body)
	}
	if body.Server == nil {
		return "wellknown.other_value", string(p.body)
	}
	w := l.wanted
	told := strings.ToLower(*body.Server)
	if told == w.federationAddress() || (told == string(w.Host) && w.federationPort() == 8448) {
		return "", *body.Server
	}
	return "wellknown.other_value", *body.Server
}

// judgeClient also wants a browser on another site to be able to read it ("Well-known URI": CORS headers are required).
func (l *look) judgeClient(p page) (code, saw string) {
	var body struct {
		Homeserver struct {
			BaseURL *string `json:"base_url"`
		} `json:"m.homeserver"`
	}
	if !isObject(p.body) || json.Unmarshal(p.body, &body) != nil {
		return "wellknown.not_json", string(p.body)
	}
	if body.Homeserver.BaseURL == nil {
		return "wellknown.other_value", string(p.body)
	}
	told := *body.Homeserver.BaseURL
	if strings.TrimRight(strings.ToLower(told), "/") != l.wanted.clientAddress() {
		return "wellknown.other_value", told
	}
	if allowed := p.header.Get("Access-Control-Allow-Origin"); allowed != "*" && allowed != origin {
		return "wellknown.no_cors", told
	}
	return "", told
}

func isObject(b []byte) bool {
	return strings.HasPrefix(strings.TrimSpace(string(b)), "{") && json.Valid(b)
}

// fetch reads one page, following redirects as Matrix servers and browsers do.
func (c *Checker) fetch(ctx context.Context, address string) (page, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return page{}, 0, fmt.Errorf("ask for %s: %w", address, err)
	}
	req.Header.Set("User-Agent", "Hafen domain check")
	req.Header.Set("Origin", origin)
	resp, err := c.web.Do(req)
	if err != nil {
		return page{}, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxWellKnown+1))
	if err != nil {
		return page{}, 0, fmt.Errorf("read %s: %w", address, err)
	}
	if len(body) > maxWellKnown {
		return page{}, 0, &webError{"wellknown.too_large", fmt.Errorf("read %s: more than %d bytes", address, maxWellKnown)}
	}
	return page{header: resp.Header, body: body}, resp.StatusCode, nil
}

func (c *Checker) webClient() *http.Client {
	return &http.Client{
		Timeout: webTime,
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would resolve the names itself, past the guard
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{RootCAs: c.config.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialTime,
			MaxResponseHeaderBytes: 32 << 10,
			DisableKeepAlives:      true, // strangers' servers, asked once
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return &webError{"wellknown.redirect", errors.New("too many redirects")}
			}
			return plainHTTPS(req.URL)
		},
	}
}

// plainHTTPS keeps a redirect from making us knock at other ports or speak without encryption.
func plainHTTPS(u *url.URL) error {
	if u.Scheme != "https" || u.User != nil || (u.Port() != "" && u.Port() != "443") {
		return &webError{"wellknown.redirect", errors.New("a redirect away from https at its usual port")}
	}
	return nil
}

// dial resolves by our resolver and connects to addresses that passed the guard: the address checked is the address used.
func (c *Checker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := c.addressesFor(ctx, host)
	if err != nil {
		return nil, err
	}
	var failed error
	dialer := &net.Dialer{Timeout: dialTime}
	for i, a := range addresses {
		if i == maxDials {
			break
		}
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), c.portFor(port)))
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

func (c *Checker) addressesFor(ctx context.Context, host string) ([]netip.Addr, error) {
	literal, err := netip.ParseAddr(host)
	all := []netip.Addr{literal}
	if err != nil {
		all, err = c.resolver.addresses(ctx, tenant.Domain(strings.ToLower(host)))
		if err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, &webError{"wellknown.no_address", fmt.Errorf("%s has no address", host)}
	}
	var allowed []netip.Addr
	for _, a := range all {
		if c.config.AllowPrivate || public(a) {
			allowed = append(allowed, a)
		}
	}
	if len(allowed) == 0 {
		return nil, &webError{"wellknown.private", fmt.Errorf("%s leads into a private network", host)}
	}
	return allowed, nil
}
