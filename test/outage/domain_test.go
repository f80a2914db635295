package outage

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hafen/internal/dnstest"
	"hafen/internal/hafentest"
	"hafen/internal/pebble"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// internet is a name system and a certificate authority, which find an installation where the world would.
type internet struct {
	dns       *dnstest.Server
	authority *pebble.Server
}

// newInternet makes both and sets an installation up for them. The authority refuses good nonces, as it likes to.
func newInternet(t *testing.T, h *hafentest.Hafen) internet {
	t.Helper()
	i := internet{dns: dnstest.Start(t)}
	i.dns.Set(h.Base, "A", "127.0.0.1")
	dir := t.TempDir()
	var err error
	i.authority, err = pebble.Launch(context.Background(), dir, pebble.Config{
		Resolver: i.dns.Addr(), HTTPPort: h.HTTP, TLSPort: h.HTTPS, BadNonce: 20,
	})
	if err != nil {
		t.Fatalf("start the certificate authority: %v", err)
	}
	t.Cleanup(func() {
		i.authority.Close()
		if t.Failed() {
			t.Logf("the authority said:\n%s", i.authority.Log())
		}
	})
	hafentest.Env(
		"HAFEN_CERTIFICATES=acme", "HAFEN_ACME_DIRECTORY="+i.authority.Directory, "HAFEN_ACME_ROOTS="+filepath.Join(dir, "endpoint.crt"),
		"HAFEN_ACME_ACCEPT_TERMS=true", "HAFEN_RESOLVER="+i.dns.Addr(),
	)(h)
	return i
}

// client trusts the authority and nobody else.
func (i internet) client(h *hafentest.Hafen) func() *http.Client {
	return func() *http.Client {
		return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
			DialContext: h.Dial, TLSClientConfig: &tls.Config{RootCAs: i.authority.Issuing}, ForceAttemptHTTP2: true,
		}}
	}
}

func TestOwnDomain(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	net := newInternet(t, h)
	h.Start("up")
	h.AwaitFrontPage()
	anna, ben := h.NewCustomer("anna@example.org"), h.NewCustomer("ben@example.org")
	const domain = "kaffeehaus-nord.de"
	annas, bens := orderDomain(h, anna, domain, "apex"), orderDomain(h, ben, domain, "apex")
	page := "/servers/" + string(annas.ID) + "/domain"
	reads(t, h, anna, page, "record", "txt.missing")
	reads(t, h, anna, page, "record", "host.missing")

	net.dns.Set("_hafen."+domain, "TXT", "hafen-verify="+strings.Repeat("a", 20))
	net.dns.Set(domain, "A", "198.51.100.7")
	reads(t, h, anna, page, "record", "txt.other_token")
	reads(t, h, anna, page, "record", "host.points_elsewhere")
	if seen := words(anna.Get(page)); !strings.Contains(seen, "198.51.100.7") {
		t.Errorf("the page does not show what was seen: %s", seen)
	}
	// Everything is right but the proof, which is another customer's.
	net.dns.Set(domain, "A", "127.0.0.1")
	net.dns.Set("_hafen."+domain, "TXT", proof(h, bens)+"x")
	reads(t, h, anna, page, "record", "txt.other_token")
	if status := hafentest.Query[string](h, `select status from tenants where id = $1`, annas.ID); status != string(tenant.AwaitingDomain) {
		t.Fatalf("without a proof the server is %s", status)
	}

	net.dns.Set("_hafen."+domain, "TXT", proof(h, annas))
	h.AwaitStatus(annas.ID, tenant.Active, 90*time.Second)
	annas.AddMember("bert")
	client := net.client(h)
	base := fmt.Sprintf("https://%s:%d", domain, h.HTTPS)
	if err := logIn(t, client, base, "bert").is("@bert:" + domain); err != nil {
		t.Error(err)
	}

	// Whoever sets the records has the domain, but it is a server's already, with its users and their keys.
	net.dns.Set("_hafen."+domain, "TXT", proof(h, bens))
	reads(t, h, ben, "/servers/"+string(bens.ID)+"/domain", "failure", "domain_taken")
	nothingMade(t, h, bens)
	carl := h.NewCustomer("carl@example.org")
	for _, language := range i18n.Languages {
		carl.Post("/language", url.Values{"to": {language}, "back": {"/"}})
		status, answer := carl.Try(http.MethodPost, "/order", domainOrder(domain, "apex"))
		if sentence := i18n.For(language).Coded("error", "domain.taken", nil); status != http.StatusUnprocessableEntity || !strings.Contains(words(answer), sentence) {
			t.Errorf("a taken domain: %d, without %q: %s", status, sentence, words(answer))
		}
	}
	if n := hafentest.Query[int](h, `select count(*) from tenants t join accounts a on a.id = t.account_id where a.email = $1`, carl.Email); n != 0 {
		t.Errorf("%d refused orders are kept", n)
	}
}

// The apex stays where it is: only matrix.<domain> leads here, by an alias.
func TestOwnDomainBesideAWebsite(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t)
	net := newInternet(t, h)
	h.Start("up")
	h.AwaitFrontPage()
	anna := h.NewCustomer("anna@example.org")
	const domain = "segelverein-nord.de"
	server := orderDomain(h, anna, domain, "matrix")
	net.dns.Set("matrix."+domain, "CNAME", h.Base+".")
	net.dns.Set("_hafen."+domain, "TXT", proof(h, server))
	reads(t, h, anna, "/servers/"+string(server.ID)+"/domain", "record", "wellknown.no_address")
	h.AwaitStatus(server.ID, tenant.Active, 90*time.Second)
	server.AddMember("bert")
	base := fmt.Sprintf("https://matrix.%s:%d", domain, h.HTTPS)
	if err := logIn(t, net.client(h), base, "bert").is("@bert:" + domain); err != nil {
		t.Error(err)
	}
}

func domainOrder(domain, host string) url.Values {
	return url.Values{
		"plan": {"basic"}, "engine": {"dendrite"}, "kind": {"own"}, "domain": {domain}, "host": {host}, "localpart": {"admin"}, "terms": {"yes"},
	}
}

// orderDomain orders a server with an own domain.
func orderDomain(h *hafentest.Hafen, c *hafentest.Customer, domain, host string) hafentest.Server {
	c.Post("/order", domainOrder(domain, host))
	id := hafentest.Query[string](h, `
		select t.id from tenants t join accounts a on a.id = t.account_id where t.server_name = $1 and a.email = $2`, domain, c.Email)
	return hafentest.Server{ID: tenant.ID(id), Name: domain, Customer: c}
}

// proof is the text that a server's owner is asked to set.
func proof(h *hafentest.Hafen, s hafentest.Server) string {
	return "hafen-verify=" + hafentest.Query[string](h, `select token from domains where tenant_id = $1`, s.ID)
}
