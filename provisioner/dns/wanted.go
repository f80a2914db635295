package dns

import (
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/net/publicsuffix"

	"hafen/tenant"
)

const proofPrefix = "hafen-verify="

// Wanted is what a domain shall look like.
type Wanted struct {
	ServerName tenant.Domain
	Host       tenant.Domain // where the edge answers: the server name itself or a name of its own
	Token      string        // the proof
	EdgeHost   tenant.Domain // a name for our addresses, for a CNAME; "" when there is none
	Edge       []netip.Addr  // our addresses; without any, EdgeHost has to be used
	// FederationPort is where other servers reach the host; 0 for 8448.
	FederationPort int
	// ClientPort is where clients reach the host; 0 for 443.
	ClientPort int
}

// Records lists what to set, in the order of a page, all pending. The list a Check returns has the same records first, and may
// have more at its end or among the addresses: foreign records that have to go.
func Records(w Wanted) []tenant.Record {
	records := append([]tenant.Record{w.proofRecord()}, w.hostRecords()...)
	if w.delegates() {
		records = append(records, w.serverRecord(), w.clientRecord())
	}
	return records
}

// delegates reports whether the server name has a web server of its own, which has to tell where the host is.
func (w Wanted) delegates() bool { return w.Host != w.ServerName }

func (w Wanted) proofRecord() tenant.Record {
	return tenant.Record{
		Kind: tenant.RecordTXT, Purpose: tenant.PurposeProof, State: tenant.RecordPending,
		Name: string(w.proofName()), Want: []string{proofPrefix + w.Token},
	}
}

func (w Wanted) proofName() tenant.Domain { return w.ServerName.Under("_hafen") }

// hostRecords offers the alias first where there is one: it follows us when our addresses change.
func (w Wanted) hostRecords() []tenant.Record {
	v4, v6 := w.edge(netip.Addr.Is4), w.edge(netip.Addr.Is6)
	record := tenant.Record{Purpose: tenant.PurposeHost, State: tenant.RecordPending, Name: string(w.Host)}
	var records []tenant.Record
	if w.EdgeHost != "" && w.Host != apex(w.Host) { // no alias at a zone's apex, beside its SOA and NS: RFC 1034 section 3.6.2
		alias := record
		alias.Kind, alias.Want, alias.Optional = tenant.RecordCNAME, []string{string(w.EdgeHost)}, len(w.Edge) > 0
		records = append(records, alias)
	}
	if len(v4) > 0 {
		a := record
		a.Kind, a.Want = tenant.RecordA, v4
		records = append(records, a)
	}
	if len(v6) > 0 {
		aaaa := record
		aaaa.Kind, aaaa.Want, aaaa.Optional = tenant.RecordAAAA, v6, len(v4) > 0
		records = append(records, aaaa)
	}
	return records
}

func (w Wanted) edge(family func(netip.Addr) bool) []string {
	var list []string
	for _, a := range w.Edge {
		if a = a.Unmap(); family(a) {
			list = append(list, a.String())
		}
	}
	return list
}

func (w Wanted) ours(a netip.Addr) bool {
	return slices.ContainsFunc(w.Edge, func(e netip.Addr) bool { return e.Unmap() == a.Unmap() })
}

func (w Wanted) serverRecord() tenant.Record {
	return w.wellKnownRecord(tenant.PurposeServer, "server", map[string]string{"m.server": w.federationAddress()})
}

func (w Wanted) clientRecord() tenant.Record {
	return w.wellKnownRecord(tenant.PurposeClient, "client", map[string]any{"m.homeserver": map[string]string{"base_url": w.clientAddress()}})
}

func (w Wanted) wellKnownRecord(p tenant.RecordPurpose, file string, body any) tenant.Record {
	b, err := json.Marshal(body)
	if err != nil {
		panic("dns: strings cannot be encoded: " + err.Error())
	}
	return tenant.Record{
		Kind: tenant.RecordWellKnown, Purpose: p, State: tenant.RecordPending,
		Name: "https://" + string(w.ServerName) + "/.well-known/matrix/" + file, Want: []string{string(b)},
	}
}

func (w Wanted) federationAddress() string {
	return net.JoinHostPort(string(w.Host), strconv.Itoa(w.federationPort()))
}

func (w Wanted) clientAddress() string {
	if w.ClientPort == 0 || w.ClientPort == 443 {
		return "https://" + string(w.Host)
	}
	return "https://" + net.JoinHostPort(string(w.Host), strconv.Itoa(w.ClientPort))
}

func (w Wanted) federationPort() int {
	if w.FederationPort == 0 {
		return 8448
	}
	return w.FederationPort
}

// apex is the domain as registered: one label more than its public suffix. That is where its zone begins, nearly always.
func apex(d tenant.Domain) tenant.Domain {
	registered, err := publicsuffix.EffectiveTLDPlusOne(string(d))
	if err != nil {
		return d
	}
	return tenant.Domain(registered)
}
