package journey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"

	"hafen/internal/dnstest"
	"hafen/internal/hafentest"
	"hafen/internal/smtptest"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// soldAt is the base domain of what sells. The browser is told where it is.
const soldAt = "hafen-nord.de"

// rounds is how long the clocks of money may take, which look once a minute, on a busy machine.
const rounds = 3 * time.Minute

// TestDunning: a bill is not paid. The owner is reminded, the server is restricted, stopped, and its deletion announced; the
// operator books the money, and everything is as it was. Time passes by the rows growing older: the program's clock is the real one.
func TestDunning(t *testing.T) {
	t.Parallel()
	w, mails := selling(t)
	operator := w.Operator(w.up)
	operator.Post("/operator/billing", url.Values{
		"company": {"Werft Hosting GmbH"}, "street": {"Am Kai 1"}, "postcode": {"20457"}, "city": {"Hamburg"}, "country": {"DE"},
		"vat_id": {"DE136695976"}, "iban": {"DE89370400440532013000"},
		"due_days": {"14"}, "remind_days": {"3"}, "restrict_days": {"10"}, "suspend_days": {"20"}, "announce_days": {"45"}, "delete_days": {"60"},
	})
	anna := w.Visitor()
	anna.Email = "anna@example.org"
	anna.Post("/signup", url.Values{"email": {anna.Email}, "password": {hafentest.Password}})
	anna.Post("/verify", url.Values{"token": {mails.await(w, regexp.MustCompile(`/verify\?token=([A-Za-z0-9_-]+)`))[1]}})
	anna.LogIn(anna.Email, hafentest.Password)
	server := anna.Order("basic", "hallig")
	operator.Post(regexp.MustCompile(`/operator/orders/[0-9a-f-]+/paid`).FindString(operator.Get("/operator/orders")), nil)
	w.AwaitStatus(server.ID, tenant.Active, rounds)
	mails.await(w, regexp.MustCompile(regexp.QuoteMeta(i18n.For("de").T("mail.invoice.receipt.subject", "Name", server.Name))))
	server.AddMember("emil")
	emil := &member{w: w, t: t, base: server.BaseURL()}
	emil.logsIn()
	emil.fills()

	p := newPerson(t, w.URL(), "de")
	p.trusts()
	p.open("/login")
	p.fill("#email", anna.Email)
	p.fill("#password", hafentest.Password)
	p.follow(`main button[type=submit]`)
	d := &debtor{person: p, w: w, mails: mails, server: server, path: "/servers/" + string(server.ID)}

	d.later(32) // the second month is billed
	w.Await(rounds, "the second month's bill", func() error {
		if n := hafentest.Query[int](w.Hafen, `select count(*) from invoices where status = 'open'`); n != 1 {
			return fmt.Errorf("%d open bills", n)
		}
		return nil
	})
	p.open(d.path + "/bills")
	p.reads(p.Coded("bill.state", "open", nil))
	p.look("dunning-bills")
	p.gone(p.Coded("owed.title", "overdue", nil))

	d.later(18)
	d.stage(tenant.StageOverdue)
	p.follow(`[role=status] a.btn`)
	p.reads("DE89 3704 0044 0532 0130 00")
	p.look("dunning-bill")
	emil.says("Noch geht alles")

	before := d.started()
	d.later(7)
	d.stage(tenant.StageRestricted)
	w.Await(patience, "word at the edge", func() error {
		if status, _ := emil.asks(http.MethodPost, "/_matrix/client/v3/createRoom", []byte(`{}`)); status != http.StatusForbidden {
			return fmt.Errorf("a room is made: %d", status)
		}
		return nil
	})
	emil.onlyReads()
	if d.started() != before {
		t.Error("it was restarted to be restricted")
	}

	d.later(10)
	d.stage(tenant.StageSuspended)
	w.Await(patience, "a stopped container", func() error {
		if running := d.started(); running != "" {
			return errors.New(running)
		}
		return nil
	})
	if status, said := emil.asks(http.MethodGet, "/_matrix/client/v3/sync", nil); status != http.StatusForbidden || !strings.Contains(said, "suspended") || !strings.Contains(said, "admin_contact") {
		t.Errorf("asked while it is suspended: %d %s", status, said)
	}

	d.later(25)
	d.stage(tenant.StageAnnounced)

	d.paid()
	w.AwaitStatus(server.ID, tenant.Active, rounds)
	p.open(d.path)
	p.gone(p.Coded("owed.title", "announced", nil))
	p.look("dunning-paid")
	mails.await(w, regexp.MustCompile(regexp.QuoteMeta(p.T("mail.server_resumed.subject", "Name", server.Name))))
	emil.finds()
	emil.says("Wieder da")
}

// selling starts an installation that sells: a trial asks nobody for money.
func selling(t *testing.T) (*world, post) {
	t.Helper()
	w := &world{dns: dnstest.Start(t)}
	mails := post{smtptest.New(t, smtptest.Config{TLS: smtptest.Plain})}
	w.Hafen = hafentest.New(t, func(h *hafentest.Hafen) { h.Base = soldAt }, hafentest.Env(
		"HAFEN_PRODUCTION=true", "HAFEN_CERTIFICATES=local", "HAFEN_PUBLIC_ADDRESS=127.0.0.1", "HAFEN_RESOLVER="+w.dns.Addr(),
		"HAFEN_SMTP_HOST="+mails.Host, "HAFEN_SMTP_PORT="+strconv.Itoa(mails.Port), "HAFEN_SMTP_ENCRYPTION=none", "HAFEN_MAIL_FROM=noreply@"+soldAt,
		"HAFEN_OPERATORS_NEED_TWO_STEP=false",
	))
	w.Site = "https://" + soldAt + ":" + strconv.Itoa(w.HTTPS)
	w.dns.Set(soldAt, "A", "127.0.0.1")
	w.up = w.Start("up")
	w.AwaitFrontPage()
	return w, mails
}

// trusts lets a browser open pages with a certificate of the installation's own authority.
func (p *person) trusts() {
	p.t.Helper()
	call(p, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
}

// post is where all mails arrive.
type post struct{ *smtptest.Server }

// await waits for a mail whose subject or text says something, and gives what it said.
func (p post) await(w *world, said *regexp.Regexp) (found []string) {
	w.Await(patience, "mail with "+said.String(), func() error {
		for _, m := range p.Mails() {
			message, err := mail.ReadMessage(strings.NewReader(m.Data))
			if err != nil {
				return err
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
			if err != nil {
				return err
			}
			text, err := textOf(message.Header.Get("Content-Type"), quotedprintable.NewReader(message.Body), message.Body)
			if err != nil {
				return err
			}
			if found = said.FindStringSubmatch(subject + "\n" + text); found != nil {
				return nil
			}
		}
		return fmt.Errorf("%d other mails", len(p.Mails()))
	})
	return found
}

// textOf is the first text in a part of a mail, given its body as it reads when it is text, and as it came.
func textOf(kind string, text, raw io.Reader) (string, error) {
	kind, parameters, err := mime.ParseMediaType(kind)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(kind, "multipart/") {
		part, err := multipart.NewReader(raw, parameters["boundary"]).NextPart() // which undoes the encoding
		if err != nil {
			return "", err
		}
		return textOf(part.Header.Get("Content-Type"), part, part)
	}
	said, err := io.ReadAll(text)
	return string(said), err
}

// debtor is a customer who does not pay.
type debtor struct {
	*person
	w      *world
	mails  post
	server hafentest.Server
	path   string
}

// later makes everything about money so many days older, as if they had passed. Only a test can: an issued bill stays as it is.
func (d *debtor) later(days int) {
	d.t.Helper()
	d.open("/account") // a server's page loads itself anew when what can be done there has changed, in the middle of our next step
	by := fmt.Sprintf("interval '%d days'", days)
	d.w.Exec(`alter table invoices disable trigger invoices_stay;
		update invoices set issued_at = issued_at - ` + by + `, due_at = due_at - ` + by + `, paid_at = paid_at - ` + by + `,
			period_start = period_start - ` + by + `, period_end = period_end - ` + by + `;
		alter table invoices enable trigger invoices_stay;
		update subscriptions set anchor = anchor - ` + by + `, period_start = period_start - ` + by + `, period_end = period_end - ` + by + `,
			stage_since = stage_since - ` + by)
}

// stage waits until a stage is reached, and reads what it says on the server's page and by mail.
func (d *debtor) stage(want tenant.Stage) {
	d.t.Helper()
	d.w.Await(rounds, "stage "+string(want), func() error {
		if got := hafentest.Query[string](d.w.Hafen, `select stage from subscriptions where tenant_id = $1`, d.server.ID); got != string(want) {
			return errors.New(got)
		}
		return nil
	})
	number := hafentest.Query[string](d.w.Hafen, `select number from invoices where status = 'open' order by due_at limit 1`)
	subject := map[tenant.Stage]string{
		tenant.StageOverdue:    d.T("mail.dunning.overdue.subject", "Number", number),
		tenant.StageRestricted: d.T("mail.dunning.restricted.subject", "Number", number, "Name", d.server.Name),
		tenant.StageSuspended:  d.T("mail.dunning.suspended.subject", "Number", number, "Name", d.server.Name),
		tenant.StageAnnounced:  d.server.Name + " wird am ",
	}[want]
	d.mails.await(d.w, regexp.MustCompile(regexp.QuoteMeta(subject)))
	d.open(d.path)
	d.reads(d.Coded("owed.title", string(want), nil))
	d.look("dunning-" + string(want))
}

// started is when the server's container was started; "" while none runs.
func (d *debtor) started() string {
	d.t.Helper()
	out, err := exec.Command("docker", "ps", "-q", "--filter", "volume="+filepath.Join(d.w.Data, "run", "pg")).Output()
	if err != nil {
		d.fail("list containers: %v", err)
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return ""
	}
	out, err = exec.Command("docker", append([]string{"inspect", "--format", "{{.Id}} {{.State.StartedAt}}"}, ids...)...).Output()
	if err != nil {
		d.fail("inspect containers: %v", err)
	}
	return string(out)
}

// paid: the operator finds the open bills and books what came for each.
func (d *debtor) paid() {
	d.t.Helper()
	o := newPerson(d.t, d.w.URL(), "de")
	o.trusts()
	o.open("/login")
	o.fill("#email", "operator@"+d.w.Base)
	o.fill("#password", hafentest.Password)
	o.follow(`main button[type=submit]`)
	d.w.Exec(`update accounts set language = 'de' where role = 'operator'`)
	o.open("/operator/servers/" + string(d.server.ID))
	o.reads(o.Coded("dunning.stage", "announced", nil))
	o.look("dunning-operator-server")
	for range hafentest.Query[int](d.w.Hafen, `select count(*) from invoices where status = 'open'`) {
		o.open("/operator/invoices?state=open")
		o.look("dunning-operator-invoices")
		o.follow(`main tbody th a`)
		o.look("dunning-operator-invoice")
		o.follow(`form[action$="/paid"] button[type=submit]`)
		o.reads(o.T("flash.invoice_paid"))
	}
	o.look("dunning-operator-paid")
}

// member is somebody with a Matrix client, less the client.
type member struct {
	w           *world
	t           testing.TB
	base, token string
	room, media string
}

const treasure = "Was im Watt liegt"

func (m *member) logsIn() {
	m.t.Helper()
	status, said := m.w.matrixLogin(m.t, m.base, "emil", hafentest.Password)
	m.token = m.field(status, said, "access_token")
}

// asks sends a request and gives the answer.
func (m *member) asks(method, path string, body []byte) (int, string) {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), method, m.base+path, bytes.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+m.token)
	answer, err := m.w.HTTPClient().Do(request)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer.StatusCode, string(said)
}

// field is one of a good answer.
func (m *member) field(status int, said, name string) string {
	m.t.Helper()
	var answer map[string]any
	if err := json.Unmarshal([]byte(said), &answer); err != nil || status != http.StatusOK {
		m.t.Fatalf("%d %s", status, said)
	}
	value, _ := answer[name].(string)
	return value
}

// fills makes a room and uploads a file.
func (m *member) fills() {
	m.t.Helper()
	status, said := m.asks(http.MethodPost, "/_matrix/client/v3/createRoom", []byte(`{"preset":"private_chat"}`))
	m.room = m.field(status, said, "room_id")
	status, said = m.asks(http.MethodPost, "/_matrix/media/v3/upload", []byte(treasure))
	m.media = strings.TrimPrefix(m.field(status, said, "content_uri"), "mxc://")
	m.says(treasure)
}

func (m *member) send(text string) (int, string) {
	m.t.Helper()
	return m.asks(http.MethodPut, "/_matrix/client/v3/rooms/"+url.PathEscape(m.room)+"/send/m.room.message/"+url.PathEscape(text), []byte(`{"msgtype":"m.text","body":`+quote(text)+`}`))
}

func (m *member) says(text string) {
	m.t.Helper()
	if status, said := m.send(text); status != http.StatusOK {
		m.t.Fatalf("say %q: %d %s", text, status, said)
	}
}

// finds everything that was there: what was said, and the file.
func (m *member) finds() {
	m.t.Helper()
	m.w.Await(patience, "the server's answer", func() error {
		if status, said := m.asks(http.MethodGet, "/_matrix/client/v3/account/whoami", nil); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, said)
		}
		return nil
	})
	if status, said := m.asks(http.MethodGet, "/_matrix/client/v3/sync", nil); status != http.StatusOK || !strings.Contains(said, treasure) {
		m.t.Errorf("what was said: %d %s", status, said)
	}
	if status, said := m.asks(http.MethodGet, "/_matrix/client/v1/media/download/"+m.media, nil); status != http.StatusOK || said != treasure {
		m.t.Errorf("what was uploaded: %d %s", status, said)
	}
}

// onlyReads: nothing new goes in, and the answer says why; everything goes out, also with another device, which logs out again.
func (m *member) onlyReads() {
	m.t.Helper()
	for what, try := range map[string]func() (int, string){
		"a message": func() (int, string) { return m.send("Hört mich jemand?") },
		"an upload": func() (int, string) {
			return m.asks(http.MethodPost, "/_matrix/media/v3/upload", []byte("mehr"))
		},
	} {
		status, said := try()
		for _, want := range []string{"M_RESOURCE_LIMIT_EXCEEDED", "read-only", "admin_contact"} {
			if status != http.StatusForbidden || !strings.Contains(said, want) {
				m.t.Errorf("%s: %d %s", what, status, said)
			}
		}
	}
	m.finds()
	device := *m
	device.logsIn()
	device.finds()
	if status, said := device.asks(http.MethodPost, "/_matrix/client/v3/logout", []byte(`{}`)); status != http.StatusOK {
		m.t.Errorf("log out: %d %s", status, said)
	}
}
