package tenant

import (
	"math/bits"
	"time"
)

// Money is an amount in the currency's smallest unit, so that sums are exact. Every rule of rounding is in this file.
type Money struct {
	Cents    int64
	Currency string // ISO 4217: "EUR"
}

// MostCents bounds a price: a million. More is a slip of the finger, and far from overflow in every sum.
const MostCents = 100_000_000

// VAT is the tax on a net amount at rate per cent, rounded half away from zero to the cent (the commercial rounding of
// German invoices, DIN 1333). On an invoice it is taken once from the sum of each rate, never from each line.
func (m Money) VAT(rate int) Money { return m.Share(int64(rate), 100) }

// Share is part/whole of the amount, rounded half away from zero. part may be negative; whole is positive.
func (m Money) Share(part, whole int64) Money {
	if whole <= 0 {
		panic("tenant: a share of nothing")
	}
	negative := (m.Cents < 0) != (part < 0)
	// 128 bits: cents times nanoseconds of a year do not fit 64.
	high, low := bits.Mul64(magnitude(m.Cents), magnitude(part))
	low, carry := bits.Add64(low, uint64(whole)/2, 0)
	quotient, _ := bits.Div64(high+carry, low, uint64(whole))
	m.Cents = int64(quotient)
	if negative {
		m.Cents = -m.Cents
	}
	return m
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

// Plus adds an amount of the same currency.
func (m Money) Plus(other Money) Money {
	if m.Currency != other.Currency {
		panic("tenant: adding " + m.Currency + " and " + other.Currency)
	}
	return Money{Cents: m.Cents + other.Cents, Currency: m.Currency}
}

// Times is n of the amount.
func (m Money) Times(n int) Money { return Money{Cents: m.Cents * int64(n), Currency: m.Currency} }

// Negative is the amount given back.
func (m Money) Negative() Money { return Money{Cents: -m.Cents, Currency: m.Currency} }

// Period is how long a price is good for.
type Period string

// The periods.
const (
	Monthly Period = "month"
	Yearly  Period = "year"
)

// Months of a period.
func (p Period) Months() int {
	if p == Yearly {
		return 12
	}
	return 1
}

// After is the end of the nth period after anchor, by the calendar of Zone, given in UTC. Counted from the anchor and not from the
// last end, so that what begins on the 31st ends on the 30th of a short month and on the 31st of the next.
func (p Period) After(anchor time.Time, n int) time.Time {
	anchor = anchor.In(Zone)
	year, month, day := anchor.Date()
	hour, minute, second := anchor.Clock()
	month += time.Month(p.Months() * n)
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, Zone).Day()
	return time.Date(year, month, min(day, last), hour, minute, second, anchor.Nanosecond(), Zone).UTC()
}
