package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hafen/controlplane"
)

// authority is a certificate authority as the trial makes one.
func authority(t *testing.T) (file, der []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Hafen trial"}, NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
	}
	der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), der
}

func TestTrialCertificate(t *testing.T) {
	t.Parallel()
	file, der := authority(t)
	b := newWorld(t, func(c *Config) { c.TrialCA = file }).visitor()
	page := b.get("/trial/certificate").want(http.StatusOK)
	sum := sha256.Sum256(der)
	shown := strings.ReplaceAll(page.doc().Text(), ":", "")
	if !strings.Contains(shown, strings.ToUpper(hex.EncodeToString(sum[:]))) {
		t.Error("the fingerprint is not there")
	}
	if page.doc().Find(`a[href="/trial/ca.pem"]`).Length() == 0 {
		t.Error("no download")
	}
	download := b.get("/trial/ca.pem").want(http.StatusOK)
	if download.body != string(file) || !strings.HasPrefix(download.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the download: %v", download.header)
	}
	without := newWorld(t).visitor()
	without.get("/trial/certificate").want(http.StatusNotFound)
	without.get("/trial/ca.pem").want(http.StatusNotFound)
}

// TestTrialMails: what a mail brings along cannot touch the dashboard.
func TestTrialMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	html := `<p style="color:red">Hallo</p><script>alert(1)</script>`
	w.must(w.store.AddMailOnce(t.Context(), "a", "", controlplane.Mail{
		To: "anna@example.org", MailText: controlplane.MailText{Subject: "Bitte <b>bestätigen</b>", Text: "https://hafen.test/verify?token=abc", HTML: html},
	}))
	b := w.visitor()
	list := b.get("/trial/mails").want(http.StatusOK)
	if strings.Contains(list.body, "<b>bestätigen</b>") || list.doc().Find(`a[href="https://hafen.test/verify?token=abc"]`).Length() == 0 {
		t.Error("the subject is not escaped, or the link is none")
	}
	address := list.doc().Find(`[src^="/trial/mails/"], [href^="/trial/mails/"]`).First()
	path := address.AttrOr("src", address.AttrOr("href", ""))
	body := b.get(path).want(http.StatusOK)
	csp := body.header.Get("Content-Security-Policy")
	if body.body != html || !strings.HasPrefix(csp, "sandbox ") || strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") {
		t.Errorf("the mail's own page: %s", csp)
	}
	b.get("/trial/mails/999999").want(http.StatusNotFound)
	b.get("/trial/mails/x").want(http.StatusNotFound)
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]change{
		"no address": func(c *Config) { c.PublicURL = "" }, "no host": func(c *Config) { c.PublicURL = "hafen.test" },
		"no certificate": func(c *Config) { c.TrialCA = []byte("hello") },
		"a broken certificate": func(c *Config) {
			c.TrialCA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
		},
	} {
		config := w.server.Config
		config.Registry = nil
		change(&config)
		if _, err := New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestMetrics: a stranger cannot make series, neither with paths nor with methods.
func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	b := newWorld(t, func(c *Config) { c.Registry = registry }).visitor()
	b.get("/login").want(http.StatusOK)
	for i := range 50 {
		b.get("/nowhere/" + itoa(i)).want(http.StatusNotFound)
		b.do("X"+itoa(i), "/login", "", nil)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, family := range families {
		if family.GetName() == "hafen_web_requests_total" {
			series = len(family.GetMetric())
		}
	}
	if series != 3 {
		t.Errorf("%d series of requests, want one each for /login, unknown paths and unknown methods", series)
	}
}
