package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/controlplane/billing"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// billed gives a server an invoice of 4.76 EUR that was due some days ago, as the store issues one, and gives its id. Its number
// is of a series of its own: orders bring invoices too.
func (w *world) billed(id tenant.ID, daysAgo int) string {
	w.Helper()
	w.exec(`insert into subscriptions (tenant_id, account_id, provider, state) select id, account_id, 'invoice', 'active' from tenants where id = $1
		on conflict (tenant_id) do update set provider = 'invoice', state = 'active'`, id)
	var invoice string
	w.must(w.pool.QueryRow(w.Context(), `
		with n as (insert into invoice_numbers (series, last) values ('T', 1) on conflict (series) do update set last = invoice_numbers.last + 1 returning last),
		i as (insert into invoices (number, provider, account_id, tenant_id, status, language, currency, net_cents, vat_cents, gross_cents, seller, buyer,
				period_start, period_end, issued_at, due_at)
			select 'T-' || lpad(n.last::text, 6, '0'), 'invoice', t.account_id, t.id, 'open', 'en', 'EUR', 400, 76, 476,
				'{"company": "Hafen GmbH", "country": "DE", "iban": "DE89370400440532013000"}', '{"country": "DE", "email": "anna@example.org", "company": "=Werft"}',
				now() - interval '30 days', now(), now() - make_interval(days => $2 + 14), now() - make_interval(days => $2)
			from tenants t, n where t.id = $1 returning id),
		l as (insert into invoice_lines (invoice_id, position, kind, text, quantity, unit_cents, net_cents, vat_rate)
			select id, 1, 'plan', 'Basic', 1, 400, 400, 19 from i)
		select id::text from i`, id, daysAgo).Scan(&invoice))
	return invoice
}

// dun lets dunning do what the days say.
func (w *world) dun() {
	w.Helper()
	dunner := &controlplane.Dunner{Store: w.store}
	w.must(dunner.Look(w.Context()))
}

func TestBillsOfACustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, ben := w.account("anna@example.org", aCustomer), w.account("ben@example.org", aCustomer)
	id, other := w.active(anna, "werft"), w.active(anna, "dock")
	bill := w.billed(id, 1)
	b := w.as(anna)
	path := serverPath(id) + "/bills"
	for _, list := range []string{path, "/account/bills"} {
		page := b.get(list).want(http.StatusOK)
		if page.doc().Find(`a[href="`+path+"/"+bill+`"]`).Length() == 0 || !strings.Contains(page.body, "T-000001") || !strings.Contains(page.body, "€4.76") || !strings.Contains(page.body, "Overdue") {
			t.Errorf("%s does not show the bill", list)
		}
		if page.doc().Find(`a[href="/account/billing"]`).Length() == 0 {
			t.Errorf("%s does not ask for the address", list)
		}
	}
	page := b.get(path + "/" + bill).want(http.StatusOK)
	for _, words := range []string{"DE89 3704 0044 0532 0130 00", "T-000001", "Basic", "€0.76"} {
		if !strings.Contains(page.body, words) {
			t.Errorf("the bill does not say %q", words)
		}
	}
	file := b.get(path + "/" + bill + "/pdf").want(http.StatusOK)
	if file.header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(file.body, "%PDF-") || !strings.Contains(file.header.Get("Content-Disposition"), "Invoice-T-000001.pdf") {
		t.Errorf("the file: %v", file.header)
	}
	if again := b.get(path + "/" + bill + "/pdf"); again.body != file.body {
		t.Error("another file")
	}
	b.get(serverPath(other) + "/bills/" + bill).want(http.StatusNotFound) // of another server of hers
	b.get(path + "/00000000-0000-4000-8000-000000000000").want(http.StatusNotFound)
	b.get(path + "/x").want(http.StatusNotFound)
	w.as(ben).get(path + "/" + bill + "/pdf").want(http.StatusNotFound)
	if page := w.as(ben).get("/account/bills").want(http.StatusOK); strings.Contains(page.body, "T-000001") {
		t.Error("somebody else's bill")
	}
}

func TestWhoPays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as(w.account("anna@example.org", aCustomer))
	b.get("/account/billing").want(http.StatusOK).wantForm("/account/billing")
	good := fields("company", "Žižkov s.r.o.", "street", "Husitská 7", "postcode", "130 00", "city", "Praha", "country", "CZ", "vat_id", "cz 1234 5678")
	for field, value := range map[string]string{"company": "", "street": " ", "city": "", "country": "Czechia", "vat_id": "DE136695976"} {
		bad := fields()
		for name, list := range good {
			bad[name] = list
		}
		bad.Set(field, value)
		page := b.post("/account/billing", bad).want(http.StatusUnprocessableEntity)
		if field == "vat_id" && page.doc().Find("#vat_id-problem").Length() != 1 {
			t.Error("nothing stands beside the number that is wrong")
		}
	}
	b.post("/account/billing", good).wantRedirect("/account/billing")
	page := b.get("/account/billing").want(http.StatusOK)
	if value, _ := page.doc().Find("#vat_id").Attr("value"); value != "CZ12345678" {
		t.Errorf("kept as %q", value)
	}
	if page.doc().Find(`#country option[selected][value=CZ]`).Length() != 1 {
		t.Error("the country is not kept")
	}
}

func TestOperatorsBookPayments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna := w.account("anna@example.org", aCustomer)
	id := w.active(anna, "werft")
	bill, paid := w.billed(id, 12), w.billed(id, -5)
	w.dun()
	b := w.as(w.account("olga@example.org", anAdmin))
	list := b.get("/operator/invoices?state=overdue").want(http.StatusOK)
	if !strings.Contains(list.body, "T-000001") || strings.Contains(list.body, "T-000002") {
		t.Error("the filter is not right")
	}
	if found := b.get("/operator/invoices?q=T-000002").want(http.StatusOK); strings.Contains(found.body, "T-000001") || !strings.Contains(found.body, "T-000002") {
		t.Error("the search is not right")
	}
	path := "/operator/invoices/" + bill
	form := b.get(path).want(http.StatusOK).wantForm(path + "/paid")
	if got := form.Find("#amount").AttrOr("value", ""); got != "4.76" {
		t.Errorf("%q is open", got)
	}
	b.get(path + "/pdf").want(http.StatusOK)
	today := time.Now().Format(time.DateOnly)
	for _, bad := range []url.Values{
		fields("amount", "", "day", today), fields("amount", "-1", "day", today), fields("amount", "1.234,00", "day", today), fields("amount", "0", "day", today),
		fields("amount", "99999999999999999999", "day", today), fields("amount", "4,77", "day", today), fields("amount", "4", "day", "2999-01-01"), fields("amount", "4", "day", "x"),
	} {
		b.post(path+"/paid", bad).want(http.StatusUnprocessableEntity)
	}
	b.post(path+"/paid", fields("amount", "4,00", "day", today, "note", "first part")).wantRedirect(path)
	if server, err := w.store.FindServer(w.Context(), "", id); err != nil || !server.Restricted {
		t.Fatalf("not restricted before all is paid: %v", err)
	}
	page := b.get(path).want(http.StatusOK)
	if !strings.Contains(page.body, "first part") || !strings.Contains(page.body, "€0.76") {
		t.Error("the part is not shown")
	}
	b.post(path+"/paid", fields("amount", "0.76", "day", today)).wantRedirect(path)
	if server, err := w.store.FindServer(w.Context(), "", id); err != nil || server.Restricted || server.Status != tenant.Active {
		t.Fatalf("not open after all was paid: %v", err)
	}
	b.post(path+"/paid", fields("amount", "1", "day", today)).want(http.StatusUnprocessableEntity)
	b.post(path+"/void", fields("reason", "")).want(http.StatusUnprocessableEntity)
	note := b.post("/operator/invoices/"+paid+"/void", fields("reason", "twice")).want(http.StatusSeeOther).header.Get("Location")
	if page := b.get(note).want(http.StatusOK); !strings.Contains(page.body, "T-000002") {
		t.Error("the cancellation does not name what it cancels")
	}
	csv := b.get("/operator/invoices.csv?from=2020-01-01&until=2999-01-01").want(http.StatusOK)
	if strings.Count(csv.body, "\n") != 5 || !strings.Contains(csv.body, "'=Werft,-4.00,19,-0.76,-4.76") {
		t.Errorf("exported:\n%s", csv.body)
	}
	b.get("/operator/invoices.csv?from=x&until=2026-01-01").want(http.StatusBadRequest)
	b.get("/operator/invoices/x").want(http.StatusNotFound)
}

func TestTheBannerOfAnUnpaidServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, ida := w.account("anna@example.org", aCustomer), w.account("ida@example.org", aCustomer)
	id := w.active(anna, "werft")
	w.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, 'read_only')`, id, ida.ID)
	banner := func(b *browser, path string) string {
		t.Helper()
		return b.get(serverPath(id) + path).want(http.StatusOK).doc().Find(`header .note[role=status]`).Text()
	}
	bill := w.billed(id, 1)
	w.dun()
	if text := banner(w.as(anna), ""); text != "" {
		t.Errorf("a day late: %s", text)
	}
	w.exec(`update billing_settings set remind_days = 0`)
	w.dun()
	for _, path := range []string{"", "/members", "/settings", "/bills"} {
		page := w.as(anna).get(serverPath(id) + path).want(http.StatusOK)
		note := page.doc().Find(`header .note[role=status]`)
		if !strings.Contains(note.Text(), "€4.76") || note.Find(`a[href="`+billPath(id, bill)+`"]`).Length() != 1 {
			t.Errorf("%s: %s", path, note.Text())
		}
	}
	german := w.as(anna)
	w.exec(`update accounts set language = 'de'`)
	if text := banner(german, ""); !strings.Contains(text, "überfällig") || !strings.Contains(text, "4,76") {
		t.Errorf("in German: %s", text)
	}
	if colleague := w.as(ida).get(serverPath(id)).want(http.StatusOK); colleague.doc().Find(`a[href="`+billPath(id, bill)+`"]`).Length() != 0 {
		t.Error("who may not pay is asked to")
	}
	olga := w.as(w.account("olga@example.org", anAdmin))
	path := "/operator/servers/" + string(id)
	olga.get(path).want(http.StatusOK).wantForm(path + "/pause")
	for _, until := range []string{"2001-01-01", "2999-01-01", "x"} {
		olga.post(path+"/pause", fields("until", until)).want(http.StatusUnprocessableEntity)
	}
	until := time.Now().AddDate(0, 1, 0)
	olga.post(path+"/pause", fields("until", until.Format(time.DateOnly), "pause_note", "pays on the first")).wantRedirect(path)
	if page := olga.get(path).want(http.StatusOK); !strings.Contains(page.body, "pays on the first") {
		t.Error("the pause is not shown")
	}
}

func TestBillingSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as(w.account("olga@example.org", anAdmin))
	form := b.get("/operator/billing").want(http.StatusOK).wantForm("/operator/billing")
	good := url.Values{}
	for name, list := range values(form) {
		if list[0] != "on" { // an empty field
			good[name] = list
		}
	}
	for name, value := range map[string]string{
		"company": "Hafen GmbH", "street": "Am Kai 1", "postcode": "20457", "city": "Hamburg", "country": "DE", "vat_id": "DE136695976", "iban": "DE89 3704 0044 0532 0130 00",
	} {
		good.Set(name, value)
	}
	for field, value := range map[string]string{
		"company": "", "vat_id": "", "iban": "DE00", "bic": "x", "email": "x", "due_days": "-1", "remind_days": "x", "restrict_days": "1", "announce_days": "400", "delete_days": "46",
	} {
		bad := url.Values{}
		for name, list := range good {
			bad[name] = list
		}
		bad[field] = []string{value}
		if page := b.post("/operator/billing", bad).want(http.StatusUnprocessableEntity); page.doc().Find("#"+field+"-problem").Length() != 1 {
			t.Errorf("%s %q: nothing stands beside it", field, value)
		}
	}
	if page := b.get("/operator/invoices").want(http.StatusOK); !strings.Contains(page.body, "/operator/billing") {
		t.Error("nobody says that the seller is missing")
	}
	b.post("/operator/billing", good).wantRedirect("/operator/billing")
	if n := w.count(`select count(*) from billing_settings where seller ->> 'iban' = 'DE89370400440532013000' and due_days = 14`); n != 1 {
		t.Error("not kept")
	}
	if n := w.count(`select count(*) from audit where action = 'billing.settings' and detail ? 'before' and detail ? 'after'`); n != 1 {
		t.Error("not in the audit log")
	}
}

// Who orders pays to the account an operator has named last, not to one of the command line.
func TestAnOrderIsPaidToTheSeller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		config := c.Orders.OrdersConfig
		config.Billing = billing.Invoices{}
		c.Orders = controlplane.NewOrders(config)
		c.Payee = Payee{Name: "Old GmbH", IBAN: "DE02 1203 0000 0000 2020 51"}
	})
	anna := w.account("anna@example.org", aCustomer)
	id, _, err := w.server.Orders.Order(w.Context(), anna.Actor(), controlplane.OrderRequest{Plan: "basic", Name: "werft", FirstAdmin: "anna", Language: "en"})
	w.must(err)
	b := w.as(anna)
	if page := b.get(paymentPath(id)).want(http.StatusOK); !strings.Contains(page.body, "Old GmbH") {
		t.Error("without a seller, the command line's account is not shown")
	}
	w.exec(`update billing_settings set seller = '{"company": "Hafen GmbH", "iban": "DE89370400440532013000"}'`)
	if page := b.get(paymentPath(id)).want(http.StatusOK); !strings.Contains(page.body, "DE89 3704 0044 0532 0130 00") || strings.Contains(page.body, "Old GmbH") {
		t.Error("the seller's account is not shown")
	}
}

// TestDisputedBill: who pays, and who sells, see what a bank wants back and what comes of it; lost, there is where to transfer it to.
func TestDisputedBill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, olga := w.account("anna@example.org", aCustomer), w.account("olga@example.org", anAdmin)
	id := w.active(anna, "werft")
	bill := w.billed(id, -5)
	w.exec(`alter table invoices disable trigger invoices_stay`) // as the mirror writes a bill of Stripe's
	is := func(status, dispute string) {
		w.exec(`update invoices set provider = 'stripe', external_id = 'in_1', url = 'https://invoice.stripe.com/i/1', status = $2,
			paid_cents = case $2 when 'paid' then gross_cents else 0 end, dispute_status = $3, dispute_cents = gross_cents,
			respond_by = now() + interval '7 days' where id = $1`, bill, status, dispute)
	}
	customer, operator := w.as(anna), w.as(olga)
	path := serverPath(id) + "/bills/" + bill
	says := func(b *browser, path string, wants ...string) {
		t.Helper()
		page := b.get(path).want(http.StatusOK)
		for _, want := range wants {
			if !strings.Contains(page.body, want) {
				t.Errorf("%s does not say %q", path, want)
			}
		}
	}
	is("paid", "needs_response")
	says(customer, path, "€4.76 of this bill were disputed with your bank", "Your server goes on running")
	says(customer, "/account/bills", "Asked back by the bank")
	says(operator, "/operator/invoices/"+bill, "asks for €4.76 back", "Stripe needs your answer by")
	says(operator, "/operator/orders", "1 dispute is open")
	says(operator, "/operator/payments", "1 dispute is open", "T-000001")
	says(operator, "/operator/invoices?state=disputed", "T-000001")
	if strings.Contains(customer.get(path).body, "DE89") {
		t.Error("it is to be paid twice")
	}
	is("open", "lost")
	says(customer, path, "Your bank has taken the money back", "DE89 3704 0044 0532 0130 00")
	says(operator, "/operator/invoices/"+bill, "The money is gone", `action="/operator/invoices/`+bill+`/paid"`)
	if strings.Contains(operator.get("/operator/orders").body, "dispute is open") {
		t.Error("a decided one is still open")
	}
}

// What fails in the background is on the operators' first page, in words, and goes when it works again.
func TestOperatorsAreToldWhatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as(w.account("op@hafen.test", anAdmin))
	w.must(w.store.NoteFailure(w.Context(), controlplane.WorkDunning, `dun t7k2m9: <no answer>`))
	page := b.get("/operator").want(http.StatusOK)
	for _, want := range []string{"Dunning", "Reminders and restrictions do not happen", "dun t7k2m9: &lt;no answer&gt;", time.Now().In(tenant.Zone).Format("2 Jan 2006")} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	w.must(w.store.ClearFailure(w.Context(), controlplane.WorkDunning))
	if page := b.get("/operator").want(http.StatusOK); page.doc().Find("#failing-title").Length() != 0 {
		t.Error("it still says that something fails")
	}
	for _, name := range []string{controlplane.WorkBilling, controlplane.WorkBillingCheck, controlplane.WorkDunning, controlplane.WorkMetering} {
		for _, language := range i18n.Languages {
			if l := i18n.For(language); !l.Has("work."+name) || !l.Has("work.text."+name) {
				t.Errorf("no words for %s in %s", name, language)
			}
		}
	}
}
