package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hafen/internal/stripefake"
)

func secretFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestStripeChecks(t *testing.T) {
	t.Parallel()
	s := stripefake.New(t, time.Date(2028, 1, 31, 9, 30, 0, 0, time.UTC))
	s.Key = "rk_test_" + strings.TrimPrefix(s.Key, "sk_test_")
	denied := stripefake.New(t, s.Now())
	denied.Key = s.Key
	denied.Fail("GET", "/v1/invoices", stripefake.Denied)
	whole := stripefake.New(t, s.Now())
	for name, test := range map[string]struct {
		check check
		wrong string // part of what is said; "" for nothing
	}{
		"good":              {stripeKeyCheck(secretFile(t, s.Key+"\n", 0o600), s.URL), ""},
		"none":              {stripeKeyCheck("", s.URL), "there is no key"},
		"not there":         {stripeKeyCheck("/nowhere", s.URL), "no such file"},
		"no key":            {stripeKeyCheck(secretFile(t, "hunter2", 0o600), s.URL), "does not begin with rk_"},
		"for all to read":   {stripeKeyCheck(secretFile(t, s.Key, 0o644), s.URL), "others can read"},
		"another's":         {stripeKeyCheck(secretFile(t, "rk_test_0000000000000000000", 0o600), s.URL), "not accepted"},
		"lacks one":         {stripeKeyCheck(secretFile(t, s.Key, 0o600), denied.URL), "list bills"},
		"can do all":        {stripeKeyCheck(secretFile(t, whole.Key, 0o600), whole.URL), "everything"},
		"secrets":           {webhookSecretsCheck([]string{secretFile(t, "whsec_1", 0o600), secretFile(t, "whsec_2\n", 0o600)}), ""},
		"no secrets":        {webhookSecretsCheck(nil), "nobody learns"},
		"no secret":         {webhookSecretsCheck([]string{secretFile(t, "hunter2", 0o600)}), "whsec_"},
		"secret to be seen": {webhookSecretsCheck([]string{secretFile(t, "whsec_1", 0o640)}), "others can read"},
	} {
		_, err := test.check.look(t.Context())
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), s.Key)) {
			t.Errorf("%s: the secret is told: %v", name, err)
		}
	}
}

func TestStripeSettings(t *testing.T) {
	t.Parallel()
	if _, err := (billingSettings{Billing: "stripe"}).stripe(t.Context(), nil); err == nil {
		t.Error("Stripe without a key")
	}
	if p, err := (billingSettings{Billing: "invoice"}).stripe(t.Context(), nil); p != nil || err != nil {
		t.Errorf("invoices: %v, %v", p, err)
	}
	if hook, err := (billingSettings{}).webhook(money{}); hook != nil || err != nil {
		t.Errorf("a webhook without Stripe: %v", err)
	}
}
