package controlplane_test

import (
	"testing"
	"time"

	"github.com/riverqueue/river"

	"hafen/controlplane"
	"hafen/tenant"
)

func TestCleaningKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	clean := func() {
		t.Helper()
		worker := &controlplane.CleanWorker{Store: p.store}
		p.must(worker.Work(t.Context(), &river.Job[controlplane.CleanArgs]{}))
	}
	anna := p.member("anna@example.org")
	p.signUp("waiting@example.org", goodPassword)
	p.session("anna@example.org", goodPassword)
	used := p.forgot("anna@example.org")
	p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: used, Password: otherPassword, Address: home}))
	cookie, _ := p.session("anna@example.org", otherPassword)
	open := p.forgot("anna@example.org")
	_, err := p.logIn("anna@example.org", goodPassword, home)
	wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	p.exec(`insert into acme_challenges (host, token, key_authorization) values ('example.org', 't', 'k')`)
	rows := func() map[string]int {
		n := make(map[string]int)
		for _, table := range []string{"sessions", "tokens", "attempts", "known_networks", "accounts", "mails", "acme_challenges"} {
			n[table] = p.count(`select count(*) from ` + table)
		}
		return n
	}
	before := rows()
	clean()
	if after := rows(); len(after) != len(before) {
		t.Fatal("no rows")
	} else {
		for table, n := range after {
			if n != before[table] || n == 0 {
				t.Errorf("%s: %d rows before, %d after", table, before[table], n)
			}
		}
	}
	if _, err := p.Authenticate(t.Context(), cookie); err != nil {
		t.Error(err)
	}
	p.must(p.CheckReset(t.Context(), open))
	wantFault(t, p.CheckReset(t.Context(), used), tenant.Conflict, "token.used")

	// Much later nothing is left but who was verified.
	const later = 100 * 24 * time.Hour
	for table, columns := range map[string][]string{
		"sessions": {"expires_at"}, "tokens": {"expires_at"}, "attempts": {"at"}, "known_networks": {"seen_at"},
		"accounts": {"created_at"}, "mails": {"created_at"}, "acme_challenges": {"created_at"},
	} {
		for _, column := range columns {
			p.backdate(table, column, later)
		}
	}
	clean()
	for table, n := range rows() {
		want := 0
		if table == "accounts" {
			want = 1
		}
		if n != want {
			t.Errorf("%s: %d rows left", table, n)
		}
	}
	if n := p.count(`select count(*) from accounts where id = $1`, anna.ID); n != 1 {
		t.Error("the verified account is gone")
	}
}

func TestAMailNobodySentSaysNothingAfterAWeek(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.signUp("anna@example.org", goodPassword)
	p.backdate("mails", "created_at", 8*24*time.Hour)
	p.must(p.store.CleanAccounts(t.Context()))
	if m := p.mails()[0]; m.Text != "" || m.HTML != "" || m.Failure == "" {
		t.Errorf("mail %+v", m)
	}
}
