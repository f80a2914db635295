package controlplane_test

import (
	"context"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

// slowHasher lets something happen once, after a password was found right and before anything comes of it.
type slowHasher struct {
	controlplane.PasswordHasher
	meanwhile func()
}

func (h *slowHasher) Verify(ctx context.Context, hash, password string) (controlplane.HashMatch, error) {
	match, err := h.PasswordHasher.Verify(ctx, hash, password)
	if do := h.meanwhile; do != nil && match != controlplane.HashDiffers {
		h.meanwhile = nil
		do()
	}
	return match, err
}

// TestLogInIsOvertaken: what ends all sessions must not miss one that is just being opened.
func TestLogInIsOvertaken(t *testing.T) {
	t.Parallel()
	for name, twoStep := range map[string]bool{"by password": false, "first half": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeople(t)
			p.member("anna@example.org")
			_, s := p.session("anna@example.org", goodPassword)
			if twoStep {
				p.addsApp(s)
			}
			link := p.forgot("anna@example.org")
			hasher := &slowHasher{PasswordHasher: p.hasher}
			p.Accounts.Hasher = hasher
			hasher.meanwhile = func() {
				p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: link, Password: otherPassword, Address: home}))
			}
			_, err := p.logIn("anna@example.org", goodPassword, home)
			wantFault(t, err, tenant.Unauthenticated, "login.wrong")
			if n := p.count(`select (select count(*) from sessions) + (select count(*) from half_logins)`); n != 0 {
				t.Errorf("the old password has opened %d doors", n)
			}
		})
	}
}

func TestLogInIsOvertakenByASecondStep(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	hasher := &slowHasher{PasswordHasher: p.hasher}
	p.Accounts.Hasher = hasher
	hasher.meanwhile = func() { p.addsApp(s) }
	if in, err := p.logIn("anna@example.org", goodPassword, home); err != nil || in.Cookie != "" || in.Half == "" {
		t.Errorf("the password alone opens a session: %+v, %v", in.Cookie != "", err)
	}
}
