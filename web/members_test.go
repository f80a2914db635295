package web

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"hafen/controlplane"
	"hafen/tenant"
)

// TestMembers: a generated password is in one answer, and in nothing else.
func TestMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	w.server.Members.Wait = 10 * time.Second
	anna, path := w.as(account), membersPath(id)
	made := anna.post(path, fields("localpart", "Bob", "display_name", "Bob <b>", "password_mode", "generated")).want(http.StatusOK)
	secret := generated(t, made)
	if strings.Contains(made.body, "Bob <b>") {
		t.Error("a name is not escaped")
	}
	if made.header.Get("Cache-Control") != "no-store" || made.header.Get("Set-Cookie") != "" {
		t.Errorf("the answer with the password: %v", made.header)
	}
	if strings.Contains(anna.get(path).want(http.StatusOK).body, secret) || strings.Contains(w.log.String(), secret) {
		t.Error("the password is shown again, or in the log")
	}
	if n := w.count(`select count(*) from operations where position($1 in encode(sealed_password, 'escape')) > 0`, secret); n != 0 {
		t.Error("the password is still in a row after its use")
	}
	anna.get(path + "/bob").want(http.StatusOK).wantForm(path + "/bob/deactivate")
	own := fields("localpart", "eve", "password_mode", "own", "password", "a password of her own")
	anna.post(path, own).wantRedirect(path)
	again := anna.post(path+"/eve/reset", nil).want(http.StatusOK)
	if generated(t, again) == secret || !strings.Contains(again.body, "</html>") {
		t.Error("the whole page with another password is wanted")
	}
	anna.post(path+"/eve/deactivate", nil).wantRedirect(path + "/@eve")
	anna.post(path+"/eve/reactivate", nil).want(http.StatusOK)
	for name, form := range map[string]url.Values{
		"taken": fields("localpart", "bob"), "empty": fields("localpart", ""), "letters": fields("localpart", "Bö b"), "reserved": fields("localpart", "hafen-control"),
		"short": fields("localpart", "zoe", "password_mode", "own", "password", "short"), "none": fields("localpart", "zoe", "password_mode", "own", "password", ""),
		"long name": fields("localpart", "zoe", "display_name", strings.Repeat("x", 101)),
	} {
		form := anna.post(path, form).want(http.StatusUnprocessableEntity).wantForm(path)
		if form.Find("[aria-invalid=true]").Length() == 0 {
			t.Errorf("%s: no field is marked", name)
		}
	}
	for _, who := range []string{"nobody", "hafen-control", "..", "%2e%2e", "%00", "a%2fb"} {
		for _, end := range []string{"/reset", "/link"} {
			got := anna.post(path+"/"+who+end, nil)
			if got.status != http.StatusNotFound && got.status != http.StatusBadRequest {
				t.Errorf("%s of %q: %d", end, who, got.status)
			}
		}
	}
	for i := range 3 {
		anna.post(path, fields("localpart", "m"+itoa(i))).want([]int{200, 200, 422}[i]) // five seats
	}
}

// generated is the password an answer shows.
func generated(t *testing.T, a *answer) string {
	t.Helper()
	found := ""
	a.doc().Find("code, output, input, span, p, dd").Each(func(_ int, node *goquery.Selection) {
		if text := strings.TrimSpace(node.Text()); len(text) == 23 && strings.Count(text, "-") == 3 {
			found = text
		}
	})
	if found == "" {
		t.Fatalf("no generated password in:\n%s", a.body)
	}
	if strings.Count(a.body, found) != 1 {
		t.Errorf("the password stands %d times in the answer", strings.Count(a.body, found))
	}
	return found
}

// seed puts members into rows, without the work of making them.
func (w *world) seed(id tenant.ID, n int) {
	w.Helper()
	w.exec(`update plans set seats = 20000`)
	w.exec(`insert into members (tenant_id, localpart, display_name, state, created_at, last_seen_at, media_bytes)
		select $1, 'person' || to_char(n, 'FM00000'), 'Vorname' || n || ' Nachname' || n, case when n % 10 = 0 then 'deactivated' else 'active' end,
			now() - n * interval '1 hour', now() - n * interval '1 minute', n * 1000 from generate_series(1, $2::int) n`, id, n)
	w.exec(`analyze members`)
}

// rowsOf names the members an answer lists.
func rowsOf(a *answer) (list []string) {
	a.Helper()
	a.doc().Find(`input[name="who"]`).Each(func(_ int, s *goquery.Selection) { list = append(list, s.AttrOr("value", "")) })
	return list
}

func TestMembersAreListedInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	w.seed(id, 120)
	anna, path := w.as(account), membersPath(id)
	seen, next := []string{}, path
	for next != "" {
		page := anna.get(next).want(http.StatusOK)
		seen = append(seen, rowsOf(page)...)
		next = page.doc().Find(`a[rel=next]`).AttrOr("href", "")
	}
	if len(seen) != 121 || !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != 121 {
		t.Errorf("%d members on all pages: %v", len(seen), seen)
	}
	if found := rowsOf(anna.get(path + "?q=NACHNAME77")); !slices.Equal(found, []string{"person00077"}) {
		t.Errorf("found %v", found)
	}
	if found := rowsOf(anna.get(path + "?state=deactivated&sort=storage")); len(found) != 12 || found[0] != "person00120" {
		t.Errorf("found %v", found)
	}
	// What the search keeps goes on with the pages, and htmx gets the list alone.
	part := anna.htmx().get(path + "?q=person&sort=newest&page=2").want(http.StatusOK)
	if strings.Contains(part.body, "<html") || part.doc().Find(`a[rel=next]`).AttrOr("href", "") != path+"?page=3&q=person&sort=newest" {
		t.Errorf("the second page of a search: %.500s", part.body)
	}
	if restored := anna.htmx().with("HX-History-Restore-Request", "true").get(path); !strings.Contains(restored.body, "<html") {
		t.Error("a page that is restored is not a page")
	}
	for _, odd := range []string{"?page=0", "?page=-1", "?page=x", "?page=99999999999", "?sort=evil'", "?state=no", "?q=" + strings.Repeat("ä", 3000), "?page=999"} {
		anna.get(path + odd).want(http.StatusOK)
	}
}

// TestTenThousandMembers reads pages all over a long list, in every order. How long a page takes is the bench's to say.
func TestTenThousandMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	w.seed(id, 9999)
	anna, path := w.as(account), membersPath(id)
	for i, sort := range []string{"name", "seen", "storage", "newest"} {
		page := anna.get(path + "?page=" + itoa(2+66*i) + "&sort=" + sort).want(http.StatusOK).doc()
		if n := page.Find("tbody tr").Length(); n != 50 {
			t.Errorf("by %s: %d rows", sort, n)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(anna.get(path+".csv").want(http.StatusOK).body, "\uFEFF"))).ReadAll()
	w.must(err)
	if len(rows) != 10_001 {
		t.Errorf("%d rows in the export", len(rows))
	}
}

// TestExportsRunNothing: what begins like a formula does not reach a spreadsheet as one.
func TestExportsRunNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i, name := range []string{
		"=HYPERLINK(1)", "+1", "-1+1", "@SUM(1)", "\tx", "Ida;=1+1", "Ida,\"=1+1", "Ida\t=1+1", "Ida\n@SUM(1)", "\t=1", "; =1",
	} {
		s.exec(`insert into members (tenant_id, localpart, display_name, state) values ($1, $2, $3, 'active')`, s.server, "m"+itoa(i), name)
	}
	got := s.as(s.anna).get(membersPath(s.server) + ".csv").want(http.StatusOK)
	if kind := got.header.Get("Content-Type"); kind != "text/csv; charset=utf-8" || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%v", got.header)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(got.body, "\uFEFF"))).ReadAll()
	s.must(err)
	for _, row := range rows {
		for _, cell := range row {
			// Whatever a spreadsheet splits at.
			for _, part := range strings.FieldsFunc(cell, func(c rune) bool { return strings.ContainsRune(";,\"|\t\r\n", c) }) {
				if part = strings.TrimSpace(part); part != "" && strings.ContainsRune("=+-@", rune(part[0])) {
					t.Errorf("a spreadsheet would run %q", cell)
				}
			}
		}
	}
	german := s.as(s.anna)
	german.language = "de"
	s.exec(`update accounts set language = 'de'`)
	if head, _, _ := strings.Cut(german.get(membersPath(s.server)+".csv").body, "\n"); strings.Count(head, ";") != 6 {
		t.Errorf("a German spreadsheet finds no columns in %q", head)
	}
}

// torn is a store that loses its database after the last member.
type torn struct{ controlplane.MemberStore }

func (s torn) EachMember(ctx context.Context, id tenant.ID, give func(controlplane.Member) error) error {
	return errors.Join(s.MemberStore.EachMember(ctx, id, give), errors.New("the cable was cut"))
}

// TestHalfAFileIsNotAWholeOne: a file that fails on its way breaks off, and does not end.
func TestHalfAFileIsNotAWholeOne(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) {
		config := c.Members.MembersConfig
		config.Store = torn{config.Store}
		c.Members = controlplane.NewMembers(config)
	})
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("the connection is not broken off: %v", err)
		}
		if log := s.log.String(); !strings.Contains(log, "the cable was cut") || !strings.Contains(log, "/members.csv") {
			t.Error("the log does not say why")
		}
	}()
	s.as(s.anna).get(membersPath(s.server) + ".csv")
}

func TestOneMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t, everything)
	w.work()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	w.server.Members.Wait = 10 * time.Second
	anna, path := w.as(account), membersPath(id)
	anna.post(path, fields("localpart", "bob", "password_mode", "own", "password", "a password of his own")).wantRedirect(path)
	bob := path + "/bob"

	link := anna.post(bob+"/link", nil).want(http.StatusOK)
	address := link.doc().Find("#result-link").Text()
	if !strings.HasPrefix(address, "https://"+testHost+"/set-password?token=") || link.doc().Find(`svg[role=img]`).Length() != 1 {
		t.Fatalf("the link is %q", address)
	}
	if strings.Contains(anna.get(bob).body, address) || strings.Contains(w.log.String(), strings.Split(address, "=")[1]) {
		t.Error("the link is shown twice, or in the log")
	}
	anna.post(bob+"/link/mail", fields("email", "bob@example.org")).wantRedirect(path + "/@bob")
	if m := last[controlplane.MemberPasswordMail](w); m.Email != "bob@example.org" || m.UserID != "@bob:werft.hafen.test" {
		t.Errorf("%+v", m)
	}
	anna.post(bob+"/link/mail", fields("email", "bob")).want(http.StatusUnprocessableEntity).wantForm(bob + "/link/mail")

	devices := anna.htmx().get(bob + "/devices").want(http.StatusOK)
	if strings.Contains(devices.body, "<html") || !strings.Contains(devices.body, "Phone of bob") {
		t.Errorf("devices: %s", devices.body)
	}
	if !strings.Contains(devices.body, "192.0.2.77") {
		t.Error("who may end a session is not told from where it is")
	}
	anna.get(bob + "/devices").want(http.StatusOK).wantForm(bob + "/sign-out")
	reader := w.account("rita@example.org", aCustomer)
	w.exec(`insert into colleagues (tenant_id, account_id, role) values ($1, $2, $3)`, id, reader.ID, controlplane.ReadOnly)
	if seen := w.as(reader).get(bob + "/devices").want(http.StatusOK); !strings.Contains(seen.body, "Phone of bob") || strings.Contains(seen.body, "192.0.2.77") {
		t.Error("who may only look is told from where a session is")
	}
	anna.post(bob+"/sign-out", fields("device", "PHONE")).wantRedirect(path + "/@bob")
	anna.post(bob+"/sign-out", nil).wantRedirect(path + "/@bob")
	anna.post(bob+"/admin", fields("admin", "yes")).wantRedirect(path + "/@bob")
	anna.post(bob+"/lock", fields("locked", "yes")).wantRedirect(path + "/@bob")
	if n := w.count(`select count(*) from members where localpart = 'bob' and server_admin and locked`); n != 1 {
		t.Error("neither locked nor administrator")
	}
	anna.post(bob+"/lock", fields("locked", "no")).wantRedirect(path + "/@bob")
	anna.post(bob+"/erase", fields("name", "bert")).want(http.StatusUnprocessableEntity).wantForm(bob + "/erase")
	anna.post(bob+"/erase", fields("name", "bob")).wantRedirect(path + "/@bob")
	if n := w.count(`select count(*) from members where localpart = 'bob' and state = 'deactivated' and erased`); n != 1 {
		t.Error("not erased")
	}
	anna.post(bob+"/forget", nil).want(http.StatusConflict)
	w.exec(`update members set state = 'active', missing_at = now() where localpart = 'bob'`)
	anna.get(bob).want(http.StatusOK).wantForm(bob + "/forget")
	anna.post(bob+"/forget", nil).wantRedirect(path)
	anna.get(bob).want(http.StatusNotFound)
}

// TestAFailureHidesNoWayOut: whatever failed last, an account that is closed can be opened, and one that is gone be taken off
// the list, or its seat would be lost.
func TestAFailureHidesNoWayOut(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	s.exec(`insert into members (tenant_id, localpart, state, missing_at, failed_kind, failure) values
		($1, 'closed', 'deactivated', null, 'reactivate', 'member.unknown'), ($1, 'gone', 'active', now(), 'set_password', 'member.unknown')`, s.server)
	anna, path := s.as(s.anna), membersPath(s.server)
	for name, end := range map[string]string{"closed": "/reactivate", "gone": "/forget"} {
		page := anna.get(path + "/" + name).want(http.StatusOK)
		page.wantForm(path + "/" + name + end)
		if !strings.Contains(page.body, "There is no such account.") {
			t.Errorf("%s: the failure is not told", name)
		}
	}
}

// TestAPasswordThatIsNotSetYet is not reported as set: the homeserver is silent.
func TestAPasswordThatIsNotSetYet(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	to := s.as(s.anna).post(serverPath(s.server)+"/admin-link", fields("go", "yes")).want(http.StatusSeeOther).header.Get("Location")
	_, token, _ := strings.Cut(to, "token=")
	got := s.visitor().post("/set-password", fields("token", token, "password", "a password of my own")).want(http.StatusOK)
	if head := got.doc().Find("h1").Text(); !strings.Contains(head, "on its way") || !strings.Contains(got.body, "FluffyChat") {
		t.Errorf("the page says %q", head)
	}
}

// TestMembersWithNamesOfPages: whoever is called as a page of ours is has one all the same.
func TestMembersWithNamesOfPages(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	anna, path := s.as(s.anna), membersPath(s.server)
	for _, name := range []string{"import", "imports", "invites", "bulk", "refresh"} {
		s.exec(`insert into members (tenant_id, localpart, state) values ($1, $2, 'active')`, s.server, name)
		href := anna.get(path+"?q="+name).doc().Find(`tbody a[href^="`+path+`/"]`).First().AttrOr("href", "")
		if got := anna.get(href).want(http.StatusOK); !strings.Contains(got.body, "@"+name+":werft") {
			t.Errorf("%s leads to another page", href)
		}
	}
}

// TestWhatAnEngineCannotDo is neither offered nor done.
func TestWhatAnEngineCannotDo(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) {
		c.Engines = nil
	})
	anna, path := s.as(s.anna), membersPath(s.server)+"/anna"
	page := anna.get(path).want(http.StatusOK).doc()
	for _, end := range []string{"/admin", "/lock", "/deactivate", "/erase", "/sign-out", "/reactivate"} {
		if page.Find(`form[action="`+path+end+`"]`).Length() != 0 {
			t.Errorf("%s is offered", end)
		}
		anna.post(path+end, fields("name", "anna")).want(http.StatusConflict)
	}
	anna.get(path + "/devices").want(http.StatusConflict)
	if n := s.count(`select count(*) from operations where finished_at is null`); n != 0 {
		t.Error("something was asked of the homeserver")
	}
}

// TestWhoMayOnlyLook sees the members, and no form.
func TestWhoMayOnlyLook(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	reader, path := s.as(s.colleagues[controlplane.ReadOnly]), membersPath(s.server)
	for _, page := range []string{path, path + "/anna", path + "/invites"} {
		doc := reader.get(page).want(http.StatusOK).doc()
		if n := doc.Find(`main form[method="post"]`).Length(); n != 0 {
			t.Errorf("%s has %d forms", page, n)
		}
	}
	reader.get(path + "/import").want(http.StatusForbidden)
}

func TestBulk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, everything)
	w.work()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	w.seed(id, 12)
	anna, path := w.as(account), membersPath(id)
	who := url.Values{"action": {"deactivate"}, "who": {"person00001", "person00002", "person00010"}} // the last is deactivated already
	confirm := anna.post(path+"/bulk", who).want(http.StatusOK).wantForm(path + "/bulk")
	if n := w.count(`select count(*) from operations`); n != 0 || confirm.Find(`input[name="who"]`).Length() != 3 {
		t.Fatal("nobody was asked")
	}
	who.Set("confirmed", "yes")
	anna.post(path+"/bulk", who).wantRedirect(path)
	for w.count(`select count(*) from members where state = 'deactivated' and localpart in ('person00001', 'person00002')`) != 2 {
		time.Sleep(10 * time.Millisecond)
	}
	links := anna.post(path+"/bulk", url.Values{"action": {"links"}, "confirmed": {"yes"}, "who": {"person00003", "person00004"}}).want(http.StatusOK)
	if n := strings.Count(links.body, "/set-password?token="); n != 2 {
		t.Errorf("%d links", n)
	}
	for _, form := range []url.Values{
		{},
		{"action": {"deactivate"}},
		{"action": {"explode"}, "who": {"anna"}},
		{"action": {"links"}, "confirmed": {"yes"}, "who": {"person00001"}},
		{"action": {"sign_out"}, "confirmed": {"yes"}, "who": strings.Split(strings.Repeat("x ", 60)+"y", " ")},
	} {
		if got := anna.post(path+"/bulk", form); got.status != http.StatusSeeOther && got.status != http.StatusNotFound {
			t.Errorf("%v: %d", form, got.status)
		}
	}
	anna.post(path+"/bulk", url.Values{"action": {"sign_out"}, "confirmed": {"yes"}, "who": {"../x"}}).want(http.StatusNotFound)
}
