package tenant

import "slices"

// PlanID names a plan in URLs and rows: "basic".
type PlanID string

// Plan is what is sold: a price for a quota, with features.
type Plan struct {
	ID       PlanID
	Name     string // a proper name, the same in every language
	Price    Money  // net, for a month
	VATRate  int    // per cent
	Quota    Quota
	Limits   Limits
	Engines  []EngineName // offered; the first is the default
	Position int          // order on the price list
	Visible  bool
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
	StorageBytes int64 // database + media
	UploadBytes  int64 // largest single upload
	Federation   bool
}

// Limits is what the machine gives a tenant at most, whatever its customers do.
type Limits struct {
	MemoryBytes         int64
	CPUMillis           int // thousandths of a core
	PIDs                int
	DatabaseConnections int
}

// Money is an amount in the currency's smallest unit, so that sums are exact.
type Money struct {
	Cents    int64
	Currency string // ISO 4217: "EUR"
}

// VAT is the tax on a net price at rate per cent, rounded half away from zero to the cent (the commercial rounding of
// German invoices, DIN 1333). Prices are never negative here.
func (m Money) VAT(rate int) Money {
	return Money{Cents: (m.Cents*int64(rate) + 50) / 100, Currency: m.Currency}
}

// Plus adds an amount of the same currency.
func (m Money) Plus(other Money) Money {
	if m.Currency != other.Currency {
		panic("tenant: adding " + m.Currency + " and " + other.Currency)
	}
	return Money{Cents: m.Cents + other.Cents, Currency: m.Currency}
}

// Usage is what a customer uses.
type Usage struct {
	Seats         int
	DatabaseBytes int64
	MediaBytes    int64
}

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
	if stored := u.DatabaseBytes + u.MediaBytes; stored > q.StorageBytes {
		list = append(list, Excess{"storage", stored, q.StorageBytes})
	}
	return list
}
