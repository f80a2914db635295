package tenant

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is sold: beyond them a slip of the finger is likelier than a wish, and sums of them never overflow.
const (
	mostSeats   = 100_000
	mostStorage = 1_000_000_000_000_000 // 1 PB
	mostName    = 60
	mostWords   = 300
)

var (
	slugFormat   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	couponFormat = regexp.MustCompile(`^[A-Z0-9-]{3,40}$`)
	// Of each a hundredth is the smallest unit, which all our arithmetic and every page rely on.
	currencies = []string{"EUR", "CHF", "GBP", "USD", "DKK", "SEK", "NOK", "PLN", "CZK"}
)

// Check finds everything that is wrong with a version of a plan at the moment it is made: Faults with the names of
// PlanFields, joined.
func (p Plan) Check(now time.Time) error {
	c := &checks{}
	c.slug(p.Slug)
	c.words("name", p.Name.EN, 1, mostName)
	c.words("name_de", p.Name.DE, 0, mostName)
	c.words("description", p.Description.EN, 0, mostWords)
	c.words("description_de", p.Description.DE, 0, mostWords)
	c.price(p.Price, p.VATRate)
	c.choice("period", p.Period == Monthly || p.Period == Yearly)
	c.between("trial_days", int64(p.TrialDays), 0, 365)
	c.between("seats", int64(p.Quota.Seats), 1, mostSeats)
	c.size("storage", p.Quota.StorageBytes, 1_000_000, mostStorage)
	c.size("upload", p.Quota.UploadBytes, 1000, max(p.Quota.StorageBytes, 1000))
	c.choice("federation", p.Quota.Federation == FederationOff || p.Quota.Federation == FederationList || p.Quota.Federation == FederationOpen)
	c.choice("engines", len(p.Engines) > 0 && distinct(p.Engines) && !slices.ContainsFunc(p.Engines, func(e EngineName) bool { return e != Synapse && e != Dendrite }))
	c.between("backups", int64(p.Backups), 0, 1000)
	c.size("memory", p.Limits.MemoryBytes, 64<<20, 1<<40)
	c.between("cpu_millis", int64(p.Limits.CPUMillis), 50, 256_000)
	c.between("pids", int64(p.Limits.PIDs), 16, 32_768)
	c.between("database_connections", int64(p.Limits.DatabaseConnections), 1, 500)
	c.between("position", int64(p.Position), 0, 10_000)
	if begins := later(p.ValidFrom, now); p.ValidUntil != nil && !p.ValidUntil.After(begins) {
		c.add("time.order", "valid_until", nil)
	}
	return c.err()
}

// Check finds everything that is wrong with a version of an add-on: Faults with the names of AddonFields, joined.
func (a Addon) Check() error {
	c := &checks{}
	c.slug(a.Slug)
	c.words("name", a.Name.EN, 1, mostName)
	c.words("name_de", a.Name.DE, 0, mostName)
	c.price(a.Price, a.VATRate)
	c.choice("kind", a.Kind == AddonSeats || a.Kind == AddonStorage)
	c.between("most", int64(a.Most), 1, 10_000)
	c.choice("plans", distinct(a.Plans))
	c.between("position", int64(a.Position), 0, 10_000)
	packs := int64(max(a.Most, 1))
	if a.Kind == AddonStorage {
		c.size("amount", a.Amount, 1_000_000, mostStorage/packs)
	} else {
		c.between("amount", a.Amount, 1, max(mostSeats/packs, 1))
	}
	return c.err()
}

// Check finds everything that is wrong with a new coupon: Faults with the names of CouponFields, joined.
func (v Coupon) Check(now time.Time) error {
	c := &checks{}
	if !couponFormat.MatchString(v.Code) {
		c.add("coupon.code", "code", nil)
	}
	switch {
	case v.Percent == 0 && v.Amount.Cents == 0, v.Percent != 0 && v.Amount.Cents != 0:
		c.add("coupon.either", "percent", nil)
	case v.Percent != 0:
		c.between("percent", int64(v.Percent), 1, 100)
	default:
		c.cents("amount", v.Amount.Cents)
		c.choice("currency", slices.Contains(currencies, v.Amount.Currency))
	}
	c.between("periods", int64(v.Periods), 0, 1000)
	c.between("most", int64(v.Most), 0, 1_000_000)
	c.choice("plans", distinct(v.Plans))
	c.words("note", v.Note, 0, mostWords)
	if v.RedeemBy != nil && !v.RedeemBy.After(now) {
		c.add("time.past", "redeem_by", nil)
	}
	return c.err()
}

// checks collects what is wrong.
type checks struct{ faults []error }

func (c *checks) add(code, field string, params map[string]string) {
	c.faults = append(c.faults, &Fault{Kind: Invalid, Code: code, Field: field, Params: params})
}

func (c *checks) err() error { return errors.Join(c.faults...) }

func (c *checks) slug(slug string) {
	if !slugFormat.MatchString(slug) {
		c.add("slug.format", "slug", nil)
	}
}

func (c *checks) words(field, text string, least, most int) {
	switch n := utf8.RuneCountInString(text); {
	case n < least:
		c.add("words.empty", field, nil)
	case n > most:
		c.add("words.long", field, map[string]string{"Most": strconv.Itoa(most)})
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		c.add("words.control", field, nil)
	}
}

func (c *checks) price(m Money, rate int) {
	c.cents("price", m.Cents)
	c.choice("currency", slices.Contains(currencies, m.Currency))
	c.between("vat_rate", int64(rate), 0, 100)
}

func (c *checks) cents(field string, cents int64) {
	switch {
	case cents < 0:
		c.add("price.negative", field, nil)
	case cents > MostCents:
		c.add("price.high", field, map[string]string{"Most": FormatCents(MostCents)})
	}
}

func (c *checks) choice(field string, known bool) {
	if !known {
		c.add("choice.unknown", field, nil)
	}
}

func (c *checks) between(field string, n, low, high int64) {
	if n < low || n > high {
		c.add("number.range", field, map[string]string{"Low": strconv.FormatInt(low, 10), "High": strconv.FormatInt(high, 10)})
	}
}

func (c *checks) size(field string, n, low, high int64) {
	if n < low || n > high {
		c.add("size.range", field, map[string]string{"Low": FormatBytes(low), "High": FormatBytes(high)})
	}
}

func distinct[T comparable](list []T) bool {
	for i, one := range list {
		if slices.Contains(list[:i], one) {
			return false
		}
	}
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
