package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

func accountChecks() []check {
	return []check{
		{name: "create", run: create},
		{name: "create without a password", run: createClosed},
		{name: "set password", run: setPassword},
		{name: "closed registration", run: closedRegistration},
		{name: "list", needs: homeserver.ListAccounts, run: listAccounts, refused: func(ctx context.Context, s *Site) []error {
			_, err := s.List(ctx, homeserver.AccountQuery{})
			return []error{err}
		}},
		{name: "list many", needs: homeserver.ListAccounts, run: listMany, refused: func(ctx context.Context, s *Site) []error {
			_, err := s.List(ctx, homeserver.AccountQuery{Page: homeserver.Page{Offset: 9_000}})
			return []error{err}
		}},
		{name: "set admin", needs: homeserver.SetAdmin, run: setAdmin, refused: func(ctx context.Context, s *Site) []error {
			return []error{s.SetAdmin(ctx, "anybody", true), s.SetAdmin(ctx, "anybody", false)}
		}},
	}
}

func create(t *testing.T, s *Site) {
	ctx := t.Context()
	m := s.stranger("create")
	must(t, s.Ready(ctx))
	account := homeserver.NewAccount{Localpart: m.Localpart, Password: "first password", DisplayName: "Bert Käse"}
	must(t, s.Create(ctx, account))
	expectFault(t, s.Create(ctx, account), "member.exists")
	// Whoever comes second must not get the account of the first.
	account.Password = "another password"
	expectFault(t, s.Create(ctx, account), "member.exists")
	if m.LogIn(t, "another password") || !m.LogIn(t, "first password") {
		t.Error("the password given is not the one that logs in")
	}
	profile := m.Ask(t, http.MethodGet, "/_matrix/client/v3/profile/"+url.PathEscape(m.ID()), nil)
	if profile.Body["displayname"] != "Bert Käse" {
		t.Errorf("is called %s", profile.Raw)
	}
	// Of many who come at once, one gets the name.
	raced := homeserver.NewAccount{Localpart: tenant.Localpart(name("raced")), Password: password}
	answers := make(chan error)
	for range 5 {
		go func() { answers <- s.Create(ctx, raced) }()
	}
	made := 0
	for range 5 {
		if err := <-answers; err == nil {
			made++
		} else {
			expectFault(t, err, "member.exists")
		}
	}
	if made != 1 {
		t.Errorf("one name was given %d times", made)
	}
	expectFault(t, s.Create(ctx, homeserver.NewAccount{Localpart: tenant.Localpart(name("short")), Password: "short"}), "password.short")
	expectFault(t, s.Create(ctx, homeserver.NewAccount{Localpart: tenant.Localpart(strings.Repeat("x", 255)), Password: "long enough"}), "member.long")
}

// createClosed makes an account as the first administrator of a server has it, until they use the link they were given.
func createClosed(t *testing.T, s *Site) {
	ctx := t.Context()
	m := s.stranger("closed")
	account := homeserver.NewAccount{Localpart: m.Localpart, DisplayName: "Änne Müller"}
	must(t, s.Create(ctx, account))
	expectFault(t, s.Create(ctx, account), "member.exists")
	for _, guess := range []string{"", password, string(m.Localpart)} {
		if m.LogIn(t, guess) {
			t.Errorf("opens to the password %q", guess)
		}
	}
	page, err := s.List(ctx, homeserver.AccountQuery{Search: string(m.Localpart)})
	must(t, err)
	if len(page.Accounts) != 1 || page.Accounts[0].DisplayName != "Änne Müller" || page.Accounts[0].Admin || page.Accounts[0].Deactivated {
		t.Errorf("listed: %+v", page)
	}
	if devices, err := s.ListDevices(ctx, m.Localpart); len(devices) > 0 {
		t.Errorf("sessions of one who never was there: %+v, %v", devices, err)
	}
	must(t, s.SetPassword(ctx, m.Localpart, password))
	if m.LogIn(t, "") || !m.LogIn(t, password) {
		t.Fatal("the password set is not the one that logs in")
	}
	if s.member(t, "usual").silenced(t) || m.silenced(t) {
		t.Error("nothing rings")
	}
	must(t, s.SetPassword(ctx, m.Localpart, "second password"))
	if m.Known(t) || !m.LogIn(t, "second password") {
		t.Error("a second password is not set as with everybody else")
	}
}

// silenced reports whether the rule is on that lets nothing ring, by what an app hears when it first syncs: that it hears of
// rules at all, it needs (spec, "Push Rules: Push Rules: Events").
func (m *Member) silenced(t *testing.T) bool {
	t.Helper()
	answer := m.expect(t, http.MethodGet, "/_matrix/client/v3/sync?timeout=0", nil)
	for _, event := range list(dig(answer, "account_data"), "events") {
		if event["type"] != "m.push_rules" {
			continue
		}
		for _, rule := range list(dig(event, "content", "global"), "override") {
			if rule["rule_id"] == ".m.rule.master" && rule["enabled"] == true {
				return true
			}
		}
		return false
	}
	t.Errorf("%s hears of no rules: %v", m.Localpart, answer["account_data"])
	return false
}

func setPassword(t *testing.T, s *Site) {
	ctx := t.Context()
	m := s.member(t, "password")
	must(t, s.SetPassword(ctx, m.Localpart, "second password"))
	if m.Known(t) {
		t.Error("a session outlives the password")
	}
	if m.LogIn(t, password) || !m.LogIn(t, "second password") {
		t.Error("the new password is not the one that logs in")
	}
	expectFault(t, s.SetPassword(ctx, tenant.Localpart(name("nobody")), "long enough"), "member.unknown")
	expectFault(t, s.SetPassword(ctx, m.Localpart, "short"), "password.short")
	expectFault(t, s.SetPassword(ctx, m.Localpart, strings.Repeat("x", 1000)), "password.long")
	// 72 bytes is what bcrypt takes. What is longer is taken whole or refused, never cut.
	longest := strings.Repeat("x", 72)
	must(t, s.SetPassword(ctx, m.Localpart, longest))
	if !m.LogIn(t, longest) {
		t.Error("a password of 72 bytes does not log in")
	}
	if err := s.SetPassword(ctx, m.Localpart, longest+"y"); err != nil {
		expectFault(t, err, "password.long")
	} else if m.LogIn(t, longest) || !m.LogIn(t, longest+"y") {
		t.Error("a password of 73 bytes is not the one that logs in")
	}
}

func closedRegistration(t *testing.T, s *Site) {
	m := s.stranger("mallory")
	answer := m.Ask(t, http.MethodPost, "/_matrix/client/v3/register", map[string]any{
		"username": m.Localpart, "password": "long enough", "auth": map[string]string{"type": "m.login.dummy"},
	})
	if answer.Status != http.StatusForbidden && answer.Status != http.StatusUnauthorized {
		t.Errorf("registration answers %d %s", answer.Status, answer.Raw)
	}
	if m.LogIn(t, "long enough") {
		t.Error("whoever registered logs in")
	}
	if answer := m.Ask(t, http.MethodPost, "/_matrix/client/v3/register?kind=guest", map[string]any{}); answer.Status == http.StatusOK {
		t.Errorf("guests: %s", answer.Raw)
	}
	// Nor is an account of Hafen's own open to anybody, whatever the homeserver makes it with.
	for _, reserved := range []tenant.Localpart{tenant.ControlAccount, "hafen-notices"} {
		for _, guess := range []string{"", password, string(reserved)} {
			if m.Localpart = reserved; m.LogIn(t, guess) {
				t.Errorf("%s opens to the password %q", reserved, guess)
			}
		}
	}
}

func listAccounts(t *testing.T, s *Site) {
	ctx := t.Context()
	mark := name("listed")
	find := func(q homeserver.AccountQuery) []homeserver.Account {
		t.Helper()
		q.Search = strings.ToUpper(mark) // in any case
		page, err := s.List(ctx, q)
		must(t, err)
		if page.Total < len(page.Accounts) {
			t.Errorf("%d in all, %d listed", page.Total, len(page.Accounts))
		}
		return page.Accounts
	}
	begun := time.Now()
	for _, a := range []homeserver.NewAccount{
		{Localpart: tenant.Localpart(mark + "-b"), DisplayName: "Bert"},
		{Localpart: tenant.Localpart(mark + "-a"), DisplayName: "Änne Müller"},
		{Localpart: tenant.Localpart(name("hidden")), DisplayName: "The third, " + mark},
	} {
		a.Password = password
		must(t, s.Create(ctx, a))
	}
	list := find(homeserver.AccountQuery{})
	if len(list) != 3 || !slices.IsSortedFunc(list, func(a, b homeserver.Account) int { return strings.Compare(string(a.Localpart), string(b.Localpart)) }) {
		t.Fatalf("by local part and by display name, sorted: %+v", list)
	}
	for _, a := range list {
		if a.Admin || a.Deactivated || a.Locked || a.Created.Before(begun.Add(-time.Minute)) || a.Created.After(time.Now().Add(time.Minute)) {
			t.Errorf("%+v", a)
		}
		if a.Localpart == tenant.Localpart(mark+"-a") && a.DisplayName != "Änne Müller" {
			t.Errorf("%+v", a)
		}
	}
	descending := find(homeserver.AccountQuery{Descending: true})
	slices.Reverse(descending)
	if !slices.EqualFunc(list, descending, func(a, b homeserver.Account) bool { return a.Localpart == b.Localpart }) {
		t.Errorf("upwards %+v, downwards, reversed, %+v", list, descending)
	}
	if len(find(homeserver.AccountQuery{State: "active"})) != 3 || len(find(homeserver.AccountQuery{State: "deactivated"})) != 0 ||
		len(find(homeserver.AccountQuery{State: "admin"})) != 0 || len(find(homeserver.AccountQuery{State: "locked"})) != 0 {
		t.Error("filtered by state: wrong")
	}
	neverListed(t, s)
}

// neverListed looks for the accounts that are nobody's.
func neverListed(t *testing.T, s *Site) {
	t.Helper()
	for _, q := range []homeserver.AccountQuery{{Search: "hafen-"}, {Search: "hafen-", State: "admin"}, {Search: string(tenant.ControlAccount)}} {
		page, err := s.List(t.Context(), q)
		must(t, err)
		if len(page.Accounts) > 0 || page.Total > 0 {
			t.Errorf("listed: %+v", page)
		}
	}
}

// crowd is as many accounts as the largest servers have.
const crowd = 10_000

func listMany(t *testing.T, s *Site) {
	s.Crowd(t, crowd)
	find := func(q homeserver.AccountQuery) homeserver.AccountPage {
		t.Helper()
		begun := time.Now()
		page, err := s.List(t.Context(), q)
		must(t, err)
		t.Logf("%+v: %d of %d in %s", q, len(page.Accounts), page.Total, time.Since(begun).Round(time.Millisecond))
		return page
	}
	for offset, want := range map[int]int{0: 50, 5_000: 50, crowd - 10: 10, crowd + 10: 0} {
		page := find(homeserver.AccountQuery{Search: "crowd-", Page: homeserver.Page{Offset: offset, Limit: 50}})
		if len(page.Accounts) != want || page.Total != crowd {
			t.Errorf("from %d: %d of %d, want %d of %d", offset, len(page.Accounts), page.Total, want, crowd)
		}
		if want > 0 && page.Accounts[0].Localpart != tenant.Localpart(fmt.Sprintf("crowd-%05d", offset)) {
			t.Errorf("from %d: %s first", offset, page.Accounts[0].Localpart)
		}
	}
	if page := find(homeserver.AccountQuery{Search: "crowd-"}); len(page.Accounts) != 50 {
		t.Errorf("a page without a limit has %d", len(page.Accounts))
	}
	if page := find(homeserver.AccountQuery{Search: "PERSON 0999"}); page.Total != 10 || len(page.Accounts) != 10 {
		t.Errorf("a search for ten finds %d", page.Total)
	}
	if page := find(homeserver.AccountQuery{Search: "crowd-", Descending: true}); page.Accounts[0].Localpart != "crowd-09999" {
		t.Errorf("downwards, %s comes first", page.Accounts[0].Localpart)
	}
	// All were made at the same moment and none was ever seen: whatever the order, each must come once.
	for _, sort := range []string{"", "created", "seen"} {
		seen := map[tenant.Localpart]bool{}
		for offset := 0; offset < crowd; offset += 500 {
			page, err := s.List(t.Context(), homeserver.AccountQuery{Search: "crowd-", Sort: sort, Page: homeserver.Page{Offset: offset, Limit: 500}})
			must(t, err)
			for _, a := range page.Accounts {
				seen[a.Localpart] = true
			}
		}
		if len(seen) != crowd {
			t.Errorf("sorted by %q, turning the pages shows %d of %d", sort, len(seen), crowd)
		}
	}
}

// setAdmin judges by what only an administrator may ask: where somebody else is logged in (spec, "GET /admin/whois").
func setAdmin(t *testing.T, s *Site) {
	ctx := t.Context()
	m, other := s.member(t, "admin"), s.member(t, "other")
	asks := func() bool {
		return m.Ask(t, http.MethodGet, "/_matrix/client/v3/admin/whois/"+url.PathEscape(other.ID()), nil).Status == http.StatusOK
	}
	if asks() {
		t.Error("everybody is an administrator")
	}
	for _, admin := range []bool{true, false} {
		must(t, s.SetAdmin(ctx, m.Localpart, admin))
		must(t, s.SetAdmin(ctx, m.Localpart, admin))
		if asks() != admin {
			t.Errorf("administrator: %v, but allowed: %v", admin, !admin)
		}
		if page, err := s.List(ctx, homeserver.AccountQuery{Search: string(m.Localpart)}); err == nil &&
			(len(page.Accounts) != 1 || page.Accounts[0].Admin != admin) {
			t.Errorf("administrator: %v, listed as %+v", admin, page)
		}
	}
	expectFault(t, s.SetAdmin(ctx, tenant.Localpart(name("nobody")), true), "member.unknown")

	born := s.stranger("born")
	must(t, s.Create(ctx, homeserver.NewAccount{Localpart: born.Localpart, Password: password, Admin: true}))
	if !born.LogIn(t, password) || born.Ask(t, http.MethodGet, "/_matrix/client/v3/admin/whois/"+url.PathEscape(other.ID()), nil).Status != http.StatusOK {
		t.Error("made as an administrator, but none")
	}
}
