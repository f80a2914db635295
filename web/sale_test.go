package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"hafen/tenant"
)

// planForm is the form of a plan as the console shows it, with changes.
func (w *world) planForm(b *browser, path string, pairs ...string) url.Values {
	w.Helper()
	b.address = newAddress() // how much one address may write is not what is tried here
	doc := b.get(path).want(http.StatusOK).doc()
	form := url.Values{}
	doc.Find(`form[action="` + path + `"]`).Find("input, select").Each(func(_ int, s *goquery.Selection) {
		name := s.AttrOr("name", "")
		switch {
		case s.AttrOr("type", "") == "checkbox":
			if _, checked := s.Attr("checked"); checked {
				form.Set(name, s.AttrOr("value", ""))
			}
		case s.Is("select"):
			form.Set(name, s.Find("option[selected]").AttrOr("value", s.Find("option").First().AttrOr("value", "")))
		default:
			form.Set(name, s.AttrOr("value", ""))
		}
	})
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "absent" {
			form.Del(pairs[i])
			continue
		}
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func TestAPlanIsEditedInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga, visitor := w.as(w.account("olga@example.org", anAdmin)), w.visitor()
	w.active(w.account("anna@example.org", aCustomer), "werft")
	list := olga.get("/operator/plans").want(http.StatusOK).doc()
	if list.Find(`a[href="/operator/plans/basic"]`).Length() != 1 || list.Find("tbody tr").Length() != 3 {
		t.Errorf("the list: %s", list.Find("table").Text())
	}
	const edit = "/operator/plans/basic/edit"
	// What the form shows, sent as it is, changes nothing.
	olga.post(edit, w.planForm(olga, edit)).wantRedirect("/operator/plans/basic")
	if n := w.count(`select count(*) from plans`); n != 3 {
		t.Fatalf("%d versions of three plans: the form changes what it shows", n)
	}
	form := w.planForm(olga, edit, "price", "5,00", "name_de", "Klein", "description", "For choirs", "description_de", "Für Chöre", "show_gross", "yes",
		"trial_days", "14", "federation", "list", "engines", "dendrite, synapse", "storage", "30 GB", "valid_until", "2199-01-01T10:00")
	olga.post(edit, form).wantRedirect("/operator/plans/basic")
	page := olga.get("/operator/plans/basic").want(http.StatusOK)
	for _, words := range []string{"Version 2", "Version 1", "olga@example.org", "on sale", "replaced"} {
		if !strings.Contains(page.body, words) {
			t.Errorf("the plan's page does not say %q", words)
		}
	}
	card := visitor.get("/").want(http.StatusOK).doc().Find("#plans li:has(h3)").First()
	for _, words := range []string{"Basic", "For choirs", "€5.95", "incl. 19% VAT (€5.00 net)", "30 GB", "14 days", "servers that you name", "Dendrite", "Also to choose from: Synapse"} {
		if !strings.Contains(strings.ReplaceAll(card.Text(), "\u00a0", " "), words) {
			t.Errorf("the card does not say %q: %s", words, card.Text())
		}
	}
	visitor.language = "de"
	if card := visitor.get("/").doc().Find("#plans li:has(h3)").First().Text(); !strings.Contains(card, "Klein") || !strings.Contains(card, "Für Chöre") {
		t.Errorf("the German card: %s", card)
	}
	until, err := time.Parse(time.RFC3339, "2199-01-01T10:00:00+01:00")
	w.must(err)
	if n := w.count(`select count(*) from plans where id = 'basic.2' and valid_until = $1 and created_by = 'olga@example.org'`, until); n != 1 {
		t.Error("the end of its sale was not kept, in the zone of the pages")
	}
	// The page that was open meanwhile is outdated.
	form.Set("price", "6,00")
	if got := olga.post(edit, form).want(http.StatusUnprocessableEntity); !strings.Contains(got.body, "Somebody else has changed the price list") {
		t.Error("an outdated form says nothing")
	}
	// Withdrawn, nobody sees it; sold again, everybody.
	olga.post("/operator/plans/basic/hide", nil).wantRedirect("/operator/plans/basic")
	if visitor.get("/").doc().Find("#plans li:has(h3)").Length() != 2 {
		t.Error("a withdrawn plan is on the price list")
	}
	olga.post("/operator/plans/basic/show", nil).wantRedirect("/operator/plans/basic")
	if visitor.get("/").doc().Find("#plans li:has(h3)").Length() != 3 {
		t.Error("a plan sold again is not on the price list")
	}
	if n := w.count(`select count(*) from tenants where plan_id = 'basic'`); n != 1 {
		t.Error("a server did not keep what it was bought with")
	}
	olga.get("/operator/plans/platin").want(http.StatusNotFound)
	olga.get("/operator/plans/platin/edit").want(http.StatusNotFound)
	olga.post("/operator/plans/platin/edit", form).want(http.StatusNotFound)
}

func TestPlanFormRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga := w.as(w.account("olga@example.org", anAdmin))
	const edit, fresh = "/operator/plans/basic/edit", "/operator/new/plan"
	for _, c := range []struct{ field, value string }{
		{"price", "-4,00"},
		{"price", "99999999999999999999"},
		{"price", "1.000,00"},
		{"price", ""},
		{"vat_rate", "101"},
		{"vat_rate", "neunzehn"},
		{"seats", "0"},
		{"seats", "-1"},
		{"seats", "9999999999999999999999"},
		{"storage", "20"},
		{"storage", "0 GB"},
		{"upload", "9 TB"},
		{"memory", "1 MiB"},
		{"cpu_millis", "0"},
		{"pids", "x"},
		{"database_connections", "9999"},
		{"backups", "-1"},
		{"trial_days", "400"},
		{"name", " "},
		{"name_de", strings.Repeat("x", 61)},
		{"description", strings.Repeat("x", 301)},
		{"position", "first"},
		{"valid_from", "tomorrow"},
		{"valid_until", "2001-01-01T00:00"},
		{"federation", "perhaps"},
		{"engines", "conduit"},
		{"engines", ""},
	} {
		for _, path := range []string{edit, fresh} {
			form := w.planForm(olga, path, "name", "Probe", "price", "4,00", "slug", "probe", c.field, c.value)
			got := olga.post(path, form).want(http.StatusUnprocessableEntity)
			if got.doc().Find("#"+c.field+"-problem").Length() != 1 {
				t.Errorf("%s with %s %q: nothing says so at the field", path, c.field, c.value)
			}
			if shown := got.doc().Find("#" + c.field); shown.Is("input") && shown.AttrOr("value", "") != c.value {
				t.Errorf("%s with %s %q: the form shows %q", path, c.field, c.value, shown.AttrOr("value", ""))
			}
		}
	}
	for field, value := range map[string]string{"currency": "CHF", "period": "year"} {
		got := olga.post(edit, w.planForm(olga, edit, field, value)).want(http.StatusUnprocessableEntity)
		if got.doc().Find("#"+field+"-problem").Length() != 1 {
			t.Errorf("another %s is not refused at the field", field)
		}
	}
	for slug, code := range map[string]string{"basic": "exists already", "Basic Plan": "Small letters", "": "Small letters", "a.2": "Small letters"} {
		got := olga.post(fresh, w.planForm(olga, fresh, "name", "Probe", "price", "4", "slug", slug)).want(http.StatusUnprocessableEntity)
		if !strings.Contains(got.doc().Find("#slug-problem").Text(), code) {
			t.Errorf("slug %q: %s", slug, got.doc().Find("#slug-problem").Text())
		}
	}
	if n := w.count(`select count(*) from plans`); n != 3 {
		t.Errorf("%d plans after refusals", n)
	}
	// All mistakes at once, each at its field.
	got := olga.post(fresh, w.planForm(olga, fresh, "name", "", "price", "-1", "seats", "0", "slug", "x")).want(http.StatusUnprocessableEntity).doc()
	if n := got.Find(".problem").Length(); n != 3 {
		t.Errorf("%d of 3 mistakes are said", n)
	}
	olga.post(fresh, w.planForm(olga, fresh, "slug", "choir", "name", "Choir", "price", "2", "period", "year", "currency", "CHF")).wantRedirect("/operator/plans/choir")
	if n := w.count(`select count(*) from plans where id = 'choir' and price_cents = 200 and currency = 'CHF' and period = 'year' and visible and position = 4`); n != 1 {
		t.Error("the new plan is not as the form said")
	}
}

func TestPreviewOfAPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga := w.as(w.account("olga@example.org", anAdmin))
	form := w.planForm(olga, "/operator/plans/basic/edit", "price", "7,5", "name_de", "Klein")
	got := olga.htmx().get("/operator/preview/plan?" + form.Encode()).want(http.StatusOK)
	for _, words := range []string{"7,50", "€7.50", "Klein", "Basic"} {
		if !strings.Contains(got.body, words) {
			t.Errorf("the preview does not say %q", words)
		}
	}
	form = fields("price", "7,5x", "vat_rate", "999999", "seats", "-3", "storage", "99999999999999999 TB", "currency", "<b>", "engines", "?", "name", "<script>")
	if got := olga.get("/operator/preview/plan?" + form.Encode()).want(http.StatusOK); strings.Contains(got.body, "<script>") || strings.Contains(got.body, "<b>") {
		t.Error("half typed words become markup")
	}
	olga.get("/operator/preview/plan").want(http.StatusOK)
}

func TestAPriceOfOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga := w.as(w.account("olga@example.org", anAdmin))
	owner := w.account("anna@example.org", aCustomer)
	anna, ben := w.as(owner), w.as(w.account("ben@example.org", aCustomer))
	const own = "/operator/plans/basic/own"
	for field, form := range map[string]url.Values{
		"email":   fields("email", "niemand@example.org", "price", "3"),
		"price":   fields("email", "anna@example.org", "price", "-3"),
		"seats":   fields("email", "anna@example.org", "seats", "0"),
		"storage": fields("email", "anna@example.org", "storage", "much"),
	} {
		if got := olga.post(own, form).want(http.StatusUnprocessableEntity); got.doc().Find("#"+field+"-problem").Length() != 1 {
			t.Errorf("%s: nothing says what is wrong", field)
		}
	}
	if got := olga.post(own, fields("email", "olga@example.org", "price", "3")).want(http.StatusUnprocessableEntity); got.doc().Find("#email-problem").Length() != 1 {
		t.Error("an operator is taken for a customer")
	}
	// Whatever else the form may carry is not the operator's to change here.
	olga.post(own, fields("email", "Anna@example.org", "price", "3,00", "currency", "CHF", "vat_rate", "0")).wantRedirect("/operator/plans/basic")
	page := anna.get("/order").want(http.StatusOK).doc()
	if page.Find("li:has(h3)").Length() != 4 || !strings.Contains(page.Find("li:has(h3)").First().Text(), "Your price") || !strings.Contains(page.Find("li:has(h3)").First().Text(), "€3.00") {
		t.Errorf("their price list: %s", page.Find("main").Text())
	}
	if !strings.Contains(anna.get("/").body, "Your price") {
		t.Error("the front page keeps their price from them")
	}
	id := w.active(owner, "werft")
	if !strings.Contains(anna.get("/servers/"+string(id)+"/plan").want(http.StatusOK).body, "Your price") {
		t.Error("the plan's page keeps their price from them")
	}
	for _, b := range []*browser{ben, w.visitor()} {
		if strings.Contains(b.get("/").body, "Your price") {
			t.Error("a stranger sees the price")
		}
	}
	if strings.Contains(ben.get("/order").body, "€3.00") {
		t.Error("a stranger sees the price in the order")
	}
	ben.get("/order/name?plan=basic.2").wantRedirect("/order")
	anna.get("/order/name?plan=basic.2").want(http.StatusOK)
	if !strings.Contains(olga.get("/operator/plans/basic").body, "anna@example.org") {
		t.Error("the console does not say whose price it is")
	}
	olga.post("/operator/plans/basic/withdraw-own", fields("plan", "basic")).want(http.StatusUnprocessableEntity)
	olga.post("/operator/plans/basic/withdraw-own", fields("plan", "basic.2")).wantRedirect("/operator/plans/basic")
	anna.get("/order/name?plan=basic.2").wantRedirect("/order")
}

func TestOldLinksAndOutdatedOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga, anna := w.as(w.account("olga@example.org", anAdmin)), w.as(w.account("anna@example.org", aCustomer))
	seen := fields("plan", "basic", "kind", "subdomain", "name", "werft", "localpart", "anna", "terms", "yes")
	const edit = "/operator/plans/basic/edit"
	olga.post(edit, w.planForm(olga, edit, "price", "9,00")).wantRedirect("/operator/plans/basic")
	if anna.get("/order?plan=basic").doc().Find("li.border-primary h3").Text() != "Basic" {
		t.Error("an old link does not mark the plan")
	}
	name := anna.get("/order/name?plan=basic").want(http.StatusOK).doc()
	if v := name.Find(`input[name=plan]`).AttrOr("value", ""); v != "basic.2" || !strings.Contains(name.Find("aside").Text(), "€9.00") {
		t.Errorf("an old link leads to %q", v)
	}
	// Whoever agreed to the price before the change is asked again.
	got := anna.post("/order", seen).want(http.StatusUnprocessableEntity)
	if !strings.Contains(got.body, "This plan has just changed") || !strings.Contains(got.body, "€9.00") || got.doc().Find(`input[name=plan]`).AttrOr("value", "") != "basic.2" {
		t.Error("the price changed under an order, and the page does not say so")
	}
	if n := w.count(`select count(*) from orders`); n != 0 {
		t.Fatal("an order was made at a price nobody agreed to")
	}
	seen.Set("plan", "basic.2")
	if got := anna.post("/order", seen); got.status != http.StatusSeeOther {
		t.Errorf("the order at the new price: %d", got.status)
	}
}

func TestServersAreMovedInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga := w.as(w.account("olga@example.org", anAdmin))
	owner := w.account("anna@example.org", aCustomer)
	small, large := w.active(owner, "klein"), w.active(owner, "gross")
	w.must(w.store.RecordUsage(t.Context(), large, time.Now(), tenant.Usage{MediaBytes: 15e9}))
	const plan = "/operator/plans/basic"
	olga.post(plan+"/edit", w.planForm(olga, plan+"/edit", "storage", "10 GB", "price", "3,00")).wantRedirect(plan)
	look := plan + "/move?from=basic&to=basic.2"
	page := olga.get(look).want(http.StatusOK)
	for _, words := range []string{"gross.hafen.test", "20 GB", "10 GB", "4.00", "3.00", "Move only the one that fits"} {
		if !strings.Contains(page.body, words) {
			t.Errorf("the preview does not say %q", words)
		}
	}
	if strings.Contains(page.body, "klein.hafen.test") {
		t.Error("what fits is among what does not")
	}
	// Without saying that only those shall be moved that fit, none is.
	got := olga.post(plan+"/move", fields("from", "basic", "to", "basic.2")).want(http.StatusUnprocessableEntity)
	if !strings.Contains(got.body, "gross.hafen.test") || w.count(`select count(*) from tenants where plan_id = 'basic'`) != 2 {
		t.Error("some were moved, or the page does not say which does not fit")
	}
	olga.post(plan+"/move", fields("from", "basic", "to", "basic.2", "fitting", "yes")).wantRedirect(plan)
	if w.count(`select count(*) from tenants where plan_id = 'basic.2' and id = $1`, small) != 1 || w.count(`select count(*) from tenants where plan_id = 'basic' and id = $1`, large) != 1 {
		t.Error("not those that fit were moved")
	}
	for _, query := range []string{"?from=basic&to=basic", "?from=basic&to=advanced", "?from=&to=", "?from=basic&to=%27"} {
		olga.get(plan + "/move" + query).want(http.StatusUnprocessableEntity)
	}
	olga.post(plan+"/move", fields("from", "basic", "to", "basic")).want(http.StatusUnprocessableEntity)
}

func TestAddonForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga := w.as(w.account("olga@example.org", anAdmin))
	const fresh, edit = "/operator/new/addon", "/operator/addons/seats/edit"
	if !strings.Contains(olga.get("/operator/addons").want(http.StatusOK).body, "No add-on yet") {
		t.Error("an empty list says nothing")
	}
	good := []string{"slug", "seats", "name", "Five more seats", "price", "1,50"}
	for _, c := range []struct{ field, value string }{
		{"slug", "Seats"},
		{"name", ""},
		{"price", "-1"},
		{"price", "1000001"},
		{"amount", "0"},
		{"amount", "10 GB"},
		{"most", "0"},
		{"plans", "platin"},
		{"kind", "rooms"},
		{"vat_rate", "-1"},
		{"currency", "CHF"},
		{"position", "-1"},
	} {
		got := olga.post(fresh, w.planForm(olga, fresh, append(good[:len(good):len(good)], c.field, c.value)...)).want(http.StatusUnprocessableEntity)
		if got.doc().Find("#"+c.field+"-problem").Length() != 1 {
			t.Errorf("%s %q: nothing says so at the field", c.field, c.value)
		}
	}
	olga.post(fresh, w.planForm(olga, fresh, append(good, "plans", "basic, advanced")...)).wantRedirect("/operator/addons/seats")
	olga.post(fresh, w.planForm(olga, fresh, good...)).want(http.StatusUnprocessableEntity)
	olga.post(edit, w.planForm(olga, edit)).wantRedirect("/operator/addons/seats")
	olga.post(edit, w.planForm(olga, edit, "amount", "10", "price", "2,50")).wantRedirect("/operator/addons/seats")
	olga.post(edit, w.planForm(olga, edit, "version", "1", "price", "2")).want(http.StatusUnprocessableEntity)
	olga.post(edit, w.planForm(olga, edit, "kind", "storage", "amount", "1 GB")).want(http.StatusUnprocessableEntity)
	olga.post("/operator/addons/seats/hide", nil).wantRedirect("/operator/addons/seats")
	olga.post("/operator/addons/seats/show", nil).wantRedirect("/operator/addons/seats")
	if n := w.count(`select count(*) from addons where slug = 'seats'`); n != 4 {
		t.Errorf("%d versions", n)
	}
	if n := w.count(`select count(*) from addons where id = 'seats.4' and amount = 10 and price_cents = 250 and visible and plans = '{basic,advanced}'`); n != 1 {
		t.Error("the newest version is not as the forms said")
	}
	if page := olga.get("/operator/addons/seats").want(http.StatusOK); !strings.Contains(page.body, "Version 4") || !strings.Contains(page.body, "€2.50") {
		t.Error("the add-on's page does not show its versions")
	}
	olga.get("/operator/addons/none").want(http.StatusNotFound)
	olga.post("/operator/addons/none/hide", nil).want(http.StatusNotFound)
}

func TestCouponForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	olga := w.as(w.account("olga@example.org", anAdmin))
	const fresh = "/operator/new/coupon"
	for _, c := range []struct {
		field string
		form  url.Values
	}{
		{"code", fields("code", "x!", "percent", "5")},
		{"code", fields("percent", "5")},
		{"percent", fields("code", "NONE")},
		{"percent", fields("code", "BOTH", "percent", "5", "amount", "1", "currency", "EUR")},
		{"percent", fields("code", "MUCH", "percent", "101")},
		{"percent", fields("code", "LESS", "percent", "-5")},
		{"amount", fields("code", "LESS", "amount", "-1", "currency", "EUR")},
		{"amount", fields("code", "HUGE", "amount", "1000001", "currency", "EUR")},
		{"currency", fields("code", "CHF", "amount", "1", "currency", "CHF")},
		{"currency", fields("code", "CHF", "amount", "1", "currency", "CHF", "plans", "basic")},
		{"plans", fields("code", "PLAN", "percent", "5", "plans", "platin")},
		{"redeem_by", fields("code", "PAST", "percent", "5", "redeem_by", "2020-01-01T00:00")},
		{"redeem_by", fields("code", "DAY", "percent", "5", "redeem_by", "soon")},
		{"periods", fields("code", "P", "percent", "5", "periods", "-1")},
		{"most", fields("code", "M", "percent", "5", "most", "many")},
	} {
		if got := olga.post(fresh, c.form).want(http.StatusUnprocessableEntity); got.doc().Find("#"+c.field+"-problem").Length() != 1 {
			t.Errorf("%v: nothing says so at %s", c.form, c.field)
		}
	}
	if n := w.count(`select count(*) from coupons`); n != 0 {
		t.Errorf("%d coupons after refusals", n)
	}
	olga.post(fresh, fields("code", "hafen-10", "percent", "10", "currency", "EUR", "periods", "12", "most", "3", "note", "fair", "redeem_by", "2199-01-01T00:00")).wantRedirect("/operator/coupons")
	olga.post(fresh, fields("code", "TWO", "amount", "2,00", "currency", "EUR", "plans", "basic")).wantRedirect("/operator/coupons")
	if got := olga.post(fresh, fields("code", "HAFEN-10", "percent", "20")).want(http.StatusUnprocessableEntity); got.doc().Find("#code-problem").Length() != 1 {
		t.Error("a code can be had twice")
	}
	w.active(w.account("anna@example.org", aCustomer), "werft")
	w.exec(`update orders set coupon = 'HAFEN-10'`)
	page := olga.get("/operator/coupons").want(http.StatusOK)
	for _, words := range []string{"HAFEN-10", "−10%", "off 12 bills", "1 / 3", "fair", "−€2.00", "basic"} {
		if !strings.Contains(strings.ReplaceAll(page.doc().Find("table").Text(), "\u00a0", " "), words) {
			t.Errorf("the list does not say %q", words)
		}
	}
	olga.post("/operator/coupons/HAFEN-10/withdraw", nil).wantRedirect("/operator/coupons")
	if !strings.Contains(olga.get("/operator/coupons").body, "withdrawn") {
		t.Error("a withdrawn coupon looks as before")
	}
	olga.post("/operator/coupons/NONE/withdraw", nil).want(http.StatusNotFound)
}
