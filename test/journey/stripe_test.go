package journey

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/internal/stripefake"
	"hafen/tenant"
)

// TestStripe: a customer orders and pays on Stripe's page, changes their mind on the way, is declined, gives an upgrade up that their
// bank asks about, upgrades, and finds their cards. In a real browser, because only that refuses a form whose answer leads where the page's policy does not say.
func TestStripe(t *testing.T) {
	t.Parallel()
	fake := stripefake.New(t, time.Now())
	secrets := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(secrets, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	w := hafentest.New(t, hafentest.Env(
		"HAFEN_BILLING=stripe", "HAFEN_STRIPE_URL="+fake.URL, "HAFEN_STRIPE_KEY_FILE="+file("key", fake.Key),
		"HAFEN_STRIPE_WEBHOOK_SECRET_FILES="+filepath.Join(secrets, "webhook"),
	))
	file("webhook", fake.Endpoint(w.URL()+"/webhooks/stripe"))
	w.Start("up")
	w.AwaitFrontPage()
	fake.Client = w.HTTPClient()
	ctx, stop := context.WithCancel(context.Background())
	told := make(chan struct{})
	go func() { // Stripe tells what it has to, by the real clock
		defer close(told)
		for ctx.Err() == nil {
			if late := time.Since(fake.Now()); late > 0 {
				fake.Advance(late)
			}
			fake.Flush()
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	defer func() { stop(); <-told }()

	anna := w.NewCustomer("anna@example.org")
	p := newPerson(t, w.URL(), "de")
	p.open("/login")
	p.fill("#email", anna.Email)
	p.fill("#password", hafentest.Password)
	p.follow(`main button[type=submit]`)
	p.open("/order/name?plan=basic")
	p.fill("#name", "lagune")
	p.fill("#localpart", "anna")
	p.follow(`main form.choice button[type=submit]`)
	p.click(`#terms`)
	p.follow(`main form button[type=submit]`)
	p.reads("Checkout")
	p.follow(`#decline`)
	p.reads("declined")
	p.follow(`#cancel`)
	p.reads(p.T("payment.checkout.text"))
	server := strings.TrimSuffix(p.path(), "/payment")
	p.follow(`main form[action="` + server + `/payment"] button`)
	p.reads("Checkout")
	p.follow(`#sca`)
	p.follow(`#confirm`)
	p.await("that the money has come", `!document.body.innerText.includes(`+quote(p.T("payment.checkout.text"))+`)`)
	w.AwaitStatus(tenant.ID(strings.TrimPrefix(server, "/servers/")), tenant.Active, patience)

	p.open(server + "/plan")
	p.follow(`main a[href^="` + server + `/plan/change?plan=all-in"]`)
	p.follow(`main form[action="` + server + `/plan/change"] button`) // their bank asks each time
	p.open(server + "/plan")
	p.reads(p.T("subscription.pending.pay"))
	p.follow(`main form[action="` + server + `/plan/give-up"] button`)
	p.reads(p.T("flash.plan_given_up"))

	p.follow(`main a[href^="` + server + `/plan/change?plan=advanced"]`)
	p.reads(p.T("subscription.confirm.today"))
	p.reads(p.T("subscription.confirm.gains"))
	customer := fake.List("customer")[0]["id"].(string)
	fake.SetCard(customer, stripefake.GoodCard)
	p.follow(`main form[action="` + server + `/plan/change"] button`)
	p.reads(p.T("flash.plan_changed"))

	p.follow(`main form[action="` + server + `/plan/portal"] button`)
	p.reads("Cards and invoices")
	p.follow(`#back`)
	p.at(server + "/plan")
	if n := len(fake.List("subscription")); n != 1 {
		t.Errorf("%d subscriptions", n)
	}
	if n := len(fake.List("charge")); n != 2 {
		t.Errorf("%d charges, want the order's and the upgrade's", n)
	}
}
