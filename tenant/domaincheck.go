package tenant

import "time"

// RecordKind is what is looked at: a DNS record type, or an answer on the web.
type RecordKind string

// The kinds of record.
const (
	RecordTXT       RecordKind = "TXT"
	RecordCNAME     RecordKind = "CNAME"
	RecordA         RecordKind = "A"
	RecordAAAA      RecordKind = "AAAA"
	RecordCAA       RecordKind = "CAA"
	RecordWellKnown RecordKind = "well-known"
)

// RecordPurpose is why we want it.
type RecordPurpose string

// The purposes of a record.
const (
	PurposeProof  RecordPurpose = "proof"  // the domain is the customer's
	PurposeHost   RecordPurpose = "host"   // the host leads to our edge
	PurposeServer RecordPurpose = "server" // other servers find the host
	PurposeClient RecordPurpose = "client" // apps find the host
	PurposeCAA    RecordPurpose = "caa"    // our certificate authority may issue
)

// RecordState is what a look found.
type RecordState string

// The states of a record.
const (
	RecordPending     RecordState = "pending" // not looked at yet
	RecordFound       RecordState = "found"
	RecordMissing     RecordState = "missing"
	RecordWrong       RecordState = "wrong"
	RecordUnreachable RecordState = "unreachable" // nobody answered, or with a failure; says nothing of the record
)

// Record is one thing a customer must set at their own domain, and what we see of it.
type Record struct {
	Kind    RecordKind
	Purpose RecordPurpose
	Name    string // DNS name without trailing dot, or the URL of a well-known answer
	// Want holds the values to set, all of them: addresses, the alias, the text, or the exact JSON of a well-known answer.
	// Empty where nothing is wanted but what is there has to go: a foreign AAAA.
	Want  []string
	State RecordState
	Seen  []string // what is there instead or besides, printable and bounded; never trusted
	Code  string   // names the sentence, "" when found or pending; DomainCodes lists them
	// Optional is set where another record serves as well: CNAME or A, A alone without AAAA.
	Optional bool
}

// DomainReport is one look at a customer's domain.
type DomainReport struct {
	Records   []Record
	Verified  bool // the proof was found
	HostReady bool // every address of the host is ours, and there is one that everybody can reach: an A, if we have such
	Delegated bool // both well-known answers are right, or none is needed since the host is the server name
	Issuable  bool // no CAA record forbids our certificate authority
	CheckedAt time.Time
}

// Ready reports whether nothing is left for the customer to do.
func (r DomainReport) Ready() bool { return r.Verified && r.HostReady && r.Delegated && r.Issuable }

// DomainCodes are all codes a Record can carry. Each has a sentence in the message files, key "record."+code.
var DomainCodes = []string{
	"txt.missing",           // no TXT record at the name
	"txt.doubled_name",      // it stands at NAME.DOMAIN.DOMAIN: the provider's form had added the domain itself
	"txt.other_token",       // a hafen-verify text with another token: an older order's, or somebody else's
	"txt.other_text",        // texts, but none of ours
	"host.missing",          // neither alias nor address
	"host.points_elsewhere", // every address is foreign
	"host.partly_elsewhere", // some addresses are ours, some foreign
	"host.stray_aaaa",       // an AAAA record where we serve no IPv6, or a foreign one beside a right A
	"wellknown.no_address",  // the server name has no address, so there is no web server to ask
	"wellknown.private",     // its address is not on the public internet, or a redirect leads to such
	"wellknown.unreachable", // no connection
	"wellknown.timeout",     // no answer in time
	"wellknown.certificate", // the web server's certificate is not valid for the name
	"wellknown.redirect",    // too many redirects, or to an address without https
	"wellknown.status",      // an answer other than 200; Seen says which
	"wellknown.too_large",   // more than 64 KiB
	"wellknown.not_json",    // not a JSON object
	"wellknown.other_value", // JSON, with another server or without one
	"wellknown.no_cors",     // right, but apps in a browser may not read it: Access-Control-Allow-Origin: * is missing
	"caa.forbids",           // CAA records that do not allow our certificate authority
	"dns.servfail",          // the name servers answer with a failure
	"dns.dnssec",            // the signatures of the zone are broken
	"dns.refused",           // the name servers refuse to answer
	"dns.timeout",           // the name servers do not answer
	"dns.invalid",           // an answer that cannot be read
}
