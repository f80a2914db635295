package dns

import (
	"context"
	"slices"
	"strings"

	wire "github.com/miekg/dns"

	"hafen/tenant"
)

// caa is nil where our authority may issue. It follows RFC 8659 section 3: the records nearest above the host count, and only them.
// It ends at the registered domain; no registry has such records for us to find above.
func (l *look) caa(ctx context.Context) *tenant.Record {
	if len(l.checker.config.Issuers) == 0 {
		return nil
	}
	record := &tenant.Record{
		Kind: tenant.RecordCAA, Purpose: tenant.PurposeCAA,
		Want: []string{`0 issue "` + l.checker.config.Issuers[0] + `"`},
	}
	for name, top := l.wanted.Host, apex(l.wanted.Host); name.Within(top); name = parent(name) {
		record.Name = string(name)
		found, err := l.lookup(ctx, question{name: name, kind: wire.TypeCAA})
		if err != nil { // an authority must not issue then either
			*record = unreachable(*record, err)
			return record
		}
		if len(found.records) == 0 {
			continue
		}
		if l.checker.permits(found.records) {
			return nil
		}
		record.State, record.Code = tenant.RecordWrong, "caa.forbids"
		for _, rr := range found.records {
			record.Seen = append(record.Seen, strings.TrimPrefix(rr.String(), rr.Header().String()))
		}
		record.Seen = seen(record.Seen...)
		return record
	}
	return nil
}

func (c *Checker) permits(records []wire.RR) bool {
	restricted, permitted := false, false
	for _, rr := range records {
		caa, ok := rr.(*wire.CAA)
		if !ok {
			continue
		}
		switch tag := strings.ToLower(caa.Tag); {
		case tag == "issue":
			restricted = true
			permitted = permitted || c.named(caa.Value)
		case caa.Flag&128 != 0 && !slices.Contains(knownTags, tag): // critical and unknown: RFC 8659 section 4.1
			return false
		}
	}
	return !restricted || permitted
}

// What the registry of CAA properties holds beside "issue"; none of it speaks of a certificate for one host.
var knownTags = []string{"issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc"}

// named reports whether an issue property is our authority's, with parameters (RFC 8657) that we satisfy.
func (c *Checker) named(value string) bool {
	parts := strings.Split(value, ";")
	if !slices.ContainsFunc(c.config.Issuers, func(own string) bool { return strings.EqualFold(own, strings.TrimSpace(parts[0])) }) {
		return false
	}
	for _, parameter := range parts[1:] {
		name, wanted, _ := strings.Cut(parameter, "=")
		wanted = strings.TrimSpace(wanted)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "accounturi":
			if wanted != c.config.AccountURI {
				return false
			}
		case "validationmethods":
			methods := strings.Split(wanted, ",")
			if !slices.Contains(methods, "http-01") && !slices.Contains(methods, "tls-alpn-01") {
				return false
			}
		}
	}
	return true
}
