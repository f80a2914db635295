package dns

import (
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"hafen/tenant"
)

// Registrable refuses names under which strangers register theirs: co.uk, github.io. Nobody owns such a name alone, and a server
// on it would speak for all below. Its fault is domain.public_suffix.
func Registrable(d tenant.Domain) error {
	if suffix, _ := publicsuffix.PublicSuffix(string(d)); suffix == string(d) {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "domain.public_suffix", Field: "domain", Params: map[string]string{"domain": string(d)}}
	}
	return nil
}

// Punycode is the ASCII form of a name typed in another script, for a sentence such as "use xn--mnchen-3ya.de", and false
// where there is none or the name was ASCII anyway. It maps as browsers do (UTS #46).
func Punycode(typed string) (tenant.Domain, bool) {
	ascii, err := idna.Lookup.ToASCII(typed)
	if err != nil || ascii == typed {
		return "", false
	}
	d, err := tenant.ParseDomain(ascii)
	return d, err == nil
}
