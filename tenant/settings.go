package tenant

import (
	"slices"
	"strings"
)

// FederationMode says with which other servers a tenant exchanges messages.
type FederationMode string

// The federation modes.
const (
	FederationOff  FederationMode = "off"  // an island
	FederationList FederationMode = "list" // with its partners only
	FederationOpen FederationMode = "open" // with everybody
)

// MostPartners bounds the list of servers to federate with: each inbound request is held against it.
const MostPartners = 200

// Settings are what a customer chooses for a server. A plan may allow less than they ask for: see Within.
type Settings struct {
	Federation    FederationMode `json:"federation"`
	Partners      []Domain       `json:"partners,omitempty"` // sorted, each once; meant in FederationList only
	Push          bool           `json:"push"`               // the server may reach push gateways, which wake people's phones
	Encryption    bool           `json:"encryption"`         // new private rooms are encrypted
	Directory     bool           `json:"directory"`          // rooms may be listed publicly
	Previews      bool           `json:"previews"`           // the server fetches pages that messages link to
	RetentionDays int            `json:"retention_days"`     // messages older are erased; 0 keeps them
	UploadBytes   int64          `json:"upload_bytes"`       // largest single upload; 0 is the plan's
	Name          string         `json:"name"`               // what people call the server
	Support       Support        `json:"support"`
	Welcome       string         `json:"welcome"` // a new member's first words from the server
}

// Support is whom members, and other servers' administrators, may ask (spec, "Getting admin contact").
type Support struct {
	Email    string `json:"email"`
	MatrixID string `json:"matrix_id"`
	Page     string `json:"page"` // https: address
}

// DefaultSettings are those of a new server on a plan.
func DefaultSettings(q Quota) Settings {
	s := Settings{Federation: FederationOpen, Push: true, Encryption: true}
	return s.Within(q)
}

// Within gives the settings as far as a quota allows them. What is asked for stays in the row, and holds again after an upgrade.
func (s Settings) Within(q Quota) Settings {
	if !q.Federation || s.Federation == "" {
		s.Federation = FederationOff
	}
	if s.Federation != FederationList {
		s.Partners = nil
	}
	if s.UploadBytes <= 0 || s.UploadBytes > q.UploadBytes {
		s.UploadBytes = q.UploadBytes
	}
	return s
}

// JoinDomains writes a list of domains as one comparable value; SplitDomains reads it.
func JoinDomains(list []Domain) string {
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = string(d)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// SplitDomains reads what JoinDomains wrote.
func SplitDomains(joined string) []Domain {
	if joined == "" {
		return nil
	}
	var list []Domain
	for name := range strings.SplitSeq(joined, ",") {
		list = append(list, Domain(name))
	}
	return list
}
