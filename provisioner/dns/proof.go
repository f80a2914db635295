package dns

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode"

	wire "github.com/miekg/dns"

	"hafen/tenant"
)

// What is shown of a stranger's answer: enough to recognise it.
const (
	maxSeen       = 5
	maxSeenLength = 120
)

func (l *look) proof(ctx context.Context) tenant.Record {
	record := l.wanted.proofRecord()
	texts, err := l.texts(ctx, l.wanted.proofName())
	if err != nil {
		return unreachable(record, err)
	}
	record.Seen = seen(texts...)
	ours := func(s string) bool { return strings.HasPrefix(s, proofPrefix) }
	switch {
	case slices.Contains(texts, record.Want[0]):
		record.State = tenant.RecordFound
	case slices.ContainsFunc(texts, ours):
		record.State, record.Code = tenant.RecordWrong, "txt.other_token"
	case len(texts) > 0:
		record.State, record.Code = tenant.RecordWrong, "txt.other_text"
	default:
		return l.proofElsewhere(ctx, record)
	}
	return record
}

// proofElsewhere looks where the record lands when a form adds the domain to a name that has it already.
func (l *look) proofElsewhere(ctx context.Context, record tenant.Record) tenant.Record {
	record.State, record.Code = tenant.RecordMissing, "txt.missing"
	doubled := tenant.Domain(record.Name + "." + string(apex(l.wanted.ServerName)))
	if texts, err := l.texts(ctx, doubled); err == nil && slices.Contains(texts, record.Want[0]) {
		record.State, record.Code, record.Seen = tenant.RecordWrong, "txt.doubled_name", seen(string(doubled))
	}
	return record
}

// texts are the TXT records of a name, without the blanks and quotes that forms leave around them.
func (l *look) texts(ctx context.Context, name tenant.Domain) ([]string, error) {
	found, err := l.lookup(ctx, question{name: name, kind: wire.TypeTXT, stream: true})
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, rr := range found.records {
		if txt, ok := rr.(*wire.TXT); ok {
			texts = append(texts, strings.Trim(unescape(strings.Join(txt.Txt, "")), " \t\""))
		}
	}
	return texts, nil
}

// unescape undoes what the library does to make a text fit for a zone file: \" and \\ and \DDD.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i+3 <= len(s) {
			if n, err := strconv.ParseUint(s[i:i+3], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unreachable(r tenant.Record, err error) tenant.Record {
	r.State, r.Code = tenant.RecordUnreachable, lookupCode(err)
	return r
}

// seen makes a stranger's words fit for a page: few, short and printable (direction marks are not).
func seen(values ...string) []string {
	var out []string
	for _, v := range values {
		if len(out) == maxSeen {
			return append(out, "…")
		}
		v = strings.Map(func(r rune) rune {
			if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
				return '?'
			}
			return r
		}, v)
		if runes := []rune(v); len(runes) > maxSeenLength {
			v = string(runes[:maxSeenLength]) + "…"
		}
		out = append(out, v)
	}
	return out
}
