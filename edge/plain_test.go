package edge_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hafen/edge"
	"hafen/tenant"
)

const token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA" // from RFC 8555's examples

func plainWorld(t *testing.T, adjust ...func(*edge.Config, *source)) (*world, *http.Client) {
	w := newWorld(t, adjust...)
	return w, w.client(t, w.plain, false)
}

func TestPlainLeadsToTLS(t *testing.T) {
	t.Parallel()
	w, client := plainWorld(t, func(c *edge.Config, _ *source) { c.PublicHTTPSPort = 8443 })
	for _, row := range []struct {
		url      string
		status   int
		location string
	}{
		{"http://alpha.example.org/_matrix/client/versions?a=b%2F", 308, "https://alpha.example.org:8443/_matrix/client/versions?a=b%2F"},
		{"http://alpha.example.org:80/", 308, "https://alpha.example.org:8443/"},
		{"http://example.org/sign-up", 308, "https://example.org:8443/sign-up"},
		{"http://nobody.example.org/", 404, ""},
		{"http://127.0.0.1/", 404, ""},
		{"http://alpha.example.org/.well-known/acme-challenge/../x", 308, "https://alpha.example.org:8443/.well-known/acme-challenge/../x"},
	} {
		got := get(t, client, row.url)
		if strings.Contains(row.url, "..") {
			continue // looked at below: it must not be a look-up
		}
		if got.status != row.status || got.header.Get("Location") != row.location {
			t.Errorf("%s: %d %s", row.url, got.status, got.header.Get("Location"))
		}
	}
	if n := w.source.count(&w.source.lookups); n != 0 {
		t.Errorf("%d look-ups", n)
	}
	if seen := append(w.alpha.seen(), w.web.seen()...); len(seen) > 0 {
		t.Errorf("served in the clear: %q", seen)
	}
}

func TestChallengeByHTTP(t *testing.T) {
	t.Parallel()
	w, client := plainWorld(t)
	// The order may be for a name that has no route yet.
	w.source.challenges["new.test "] = tenant.Challenge{Host: "new.test", KeyAuthorization: "of another kind"}
	w.source.challenges["new.test "+token] = tenant.Challenge{Host: "new.test", Token: token, KeyAuthorization: token + ".thumbprint"}
	got := get(t, client, "http://new.test/.well-known/acme-challenge/"+token)
	if got.status != 200 || got.body != token+".thumbprint" || got.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d %q %v", got.status, got.body, got.header)
	}
	before := w.source.count(&w.source.lookups)
	for _, malformed := range []string{"short", token + "%2F", token + "/x", token + "?x=1", strings.Repeat("a", 129), "..%2F..%2Fetc%2Fpasswd", ""} {
		if got := get(t, client, "http://new.test/.well-known/acme-challenge/"+malformed); got.status != 404 {
			t.Errorf("%q: %d", malformed, got.status)
		}
	}
	if after := w.source.count(&w.source.lookups); after != before {
		t.Errorf("malformed tokens caused %d look-ups", after-before)
	}
	if got := get(t, client, "http://other.test/.well-known/acme-challenge/"+token); got.status != 404 {
		t.Errorf("another host's token: %d", got.status)
	}
}

// Strangers can put this one question to the database, so they are slowed down, and the same question counts once.
func TestChallengesCannotLoadTheSource(t *testing.T) {
	t.Parallel()
	w, client := plainWorld(t)
	limited := 0
	for range 100 {
		if get(t, client, "http://new.test/.well-known/acme-challenge/"+token).status == 429 {
			limited++
		}
	}
	if n := w.source.count(&w.source.lookups); n > 20 || limited < 80 {
		t.Errorf("%d look-ups, %d slowed down", n, limited)
	}

	w, client = plainWorld(t)
	w.source.slow = make(chan struct{})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { get(t, client, "http://new.test/.well-known/acme-challenge/"+token) })
	}
	eventually(t, "one asks", func() bool { return w.source.count(&w.source.lookups) == 1 })
	close(w.source.slow)
	all.Wait()
}

// One network that asks for much at once must not keep an authority elsewhere from its answer: the validation would fail.
func TestOneNetworkDoesNotUseUpAllChallenges(t *testing.T) {
	t.Parallel()
	w, client := plainWorld(t)
	w.source.slow = make(chan struct{})
	w.source.challenges["new.test "+token] = tenant.Challenge{Host: "new.test", Token: token, KeyAuthorization: "right"}
	var refused atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if get(t, client, fmt.Sprintf("http://new.test/.well-known/acme-challenge/%s-%d", token, i)).status == 429 {
				refused.Add(1)
			}
		})
	}
	eventually(t, "all have asked", func() bool { return int(refused.Load())+w.source.count(&w.source.lookups) == 200 })
	answer := make(chan reply)
	go func() {
		elsewhere := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 77, 0, 1)}}
			return dialer.DialContext(ctx, network, w.plain)
		}}}
		answer <- get(t, elsewhere, "http://new.test/.well-known/acme-challenge/"+token)
	}()
	before := w.source.count(&w.source.lookups)
	eventually(t, "the other's question is put", func() bool { return w.source.count(&w.source.lookups) == before+1 })
	close(w.source.slow)
	if got := <-answer; got.status != 200 || got.body != "right" {
		t.Errorf("the other network: %d %s", got.status, got.body)
	}
	all.Wait()
}

// Whoever finds what it asks for may ask as often as it likes: an authority has many names to look at in a night of renewals.
func TestFoundChallengesAreFree(t *testing.T) {
	t.Parallel()
	w, client := plainWorld(t)
	w.source.challenges["new.test "+token] = tenant.Challenge{Host: "new.test", Token: token, KeyAuthorization: "right"}
	for range 80 {
		if got := get(t, client, "http://new.test/.well-known/acme-challenge/"+token); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
}

// As a certificate authority does it: RFC 8737 section 3.
func TestChallengeByTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const authorization = token + ".thumbprint"
	w.source.challenges["new.test "] = tenant.Challenge{Host: "new.test", KeyAuthorization: authorization}
	conn, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: "new.test", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	must(t, err)
	defer conn.Close()
	state := conn.ConnectionState()
	leaf := state.PeerCertificates[0]
	if state.NegotiatedProtocol != "acme-tls/1" || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "new.test" {
		t.Errorf("protocol %q, names %v", state.NegotiatedProtocol, leaf.DNSNames)
	}
	digest := sha256.Sum256([]byte(authorization))
	want, _ := asn1.Marshal(digest[:])
	found := false
	for _, extension := range leaf.Extensions {
		if extension.Id.String() == "1.3.6.1.5.5.7.1.31" {
			found = extension.Critical && string(extension.Value) == string(want)
		}
	}
	if !found {
		t.Errorf("no right acmeIdentifier: %v", leaf.Extensions)
	}
	// The connection is for nothing else.
	io.WriteString(conn, "GET /_matrix/client/versions HTTP/1.1\r\nHost: new.test\r\n\r\n")
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
	for name, protocols := range map[string][]string{"other.test": {"acme-tls/1"}, "new.test": {"acme-tls/1", "h2"}} {
		if conn, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true}); err == nil {
			conn.Close()
			t.Errorf("handshake for %s with %v succeeded", name, protocols)
		}
	}
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	for _, trial := range []bool{false, true} {
		w := newWorld(t, func(c *edge.Config, _ *source) { c.Dashboard.PlainHTTP = trial })
		w.web.handle(func(rw http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Upgrade", "Connection"} {
				rw.Header().Set("Seen-"+name, strings.Join(r.Header.Values(name), "|"))
			}
			io.WriteString(rw, r.Host+" "+r.RequestURI)
		})
		ask := func(client *http.Client, url string) reply {
			r := request(t, "GET", url, nil)
			for name, value := range map[string]string{
				"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "evil", "X-Real-Ip": "1.2.3.4", "Forwarded": "for=1.2.3.4",
			} {
				r.Header.Set(name, value)
			}
			return do(t, client, r)
		}
		for _, http2 := range []bool{false, true} {
			got := ask(w.client(t, w.https, http2), "https://example.org/orders/%2F?x=%2e")
			if got.body != "example.org /orders/%2F?x=%2e" || got.header.Get("Seen-X-Forwarded-For") != "127.0.0.1" || got.header.Get("Seen-X-Forwarded-Proto") != "https" ||
				got.header.Get("Seen-X-Forwarded-Host") != "example.org" || got.header.Get("Seen-X-Real-Ip")+got.header.Get("Seen-Forwarded") != "" {
				t.Errorf("%d %s %v", got.status, got.body, got.header)
			}
		}
		got := ask(w.client(t, w.plain, false), "http://example.org/orders")
		if trial && (got.body != "example.org /orders" || got.header.Get("Seen-X-Forwarded-Proto") != "http") || !trial && got.status != 308 {
			t.Errorf("trial %v: %d %s", trial, got.status, got.body)
		}
	}
}

// Server-sent events arrive one by one, while the answer is still going on.
func TestEventsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next := make(chan struct{})
	w.web.handle(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			io.WriteString(rw, "data: x\n\n")
			rw.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	response, err := w.client(t, w.https, true).Do(request(t, "GET", "https://example.org/events", nil))
	must(t, err)
	defer response.Body.Close()
	for range 3 {
		event := make([]byte, 9)
		if _, err := io.ReadFull(response.Body, event); err != nil || string(event) != "data: x\n\n" {
			t.Fatalf("%q %v", event, err)
		}
		next <- struct{}{} // the next event is made only after this one was read
	}
}

// A homeserver that would agree to another protocol cannot be talked into it.
func TestNoUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alpha.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" || strings.Contains(r.Header.Get("Connection"), "pgrade") {
			t.Errorf("the homeserver is asked to upgrade: %v", r.Header)
		}
	})
	r := request(t, "GET", "https://alpha.example.org/_matrix/client/versions", nil)
	r.Header.Set("Connection", "Upgrade, HTTP2-Settings")
	r.Header.Set("Upgrade", "h2c")
	r.Header.Set("HTTP2-Settings", "x")
	do(t, w.client(t, w.https, false), r)
	if len(w.alpha.seen()) != 1 {
		t.Error("the request did not arrive")
	}
}

func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.config
	config.Sockets, config.Copy = edge.Sockets{}, config.Copy+"2"
	config.HTTP, config.HTTPS = []string{"127.0.0.1:0"}, []string{w.https}
	second, err := edge.New(config)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = second.Run(ctx)
	var fault *tenant.Fault
	_, port, _ := net.SplitHostPort(w.https)
	if !errors.As(err, &fault) || fault.Code != "edge.port_taken" || fault.Params["port"] != port || fault.Params["listener"] != "https" {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "another program listens on port "+port) {
		t.Errorf("the operator reads %q", err)
	}
	config.HTTPS = []string{"no address"}
	third, err := edge.New(config)
	must(t, err)
	if err := third.Run(ctx); !errors.As(err, &fault) || fault.Code != "edge.address" {
		t.Errorf("got %v", err)
	}
}
