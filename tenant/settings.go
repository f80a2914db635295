package tenant

import (
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FederationMode says with which other servers a tenant exchanges messages.
type FederationMode string

// The federation modes.
const (
	FederationOff  FederationMode = "off"  // an island
	FederationList FederationMode = "list" // with its partners only
	FederationOpen FederationMode = "open" // with everybody
)

// Allows reports whether a plan with this mode at most lets a server have the other one.
func (m FederationMode) Allows(asked FederationMode) bool {
	switch asked {
	case FederationOpen:
		return m == FederationOpen
	case FederationList:
		return m == FederationOpen || m == FederationList
	default:
		return true
	}
}

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
	Welcome       string         `json:"welcome"` // for new members, on the page of their invitation
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
	if s.Federation == "" || !q.Federation.Allows(s.Federation) {
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

// LiveSettings names those, as in their JSON, that no homeserver reads when it starts: Hafen and the edge keep to them. They
// cannot be why one does not come up.
var LiveSettings = []string{"upload_bytes", "name", "support", "welcome"}

// Restarts reports whether going over to other settings needs the homeserver started anew.
func (s Settings) Restarts(other Settings) bool {
	return (Spec{Settings: s}).Revision() != (Spec{Settings: other}).Revision()
}

// Bounds of what a customer may write.
const (
	maxServerName = 60
	maxWelcome    = 2000
	maxRetention  = 3650      // days
	minUpload     = 1_000_000 // bytes; below, no photograph passes
)

// Check refuses settings that no server of this plan can have. Its faults are settings.federation, settings.plan,
// settings.partners, settings.partner, settings.retention, settings.upload, settings.name, settings.welcome, settings.email,
// settings.matrix_id and settings.page, each with its field.
func (s Settings) Check(q Quota) error {
	switch {
	case s.Federation != FederationOff && s.Federation != FederationList && s.Federation != FederationOpen:
		return invalidSetting("federation", "federation")
	case !q.Federation.Allows(s.Federation):
		return invalidSetting("plan", "federation")
	case s.RetentionDays < 0 || s.RetentionDays > maxRetention:
		return invalidSetting("retention", "retention_days")
	case s.UploadBytes != 0 && (s.UploadBytes < minUpload || s.UploadBytes > q.UploadBytes):
		return invalidSetting("upload", "upload_bytes")
	case !plainText(s.Name, maxServerName, false):
		return invalidSetting("name", "name")
	case !plainText(s.Welcome, maxWelcome, true):
		return invalidSetting("welcome", "welcome")
	}
	if err := s.checkPartners(); err != nil {
		return err
	}
	return s.Support.check()
}

func (s Settings) checkPartners() error {
	if s.Federation != FederationList {
		return nil
	}
	if len(s.Partners) == 0 || len(s.Partners) > MostPartners {
		return &Fault{Kind: Invalid, Code: "settings.partners", Field: "partners", Params: map[string]string{"most": strconv.Itoa(MostPartners)}}
	}
	for _, partner := range s.Partners {
		if d, err := ParseDomain(string(partner)); err != nil || d != partner {
			return &Fault{Kind: Invalid, Code: "settings.partner", Field: "partners", Params: map[string]string{"name": string(partner)}}
		}
	}
	return nil
}

func (s Support) check() error {
	if s.Email != "" {
		// A name beside the address has no place in the document.
		if a, err := mail.ParseAddress(s.Email); err != nil || a.Address != s.Email || len(s.Email) > 254 {
			return invalidSetting("email", "support_email")
		}
	}
	if s.MatrixID != "" {
		local, server, found := strings.Cut(strings.TrimPrefix(s.MatrixID, "@"), ":")
		host, _, _ := strings.Cut(server, ":")
		if _, err := ParseDomain(host); !found || err != nil || local == "" || s.MatrixID[0] != '@' || len(s.MatrixID) > 255 ||
			!plainText(s.MatrixID, 255, false) {
			return invalidSetting("matrix_id", "support_matrix_id")
		}
	}
	if s.Page != "" {
		if u, err := url.Parse(s.Page); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(s.Page) > 500 {
			return invalidSetting("page", "support_page")
		}
	}
	return nil
}

func invalidSetting(code, field string) error {
	return &Fault{Kind: Invalid, Code: "settings." + code, Field: field}
}

// plainText reports whether a text is short enough and of visible characters, lines perhaps.
func plainText(s string, most int, lines bool) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > most {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !(lines && (r == '\n' || r == '\r' || r == '\t'))
	})
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
