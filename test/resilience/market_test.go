package resilience

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/internal/smtptest"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// market is an installation that sells for real, with a customer and an operator of it, and the world around it.
type market struct {
	*mortal
	fake     *stripefake.Server
	post     *smtptest.Server
	anna     *hafentest.Customer
	operator *hafentest.Customer
}

func newMarket(t *testing.T) *market {
	t.Helper()
	m := &market{fake: stripefake.New(t, time.Now()), post: smtptest.New(t, smtptest.Config{})}
	secrets := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(secrets, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	h := hafentest.New(t, func(h *hafentest.Hafen) {
		h.Base = "hafen-nord.de"
		h.Site = fmt.Sprintf("https://%s:%d", h.Base, h.HTTPS)
		hafentest.Env(
			"HAFEN_PRODUCTION=true", "HAFEN_CERTIFICATES=local", "HAFEN_PUBLIC_ADDRESS=127.0.0.1", "HAFEN_OPERATORS_NEED_TWO_STEP=false",
			"HAFEN_PAYEE_NAME=Hafen Nord eG", "HAFEN_PAYEE_IBAN=DE02120300000000202051",
			"HAFEN_SMTP_HOST="+m.post.Host, "HAFEN_SMTP_PORT="+strconv.Itoa(m.post.Port), "HAFEN_MAIL_FROM=Hafen <noreply@hafen-nord.de>",
			"SSL_CERT_FILE="+file("roots.pem", string(m.post.RootPEM)),
			"HAFEN_STRIPE_URL="+m.fake.URL, "HAFEN_STRIPE_KEY_FILE="+file("key", m.fake.Key), "HAFEN_STRIPE_WEBHOOK_SECRET_FILES="+filepath.Join(secrets, "webhook"),
		)(h)
	})
	file("webhook", m.fake.Endpoint(h.URL()+"/webhooks/stripe"))
	m.mortal = newMortal(t, h)
	up := h.Start("up")
	h.Await(time.Minute, "authority", func() error { _, err := os.Stat(filepath.Join(h.Data, "ca", "root.crt")); return err })
	h.AwaitFrontPage()
	m.operator = h.Operator(up)
	m.anna = m.customer("anna@example.org")
	// A pack to upgrade with, as often as is needed.
	h.Exec(`insert into addons (id, slug, kind, amount, name, price_cents, currency, vat_rate) values ('seats', 'seats', 'seats', 5, 'Five seats', 200, 'EUR', 19)`)
	if err := up.Interrupt(); err != nil {
		t.Fatal(err)
	}
	m.fake.Client = h.HTTPClient()
	m.deliver(t)
	return m
}

// deliver has Stripe tell what it has to, by the real clock, until the test ends.
func (m *market) deliver(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if late := time.Since(m.fake.Now()); late > 0 {
				m.fake.Advance(late)
			}
			m.fake.Flush()
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

var verifying = regexp.MustCompile(`/verify\?token=3D([A-Za-z0-9_-]+)`)

// customer signs up, with the link in the mail.
func (m *market) customer(email string) *hafentest.Customer {
	m.t.Helper()
	c := m.Visitor()
	c.Email = email
	c.Post("/signup", url.Values{"email": {email}, "password": {hafentest.Password}})
	var token string
	m.Await(20*time.Second, "mail to "+email, func() error {
		for _, letter := range m.post.Mails() {
			text := strings.ReplaceAll(letter.Data, "=\r\n", "")
			if found := verifying.FindStringSubmatch(text); found != nil && letter.To == email {
				token = found[1]
				return nil
			}
		}
		return errors.New("no link yet")
	})
	c.Post("/verify", url.Values{"token": {token}})
	c.LogIn(email, hafentest.Password)
	return c
}

// server is what a name has come to: nothing yet when its id is "".
func (m *market) server(name string) (s hafentest.Server, status tenant.Status) {
	m.t.Helper()
	s = hafentest.Server{Name: name + "." + m.Base, Customer: m.anna}
	found := hafentest.Query[string](m.Hafen, `select coalesce((select id || ' ' || status from tenants where server_name = $1 and status <> 'deleted'), '')`, s.Name)
	id, is, _ := strings.Cut(found, " ")
	s.ID = tenant.ID(id)
	return s, tenant.Status(is)
}

// do is what somebody does on the website, who comes back when there was no answer.
func do(c *hafentest.Customer, method, path string, form url.Values) (string, *url.URL, error) {
	status, page, at, err := c.Attempt(method, path, form)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s %s: %d", method, path, status)
	}
	return page, at, err
}

// order is a customer who orders a server, sends the form once more when there was no answer, and looks after the server until it
// is there. pay is what is done while it waits for its money.
func (m *market) order(name string, pay func(hafentest.Server) error) (s hafentest.Server) {
	m.t.Helper()
	ordered := false
	m.until(name, func() (err error) {
		if !ordered {
			_, _, err = do(m.anna, http.MethodPost, "/order", url.Values{
				"plan": {"basic"}, "kind": {"subdomain"}, "engine": {"dendrite"}, "name": {name}, "localpart": {"admin"}, "terms": {"yes"},
			})
			ordered = err == nil
			return errors.Join(err, errors.New("ordered"))
		}
		var status tenant.Status
		switch s, status = m.server(name); status {
		case tenant.Active:
			m.fake.Release()
			return m.says(s, "Aktiv")
		case tenant.AwaitingPayment:
			err = pay(s)
		}
		return errors.Join(err, fmt.Errorf("it is %q", status))
	})
	m.rest()
	return s
}

// says fails unless the customer's page of a server has a word.
func (m *market) says(s hafentest.Server, word string) error {
	page, _, err := do(m.anna, http.MethodGet, "/servers/"+string(s.ID), nil)
	if err == nil && !strings.Contains(page, word) {
		err = fmt.Errorf("the customer's page does not say %q", word)
	}
	return err
}

// rest waits until nothing is left to be done: no job, no mail, no event.
func (m *market) rest() {
	m.t.Helper()
	m.until("rest", func() error {
		jobs := hafentest.Query[string](m.Hafen, `
select coalesce(string_agg(kind || ' ' || state, ', '), '') from river_job where state in ('available', 'pending', 'retryable', 'running')`)
		mails := hafentest.Query[int](m.Hafen, `select count(*) from mails where sent_at is null`)
		events := len(m.fake.Events()) - hafentest.Query[int](m.Hafen, `select count(*) from webhook_events`)
		if jobs != "" || mails > 0 || events > 0 {
			return fmt.Errorf("left are the jobs %q, %d mails, %d events", jobs, mails, events)
		}
		return nil
	})
}

// pays is a customer who goes to Stripe's page and pays there, once. Who comes back does so before the webhook.
func (m *market) pays(comesBack bool) func(hafentest.Server) error {
	paid := false
	return func(s hafentest.Server) error {
		payment := "/servers/" + string(s.ID) + "/payment"
		switch {
		case paid && comesBack:
			_, _, err := do(m.anna, http.MethodGet, payment, nil)
			return err
		case paid:
			return nil
		}
		_, at, err := do(m.anna, http.MethodPost, payment, nil)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(at.String(), m.fake.URL+"/c/") {
			return fmt.Errorf("whoever wants to pay is led to %s", at)
		}
		if comesBack {
			m.fake.Hold()
		}
		outcome := m.fake.Pay(path.Base(at.Path), stripefake.GoodCard, true)
		if paid = outcome.Paid; !paid {
			m.t.Fatalf("not paid: %s", outcome.Reason)
		}
		return nil
	}
}

// marks is an operator who has seen the money for an order.
func (m *market) marks(s hafentest.Server) error {
	order := hafentest.Query[string](m.Hafen, `select id::text from orders where tenant_id = $1`, s.ID)
	_, _, err := do(m.operator, http.MethodPost, "/operator/orders/"+order+"/paid", nil)
	return err
}

// upgrade is a customer who buys the plan advanced and as many packs of seats, and looks again when there was no answer.
func (m *market) upgrade(s hafentest.Server, packs int) {
	m.t.Helper()
	wanted := url.Values{"plan": {"advanced"}, "addon.seats": {strconv.Itoa(packs)}}
	m.until(fmt.Sprintf("%d packs", packs), func() error {
		has := hafentest.Query[string](m.Hafen, `
select t.plan_id || ' ' || coalesce(a.quantity, 0) || case when s.change_key is null then '' else ', to be changed' end
from tenants t join subscriptions s on s.tenant_id = t.id left join tenant_addons a on a.tenant_id = t.id where t.id = $1`, s.ID)
		switch {
		case has == fmt.Sprintf("advanced %d", packs):
			return m.says(s, "Aktiv")
		case strings.HasSuffix(has, "to be changed"):
			return errors.New(has) // the page says that it is under way
		}
		change := "/servers/" + string(s.ID) + "/plan/change"
		page, _, err := do(m.anna, http.MethodGet, change+"?"+wanted.Encode(), nil)
		if err == nil {
			_, _, err = do(m.anna, http.MethodPost, change, hafentest.Hidden(page))
		}
		return errors.Join(err, errors.New(has))
	})
	m.rest()
}

// renew lets a server's period end, and has the bill for the next one paid.
func (m *market) renew(s hafentest.Server) {
	m.t.Helper()
	m.process.Kill()
	bills := hafentest.Query[int](m.Hafen, `select count(*) from invoices where tenant_id = $1`, s.ID)
	m.Exec(`update subscriptions set period_end = now(), period_start = period_start - (period_end - now()), anchor = anchor - (period_end - now())
		where tenant_id = $1`, s.ID)
	m.until("bill", func() error {
		if hafentest.Query[int](m.Hafen, `select count(*) from invoices where tenant_id = $1`, s.ID) == bills {
			return errors.New("no bill")
		}
		return nil
	})
	m.rest()
	m.until("payment", func() error {
		bill := hafentest.Query[string](m.Hafen, `select coalesce((select id::text from invoices where tenant_id = $1 and status = 'open'), '')`, s.ID)
		if bill == "" {
			return m.says(s, "Aktiv")
		}
		_, _, err := do(m.operator, http.MethodPost, "/operator/invoices/"+bill+"/paid", url.Values{
			"amount": {hafentest.Query[string](m.Hafen, `select (gross_cents / 100.0)::numeric(9, 2)::text from invoices where id = $1`, bill)},
			"day":    {hafentest.Query[string](m.Hafen, `select (now() at time zone 'Europe/Berlin')::date::text`)},
		})
		return errors.Join(err, errors.New("open"))
	})
	m.rest()
}
