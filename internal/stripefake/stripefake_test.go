package stripefake_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"hafen/internal/stripefake"
)

var began = time.Date(2028, 2, 1, 0, 0, 0, 0, time.UTC)

// client speaks the wire itself: the fake must not be right only for one library.
type client struct {
	*testing.T
	s *stripefake.Server
}

func newClient(t *testing.T) client {
	t.Parallel()
	return client{t, stripefake.New(t, began)}
}

type answer map[string]any

func (a answer) at(path string) any {
	var v any = map[string]any(a)
	for part := range strings.SplitSeq(path, ".") {
		switch of := v.(type) {
		case map[string]any:
			v = of[part]
		case []any:
			if len(of) == 0 {
				return nil
			}
			v = of[0] // "0" is all that is asked for
		default:
			return nil
		}
	}
	return v
}

func (a answer) str(path string) string { s, _ := a.at(path).(string); return s }
func (a answer) num(path string) int    { n, _ := a.at(path).(float64); return int(n) }

func (c client) call(method, path, key string, params ...string) (int, answer, http.Header) {
	c.Helper()
	form := url.Values{}
	for i := 0; i < len(params); i += 2 {
		form.Add(params[i], params[i+1])
	}
	target, body := c.s.URL+"/v1/"+path, form.Encode()
	if method == http.MethodGet {
		target, body = target+"?"+body, ""
	}
	request, err := http.NewRequestWithContext(c.Context(), method, target, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.s.Key)
	request.Header.Set("Stripe-Version", stripefake.Version)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(said, &a); err != nil {
		c.Fatalf("%s %s: %v: %s", method, path, err, said)
	}
	return response.StatusCode, a, response.Header
}

func (c client) must(method, path string, params ...string) answer {
	c.Helper()
	status, a, _ := c.call(method, path, "", params...)
	if status != http.StatusOK {
		c.Fatalf("%s %s: %d %v", method, path, status, a)
	}
	return a
}

func (c client) want(what string, got, want any) {
	c.Helper()
	if got != want {
		c.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// price makes a monthly price.
func (c client) price(cents string) string {
	product := c.must("POST", "products", "name", "Basic").str("id")
	return c.must("POST", "prices", "product", product, "currency", "eur", "unit_amount", cents, "recurring[interval]", "month").str("id")
}

// sold makes a paid subscription and returns it.
func (c client) sold(price string, more ...string) answer {
	c.Helper()
	customer := c.must("POST", "customers", "email", "a@example.org").str("id")
	session := c.must("POST", "checkout/sessions", append([]string{
		"mode", "subscription", "customer", customer, "success_url", "https://x.example/ok", "cancel_url", "https://x.example/no",
		"line_items[0][price]", price, "line_items[0][quantity]", "1",
	}, more...)...)
	if outcome := c.s.Pay(session.str("id"), stripefake.GoodCard, false); !outcome.Paid {
		c.Fatalf("not paid: %s", outcome.Reason)
	}
	return c.must("GET", "subscriptions/"+c.must("GET", "checkout/sessions/"+session.str("id")).str("subscription"), "expand[]", "latest_invoice")
}

func TestAdmission(t *testing.T) {
	c := newClient(t)
	right := c.s.Key
	c.s.Key = "sk_test_another0000000000000"
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, c.s.URL+"/v1/prices", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+right)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	c.want("another's key", response.StatusCode, 401)
	status, a, _ := c.call("GET", "nothing", "")
	c.want("no such endpoint", status, 404)
	c.want("type", a.str("error.type"), "invalid_request_error")
	status, a, _ = c.call("POST", "products", "", "name", "a", "colour", "red")
	c.want("unknown parameter", status, 400)
	c.want("code", a.str("error.code"), "parameter_unknown")
	c.want("param", a.str("error.param"), "colour")
	status, a, _ = c.call("GET", "subscriptions/sub_none", "")
	c.want("missing", status, 404)
	c.want("code", a.str("error.code"), "resource_missing")
}

func TestIdempotency(t *testing.T) {
	c := newClient(t)
	_, first, _ := c.call("POST", "customers", "k1", "email", "a@example.org")
	status, again, header := c.call("POST", "customers", "k1", "email", "a@example.org")
	c.want("status", status, 200)
	c.want("the same", again.str("id"), first.str("id"))
	c.want("said so", header.Get("Idempotent-Replayed"), "true")
	status, a, _ := c.call("POST", "customers", "k1", "email", "b@example.org")
	c.want("other parameters", status, 400)
	c.want("type", a.str("error.type"), "idempotency_error")
	c.s.Fail("POST", "/v1/customers", stripefake.Lost)
	if _, err := http.DefaultClient.Do(must(http.NewRequestWithContext(t.Context(), "POST", c.s.URL+"/v1/customers", http.NoBody))); err == nil {
		t.Error("the answer was not lost")
	}
	c.s.Advance(25 * time.Hour)
	_, later, _ := c.call("POST", "customers", "k1", "email", "b@example.org")
	c.want("forgotten after a day", later.str("id") != first.str("id"), true)
	c.s.Fail("POST", "/v1/customers", stripefake.Unavailable)
	for range 2 {
		status, _, _ = c.call("POST", "customers", "k2", "email", "c@example.org")
		c.want("a failure is kept too", status, 500)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestPages(t *testing.T) {
	c := newClient(t)
	var ids []string
	for range 5 {
		ids = append(ids, c.must("POST", "customers", "email", "a@example.org").str("id"))
	}
	first := c.must("GET", "customers", "limit", "2")
	c.want("newest first", first.str("data.0.id"), ids[4])
	c.want("more", first.at("has_more"), true)
	c.want("next", c.must("GET", "customers", "limit", "2", "starting_after", ids[3]).str("data.0.id"), ids[2])
	last := c.must("GET", "customers", "limit", "2", "starting_after", ids[1])
	c.want("last", last.str("data.0.id"), ids[0])
	c.want("no more", last.at("has_more"), false)
	c.want("back", c.must("GET", "customers", "limit", "2", "ending_before", ids[2]).str("data.0.id"), ids[4])
	c.want("filtered", c.must("GET", "customers", "email", "nobody@example.org").at("data.0"), nil)
	status, _, _ := c.call("GET", "customers", "", "limit", "101")
	c.want("too many", status, 400)
}

func TestExpand(t *testing.T) {
	c := newClient(t)
	sub := c.sold(c.price("400"))
	c.want("expanded", sub.str("latest_invoice.status"), "paid")
	deep := c.must("GET", "subscriptions", "expand[]", "data.latest_invoice.charge")
	c.want("in a list", deep.num("data.0.latest_invoice.charge.amount"), 400)
	c.want("not expanded", c.must("GET", "subscriptions/"+sub.str("id")).str("latest_invoice"), sub.str("latest_invoice.id"))
	status, _, _ := c.call("GET", "subscriptions/"+sub.str("id"), "", "expand[]", "nothing")
	c.want("no such property", status, 400)
	status, _, _ = c.call("GET", "subscriptions", "", "expand[]", "data.latest_invoice.charge.customer.x")
	c.want("too deep", status, 400)
}

func TestLookupKeys(t *testing.T) {
	c := newClient(t)
	product := c.must("POST", "products", "id", "mine", "name", "Basic").str("id")
	params := []string{"product", product, "currency", "eur", "unit_amount", "400", "recurring[interval]", "month", "lookup_key", "k"}
	id := c.must("POST", "prices", params...).str("id")
	c.want("found", c.must("GET", "prices", "lookup_keys[]", "k").str("data.0.id"), id)
	status, a, _ := c.call("POST", "prices", "", params...)
	c.want("taken", status, 400)
	c.want("code", a.str("error.code"), "resource_already_exists")
	status, _, _ = c.call("POST", "products", "", "id", "mine", "name", "Basic")
	c.want("an id is taken", status, 400)
}

// TestProration: https://docs.stripe.com/billing/subscriptions/prorations, "By default, prorations are calculated to the second".
// February 2028 has 29 days; at noon of its 15th, half of it is left.
func TestProration(t *testing.T) {
	c := newClient(t)
	sub, dear := c.sold(c.price("1000")), c.price("3000")
	c.s.Advance(14*24*time.Hour + 12*time.Hour)
	details := []string{
		"subscription", sub.str("id"), "subscription_details[items][0][id]", sub.str("items.data.0.id"), "subscription_details[items][0][price]", dear,
		"subscription_details[proration_behavior]", "always_invoice",
	}
	preview := c.must("POST", "invoices/create_preview", details...)
	c.want("given back", preview.num("lines.data.0.amount"), -500)
	c.want("sum", preview.num("total"), 1000)
	next := c.must("POST", "invoices/create_preview", append(details[:6:6], "subscription_details[proration_behavior]", "create_prorations")...)
	c.want("with the next period", next.num("total"), 4000)
	changed := c.must("POST", "subscriptions/"+sub.str("id"), "items[0][id]", sub.str("items.data.0.id"), "items[0][price]", dear,
		"proration_behavior", "always_invoice", "payment_behavior", "pending_if_incomplete", "expand[]", "latest_invoice")
	c.want("taken", changed.num("latest_invoice.amount_paid"), 1000)
	// Down again: what is too much goes towards the next bill.
	c.must("POST", "subscriptions/"+sub.str("id"), "items[0][id]", sub.str("items.data.0.id"), "items[0][quantity]", "0", "proration_behavior", "always_invoice")
	c.want("balance", c.must("GET", "customers/"+sub.str("customer")).num("balance"), -1500)
	status, a, _ := c.call("POST", "subscriptions/"+sub.str("id"), "", "items[0][id]", sub.str("items.data.0.id"), "items[0][price]", dear,
		"payment_behavior", "pending_if_incomplete", "proration_behavior", "always_invoice", "metadata[a]", "b")
	c.want("pending updates take no metadata", status, 400)
	c.want("param", a.str("error.param"), "metadata")
	status, _, _ = c.call("POST", "subscriptions/"+sub.str("id"), "", "items[0][id]", sub.str("items.data.0.id"), "items[0][quantity]", "2", "proration_date", "1")
	c.want("before the period", status, 400)
}

func TestPendingUpdate(t *testing.T) {
	c := newClient(t)
	sub, dear := c.sold(c.price("1000")), c.price("3000")
	c.s.SetCard(sub.str("customer"), stripefake.SCACard)
	update := []string{
		"items[0][id]", sub.str("items.data.0.id"), "items[0][price]", dear, "proration_behavior", "always_invoice",
		"payment_behavior", "pending_if_incomplete", "expand[]", "latest_invoice.payment_intent",
	}
	pending := c.must("POST", "subscriptions/"+sub.str("id"), update...)
	c.want("not changed", pending.num("items.data.0.price.unit_amount"), 1000)
	c.want("to be", pending.num("pending_update.subscription_items.0.price.unit_amount"), 3000)
	c.want("the bank asks", pending.str("latest_invoice.payment_intent.status"), "requires_action")
	c.s.PayInvoice(pending.str("latest_invoice.id"))
	paid := c.must("GET", "subscriptions/"+sub.str("id"))
	c.want("changed", paid.num("items.data.0.price.unit_amount"), 3000)
	c.want("told", len(c.s.Events("customer.subscription.pending_update_applied")), 1)
	c.s.SetCard(sub.str("customer"), stripefake.DeclinedCard)
	status, a, _ := c.call("POST", "subscriptions/"+sub.str("id"), "", "items[0][id]", sub.str("items.data.0.id"), "items[0][quantity]", "3",
		"proration_behavior", "always_invoice", "payment_behavior", "error_if_incomplete")
	c.want("declined", status, 402)
	c.want("type", a.str("error.type"), "card_error")
	c.must("POST", "subscriptions/"+sub.str("id"), "items[0][id]", sub.str("items.data.0.id"), "items[0][quantity]", "3",
		"proration_behavior", "always_invoice", "payment_behavior", "pending_if_incomplete")
	c.s.Advance(24 * time.Hour)
	c.want("given up after 23 hours", c.must("GET", "subscriptions/"+sub.str("id")).at("pending_update"), nil)
	c.want("and void", c.must("GET", "invoices", "subscription", sub.str("id")).str("data.0.status"), "void")
}

// TestYearOfBills: periods are counted from the anchor, through short months, and every bill is drafted, finalized and paid.
func TestYearOfBills(t *testing.T) {
	c := newClient(t)
	c.s.Advance(30 * 24 * time.Hour) // the 2nd of March
	c.s.Advance(29*24*time.Hour + time.Hour)
	sub := c.sold(c.price("400"))
	c.want("begins on the 31st", time.Unix(int64(sub.num("current_period_start")), 0).UTC().Format("01-02"), "03-31")
	for _, end := range []string{"04-30", "05-31", "06-30", "07-31"} {
		now := c.must("GET", "subscriptions/"+sub.str("id"))
		at := time.Unix(int64(now.num("current_period_end")), 0).UTC()
		c.want("ends", at.Format("01-02"), end)
		c.s.Advance(at.Sub(c.s.Now()))
		c.want("a draft", c.must("GET", "invoices").str("data.0.status"), "draft")
		c.s.Advance(time.Hour)
		c.want("paid", c.must("GET", "invoices").str("data.0.status"), "paid")
	}
}

func TestDunning(t *testing.T) {
	c := newClient(t)
	sub := c.sold(c.price("400"))
	c.s.SetCard(sub.str("customer"), stripefake.DeclinedCard)
	c.s.Advance(29*24*time.Hour + 2*time.Hour)
	c.want("behind", c.must("GET", "subscriptions/"+sub.str("id")).str("status"), "past_due")
	c.s.Advance(20 * 24 * time.Hour)
	c.want("tried", c.must("GET", "invoices").num("data.0.attempt_count"), 4)
	c.want("told of each", len(c.s.Events("invoice.payment_failed")), 4)
	c.s.PayInvoice(c.must("GET", "invoices").str("data.0.id"))
	c.want("paid at last", c.must("GET", "subscriptions/"+sub.str("id")).str("status"), "active")
}

// TestTax: each rate's tax is rounded once, and the lines' parts come to it.
func TestTax(t *testing.T) {
	c := newClient(t)
	rate := c.must("POST", "tax_rates", "display_name", "USt.", "percentage", "19", "inclusive", "false").str("id")
	odd := c.price("33")
	sub := c.sold(odd, "subscription_data[default_tax_rates][0]", rate, "line_items[1][price]", odd, "line_items[1][quantity]", "1")
	c.want("of the sum: 66 × 19 %", sub.num("latest_invoice.tax"), 13)
	c.want("total", sub.num("latest_invoice.total"), 79)
	rows, _ := sub.at("latest_invoice.lines.data").([]any)
	var parts float64
	for _, row := range rows {
		parts += row.(map[string]any)["tax_amounts"].([]any)[0].(map[string]any)["amount"].(float64)
	}
	c.want("parts", parts, 13.0)
}

// TestTaxExempt: of a customer who is exempt, or owes the tax themselves, nothing is taken beyond the net price, whatever the rates
// say: on the Checkout page, the bill, a preview, and in a draft that was taxed when it was made.
func TestTaxExempt(t *testing.T) {
	for _, exempt := range []string{"exempt", "reverse"} {
		t.Run(exempt, func(t *testing.T) {
			c := newClient(t)
			rate := c.must("POST", "tax_rates", "display_name", "USt.", "percentage", "19", "inclusive", "false").str("id")
			price := c.price("400")
			sub := c.sold(price, "subscription_data[default_tax_rates][0]", rate)
			c.want("a usual one pays", sub.num("latest_invoice.total"), 476)
			c.want("is told", sub.str("latest_invoice.customer_tax_exempt"), "none")
			c.want("Checkout", c.must("GET", "checkout/sessions").num("data.0.amount_total"), 476)
			customer := sub.str("customer")
			status, a, _ := c.call("POST", "customers/"+customer, "", "tax_exempt", "maybe")
			c.want("another word", status, 400)
			c.want("param", a.str("error.param"), "tax_exempt")
			preview := func() answer {
				return c.must("POST", "invoices/create_preview", "subscription", sub.str("id"), "subscription_details[items][0][price]", c.price("100"),
					"subscription_details[items][0][quantity]", "1", "subscription_details[proration_behavior]", "always_invoice")
			}
			c.want("a preview", preview().num("total"), 119)
			c.s.Advance(29*24*time.Hour + time.Minute) // the next bill is a draft
			c.want("draft", c.must("GET", "invoices").num("data.0.total"), 476)
			c.must("POST", "customers/"+customer, "tax_exempt", exempt)
			c.s.Advance(2 * time.Hour)
			bill := c.must("GET", "invoices")
			c.want("status", bill.str("data.0.status"), "paid")
			c.want("total", bill.num("data.0.total"), 400)
			c.want("paid", bill.num("data.0.amount_paid"), 400)
			c.want("tax", bill.num("data.0.tax"), 0)
			c.want("why", bill.str("data.0.customer_tax_exempt"), exempt)
			c.want("the line's", bill.at("data.0.lines.data.0.tax_amounts.0.amount"), 0.0)
			c.want("its rate", bill.str("data.0.lines.data.0.tax_amounts.0.tax_rate"), rate)
			c.want("another preview", preview().num("tax"), 0)
			session := c.must("POST", "checkout/sessions", "mode", "subscription", "customer", customer, "success_url", "https://x.example/ok",
				"line_items[0][price]", price, "line_items[0][quantity]", "2", "subscription_data[default_tax_rates][0]", rate)
			c.want("Checkout", session.num("amount_total"), 800)
			c.want("its tax", session.num("total_details.amount_tax"), 0)
			c.want("the bill before", c.must("GET", "invoices", "limit", "2").at("data").([]any)[1].(map[string]any)["total"], 476.0)
		})
	}
}

func TestCheckoutPage(t *testing.T) {
	c := newClient(t)
	customer := c.must("POST", "customers", "email", "a@example.org").str("id")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "at "+r.URL.Path) }))
	defer site.Close()
	session := c.must("POST", "checkout/sessions", "mode", "subscription", "customer", customer, "success_url", site.URL+"/ok",
		"cancel_url", site.URL+"/no", "line_items[0][price]", c.price("400"), "line_items[0][quantity]", "1")
	click := func(what string) string {
		response, err := http.PostForm(session.str("url"), url.Values{"do": {what}})
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return string(must(io.ReadAll(response.Body)))
	}
	c.want("cancel", click("cancel"), "at /no")
	c.want("decline", strings.Contains(click("decline"), "declined"), true)
	c.want("sca", strings.Contains(click("sca"), `id="confirm"`), true)
	c.want("confirm", click("confirm"), "at /ok")
	c.want("twice", strings.Contains(click("pay"), "complete"), true)
	c.want("paid once", len(c.s.List("subscription")), 1)
}

// TestWebhooks: signed as Stripe's own library wants it, and held back, repeated, reordered and lost as a test wants it.
func TestWebhooks(t *testing.T) {
	c := newClient(t)
	var mu sync.Mutex
	var got []string
	refuse := true
	var secret string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := must(io.ReadAll(r.Body))
		event, err := webhook.ConstructEventWithOptions(body, r.Header.Get("Stripe-Signature"), secret, webhook.ConstructEventOptions{IgnoreTolerance: true})
		mu.Lock()
		defer mu.Unlock()
		if err != nil || refuse {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		got = append(got, string(event.Type))
	}))
	defer site.Close()
	secret = c.s.Endpoint(site.URL)
	c.must("POST", "customers", "email", "a@example.org")
	c.want("refused", c.s.Flush(), 0)
	refuse = false
	c.s.Hold()
	c.want("held", c.s.Flush(), 0)
	c.s.Release()
	c.want("again", c.s.Flush(), 1)
	c.want("what", strings.Join(got, " "), "customer.created")
	event := c.s.Events()[0]
	status, err := c.s.Send(event.ID, stripefake.Sending{})
	c.want("repeated", status, 200)
	c.want("error", err, nil)
	if status, _ = c.s.Send(event.ID, stripefake.Sending{Secret: "whsec_other"}); status != 500 {
		t.Errorf("a forged one: %d", status)
	}
	c.must("POST", "customers", "email", "b@example.org")
	c.want("lost", c.s.Forget(), 1)
	c.want("none left", c.s.Flush(), 0)
}

func TestRefundsAndDisputes(t *testing.T) {
	c := newClient(t)
	sub := c.sold(c.price("400"))
	charge := sub.str("latest_invoice.charge")
	c.must("POST", "refunds", "charge", charge, "amount", "100")
	c.want("refunded", c.must("GET", "charges/"+charge).num("amount_refunded"), 100)
	status, _, _ := c.call("POST", "refunds", "", "charge", charge, "amount", "301")
	c.want("more than there is", status, 400)
	c.s.Dispute(sub.str("latest_invoice.id"))
	c.want("disputed", c.must("GET", "charges/"+charge).at("disputed"), true)
	c.want("told", len(c.s.Events("charge.refunded", "charge.dispute.created")), 2)
	of := func() answer { return c.must("GET", "disputes", "charge", charge, "expand[]", "data.charge.invoice") }
	c.want("to be answered", of().str("data.0.status"), "needs_response")
	c.want("of", of().str("data.0.charge.invoice.id"), sub.str("latest_invoice.id"))
	c.s.AnswerDispute(sub.str("latest_invoice.id"))
	c.want("answered", of().str("data.0.status"), "under_review")
	c.s.CloseDispute(sub.str("latest_invoice.id"), true)
	c.want("won", of().str("data.0.status"), "won")
	c.want("told of it", len(c.s.Events("charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated")), 3)
}

// TestOtherInterval: https://docs.stripe.com/api/subscriptions/update, "Switching prices does not normally change the billing date or
// generate an immediate charge unless: The billing interval is changed".
func TestOtherInterval(t *testing.T) {
	c := newClient(t)
	sub := c.sold(c.price("400"))
	product := c.must("POST", "products", "name", "Yearly").str("id")
	year := c.must("POST", "prices", "product", product, "currency", "eur", "unit_amount", "4000", "recurring[interval]", "year").str("id")
	status, _, _ := c.call("POST", "subscriptions/"+sub.str("id"), "", "items[0][price]", year, "proration_behavior", "none")
	c.want("both at once", status, 400)
	c.s.Advance(24 * time.Hour)
	changed := c.must("POST", "subscriptions/"+sub.str("id"), "items[0][id]", sub.str("items.data.0.id"), "items[0][price]", year,
		"proration_behavior", "none", "expand[]", "latest_invoice")
	c.want("billed at once", changed.num("latest_invoice.amount_paid"), 4000)
	c.want("from now", changed.num("current_period_start"), int(c.s.Now().Unix()))
	c.want("for a year", time.Unix(int64(changed.num("current_period_end")), 0).UTC().Format(time.DateOnly), "2029-02-02")
}

// TestTaxRatesOfItems: an item may have rates of its own, but no update that waits for its payment sets them.
func TestTaxRatesOfItems(t *testing.T) {
	c := newClient(t)
	rate := c.must("POST", "tax_rates", "display_name", "USt.", "percentage", "7", "inclusive", "false").str("id")
	sub, extra := c.sold(c.price("400")), c.price("100")
	update := []string{"items[0][price]", extra, "items[0][tax_rates][0]", rate}
	status, a, _ := c.call("POST", "subscriptions/"+sub.str("id"), "", append(update, "payment_behavior", "pending_if_incomplete", "proration_behavior", "always_invoice")...)
	c.want("pending", status, 400)
	c.want("param", a.str("error.param"), "items[tax_rates]")
	c.must("POST", "subscriptions/"+sub.str("id"), append(update, "items[0][quantity]", "0", "proration_behavior", "none")...)
	c.want("its own", c.s.Items(sub.str("id"))[1], stripefake.Item{Price: extra, Cents: 100, Percent: 7})
	status, _, _ = c.call("POST", "subscriptions/"+sub.str("id"), "", update...)
	c.want("the same price twice", status, 400)
	c.s.Untax(sub.str("id"))
	c.want("none", c.s.Items(sub.str("id"))[1].Percent, 0.0)
}

func TestTaxIDs(t *testing.T) {
	c := newClient(t)
	customer, other := c.must("POST", "customers").str("id"), c.must("POST", "customers").str("id")
	id := c.must("POST", "customers/"+customer+"/tax_ids", "type", "eu_vat", "value", "DE123456789").str("id")
	status, _, _ := c.call("DELETE", "customers/"+other+"/tax_ids/"+id, "")
	c.want("another's", status, 404)
	c.want("deleted", c.must("DELETE", "customers/"+customer+"/tax_ids/"+id).at("deleted"), true)
	c.want("none left", c.must("GET", "customers/"+customer+"/tax_ids").at("data.0"), nil)
}

func TestLimits(t *testing.T) {
	c := newClient(t)
	sub := c.sold(c.price("400"))
	status, _, _ := c.call("POST", "subscriptions/"+sub.str("id"), "", "metadata[a]", strings.Repeat("x", 501))
	c.want("a long value", status, 400)
	lines := []string{}
	for n := range 12 {
		lines = append(lines, fmt.Sprintf("line_items[%d][price]", n+1), c.price("10"), fmt.Sprintf("line_items[%d][quantity]", n+1), "1")
	}
	bill := c.sold(c.price("400"), lines...)
	rows, _ := bill.at("latest_invoice.lines.data").([]any)
	c.want("lines in a bill", len(rows), 10)
	c.want("there are more", bill.at("latest_invoice.lines.has_more"), true)
	c.want("of all", bill.num("latest_invoice.total"), 520)
	c.s.Fail("GET", "/v1/customers", stripefake.Denied)
	c.s.Heal()
	c.must("GET", "customers")
}
