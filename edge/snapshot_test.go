package edge_test

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"hafen/edge"
	"hafen/tenant"
)

// The database stops, then the edge restarts: warm tenants answer all the same, with their own certificate.
func TestServesWithoutItsSourceAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func(when string) {
		t.Helper()
		client := w.client(t, w.https, true)
		if got := get(t, client, "https://alpha.example.org/_matrix/client/versions"); got.status != 200 {
			t.Errorf("%s: versions: %d %s", when, got.status, got.body)
		}
		if got := get(t, client, "https://alpha.example.org/.well-known/matrix/server"); got.body != `{"m.server":"alpha.example.org:8448"}` {
			t.Errorf("%s: well-known: %d %s", when, got.status, got.body)
		}
	}
	check("with the source")
	eventually(t, "the copy is written", func() bool { _, err := os.Stat(w.copy); return err == nil })
	w.source.mu.Lock()
	w.source.down = true
	w.source.mu.Unlock()
	loads := w.source.count(&w.source.loads)
	eventually(t, "the edge asks in vain", func() bool { return w.source.count(&w.source.loads) > loads+1 })
	check("with the source stopped")
	w.stop(t)
	w.run(t)
	check("after a restart")

	w.source.mu.Lock()
	w.source.down = false
	w.source.mu.Unlock()
	w.source.change(func(s *edge.Snapshot) { s.Routes = s.Routes[1:] })
	client := w.client(t, w.https, true)
	eventually(t, "the source's return is noticed", func() bool {
		response, err := client.Get("https://alpha.example.org/_matrix/client/versions")
		if err == nil {
			response.Body.Close()
		}
		return err != nil || response.StatusCode == 404
	})
}

// A database that comes back from a backup counts its revisions again from where it was, and may have come to other routes
// by the same number. So after a start the edge believes the source, not the numbers of its copy.
func TestRestoredSourceIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	eventually(t, "the copy is written", func() bool { _, err := os.Stat(w.copy); return err == nil })
	w.stop(t)
	w.source.mu.Lock()
	w.source.snapshot.Routes = slices.Clone(w.source.snapshot.Routes[1:]) // under the same revision
	w.source.mu.Unlock()
	w.run(t)
	eventually(t, "the source is believed", func() bool {
		response, err := w.client(t, w.https, true).Get("https://alpha.example.org/_matrix/client/versions")
		if err == nil {
			response.Body.Close()
		}
		return err != nil
	})
}

func TestCopyIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	eventually(t, "the copy is written", func() bool { _, err := os.Stat(w.copy); return err == nil })
	content, err := os.ReadFile(w.copy)
	must(t, err)
	for _, secret := range []string{"PRIVATE KEY", "alpha.example.org", string(w.source.snapshot.Certificates[0].KeyPEM[40:60])} {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("the copy shows %q", secret)
		}
	}
	info, err := os.Stat(w.copy)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	w.stop(t)

	// A copy that was tampered with is not used, nor does it keep the edge from starting.
	content[len(content)/2] ^= 1
	must(t, os.WriteFile(w.copy, content, 0o600))
	w.run(t)
	if got := get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/versions"); got.status != 200 {
		t.Errorf("after tampering: %d", got.status)
	}
	w.stop(t)
	w.source.down = true
	must(t, os.WriteFile(w.copy, content, 0o600))
	fresh, err := edge.New(w.config)
	must(t, err)
	select {
	case <-fresh.Ready():
		t.Error("ready with a copy that is not ours and no source")
	default:
	}
}

// With nothing new, polling reads nothing; a hint is followed at once.
func TestLoadsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	loads := w.source.count(&w.source.loads)
	eventually(t, "some polls", func() bool { return w.source.count(&w.source.loads) > loads+5 })
	if full := w.source.count(&w.source.full); full != 1 {
		t.Errorf("%d full loads", full)
	}
	slow := newWorld(t, func(c *edge.Config, _ *source) { c.Poll = time.Hour })
	begin := time.Now()
	slow.source.change(func(s *edge.Snapshot) {
		routes := slices.Clone(s.Routes)
		routes[1].Federation = tenant.FederationOpen
		s.Routes = routes
	})
	client := slow.client(t, slow.https, true)
	eventually(t, "the hint is followed", func() bool {
		return get(t, client, "https://beta.example.org/.well-known/matrix/server").status == 200
	})
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

// countingSealer counts how often the copy is made.
type countingSealer struct {
	edge.Sealer
	seals *atomic.Int64
}

func (s countingSealer) Seal(plain, context []byte) ([]byte, error) {
	s.seals.Add(1)
	return s.Sealer.Seal(plain, context)
}

// With thousands of tenants the copy has tens of megabytes, so a burst of changes must not write it once for each; but
// what the edge has served last is in it when it stops.
func TestCopyIsNotWrittenForEveryChange(t *testing.T) {
	t.Parallel()
	var seals atomic.Int64
	w := newWorld(t, func(c *edge.Config, _ *source) { c.Sealer = countingSealer{c.Sealer, &seals} })
	client := w.client(t, w.https, true)
	for i := range 20 {
		page := "https://example.org/" + strconv.Itoa(i)
		w.source.change(func(s *edge.Snapshot) {
			routes := slices.Clone(s.Routes)
			routes[0].Support.Page = page
			s.Routes = routes
		})
		eventually(t, "the change arrives", func() bool {
			return get(t, client, "https://alpha.example.org/.well-known/matrix/support").json["support_page"] == page
		})
	}
	if n := seals.Load(); n > 3 {
		t.Errorf("%d copies for 20 changes", n)
	}
	w.stop(t)
	w.source.down = true
	w.run(t)
	if got := get(t, w.client(t, w.https, true), "https://alpha.example.org/.well-known/matrix/support"); got.json["support_page"] != "https://example.org/19" {
		t.Errorf("after a restart: %s", got.body)
	}
}

// One customer's broken certificate is that customer's trouble.
func TestBrokenCertificateHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.source.change(func(s *edge.Snapshot) {
		broken := w.ca.issue(t, "broken.test", "broken.test")
		broken.KeyPEM = []byte("no key")
		s.Certificates = append([]tenant.Certificate{broken}, s.Certificates...)
		routes := slices.Clone(s.Routes)
		routes[1].Host, routes[1].ServerName = "broken.test", "broken.test"
		s.Routes = routes
	})
	eventually(t, "the change arrives", func() bool {
		_, err := w.client(t, w.https, true).Get("https://beta.example.org/_matrix/client/versions")
		return err != nil
	})
	if got := get(t, w.client(t, w.https, true), "https://alpha.example.org/_matrix/client/versions"); got.status != 200 {
		t.Errorf("alpha: %d", got.status)
	}
}

// A renewed certificate is used for the next handshake; the one for the exact name is preferred to a wildcard.
func TestCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	serial := func() string {
		return w.dial(t, w.https, string(alpha)).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	for range 2 {
		own := w.ca.issue(t, alpha, string(alpha))
		w.source.change(func(s *edge.Snapshot) { s.Certificates = append(slices.Clone(s.Certificates[:1]), own) })
		eventually(t, "the new certificate is used", func() bool { return serial() != first })
		first = serial()
	}
}
