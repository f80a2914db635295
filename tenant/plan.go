package tenant

import (
	"slices"
	"time"
)

// PlanID names a version of a plan in URLs and rows: "basic", then "basic.2".
type PlanID string

// Plan is what is sold: a price for a quota, with features. A plan is one version of it: whoever bought it keeps it until
// they are moved, and its ID names exactly that version. The first version's ID is the slug itself.
type Plan struct {
	ID          PlanID
	Slug        string // the same through all versions
	Version     int
	Name        Text // a proper name, mostly the same in both languages
	Description Text
	Price       Money // net, for a period
	VATRate     int   // per cent
	ShowGross   bool  // the price list shows prices with tax
	Period      Period
	Quota       Quota
	Limits      Limits
	Engines     []EngineName // offered; the first is the default
	Backups     int          // kept
	TrialDays   int
	Position    int // order on the price list
	Visible     bool
	ValidFrom   time.Time
	ValidUntil  *time.Time
	Account     string // whose own price this is; "" is everybody's
}

// Text is something an operator wrote for customers. An empty German one means that the English is good for both.
type Text struct{ DE, EN string }

// In is the text in a language: "de" or "en".
func (t Text) In(language string) string {
	if language == "de" && t.DE != "" {
		return t.DE
	}
	return t.EN
}

// Addon is what is sold beside a plan: more seats or more storage, in packs, by the month. Versions are like a plan's.
type Addon struct {
	ID       AddonID
	Slug     string
	Version  int
	Kind     AddonKind
	Amount   int64 // seats or bytes in a pack
	Name     Text
	Price    Money // net, of a pack for a month
	VATRate  int
	Plans    []string // slugs it goes with; all when empty
	Most     int      // packs a server may have
	Position int
	Visible  bool
}

// AddonID names a version of an add-on.
type AddonID string

// AddonKind is what there is more of.
type AddonKind string

// The kinds of add-on.
const (
	AddonSeats   AddonKind = "seats"
	AddonStorage AddonKind = "storage"
)

// Goes reports whether the add-on is sold with a plan.
func (a Addon) Goes(p Plan) bool {
	return a.Price.Currency == p.Price.Currency && (len(a.Plans) == 0 || slices.Contains(a.Plans, p.Slug))
}

// Floor is the size a tenant's volume may reach whatever anybody does. The quota is kept at the edge; this is for a
// homeserver that writes without being asked: a quarter more and a gigabyte, for what lies beside members' files, copies of
// other servers' files, queues, uploads under way. It is a multiple of a mebibyte, because file systems keep limits in blocks.
func (q Quota) Floor() int64 {
	const block = 1 << 20
	return (q.StorageBytes + q.StorageBytes/4 + 1_000_000_000 + block - 1) / block * block
}

// Copies is how much the copies of other servers' files may take up beside the quota: the quarter that the floor leaves them, or
// they would take the members' own place on the disk.
func (q Quota) Copies() int64 { return q.StorageBytes / 4 }

// Plus is a quota with more seats and storage; the rest of extra is not read.
func (q Quota) Plus(extra Quota) Quota {
	q.Seats += extra.Seats
	q.StorageBytes += extra.StorageBytes
	return q
}

// With is a quota with packs of an add-on on top.
func (q Quota) With(a Addon, packs int) Quota {
	switch a.Kind {
	case AddonSeats:
		q.Seats += int(a.Amount) * packs
	case AddonStorage:
		q.StorageBytes += a.Amount * int64(packs)
	}
	return q
}

// Offers gives the engine an order gets that asks for one: the plan's default for "". False when the plan does not offer it.
func (p Plan) Offers(asked EngineName) (EngineName, bool) {
	if asked == "" && len(p.Engines) > 0 {
		return p.Engines[0], true
	}
	return asked, slices.Contains(p.Engines, asked)
}

// Quota is what a customer may use.
type Quota struct {
	Seats        int
	StorageBytes int64          // database + media
	UploadBytes  int64          // largest single upload
	Federation   FederationMode // the most it allows
}

// Limits is what the machine gives a tenant at most, whatever its customers do.
type Limits struct {
	MemoryBytes         int64
	CPUMillis           int // thousandths of a core
	PIDs                int
	DatabaseConnections int
	DiskBytes           int64 // of the tenant's volume, where the file system can hold it to that; see Quota.Floor
}

// Usage is what a customer uses.
type Usage struct {
	Seats         int
	DatabaseBytes int64
	MediaBytes    int64 // the server's own files on the disk, with those it has forgotten
	RemoteBytes   int64 // copies of other servers' files: on the disk too, and counted against nothing within their share
	OrphanBytes   int64 // the part of MediaBytes that the server has forgotten, when it was last looked for
}

// Stored is what counts against a quota's storage. Copies of other servers' files do not: their authors are not the
// customer's, and whoever needs one again gets it again.
func (u Usage) Stored() int64 { return u.DatabaseBytes + u.MediaBytes }

// Excess says by how much a usage is over one limit of a quota.
type Excess struct {
	What  string // "seats" or "storage"
	Used  int64
	Limit int64
}

// Exceeds lists what must shrink before usage fits quota; empty means it fits.
func (u Usage) Exceeds(q Quota) []Excess {
	var list []Excess
	if u.Seats > q.Seats {
		list = append(list, Excess{"seats", int64(u.Seats), int64(q.Seats)})
	}
	if stored := u.Stored(); stored > q.StorageBytes {
		list = append(list, Excess{"storage", stored, q.StorageBytes})
	}
	return list
}
