package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// TestPagesSpeakBothLanguages asks every page in both languages, of a visitor's browser and of an account's choice.
func TestPagesSpeakBothLanguages(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	missing := regexp.MustCompile(`\[[a-z_]+(\.[a-z0-9_]+)+\]`) // how a key without words is shown
	for _, route := range s.routes() {
		if route.method != get || route.nature.has(plain) || route.nature.has(stream) || route.nature.has(download) {
			continue
		}
		texts := map[string]string{}
		for _, language := range []string{"de", "en"} {
			b := s.proper(route)
			b.language = language
			s.exec(`update accounts set language = $1`, language)
			got := s.ask(b, route)
			if got.status != http.StatusOK {
				continue // leads on, or is not there; said elsewhere
			}
			kind := got.header.Get("Content-Type")
			if kind != "text/html; charset=UTF-8" {
				t.Errorf("%s is %q", route.path, kind)
			}
			if words := missing.FindString(got.body); words != "" {
				t.Errorf("%s in %s: no words for %s", route.path, language, words)
			}
			texts[language] = got.body
			if route.nature.has(fragment) || route.path == "/trial/mails/:mail" {
				continue
			}
			doc := got.doc()
			if lang, _ := doc.Find("html").Attr("lang"); lang != language {
				t.Errorf("%s: language %q, want %q", route.path, lang, language)
			}
			if doc.Find("title").Text() == "" || doc.Find("main h1").Length() != 1 {
				t.Errorf("%s in %s: a page has a title and one h1", route.path, language)
			}
			if back, _ := doc.Find(`form[action="/language"] input[name=back]`).First().Attr("value"); localPath(back, "") != back || back == "" {
				t.Errorf("%s: the language switch leads back to %q", route.path, back)
			}
		}
		if texts["de"] != "" && texts["de"] == texts["en"] && route.nature == page && !strings.HasPrefix(route.path, "/trial/mails/:") {
			t.Errorf("%s says the same in both languages", route.path)
		}
	}
}

func TestLanguageIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lang := func(a *answer) string { v, _ := a.doc().Find("html").Attr("lang"); return v }
	b := w.visitor()
	b.language = "fr,de;q=0.5"
	if got := lang(b.get("/login")); got != "de" {
		t.Errorf("Accept-Language gave %q", got)
	}
	b.post("/language", fields("to", "en", "back", "/login?next=%2Forder")).wantRedirect("/login?next=%2Forder")
	if got := lang(b.get("/login")); got != "en" {
		t.Errorf("the choice was forgotten: %q", got)
	}
	b.post("/language", fields("to", "fr", "back", "/")).want(http.StatusUnprocessableEntity)
	anna := w.as(w.account("anna@example.org", kind{role: "customer", language: "de"}))
	anna.language = "en"
	if got := lang(anna.get("/servers")); got != "de" {
		t.Errorf("the account's language is %q", got)
	}
	anna.post("/account/language", fields("language", "en")).wantRedirect("/account")
	anna.language = "de"
	if got := lang(anna.get("/servers")); got != "en" {
		t.Errorf("the account's new language is %q", got)
	}
}

// TestFlashIsShownOnce: and only words of ours.
func TestFlashIsShownOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as(w.account("anna@example.org", aCustomer))
	b.post("/account/language", fields("language", "de")).wantRedirect("/account")
	flashes := func(a *answer) int { return a.doc().Find(`main > [role=status]`).Length() }
	if n := flashes(b.get("/account")); n != 1 {
		t.Fatalf("%d messages after a change", n)
	}
	if n := flashes(b.get("/account")); n != 0 {
		t.Fatalf("%d messages the second time", n)
	}
	b.cookies[flashCookie] = "<b>send your password to evil.example</b>"
	if got := b.get("/account"); flashes(got) != 0 || strings.Contains(got.body, "evil.example") {
		t.Error("a message of a stranger is shown")
	}
}

// TestLinksLeadSomewhere: what the pages link and post to is in the route table.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	byMethod := map[string][]*regexp.Regexp{}
	for _, route := range s.routes() {
		pattern := regexp.MustCompile(`:[a-z]+`).ReplaceAllString(regexp.QuoteMeta(route.path), `[^/]+`)
		pattern = strings.ReplaceAll(pattern, `\*`, `.+`)
		byMethod[route.method] = append(byMethod[route.method], regexp.MustCompile("^"+pattern+"$"))
	}
	exists := func(method, address string) bool {
		path, _, _ := strings.Cut(address, "?")
		path, _, _ = strings.Cut(path, "#")
		if path == "" || !strings.HasPrefix(path, "/") {
			return true // elsewhere, or in the same page
		}
		for _, pattern := range byMethod[method] {
			if pattern.MatchString(path) {
				return true
			}
		}
		return false
	}
	for _, route := range s.routes() {
		if route.method != get || route.nature.has(plain) || route.nature.has(stream) {
			continue
		}
		got := s.ask(s.proper(route), route)
		if got.status != http.StatusOK {
			continue
		}
		doc := got.doc()
		for _, link := range []struct{ selector, attribute, method string }{
			{"a[href]", "href", get},
			{"link[href]", "href", get},
			{"script[src]", "src", get},
			{"form[method=get]", "action", get},
			{"form[method=post]", "action", post},
			{"[hx-post]", "hx-post", post},
			{"[hx-get]", "hx-get", get},
			{"[sse-connect]", "sse-connect", get},
			{"[data-goto]", "data-goto", get},
		} {
			for _, node := range doc.Find(link.selector).Nodes {
				for _, a := range node.Attr {
					if a.Key == link.attribute && !exists(link.method, a.Val) {
						t.Errorf("%s: %s %s leads nowhere", route.path, link.method, a.Val)
					}
				}
			}
		}
	}
}

// TestMailTexts: every mail the control plane sends has words, and links to routes.
func TestMailTexts(t *testing.T) {
	t.Parallel()
	m := MailTexts{PublicURL: "https://hafen.test", Payee: Payee{Name: "Hafen e. V.", IBAN: "DE02 1203 0000 0000 2020 51"}}
	link := controlplane.MailLink{Email: "anna@example.org", Token: "a-token_1", Expires: time.Now().Add(time.Hour)}
	server := controlplane.Server{ID: tenant.NewID(), ServerName: "werft.hafen.test", FirstAdmin: "anna"}
	contents := map[controlplane.MailContent]string{
		controlplane.VerifyMail{MailLink: link}:                             "https://hafen.test/verify?token=a-token_1",
		controlplane.ResetMail{MailLink: link}:                              "https://hafen.test/password/reset?token=a-token_1",
		controlplane.KnownAddressMail{Email: link.Email}:                    "https://hafen.test/login",
		controlplane.PasswordChangedMail{Email: link.Email, At: time.Now()}: "https://hafen.test/password/forgot",
		controlplane.EmailChangeMail{MailLink: link}:                        "https://hafen.test/email/confirm?token=a-token_1",
		controlplane.EmailTakenMail{Email: link.Email}:                      "https://hafen.test/login",
	}
	check := func(content controlplane.MailContent, want string) {
		t.Helper()
		seen := map[string]bool{}
		for _, language := range []string{"de", "en"} {
			text, err := m.Render(content, language)
			if err != nil {
				t.Errorf("%T in %s: %v", content, language, err)
				continue
			}
			if text.Subject == "" || strings.Contains(text.Subject, "[") || strings.ContainsAny(text.Subject, "\r\n") {
				t.Errorf("%T in %s: subject %q", content, language, text.Subject)
			}
			if !strings.Contains(text.Text, want) || !strings.Contains(text.HTML, want) {
				t.Errorf("%T in %s lacks %s:\n%s", content, language, want, text.Text)
			}
			seen[text.Text] = true
		}
		if len(seen) != 2 {
			t.Errorf("%T says the same in both languages", content)
		}
	}
	for content, want := range contents {
		check(content, want)
	}
	for _, which := range controlplane.SecurityEvents {
		check(controlplane.SecurityMail{Which: which, Email: link.Email, At: time.Now(), Name: "neu@example.org", Left: 3}, link.Email)
		if !i18n.For("en").Has("security.subject."+string(which)) || !i18n.For("de").Has("security.text."+string(which)) {
			t.Errorf("no words for %s", which)
		}
	}
	for _, which := range []controlplane.TenantMail{
		controlplane.MailServerReady, controlplane.MailServerDeleting, controlplane.MailServerDeleted, controlplane.MailServerSuspended,
		controlplane.MailServerResumed, controlplane.MailOrderReceived, controlplane.MailPaymentReceived, controlplane.MailPlanKept,
	} {
		until := time.Now().Add(time.Hour)
		server.SuspendedFor, server.DeleteAfter = "payment", &until
		content := controlplane.ServerMail{Which: which, Server: server, Order: controlplane.OrderView{
			Number: 7, Net: tenant.Money{Cents: 400, Currency: "EUR"}, VAT: tenant.Money{Cents: 76, Currency: "EUR"}, Plan: tenant.Plan{Name: tenant.Text{EN: "Basic"}, VATRate: 19},
		}}
		want := "werft.hafen.test"
		check(content, want)
	}
}

// Who pays on a provider's page is not told of an account to transfer to; who transfers is.
func TestTheMailOfAnOrderSaysHowItIsPaid(t *testing.T) {
	t.Parallel()
	texts := MailTexts{PublicURL: "https://hafen.test", Payee: Payee{Name: "Hafen GmbH", IBAN: "DE89 3704 0044 0532 0130 00"}}
	order := controlplane.OrderView{Number: 7, Status: "open", Plan: tenant.Plan{Name: tenant.Text{EN: "Basic"}, VATRate: 19}}
	order.Net, order.VAT = tenant.Money{Cents: 400, Currency: "EUR"}, tenant.Money{Cents: 76, Currency: "EUR"}
	for _, language := range i18n.Languages {
		l := i18n.For(language)
		for checkout, transfer := range map[string]bool{"": true, "https://checkout.stripe.test/1": false} {
			order.CheckoutURL = checkout
			mail, err := texts.Render(controlplane.ServerMail{Which: controlplane.MailOrderReceived, Server: controlplane.Server{ServerName: "werft.hafen.test"}, Order: order}, language)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(mail.Text, "DE89") != transfer || strings.Contains(mail.Text, l.T("mail.order_received.outside")) == transfer || !strings.Contains(mail.Text, l.T("payment.order")+": 7") {
				t.Errorf("with checkout at %q in %s:\n%s", checkout, language, mail.Text)
			}
		}
	}
}

// The receipt of an order is one mail: it says that it is paid, and leads to the server. What is missing of one is asked for, and
// not all of it.
func TestTheMailOfAnInvoiceAsksForWhatIsOpen(t *testing.T) {
	t.Parallel()
	texts := MailTexts{PublicURL: "https://hafen.test"}
	d := billing.Document{Invoice: billing.Invoice{Number: "2026-000007", Status: billing.InvoiceOpen}, Kind: billing.KindInvoice, Tenant: "t1", ServerName: "werft.hafen.test"}
	d.Seller = billing.Party{Company: "Hafen GmbH", IBAN: "DE89370400440532013000"}
	d.Gross, d.Paid = tenant.Money{Cents: 476, Currency: "EUR"}, tenant.Money{Cents: 400, Currency: "EUR"}
	render := func(which controlplane.InvoiceMail) string {
		mail, err := texts.Render(controlplane.InvoiceLetter{Which: which, Invoice: d}, "de")
		if err != nil {
			t.Fatal(err)
		}
		return mail.Text
	}
	if got := render(controlplane.MailInvoiceIssued); !strings.Contains(got, "Noch offen: 0,76") || !strings.Contains(got, "DE89") {
		t.Errorf("of one that is paid in part:\n%s", got)
	}
	d.Status, d.Paid = billing.InvoicePaid, d.Gross
	got := render(controlplane.MailInvoiceReceipt)
	for _, want := range []string{"2026-000007", "werft.hafen.test", "bezahlt", "https://hafen.test/servers/t1\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "DE89") || strings.Contains(got, "überweisen") {
		t.Errorf("a receipt asks for money:\n%s", got)
	}
}
