package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"hafen/controlplane"
	"hafen/controlplane/billing"
)

func withAddons(w *world) {
	w.exec(`insert into addons (id, slug, kind, amount, name, name_de, price_cents, currency, vat_rate, plans, most) values
		('seats-5', 'seats-5', 'seats', 5, 'Five seats', 'Fünf Plätze', 250, 'EUR', 19, '{}', 4)`)
	w.exec(`insert into coupons (code, percent, periods) values ('SOMMER', 50, 2)`)
}

// confirmed are the fields of the page that asks once more.
func confirmed(page *answer) url.Values {
	values := url.Values{}
	page.doc().Find(`main form input[type=hidden]`).Each(func(_ int, input *goquery.Selection) {
		name, _ := input.Attr("name")
		value, _ := input.Attr("value")
		values.Set(name, value)
	})
	return values
}

func TestAnUpgradeIsPricedAndConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	withAddons(w)
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	anna, path := w.as(account), serverPath(id)+"/plan"
	// Half of a period of 30 days is over.
	w.exec(`update subscriptions set period_start = date_trunc('second', now()) - interval '15 days', period_end = date_trunc('second', now()) + interval '15 days'`)
	plan := anna.get(path).want(http.StatusOK)
	if plan.doc().Find(`a[href^="`+path+`/change?plan=all-in"]`).Length() != 1 || plan.doc().Find(`input[name="addon.seats-5"]`).Length() != 1 {
		t.Fatal("nothing can be chosen")
	}
	page := anna.get(path + "/change?plan=all-in&addon.seats-5=2").want(http.StatusOK)
	page.wantForm(path + "/change")
	form := confirmed(page)
	if !strings.Contains(page.body, "€") || form.Get("plan") != "all-in" || form.Get("addon.seats-5") != "2" || form.Get("at") == "" {
		t.Fatalf("asked about %v", form)
	}
	// (1400 - 400 + 500) / 2 × 1.19, give or take the seconds that pass.
	if gross := form.Get("gross"); gross != "892" && gross != "893" {
		t.Fatalf("costs %s", gross)
	}
	for name, value := range map[string]string{"gross": "1", "at": "yesterday"} {
		lie := url.Values{}
		for k, v := range form {
			lie[k] = v
		}
		lie.Set(name, value)
		anna.post(path+"/change", lie).want(http.StatusUnprocessableEntity).wantForm(path + "/change")
	}
	anna.post(path+"/change", form).wantRedirect(path)
	w.provision(id)
	after := anna.get(path).want(http.StatusOK)
	if !strings.Contains(after.body, "2 × Five seats") || w.count(`select extra_seats from tenants`) != 10 {
		t.Fatal("the upgrade is not in effect")
	}
	anna.post(path+"/change", form).want(http.StatusUnprocessableEntity) // clicked twice: it is so already
	if n := w.count(`select count(*) from invoices where status = 'open'`); n != 1 {
		t.Fatalf("%d bills", n)
	}
}

func TestADowngradeIsBookedAndTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	anna, path := w.as(account), serverPath(id)+"/plan"
	w.exec(`update tenants set plan_id = 'all-in'`)
	w.exec(`insert into usage (tenant_id, database_bytes, media_bytes) values ($1, 30000000000, 0)`, id)
	page := anna.get(path + "/change?plan=basic").want(http.StatusOK)
	if page.doc().Find(`form[action="`+path+`/change"]`).Length() != 0 {
		t.Error("a plan that is too small is offered")
	}
	if page.doc().Find(`a[href="`+serverPath(id)+`/media"]`).Length() == 0 {
		t.Error("nothing leads to what shrinks it")
	}
	anna.post(path+"/change", fields("plan", "basic", "gross", "0", "at", time.Now().UTC().Format(time.RFC3339))).want(http.StatusUnprocessableEntity)
	anna.get(path + "/change?plan=none").want(http.StatusUnprocessableEntity)
	anna.get(path + "/change?plan=all-in").want(http.StatusUnprocessableEntity)
	anna.get(path + "/change?plan=all-in&addon.nothing=1").want(http.StatusUnprocessableEntity)
	anna.get(path + "/change?plan=all-in&addon.seats-5=viele").want(http.StatusUnprocessableEntity)

	form := confirmed(anna.get(path + "/change?plan=advanced").want(http.StatusOK))
	anna.post(path+"/change", form).wantRedirect(path)
	booked := anna.get(path).want(http.StatusOK)
	booked.wantForm(path + "/undo")
	booked.wantForm(path + "/cancel")
	anna.post(path+"/undo", nil).wantRedirect(path)
	if anna.get(path).doc().Find(`form[action="`+path+`/undo"]`).Length() != 0 {
		t.Error("still booked")
	}
	anna.post(path+"/cancel", nil).wantRedirect(path)
	anna.get(path).want(http.StatusOK).wantForm(path + "/resume")
	anna.post(path+"/resume", nil).wantRedirect(path)
	anna.post(path+"/pay", nil).want(http.StatusConflict)
	anna.post(path+"/portal", nil).wantRedirect(path)
}

func TestAnOrderWithAddonsAndACoupon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	withAddons(w)
	anna := w.as(w.account("anna@example.org", aCustomer))
	order := fields("plan", "basic", "kind", "subdomain", "name", "werft", "localpart", "anna", "addon.seats-5", "2", "coupon", "sommer")
	if anna.get("/order/name?plan=basic").want(http.StatusOK).doc().Find(`input[name="addon.seats-5"]`).Length() != 1 {
		t.Fatal("no add-ons to choose")
	}
	bad := fields("plan", "basic", "kind", "subdomain", "name", "werft", "localpart", "anna", "coupon", "WINTER")
	refused := anna.post("/order/name", bad).want(http.StatusUnprocessableEntity)
	if refused.doc().Find(`#coupon-problem`).Length() != 1 {
		t.Error("the coupon is not what is wrong")
	}
	many := fields("plan", "basic", "kind", "subdomain", "name", "werft", "localpart", "anna", "addon.seats-5", "5")
	anna.post("/order/name", many).want(http.StatusUnprocessableEntity)
	to := anna.post("/order/name", order).want(http.StatusSeeOther).header.Get("Location")
	confirm := anna.get(to).want(http.StatusOK)
	form := confirmed(confirm)
	// (400 + 500) / 2 × 1.19
	if !strings.Contains(confirm.body, "5.36") || form.Get("coupon") != "sommer" || form.Get("addon.seats-5") != "2" {
		t.Fatalf("%v", form)
	}
	form.Set("terms", "yes")
	anna.post("/order", form).want(http.StatusSeeOther)
	if n := w.count(`select count(*) from orders where net_cents = 450 and vat_cents = 86`); n != 1 {
		t.Fatal("ordered at another price")
	}
	if n := w.count(`select count(*) from subscriptions where coupon = 'SOMMER' and coupon_left = 2`); n != 1 {
		t.Fatal("no coupon")
	}
}

// A bookkeeper may change what is paid; a member manager may not look.
func TestOnlyWhoPaysSeesThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.account("anna@example.org", aCustomer)
	id := w.active(owner, "werft")
	path := serverPath(id) + "/plan"
	for role, want := range map[controlplane.Role]int{controlplane.Billing: http.StatusOK, controlplane.MemberManager: http.StatusForbidden} {
		colleague := w.account(string(role)+"@example.org", aCustomer)
		w.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, $3)`, id, colleague.ID, role)
		w.as(colleague).get(path).want(want)
		w.as(colleague).get(path + "/change?plan=all-in").want(want)
	}
	w.as(w.account("fremd@example.org", aCustomer)).post(path+"/cancel", nil).want(http.StatusNotFound)
	if w.count(`select count(*) from subscriptions where cancel_at_end`) != 0 {
		t.Error("a stranger cancelled")
	}
	w.exec(`update subscriptions set state = $1`, billing.Ended)
	w.as(owner).get(path).want(http.StatusOK)
}
