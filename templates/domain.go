package templates

import (
	"slices"
	"time"
)

// RecordState is what a look at the DNS or the web found.
type RecordState string

// States of a record.
const (
	RecordPending RecordState = "pending" // not looked yet, or looking
	RecordFound   RecordState = "found"
	RecordMissing RecordState = "missing"
	RecordWrong   RecordState = "wrong"
	// RecordUnreachable: nobody answered, or with a failure; it says nothing of the record.
	RecordUnreachable RecordState = "unreachable"
)

// DomainRecord is one record to set, and what we see.
type DomainRecord struct {
	Type string // TXT, A, AAAA, CNAME, CAA
	Name string // full name without trailing dot
	// Values to set, all of them. Empty where what is there has to go.
	Values []string
	State  RecordState
	Seen   []string // what is there instead, or besides
	// Code is the sentence `record.<Code>`, "" when found or pending.
	Code string
	// Purpose is `domain.purpose.<code>`: proof, host, caa.
	Purpose string
	// Optional is set where one of several records suffices (A or CNAME).
	Optional bool
}

// WellKnown is one address on the customer's own web server and what it must answer.
type WellKnown struct {
	Purpose string // "client" or "server"
	URL     string
	Body    string // exact JSON
	State   RecordState
	Code    string // `record.<Code>`
	Seen    []string
}

// Domain is /servers/{id}/domain. The live part (DomainChecks) is replaced by
// the SSE event "domain" of EventsURL. POST /servers/{id}/domain/check looks again.
type Domain struct {
	Server Server
	// HostKind is HostMatrix or HostApex.
	HostKind  string
	Records   []DomainRecord
	WellKnown []WellKnown // only with HostMatrix
	CheckedAt time.Time   // zero: never
	NextCheck time.Time   // zero: unknown
	Checking  bool
	Verified  bool   // all is found; we go on
	EventsURL string // "/servers/{id}/events"
	// Failure is a code (`failure.<code>`) when the check itself failed, "" else.
	Failure string
}

func domainRefresh(vm Domain) string {
	if vm.Verified {
		return ""
	}
	return "15"
}

func recordTone(state RecordState) Tone {
	if state == RecordWrong {
		return ToneBad
	}
	return ToneWarn
}

// shownRecords leaves out what is not needed any more: addresses where the alias is found, and the alias where they are.
func shownRecords(records []DomainRecord) []DomainRecord {
	var shown []DomainRecord
	for _, r := range records {
		other := slices.ContainsFunc(records, func(o DomainRecord) bool {
			return o.Purpose == r.Purpose && (o.Type == "CNAME") != (r.Type == "CNAME") && o.State == RecordFound
		})
		if !other || r.State == RecordFound || r.State == RecordWrong {
			shown = append(shown, r)
		}
	}
	return shown
}

// answersWait reports whether the customer's website does not yet say where the server is.
func answersWait(vm Domain) bool {
	return slices.ContainsFunc(vm.WellKnown, func(w WellKnown) bool { return w.State == RecordMissing || w.State == RecordWrong })
}

func optionalWords(l Locale, r DomainRecord) string {
	if r.Type == "CNAME" {
		return l.T("domain.instead")
	}
	return l.T("domain.optional")
}

// domainSummary counts what is found of what is needed; optional records count once they are there.
func domainSummary(l Locale, vm Domain) string {
	found, needed := 0, 0
	count := func(state RecordState, optional bool) {
		if state == RecordFound {
			found++
			needed++
		} else if !optional || state == RecordWrong {
			needed++
		}
	}
	for _, r := range vm.Records {
		count(r.State, r.Optional)
	}
	for _, w := range vm.WellKnown {
		count(w.State, false)
	}
	return l.T("domain.summary", "Found", found, "Count", needed)
}

// domainGoesOn says that the page leads on by itself: the records are right, and that is news. Later it stays, to be read.
func domainGoesOn(vm Domain) bool {
	waiting := vm.Server.Status == StatusAwaitingDomain || vm.Server.Status == StatusProvisioning
	return vm.Verified && waiting && vm.EventsURL != ""
}
