package controlplane_test

import (
	"sync"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

const staff = "operator@hafen.example"

func TestTheFirstOperator(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	password, created, err := p.EnsureOperator(t.Context(), staff)
	p.must(err)
	if !created {
		t.Fatal("not created")
	}
	_, session := p.session(staff, password)
	if !session.Account.Operator || !session.Account.MustChange || !session.Account.Actor().Operator {
		t.Errorf("account %+v", session.Account)
	}
	p.must(p.ChangePassword(t.Context(), session, controlplane.PasswordChange{Old: password, New: goodPassword}))
	_, session = p.session(staff, goodPassword)
	if session.Account.MustChange {
		t.Error("must still change it")
	}
	runs := p.hasher.runs.Load()
	if again, created, err := p.EnsureOperator(t.Context(), "second@hafen.example"); err != nil || created || again != "" {
		t.Errorf("second call: %v, %v", created, err)
	}
	if p.hasher.runs.Load() != runs {
		t.Error("a start with an operator in place costs a hash")
	}
}

func TestFirstOperatorsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	var mu sync.Mutex
	made := 0
	var all sync.WaitGroup
	for _, email := range []string{"a@hafen.example", "b@hafen.example", "a@hafen.example"} {
		all.Go(func() {
			_, created, err := p.EnsureOperator(t.Context(), email)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if created {
				made++
			}
		})
	}
	all.Wait()
	if n := p.count(`select count(*) from accounts`); made != 1 || n != 1 {
		t.Errorf("%d said created, %d accounts", made, n)
	}
}

func TestAnOperatorDoesNotTakeACustomersAccount(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, _, err := p.EnsureOperator(t.Context(), "Anna@example.org")
	wantFault(t, err, tenant.Conflict, "operator.address_taken")
	_, err = p.ResetOperator(t.Context(), "anna@example.org")
	wantFault(t, err, tenant.NotFound, "operator.unknown")
	_, session := p.session("anna@example.org", goodPassword)
	if session.Account.Operator {
		t.Error("a customer became an operator")
	}
}

func TestResetOperator(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	first, _, err := p.EnsureOperator(t.Context(), staff)
	p.must(err)
	cookie, _ := p.session(staff, first)
	second, err := p.ResetOperator(t.Context(), staff)
	p.must(err)
	_, err = p.Authenticate(t.Context(), cookie)
	wantFault(t, err, tenant.Unauthenticated, "session.none")
	_, err = p.logIn(staff, first, home)
	wantFault(t, err, tenant.Unauthenticated, "login.wrong")
	if _, session := p.session(staff, second); !session.Account.MustChange {
		t.Error("the new password is no one-time password")
	}
	if p.audited("operator.create") != 1 || p.audited("operator.password") != 1 {
		t.Error("audit entries are missing")
	}
}
