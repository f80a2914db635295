package hafentest

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hafen/internal/totptest"
)

// For is the same installation for a part of a test: what fails there, fails there.
func (h *Hafen) For(t testing.TB) *Hafen {
	part := *h
	part.t = t
	return &part
}

// For is the same person for a part of a test.
func (c *Customer) For(t testing.TB) *Customer {
	part := *c
	part.h = c.h.For(t)
	return &part
}

var (
	setupForm   = regexp.MustCompile(`name="setup" value="([A-Za-z0-9_-]+)"`)
	setupSecret = regexp.MustCompile(`id="secret">([A-Z2-7 ]+)<`)
)

// SetUpApp gives the account an authenticator app as its second step.
func (c *Customer) SetUpApp() {
	c.h.t.Helper()
	page := c.Get("/account/two-step/app")
	form, secret := setupForm.FindStringSubmatch(page), setupSecret.FindStringSubmatch(page)
	if form == nil || secret == nil {
		c.h.t.Fatalf("no secret for an app in %s", words(page))
	}
	c.Post("/account/two-step/app", url.Values{"setup": {form[1]}, "code": {totptest.Code(c.h.t, secret[1], time.Now())}})
}

var printedPassword = regexp.MustCompile(`Operator +(\S+)\s+one-time password: (\S+)`)

// Operator logs in with the one-time password that `hafen up` printed, and changes it: once in an installation's life.
func (h *Hafen) Operator(up *Process) *Customer {
	h.t.Helper()
	var printed []string
	h.Await(20*time.Second, "one-time password", func() error {
		if printed = printedPassword.FindStringSubmatch(up.Output()); printed == nil {
			return errors.New("not printed yet")
		}
		return nil
	})
	o := h.Visitor()
	o.Email = printed[1]
	o.LogIn(o.Email, printed[2])
	if !strings.Contains(o.Get("/operator"), `action="/operator/account"`) {
		h.t.Fatal("the one-time password opens the console without being changed")
	}
	o.Post("/operator/account", url.Values{"current": {printed[2]}, "password": {Password}})
	return o
}
