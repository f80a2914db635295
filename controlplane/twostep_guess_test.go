package controlplane_test

import (
	"fmt"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

// TestAMailboxBuysNoGuesses: whoever reads the owner's mail can set passwords, from as many networks as they like.
func TestAMailboxBuysNoGuesses(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.member("anna@example.org")
	_, s := p.session("anna@example.org", goodPassword)
	p.addsApp(s)
	tried := 0
	for i := range 10 {
		address := fmt.Sprintf("203.0.113.%d", i)
		p.exec(`delete from attempts where key like 'mail:%'`) // mails of one hour; there are more hours
		p.must(p.ResetPassword(t.Context(), controlplane.PasswordReset{Token: p.forgot("anna@example.org"), Password: goodPassword, Address: address}))
		for range 5 {
			in, err := p.logIn("anna@example.org", goodPassword, address)
			p.must(err)
			if _, err = p.second(in.Half, "000000", "", address); tenant.FaultOf(err).Code == "code.wrong" {
				tried++
			}
		}
	}
	if tried != 30 {
		t.Errorf("%d guesses within an hour, want 30", tried)
	}
}
