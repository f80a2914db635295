package dns_test

import (
	"errors"
	"testing"

	"hafen/provisioner/dns"
	"hafen/tenant"
)

func TestRegistrable(t *testing.T) {
	t.Parallel()
	for _, d := range []tenant.Domain{"co.uk", "github.io", "gov.uk", "k12.ca.us", "dyndns.org"} {
		f, ok := errors.AsType[*tenant.Fault](dns.Registrable(d))
		if !ok || f.Code != "domain.public_suffix" || f.Kind != tenant.Invalid || f.Field != "domain" {
			t.Errorf("%s: %v", d, f)
		}
	}
	for _, d := range []tenant.Domain{"example.org", "example.co.uk", "chat.example.co.uk", "someone.github.io", "schule.intern", "a.b.unheard-of"} {
		if err := dns.Registrable(d); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
}

func TestPunycode(t *testing.T) {
	t.Parallel()
	for typed, wanted := range map[string]tenant.Domain{
		"münchen.de": "xn--mnchen-3ya.de", "MÜNCHEN.de": "xn--mnchen-3ya.de", "straße.example": "xn--strae-oqa.example", "例え.テスト": "xn--r8jz45g.xn--zckzah",
	} {
		if got, ok := dns.Punycode(typed); !ok || got != wanted {
			t.Errorf("%s: %s %v", typed, got, ok)
		}
	}
	for _, typed := range []string{"example.org", "", "münchen", "mün chen.de", "a..ü.de", "-ü.de"} {
		if got, ok := dns.Punycode(typed); ok {
			t.Errorf("%q: %s", typed, got)
		}
	}
}
