package dns

import (
	"context"
	"net/netip"
	"slices"

	"hafen/tenant"
)

// landing is where the host leads.
type landing struct {
	v4, v6     []netip.Addr
	err4, err6 error
	aliases    []string
	aliased    bool // an alias leads to our own name: then its addresses are ours, whichever they are
}

// host judges alias and addresses, and whether all of them lead to us.
func (l *look) host(ctx context.Context) ([]tenant.Record, bool) {
	a4, a6, err4, err6 := both(func(kind uint16) (answer, error) {
		return l.lookup(ctx, question{name: l.wanted.Host, kind: kind})
	})
	f := landing{v4: a4.addresses(), v6: a6.addresses(), err4: err4, err6: err6, aliases: a4.aliases}
	if len(f.aliases) == 0 {
		f.aliases = a6.aliases
	}
	f.aliased = l.wanted.EdgeHost != "" && slices.Contains(f.aliases, string(l.wanted.EdgeHost))
	return l.wanted.judgeHost(f)
}

// judgeHost is pure.
func (w Wanted) judgeHost(f landing) ([]tenant.Record, bool) {
	records := w.hostRecords()
	for i := range records {
		switch r := &records[i]; r.Kind {
		case tenant.RecordCNAME:
			w.judgeAlias(r, f)
		case tenant.RecordA:
			w.judgeAddresses(r, f, f.v4, f.err4)
		default:
			w.judgeAddresses(r, f, f.v6, f.err6)
		}
	}
	records = append(records, w.strays(f, records)...)
	return records, w.hostReady(f, records)
}

// hostReady wants every address to be ours, for the one that is not is the one the certificate authority tries, and one
// of the family that everybody can reach.
func (w Wanted) hostReady(f landing, records []tenant.Record) bool {
	if f.err4 != nil || f.err6 != nil || slices.ContainsFunc(records, func(r tenant.Record) bool { return r.State == tenant.RecordWrong }) {
		return false
	}
	if len(w.Edge) == 0 || f.aliased {
		return f.aliased && len(f.v4)+len(f.v6) > 0
	}
	if len(w.edge(netip.Addr.Is4)) > 0 {
		return len(f.v4) > 0
	}
	return len(f.v6) > 0
}

func (w Wanted) judgeAlias(r *tenant.Record, f landing) {
	r.Seen = seen(f.aliases...)
	all := slices.Concat(f.v4, f.v6)
	switch {
	case f.err4 != nil && f.err6 != nil:
		*r = unreachable(*r, f.err4)
	case len(f.aliases) == 0:
		r.State, r.Code = tenant.RecordMissing, "host.missing"
	case f.aliased, len(all) > 0 && !slices.ContainsFunc(all, w.foreign): // by way of another name, but it leads here
		r.State = tenant.RecordFound
	default:
		r.State, r.Code = tenant.RecordWrong, "host.points_elsewhere"
	}
}

func (w Wanted) judgeAddresses(r *tenant.Record, f landing, there []netip.Addr, err error) {
	r.Seen = seen(sorted(there)...)
	foreign := 0
	for _, a := range there {
		if w.foreign(a) {
			foreign++
		}
	}
	switch {
	case err != nil:
		*r = unreachable(*r, err)
	case len(there) == 0:
		r.State, r.Code = tenant.RecordMissing, "host.missing"
	case f.aliased || foreign == 0:
		r.State = tenant.RecordFound
	case foreign < len(there):
		r.State, r.Code = tenant.RecordWrong, "host.partly_elsewhere"
	case r.Kind == tenant.RecordAAAA && len(f.v4) > 0 && !slices.ContainsFunc(f.v4, w.foreign):
		r.State, r.Code = tenant.RecordWrong, "host.stray_aaaa"
	default:
		r.State, r.Code = tenant.RecordWrong, "host.points_elsewhere"
	}
}

// strays are addresses of a family in which we want none.
func (w Wanted) strays(f landing, records []tenant.Record) []tenant.Record {
	var out []tenant.Record
	if f.aliased {
		return nil
	}
	for _, family := range []struct {
		kind  tenant.RecordKind
		there []netip.Addr
		code  string
	}{{tenant.RecordA, f.v4, "host.points_elsewhere"}, {tenant.RecordAAAA, f.v6, "host.stray_aaaa"}} {
		asked := slices.ContainsFunc(records, func(r tenant.Record) bool { return r.Kind == family.kind })
		if !asked && len(family.there) > 0 && len(w.Edge) > 0 {
			out = append(out, tenant.Record{
				Kind: family.kind, Purpose: tenant.PurposeHost, Name: string(w.Host),
				State: tenant.RecordWrong, Code: family.code, Seen: seen(sorted(family.there)...),
			})
		}
	}
	return out
}

func (w Wanted) foreign(a netip.Addr) bool { return !w.ours(a) }

func sorted(addresses []netip.Addr) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = a.String()
	}
	slices.Sort(out) // servers rotate them, and a page that repeats itself should not flicker
	return out
}
