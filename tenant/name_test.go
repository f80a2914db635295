package tenant_test

import (
	"errors"
	"strings"
	"testing"

	"hafen/tenant"
)

func parseTable(s string) [][]string {
	var rows [][]string
	for line := range strings.Lines(strings.TrimSpace(s)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows[1:]
}

func code(err error) string {
	if f, ok := errors.AsType[*tenant.Fault](err); ok {
		return f.Code
	}
	return ""
}

func TestParseDomain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" Example.ORG. ": "", "a-b.example.org": "", "xn--mller-kva.de": "", "1und1.de": "",
		"": "domain.empty", ".": "domain.empty", "https://example.org": "domain.scheme", "example.org:8448": "domain.scheme",
		"a@example.org": "domain.scheme", "exa mple.org": "domain.scheme", "müller.de": "domain.idn", "localhost": "domain.single",
		"-a.de": "domain.label", "a-.de": "domain.label", "a..de": "domain.label", "a_b.de": "domain.label", "a\x00b.de": "domain.label",
		strings.Repeat("a", 64) + ".de": "domain.label", strings.Repeat("abcdefgh.", 30) + "de": "domain.long",
		"192.0.2.1": "domain.address", "*.example.org": "domain.label", "..": "domain.label",
	} {
		d, err := tenant.ParseDomain(in)
		if code(err) != want {
			t.Errorf("ParseDomain(%q) = %q, %v; want %q", in, d, err, want)
		}
		if err == nil && strings.ToLower(string(d)) != string(d) {
			t.Errorf("ParseDomain(%q) = %q is not lower case", in, d)
		}
	}
}

func TestParseLabel(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"anna": "", " Anna ": "", "team-7": "", "123": "",
		"": "name.empty", "www": "name.reserved", "ADMIN": "name.reserved", "ns1": "name.reserved", "ab": "name.short",
		strings.Repeat("a", 41): "name.long", strings.Repeat("a", 99): "name.long", "a.b": "name.label", "-ab": "name.label",
		"ab-": "name.label", "a_b": "name.label", "a b": "name.label", "müller": "name.idn", "xn--mller-kva": "name.idn", "а123": "name.idn",
	} {
		if _, err := tenant.ParseLabel(in); code(err) != want {
			t.Errorf("ParseLabel(%q): %v, want %q", in, err, want)
		}
	}
}

func TestParseLocalpart(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"anna": "", "Anna.Schmidt": "", "a-b_c+d": "", "0": "",
		"": "member.empty", "@anna": "member.letters", "anna:x": "member.letters", "a/b": "member.letters", "ä": "member.letters",
		"_bot": "member.letters", "hafen-control": "member.reserved", "hafen-x": "member.reserved", strings.Repeat("a", 65): "member.long",
	} {
		if _, err := tenant.ParseLocalpart(in); code(err) != want {
			t.Errorf("ParseLocalpart(%q): %v, want %q", in, err, want)
		}
	}
}

func TestIDsAreParsedOnlyAsTheyAreMade(t *testing.T) {
	t.Parallel()
	id := tenant.NewID()
	if _, err := tenant.ParseID(string(id)); err != nil {
		t.Fatalf("ParseID(%q): %v", id, err)
	}
	for _, bad := range []string{"", "t", "taaaaaaaaaaaaaaa", "Taaaaaaaaaaaaaaaa", "taaaaaaaaaaaaaaa'", "taaaaaaaaaaaa/../", string(id) + "a"} {
		if _, err := tenant.ParseID(bad); code(err) != "tenant.unknown" {
			t.Errorf("ParseID(%q): %v", bad, err)
		}
	}
}

func TestVATIsRoundedToTheCent(t *testing.T) {
	t.Parallel()
	for net, want := range map[int64]int64{400: 76, 600: 114, 1400: 266, 0: 0, 1: 0, 3: 1, 250: 48} {
		if got := (tenant.Money{Cents: net, Currency: "EUR"}).VAT(19).Cents; got != want {
			t.Errorf("19 %% of %d is %d, want %d", net, got, want)
		}
	}
}
