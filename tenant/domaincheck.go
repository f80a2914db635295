package tenant

import "time"

// RecordKind is a kind of thing a customer sets up for their own domain.
type RecordKind string

// The kinds of record.
const (
	RecordTXT             RecordKind = "txt"
	RecordCNAME           RecordKind = "cname"
	RecordA               RecordKind = "a"
	RecordAAAA            RecordKind = "aaaa"
	RecordCAA             RecordKind = "caa"
	RecordWellKnownServer RecordKind = "well_known_server"
	RecordWellKnownClient RecordKind = "well_known_client"
)

// RecordState is what a check found.
type RecordState string

// The record states.
const (
	RecordPending     RecordState = "pending" // not looked at yet
	RecordFound       RecordState = "found"
	RecordMissing     RecordState = "missing"
	RecordWrong       RecordState = "wrong"
	RecordUnreachable RecordState = "unreachable" // the question got no answer
)

// Record is one thing to set, and what was seen in its place.
type Record struct {
	Kind     RecordKind
	Name     string // where: a DNS name, or a URL
	Want     string // exactly what must be there
	State    RecordState
	Seen     []string // bounded and free of control characters
	Code     string   // key "record."+Code: why it is not found; "" when found
	Optional bool     // one of several ways, or not needed for the start
}

// DomainReport is the outcome of one check of an own domain.
type DomainReport struct {
	Records   []Record
	Verified  bool // the proof was found
	HostReady bool // the host leads to our edge, so a certificate can be had
	CheckedAt time.Time
}
