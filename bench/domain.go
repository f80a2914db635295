package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hafen/internal/dnstest"
	"hafen/internal/hafentest"
	"hafen/internal/pebble"
	"hafen/templates"
	"hafen/tenant"
)

// measureOwnDomain orders servers on customers' own domains, with certificates of an ACME authority that validates them over
// this machine's own DNS and the edge, and refuses a good nonce now and then as Let's Encrypt's may. It begins when the records
// are right: nobody presses a button, the next look of Hafen's finds them.
func measureOwnDomain(b *bed, e extent, r *report) {
	if e.domains == 0 {
		return
	}
	zone := dnstest.Start(b)
	h := hafentest.New(b, hafentest.Env("HAFEN_TEMPLATES=true"))
	dir, err := os.MkdirTemp("", "hafen-bench")
	b.must("make a directory", err)
	b.Cleanup(func() { os.RemoveAll(dir) })
	authority, err := pebble.Launch(b.ctx, dir, pebble.Config{Resolver: zone.Addr(), HTTPPort: h.HTTP, TLSPort: h.HTTPS})
	b.must("start the authority", err)
	b.Cleanup(authority.Close)
	zone.Set(h.Base, "A", "127.0.0.1") // the website has a certificate too
	h.Start("up", "HAFEN_CERTIFICATES=acme", "HAFEN_ACME_DIRECTORY="+authority.Directory, "HAFEN_ACME_ACCEPT_TERMS=true",
		"HAFEN_ACME_ROOTS="+filepath.Join(dir, "endpoint.crt"), "HAFEN_RESOLVER="+zone.Addr())
	h.AwaitFrontPage()

	customer := h.NewCustomer("domains@example.org")
	var ready, login []float64
	for i := range e.domains {
		page := newBrowser(b, h, customer)
		name := fmt.Sprintf("domain%d.example", i)
		at := page.submit("/order", url.Values{
			"plan": {"basic"}, "engine": {"dendrite"}, "kind": {templates.NameOwn}, "domain": {name}, "host": {templates.HostApex}, "localpart": {"admin"}, "terms": {"yes"},
		})
		id, _ := strings.CutPrefix(at, "/servers/")
		if _, err := tenant.ParseID(id); err != nil {
			b.Fatalf("the order leads to %q, not to a server", at)
		}
		token := hafentest.Query[string](h, `select token from domains where tenant_id = $1`, id)
		// The customer sets the records some time after the first look has not found them.
		h.Await(30*time.Second, "the first look", func() error {
			if !hafentest.Query[bool](h, `select checked_at is not null from domains where tenant_id = $1`, id) {
				return fmt.Errorf("not yet")
			}
			return nil
		})
		zone.Set(name, "A", "127.0.0.1")
		zone.Set("_hafen."+name, "TXT", "hafen-verify="+token)
		watch := newStopwatch()
		page.awaitDone(id, "domain")
		page.awaitDone(id, "provisioning")
		ready = append(ready, watch.seconds())
		page.setPassword(id)
		client := h.HTTPClient()
		client.Transport.(*http.Transport).TLSClientConfig.RootCAs = authority.Issuing
		logIn(b, h, client, name, "admin")
		login = append(login, watch.seconds())
		tell("own domain %d of %d: login after %.2f s", i+1, e.domains, login[i])
	}
	r.sample("own domain: records right to first login", "s", login, nil)
	r.sample("own domain: records right to the page saying ready", "s", ready, nil)
	issued := hafentest.Query[[]float64](h, `
select array_agg(extract(epoch from s.finished_at - s.started_at)::float8) from steps s where s.step = 'issue_certificate' and s.code = ''`)
	r.sample("own domain: step issue_certificate by ACME", "s", issued, nil)
}
