package outage

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/internal/smtptest"
	"hafen/tenant"
)

// For money: the website over HTTPS with a certificate of the authority, mails that leave the machine, orders that wait to be paid.
func TestProduction(t *testing.T) {
	t.Parallel()
	h := hafentest.New(t, func(h *hafentest.Hafen) { h.Base = "hafen-nord.de" })
	net := newInternet(t, h)
	net.dns.Set("anna."+h.Base, "A", "127.0.0.1")
	h.Roots, h.Site = net.authority.Issuing, fmt.Sprintf("https://%s:%d", h.Base, h.HTTPS)
	post := newPostOffice(t, h)
	hafentest.Env(
		"HAFEN_PRODUCTION=true", "HAFEN_CERTIFICATES=auto", "HAFEN_PUBLIC_ADDRESS=127.0.0.1",
		"HAFEN_PAYEE_NAME=Hafen Nord eG", "HAFEN_PAYEE_IBAN=DE02120300000000202051",
	)(h)
	up := h.Start("up")
	h.AwaitFrontPage()

	anna := h.Visitor()
	anna.Email = "anna@example.org"
	anna.Post("/signup", url.Values{"email": {anna.Email}, "password": {hafentest.Password}})
	link := regexp.MustCompile(regexp.QuoteMeta(h.Site) + `/verify\?token=([A-Za-z0-9_-]+)`)
	token := post.await(t, h, link)[1]
	anna.Post("/verify", url.Values{"token": {token}})
	anna.LogIn(anna.Email, hafentest.Password)
	if status, _ := anna.Try(http.MethodGet, "/trial/mails", nil); status != http.StatusNotFound {
		t.Errorf("the trial's mails are shown: %d", status)
	}

	server := anna.Order("basic", "anna")
	h.AwaitStatus(server.ID, tenant.AwaitingPayment, 0)
	payment := words(anna.Get("/servers/" + string(server.ID) + "/payment"))
	if !strings.Contains(payment, "Hafen Nord eG") || !strings.Contains(strings.ReplaceAll(payment, " ", ""), "DE02120300000000202051") {
		t.Errorf("whom to pay is not said: %s", payment)
	}
	post.await(t, h, regexp.MustCompile(`(?s)DE02.*1203`)) // the order's mail says it too
	if status, _ := anna.Try(http.MethodGet, "/operator/orders", nil); status == http.StatusOK {
		t.Error("a customer reaches the console")
	}

	operator := h.Operator(up)
	if status, page := operator.Try(http.MethodGet, "/operator/orders", nil); status != http.StatusOK || !strings.Contains(page, `href="/account/two-step/app"`) {
		t.Errorf("a password alone opens the console: %d", status)
	}
	operator.SetUpApp()
	form := regexp.MustCompile(`/operator/orders/[0-9a-f-]+/paid`)
	paid := form.FindString(operator.Get("/operator/orders"))
	if paid == "" {
		t.Fatal("the console shows no order to mark paid")
	}
	h.AwaitStatus(server.ID, tenant.AwaitingPayment, 0) // still: nobody has paid
	nothingMade(t, h, server)
	operator.Post(paid, url.Values{})
	h.AwaitStatus(server.ID, tenant.Active, 90*time.Second)
	post.await(t, h, regexp.MustCompile(regexp.QuoteMeta(h.Site)+`/servers/`+string(server.ID)))
	server.AddMember("bert")
	if err := logIn(t, h.HTTPClient, server.BaseURL(), "bert").is("@bert:" + server.Name); err != nil {
		t.Error(err)
	}
	if form.MatchString(operator.Get("/operator/orders?state=open")) {
		t.Error("the paid order is still open")
	}
}

// postOffice is the mail server that an installation sends over: with STARTTLS and a password.
type postOffice struct{ server *smtptest.Server }

func newPostOffice(t *testing.T, h *hafentest.Hafen) postOffice {
	t.Helper()
	server := smtptest.New(t, smtptest.Config{Username: "hafen", Password: "Leuchtfeuer-Wangerooge"})
	dir := t.TempDir()
	password, roots := filepath.Join(dir, "password"), filepath.Join(dir, "roots.pem")
	if err := errors.Join(os.WriteFile(password, []byte("Leuchtfeuer-Wangerooge\n"), 0o600), os.WriteFile(roots, server.RootPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	hafentest.Env(
		"HAFEN_SMTP_HOST="+server.Host, "HAFEN_SMTP_PORT="+strconv.Itoa(server.Port), "HAFEN_SMTP_USER=hafen",
		"HAFEN_SMTP_PASSWORD_FILE="+password, "HAFEN_MAIL_FROM=Hafen <noreply@hafen-nord.de>", "SSL_CERT_FILE="+roots,
	)(h)
	return postOffice{server}
}

// await waits for a mail whose text says something, and gives what it said.
func (p postOffice) await(t *testing.T, h *hafentest.Hafen, said *regexp.Regexp) (found []string) {
	t.Helper()
	h.Await(30*time.Second, "mail with "+said.String(), func() error {
		for _, m := range p.server.Mails() {
			text, err := textOf(m.Data)
			if err != nil {
				t.Fatalf("a mail cannot be read: %v\n%s", err, m.Data)
			}
			if found = said.FindStringSubmatch(text); found == nil {
				continue
			}
			if !m.TLS || m.Username != "hafen" || m.From != "noreply@hafen-nord.de" || m.To != "anna@example.org" {
				t.Errorf("from %s to %s, encrypted %t, sent by %q", m.From, m.To, m.TLS, m.Username)
			}
			return nil
		}
		return fmt.Errorf("%d other mails", len(p.server.Mails()))
	})
	return found
}

// textOf is the plain text of a mail.
func textOf(data string) (string, error) {
	message, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		return "", err
	}
	kind, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	body := io.Reader(quotedprintable.NewReader(message.Body))
	if strings.HasPrefix(kind, "multipart/") {
		// Its first part is the text; the reader undoes the encoding.
		if body, err = multipart.NewReader(message.Body, parameters["boundary"]).NextPart(); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(body)
	return string(text), err
}
