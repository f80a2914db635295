package resilience

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"hafen/internal/hafentest"
)

// Orders, upgrades in the middle of a period and renewals, through Stripe and by invoice, with the webhooks, mails and servers that
// follow: however often the process is killed in between, nobody pays twice, and everybody gets what they have paid for, once.
func TestMoneySurvivesKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	invoices := m.env
	m.env = append(slices.Clone(invoices), "HAFEN_BILLING=stripe")
	walked := func(what string, walk func(n int)) {
		begun, before := time.Now(), len(m.deaths())
		m.unharmed(walk)
		t.Logf("%s: %d deaths in %s", what, len(m.deaths())-before, time.Since(begun).Round(time.Second))
	}

	bills := map[hafentest.Server]int{} // through Stripe: what was ordered, and each upgrade
	var upgraded hafentest.Server
	walked("orders, told by webhook", func(n int) {
		upgraded = m.order(fmt.Sprintf("erste%d", n), m.pays(false))
		bills[upgraded]++
	})
	walked("orders, asked about", func(n int) { bills[m.order(fmt.Sprintf("zweite%d", n), m.pays(true))]++ })
	m.between = func() { // whoever has begun a change and is gone for a minute has died
		m.Exec(`update subscriptions set changed_at = changed_at - interval '2 minutes' where change_key is not null`)
	}
	walked("upgrades", func(n int) {
		m.upgrade(upgraded, n)
		bills[upgraded]++
	})
	m.soldOnce(bills)

	m.process.Kill()
	m.env = invoices
	var renewed hafentest.Server
	walked("orders by invoice", func(n int) { renewed = m.order(fmt.Sprintf("dritte%d", n), m.marks) })
	renewals := 0
	walked("renewals", func(int) {
		m.renew(renewed)
		renewals++
	})
	m.renewedOnce(renewed, renewals)
	m.soldOnce(bills) // still
	m.mailedOnce()
	orphans(t, m.Hafen)
	for _, point := range passed {
		if !slices.ContainsFunc(m.deaths(), func(at string) bool { return strings.HasPrefix(at, point) }) {
			t.Errorf("nobody died at %s", point)
		}
	}
	t.Logf("died at:\n%s", strings.Join(m.deaths(), "\n"))
}

// passed are points that a walk without a death goes by, and a few that only whoever takes up a walk does: when one is missing, a hook
// is lost, and what looks like a walk without danger is one that nobody looked at.
var passed = []string{
	"Orders.Order: POST /v1/customers+", "Orders.Order: POST /v1/prices+", "Orders.Order: POST /v1/checkout/sessions+", "Orders.Order: Store.CreateOrder",
	"Subscriptions.Receive: Store.RecordEvent", "BillingLookWorker.Work: Store.RecordOutside", "Subscriptions.Arrived: Store.RecordOutside",
	"ReconcileWorker.Work: Store.FinishReconcile", "create_secrets+", "create_database+", "write_files+", "create_container+", "start_container+",
	"issue_certificate+", "create_administrator+", "publish_route+", "Subscriptions.Confirm: Store.BeginChange",
	"Subscriptions.Confirm: POST /v1/subscriptions/:id+", "Biller.Run: POST /v1/subscriptions/:id+", "Operators.MarkPaid: Store.SettleOrder",
	"Biller.Run: Store.Renew", "InvoiceMailWorker.Work: Store.StoreInvoiceFile", "MailWorker.Work: Store.FinishMail", "Bookkeeping.Book: Store.BookPayment",
}

// listed are the fake's objects of a kind, as far as T names their fields.
func listed[T any](m *market, kind string) (list []T) {
	m.t.Helper()
	text, err := json.Marshal(m.fake.List(kind))
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return list
}

// ofTenant is what is at Stripe for a server.
type ofTenant struct {
	ID, Status, Customer, Subscription string
	Amount                             int64
	Metadata                           map[string]string
	Items                              struct {
		Data []struct {
			Quantity int
			Price    struct{ Metadata map[string]string }
		}
	}
	SubscriptionDetails struct{ Metadata map[string]string } `json:"subscription_details"`
	Invoice             string
	LookupKey           string `json:"lookup_key"`
}

func (o ofTenant) tenant() string {
	return o.Metadata["hafen_tenant"] + o.SubscriptionDetails.Metadata["hafen_tenant"]
}

// soldOnce fails unless there is one of everything for each server, here and at Stripe, and as many paid bills as it says.
func (m *market) soldOnce(bills map[hafentest.Server]int) {
	m.t.Helper()
	for what, most := range map[string]int{"customer": 1, "tax_rate": 1, "subscription": len(bills)} {
		if n := len(m.fake.List(what)); n != most {
			m.t.Errorf("%d of %s, not %d", n, what, most)
		}
	}
	prices := map[string]bool{}
	for _, price := range listed[ofTenant](m, "price") {
		if prices[price.LookupKey] {
			m.t.Errorf("two prices %s", price.LookupKey)
		}
		prices[price.LookupKey] = true
	}
	invoices := map[string]ofTenant{}
	for _, invoice := range listed[ofTenant](m, "invoice") {
		invoices[invoice.ID] = invoice
	}
	for s, want := range bills {
		m.soldOneOf(s, want, invoices)
	}
}

func (m *market) soldOneOf(s hafentest.Server, bills int, invoices map[string]ofTenant) {
	m.t.Helper()
	h := m.Hafen
	whole(m.t, h, s)
	var subscriptions, sessions, charges int
	var charged int64
	for _, subscription := range listed[ofTenant](m, "subscription") {
		if subscription.tenant() != string(s.ID) {
			continue
		}
		if subscriptions++; subscription.Status != "active" {
			m.t.Errorf("the subscription of %s is %s", s.Name, subscription.Status)
		}
		var billed []string
		for _, item := range subscription.Items.Data {
			billed = append(billed, fmt.Sprintf("%d %s", item.Quantity, item.Price.Metadata["hafen_ref"]))
		}
		slices.Sort(billed)
		has := hafentest.Query[string](h, `
select string_agg(quantity || ' ' || what, ', ' order by quantity || ' ' || what)
from (select 1, plan_id from tenants where id = $1 union all select quantity, addon_id from tenant_addons where tenant_id = $1) t (quantity, what)`, s.ID)
		if strings.Join(billed, ", ") != has {
			m.t.Errorf("%s has %s and pays for %s", s.Name, has, billed)
		}
	}
	for _, session := range listed[ofTenant](m, "checkout.session") {
		if session.tenant() == string(s.ID) {
			sessions++
		}
	}
	for _, charge := range listed[ofTenant](m, "charge") {
		if invoices[charge.Invoice].tenant() == string(s.ID) {
			charges++
			charged += charge.Amount
		}
	}
	if subscriptions != 1 || sessions != 1 || charges != bills {
		m.t.Errorf("%s has %d subscriptions, %d Checkouts, %d charges, not %d", s.Name, subscriptions, sessions, charges, bills)
	}
	for what, sql := range map[string]string{
		"order":        `select count(*) = 1 and bool_and(status = 'paid') from orders where tenant_id = $1`,
		"subscription": `select count(*) = 1 and bool_and(state = 'active' and change is null and stage = 'paid') from subscriptions where tenant_id = $1`,
		"seats": `
select extra_seats = (select coalesce(sum(n.quantity * a.amount), 0) from tenant_addons n join addons a on a.id = n.addon_id where n.tenant_id = t.id)
from tenants t where id = $1`,
	} {
		if !hafentest.Query[bool](h, sql, s.ID) {
			m.t.Errorf("the %s of %s: not as it should be", what, s.Name)
		}
	}
	if !hafentest.Query[bool](h, `select count(*) = $2 and bool_and(status = 'paid') and sum(paid_cents) = $3 from invoices where tenant_id = $1`, s.ID, bills, charged) {
		m.t.Errorf("the bills of %s are not the %d charges over %d cents", s.Name, bills, charged)
	}
}

// renewedOnce fails unless a server has a paid bill of our own for its order and for each renewal, their numbers one after the other.
func (m *market) renewedOnce(s hafentest.Server, renewals int) {
	m.t.Helper()
	h := m.Hafen
	whole(m.t, h, s)
	if n := hafentest.Query[int](h, `select count(*) from invoices where tenant_id = $1 and status = 'paid' and paid_cents = gross_cents`, s.ID); n != 1+renewals {
		m.t.Errorf("%d paid bills after %d renewals", n, renewals)
	}
	if n := hafentest.Query[int](h, `select count(*) from invoices where tenant_id = $1`, s.ID); n != 1+renewals {
		m.t.Errorf("%d bills after %d renewals", n, renewals)
	}
	if n := hafentest.Query[int](h, `select count(*) from invoice_payments p join invoices i on i.id = p.invoice_id where i.tenant_id = $1`, s.ID); n != 1+renewals {
		m.t.Errorf("%d payments after %d renewals", n, renewals)
	}
	if !hafentest.Query[bool](h, `select count(*) = max(right(number, 6)::int) and count(*) = (select last from invoice_numbers) from invoices where provider = 'invoice'`) {
		m.t.Error("the numbers of our own bills have gaps")
	}
}

// mailedOnce fails unless each mail was written once and has gone out. One that was sent and not recorded goes out again, as the same.
func (m *market) mailedOnce() {
	m.t.Helper()
	if twice := hafentest.Query[string](m.Hafen, `
select coalesce(string_agg(name, ', '), '') from (
	select regexp_replace(once, ' [0-9]+$', '') as name from mails where once like 'server %' group by 1 having count(*) > 1) t`); twice != "" {
		m.t.Errorf("written twice: %s", twice)
	}
	// A bill of an order is paid before it is written, and its mail is a receipt; one of a renewal is written, and then paid.
	if n := hafentest.Query[int](m.Hafen, `
select count(*) from invoices i where provider = 'invoice' and array(
	select split_part(once, ' ', 3) from mails where once like 'invoice ' || i.id || ' %' order by 1) not in ('{receipt}', '{issued,paid}')`); n > 0 {
		m.t.Errorf("%d bills were not told of, or not rightly", n)
	}
	sent := map[string]bool{}
	for _, letter := range m.post.Mails() {
		message, err := mail.ReadMessage(strings.NewReader(letter.Data))
		if err != nil {
			m.t.Fatal(err)
		}
		sent[message.Header.Get("Message-Id")] = true
	}
	if n := hafentest.Query[int](m.Hafen, `select count(*) from mails where failure = ''`); n != len(sent) {
		m.t.Errorf("of %d mails %d were sent", n, len(sent))
	}
}
