package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hafen/controlplane"
	"hafen/tenant"
)

// invited makes an invite and gives its secret, as it stands in the one answer that has it.
func (w *world) invited(b *browser, id tenant.ID, form url.Values) string {
	w.Helper()
	made := b.post(invitesPath(id), form).want(http.StatusOK)
	_, token, found := strings.Cut(made.doc().Find("#invite-link").Text(), "https://"+testHost+"/invite?token=")
	if !found || len(token) < 40 {
		w.Fatalf("no link in:\n%.2000s", made.body)
	}
	return token
}

// TestInvitation: from the form to an account, seen by the inviting and the invited.
func TestInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, everything)
	w.work()
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	w.exec(`update tenants set settings = '{"name": "Werft <Nord>", "welcome": "Moin & willkommen"}', language = 'de'`)
	w.server.Invites.Wait = 10 * time.Second
	anna, guest := w.as(account), w.visitor()
	token := w.invited(anna, id, fields("email", "Ida@example.org", "display_name", "Ida", "localpart", "ida", "days", "3"))
	mail := last[controlplane.InviteMail](w)
	if mail.Token != token || mail.Email != "Ida@example.org" || mail.InvitedBy != "anna@example.org" {
		t.Errorf("the mail %+v", mail)
	}
	list := anna.get(invitesPath(id)).want(http.StatusOK)
	if strings.Contains(list.body, token) || !strings.Contains(list.body, "Ida@example.org") || strings.Contains(w.log.String(), token) {
		t.Error("the list shows the secret, or not the invite")
	}
	if server, err := w.store.FindServer(t.Context(), "", id); err != nil || server.Usage.Seats != 2 {
		t.Errorf("an open invite holds no seat: %d %v", server.Usage.Seats, err)
	}

	address := "/invite?token=" + token
	page := guest.get(address).want(http.StatusOK)
	form := page.wantForm("/invite")
	if page.doc().Find("html").AttrOr("lang", "") != "de" || form.Find("#localpart").AttrOr("value", "") != "ida" ||
		!strings.Contains(page.body, "Werft &lt;Nord&gt;") || !strings.Contains(page.body, "Moin &amp; willkommen") {
		t.Errorf("the page is not the server's own:\n%.3000s", page.body)
	}
	for name, want := range map[string]string{"anna": "schon", "Ä": "Kleinbuchstaben", "hafen-x": "reserviert", "Ida": "@ida:werft.hafen.test", "": ""} {
		got := guest.htmx().get("/invite/check?" + fields("token", token, "localpart", name).Encode()).want(http.StatusOK)
		if !strings.Contains(got.body, want) || strings.Contains(got.body, "<html") {
			t.Errorf("%q: %s", name, got.body)
		}
	}
	for field, form := range map[string]url.Values{
		"localpart": fields("token", token, "localpart", "anna", "password", "long enough for her"),
		"password":  fields("token", token, "localpart", "ida", "password", "short"),
	} {
		got := guest.post("/invite", form).want(http.StatusUnprocessableEntity).wantForm("/invite")
		if got.Find(`[name="`+field+`"][aria-invalid=true]`).Length() == 0 {
			t.Errorf("%s is not marked", field)
		}
	}
	guest.post("/invite", fields("token", token, "localpart", "ida", "display_name", "Ida", "password", "long enough for her")).wantRedirect(address)
	done := guest.get(address).want(http.StatusOK)
	if !strings.Contains(done.body, "@ida:werft.hafen.test") || !strings.Contains(done.body, "FluffyChat") {
		t.Error("the page does not say how to log in")
	}
	guest.post("/invite", fields("token", token, "localpart", "eve", "password", "long enough for her")).want(http.StatusOK) // shows what became of it
	if n := w.count(`select count(*) from members where localpart in ('ida', 'eve')`); n != 1 {
		t.Errorf("%d accounts from one invite", n)
	}
	w.exec(`update invites set used_at = now() - interval '2 days'`)
	guest.get(address).want(http.StatusUnprocessableEntity)
}

func TestInvitesThatAreOver(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	anna, guest := s.as(s.anna), s.visitor()
	s.exec(`delete from invites`)
	token := s.invited(anna, s.server, fields())
	address, form := "/invite?token="+token, fields("token", token, "localpart", "ida", "password", "long enough for her")
	over := func(say string) {
		t.Helper()
		for _, got := range []*answer{guest.get(address), guest.post("/invite", form)} {
			got.want(http.StatusUnprocessableEntity)
			if !strings.Contains(got.doc().Find("h1").Text(), say) {
				t.Errorf("%q is not %q", got.doc().Find("h1").Text(), say)
			}
		}
		if n := s.count(`select count(*) from operations where localpart = 'ida' and finished_at is null`); n != 0 {
			t.Errorf("%s: an account is being made", say)
		}
	}
	s.exec(`update invites set expires_at = now()`)
	over("expired")
	s.exec(`update invites set expires_at = now() + interval '1 day', withdrawn_at = now()`)
	over("withdrawn")
	s.exec(`update invites set withdrawn_at = null`)
	s.exec(`update tenants set status = 'suspended', suspended_for = 'payment' where id = $1`, s.server)
	over("Not available")
	s.exec(`update tenants set status = 'active', suspended_for = null where id = $1`, s.server)
	guest.get(address).want(http.StatusOK)
	// The seat went to accounts that were made behind our back.
	s.exec(`insert into members (tenant_id, localpart, state) select $1, 'drift' || n, 'active' from generate_series(1, 9) n`, s.server)
	if got := guest.post("/invite", form).want(http.StatusUnprocessableEntity); !strings.Contains(got.doc().Find("h1").Text(), "No free seat") {
		t.Errorf("%s", got.doc().Find("h1").Text())
	}
	s.exec(`delete from members where localpart like 'drift%'`)
	guest.get(address).want(http.StatusOK).wantForm("/invite")
	for _, odd := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("x", 3000), "%27"} {
		guest.get("/invite?token=" + odd).want(http.StatusUnprocessableEntity)
		guest.post("/invite", fields("token", odd, "localpart", "ida", "password", "long enough for her")).want(http.StatusUnprocessableEntity)
		guest.htmx().get("/invite/check?localpart=ida&token=" + odd).want(http.StatusOK)
		guest.htmx().get("/invite/state?token=" + odd).want(http.StatusOK)
	}
}

// TestMailboxesAreNotFilled: whatever a manager has us send to one address, it is a handful an hour.
func TestMailboxesAreNotFilled(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	anna, members := s.as(s.anna), membersPath(s.server)
	s.exec(`update invites set email = 'IDA@example.org'`)
	for _, send := range []string{members + "/anna/link/mail", members + "/anna/link/mail", invitesPath(s.server), invitesPath(s.server)} {
		if got := anna.post(send, fields("email", "ida@example.org")); got.status != http.StatusOK && got.status != http.StatusSeeOther {
			t.Fatalf("%s: %d", send, got.status)
		}
	}
	anna.post(serverPath(s.server)+"/colleagues", fields("email", "ida@example.org", "role", "billing")).wantRedirect(serverPath(s.server) + "/colleagues")
	before := s.count(`select count(*) from mails`)
	for path, form := range map[string]url.Values{
		members + "/anna/link/mail":                       fields("email", "ida@example.org"),
		invitesPath(s.server):                             fields("email", "Ida@example.org"),
		invitesPath(s.server) + "/" + s.invite + "/renew": nil,
		serverPath(s.server) + "/colleagues":              fields("email", "ida@example.org", "role", "billing"),
	} {
		if got := anna.post(path, form).want(http.StatusUnprocessableEntity); !strings.Contains(got.body, "Please wait a while") {
			t.Errorf("%s does not say why", path)
		}
	}
	if after := s.count(`select count(*) from mails`); after != before {
		t.Errorf("%d mails more", after-before)
	}
	anna.post(members+"/anna/link/mail", fields("email", "other@example.org")).want(http.StatusSeeOther)
}

// TestInviteWaits: while the account is being made the page says so, and opens the form again when the name was taken after all.
func TestInviteWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, everything)
	account := w.account("anna@example.org", aCustomer)
	id := w.active(account, "werft")
	anna, guest := w.as(account), w.visitor()
	token := w.invited(anna, id, fields("days", "1"))
	address := "/invite?token=" + token
	guest.post("/invite", fields("token", token, "localpart", "ida", "password", "long enough for her")).wantRedirect(address)
	waiting := guest.get(address).want(http.StatusOK)
	if waiting.doc().Find(`[hx-get="/invite/state?token=`+token+`"]`).Length() != 1 || waiting.doc().Find(`form[action="/invite"]`).Length() != 0 {
		t.Fatalf("the page does not wait:\n%.2000s", waiting.body)
	}
	var operation string
	w.must(w.pool.QueryRow(t.Context(), `select id::text from operations where localpart = 'ida'`).Scan(&operation))
	w.must(w.store.FinishOperation(t.Context(), operation, "member.exists", nil))
	if part := guest.htmx().get("/invite/state?token=" + token).want(http.StatusOK); !strings.Contains(part.body, `data-goto="`+address+`"`) {
		t.Errorf("the page goes on waiting: %s", part.body)
	}
	form := guest.get(address).want(http.StatusOK).wantForm("/invite")
	if form.Find(`#localpart[aria-invalid=true]`).Length() != 1 {
		t.Error("the page does not say that the name is taken")
	}
}

func TestInviteMistakes(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	anna, path := s.as(s.anna), invitesPath(s.server)
	for name, form := range map[string]url.Values{
		"mail": fields("email", "ida@"), "name": fields("localpart", "Ä"), "reserved": fields("localpart", "hafen-x"), "taken": fields("localpart", "anna"),
		"days": fields("days", "365"), "no days": fields("days", "x"), "long": fields("display_name", strings.Repeat("x", 101)),
	} {
		if got := anna.post(path, form).want(http.StatusUnprocessableEntity); got.doc().Find(".problem").Length() == 0 {
			t.Errorf("%s: nothing says what is wrong", name)
		}
	}
	before := s.count(`select count(*) from invites`)
	s.exec(`update invites set email = 'ida@example.org' where id::text = $1`, s.invite)
	renewed := anna.post(path+"/"+s.invite+"/renew", nil).want(http.StatusOK)
	if renewed.doc().Find("#invite-link").Length() != 1 || !strings.Contains(renewed.doc().Find("#new-title").Text(), "on its way to ida@example.org") {
		t.Errorf("a renewed invite that was mailed: %q", renewed.doc().Find("#new-title").Text())
	}
	anna.post(path+"/"+s.invite+"/withdraw", nil).wantRedirect(path)
	anna.post(path+"/"+s.invite+"/withdraw", nil).want(http.StatusNotFound)
	anna.post(path+"/"+s.invite+"/renew", nil).want(http.StatusNotFound)
	anna.post(path+"/no-id/renew", nil).want(http.StatusNotFound)
	for range 4 {
		s.invited(anna, s.server, fields())
	}
	if got := anna.post(path, fields()).want(http.StatusUnprocessableEntity); !strings.Contains(got.body, "/plan") {
		t.Error("a full server does not lead to more seats")
	}
	if after := s.count(`select count(*) from invites`); after != before+4 {
		t.Errorf("%d invites, before %d", after, before)
	}
}

// TestAFullServer leads to a larger plan whoever may change it, and nobody else: they would be refused there.
func TestAFullServer(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	s.exec(`insert into members (tenant_id, localpart, state) select $1, 'm' || n, 'active' from generate_series(1, 4) n`, s.server)
	for _, path := range []string{membersPath(s.server), invitesPath(s.server)} {
		for who, want := range map[controlplane.Account]int{s.anna: 1, s.colleagues[controlplane.MemberManager]: 0} {
			page := s.as(who).get(path).want(http.StatusOK)
			if n := page.doc().Find(`.prose-link[href$="/plan"]`).Length(); n != want || !strings.Contains(page.body, "All seats are taken") {
				t.Errorf("%s as %s: %d links to the plan", path, who.Email, n)
			}
		}
	}
}

// TestInvitePages: whoever looks after many invites stays where they were.
func TestInvitePages(t *testing.T) {
	t.Parallel()
	s := newScene(t, everything)
	anna, path := s.as(s.anna), invitesPath(s.server)
	s.exec(`delete from invites`)
	s.exec(`insert into invites (hash, tenant_id, display_name, invited_by, created_at, expires_at)
		select sha256(n::text::bytea), $1, 'Guest ' || n, 'anna', now() - n * interval '1 minute', now() - interval '1 day'
		from generate_series(1, $2::int + 1) n`, s.server, controlplane.InvitesPerPage)
	first := anna.get(path).want(http.StatusOK).doc()
	next, there := first.Find(`a[rel="next"]`).Attr("href")
	if n := first.Find(`form[action$="/renew"]`).Length(); n != controlplane.InvitesPerPage || !there {
		t.Fatalf("%d on the first page, and the next is %q", n, next)
	}
	second := anna.get(next).want(http.StatusOK)
	renew, _ := second.doc().Find(`form[action*="/renew"]`).Attr("action")
	if !strings.Contains(second.body, "Guest 51") || strings.Contains(second.body, "Guest 50") || second.doc().Find(`a[rel="prev"]`).Length() != 1 {
		t.Fatalf("the second page:\n%.3000s", second.body)
	}
	if renewed := anna.post(renew, nil).want(http.StatusOK); renewed.doc().Find("#invite-link").Length() != 1 || !strings.Contains(renewed.body, "Guest 51") {
		t.Error("renewed, it is no longer in sight")
	}
	withdraw := strings.Replace(renew, "/renew", "/withdraw", 1)
	anna.post(withdraw, nil).wantRedirect(next)
	// The page is gone with its last invite.
	if left := anna.get(next).want(http.StatusOK); !strings.Contains(left.body, "Guest 50") || left.doc().Find(`a[rel="next"], a[rel="prev"]`).Length() != 0 {
		t.Error("an empty page is shown")
	}
}
