package tenant

import (
	"strings"
)

// Domain is a DNS name in lower-case ASCII without a trailing dot, with at least two labels: what Matrix calls a server
// name, restricted to names (no address literals, no port). Matrix spec, "Server name" grammar; RFC 1123 section 2.1.
type Domain string

// Longest name that leaves room for "_hafen." before it (255 octets on the wire, RFC 1035 section 2.3.4) and for a local
// part in a Matrix id of 255 bytes.
const maxDomain = 230

// ParseDomain reads a name as a person would type it: surrounding blanks, capitals and a trailing dot are forgiven.
// Its faults are domain.empty, domain.scheme, domain.idn, domain.long, domain.label, domain.single, domain.address.
func ParseDomain(s string) (Domain, error) {
	s = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), ".")
	switch {
	case s == "":
		return "", invalidDomain("domain.empty")
	case strings.ContainsAny(s, "/:@ "):
		return "", invalidDomain("domain.scheme")
	case !ascii(s):
		return "", invalidDomain("domain.idn")
	case len(s) > maxDomain:
		return "", invalidDomain("domain.long")
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if !validLabel(label) {
			return "", invalidDomain("domain.label")
		}
	}
	if len(labels) < 2 {
		return "", invalidDomain("domain.single")
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", invalidDomain("domain.address")
	}
	return Domain(s), nil
}

// MustDomain is ParseDomain for names in source code; it panics where ParseDomain fails.
func MustDomain(s string) Domain {
	d, err := ParseDomain(s)
	if err != nil {
		panic("tenant: " + s + " is no domain")
	}
	return d
}

// ParseLabel reads the NAME of NAME.<base>. Beside the rules of a DNS label it wants three to forty characters, refuses
// names with a meaning of their own on mail, web and Matrix hosts, and punycode, which would let a name look like another.
// Its faults are name.empty, name.idn, name.label, name.short, name.long, name.reserved.
func ParseLabel(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	switch {
	case s == "":
		return "", invalidName("name.empty")
	case !ascii(s) || strings.HasPrefix(s, "xn--"):
		return "", invalidName("name.idn")
	case !validLabel(s) && len(s) <= 63:
		return "", invalidName("name.label")
	case reserved[s]:
		return "", invalidName("name.reserved")
	case len(s) < 3:
		return "", invalidName("name.short")
	case len(s) > 40:
		return "", invalidName("name.long")
	}
	return s, nil
}

// Under is NAME.<base>.
func (d Domain) Under(label string) Domain { return Domain(label + "." + string(d)) }

// Within reports whether d is base or a name below it.
func (d Domain) Within(base Domain) bool {
	return d == base || strings.HasSuffix(string(d), "."+string(base))
}

func invalidDomain(code string) error { return &Fault{Kind: Invalid, Code: code, Field: "domain"} }
func invalidName(code string) error   { return &Fault{Kind: Invalid, Code: code, Field: "name"} }

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// validLabel follows RFC 1123: letters, digits and inner hyphens, 63 octets.
func validLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// Names a stranger must not hold under the provider's domain: those with a role in RFC 2142, in mail and web
// auto-configuration, in certificates, and those a reader would take for the provider's own.
var reserved = set(`abuse account accounts admin administrator api app apps assets auth autoconfig autodiscover billing blog
	cdn chat cinny console dashboard demo dns docs edge element ftp git hafen help hostmaster imap info internal invoice
	jabber kunden localhost login mail matrix metrics mx ns ns1 ns2 operator pop pop3 portal postmaster root security
	shop signup smtp sso ssl static stats status support sydent sygnal synapse system test turn webmail webmaster wpad www www1 www2`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
