package tenant

import (
	"strconv"
	"strings"
)

// What people type and files hold is read here without a float, so that 4.35 is 435 cents and never 434.

// ParseCents reads a price in the currency's main unit: "4", "4,5" and "4.50". Marks between thousands are refused, because
// "1.000" is a thousand to some and one to others. Faults: price.format, price.negative, price.high.
func ParseCents(text string) (int64, error) {
	text = strings.TrimSpace(text)
	digits, negative := strings.CutPrefix(text, "-")
	cents, ok := parseDecimal(digits, 2)
	switch {
	case !ok:
		return 0, amountFault("price.format")
	case negative && cents != 0:
		return 0, amountFault("price.negative")
	case cents > MostCents:
		return 0, amountFault("price.high")
	}
	return cents, nil
}

// FormatCents writes what ParseCents reads: "4.50".
func FormatCents(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	whole, rest := strconv.FormatInt(cents/100, 10), strconv.FormatInt(cents%100, 10)
	if len(rest) < 2 {
		rest = "0" + rest
	}
	return sign + whole + "." + rest
}

// tooMany is what a decimal of more digits than fit is read as: more than any bound.
const tooMany = int64(1) << 62

// parseDecimal reads digits with at most places behind a point or comma, as a whole number of the last place.
func parseDecimal(text string, places int) (int64, bool) {
	whole, fraction, pointed := strings.Cut(strings.ReplaceAll(text, ",", "."), ".")
	if whole == "" || pointed && fraction == "" || len(fraction) > places {
		return 0, false
	}
	all := whole + fraction + strings.Repeat("0", places-len(fraction))
	if strings.Trim(all, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(all, 10, 64)
	if err != nil || n > tooMany {
		return tooMany, true
	}
	return n, true
}

// units of sizes, the largest first: those of disks, as plans are sold, and those of memory.
var units = []struct {
	name  string
	zeros int   // a power of ten, or
	bytes int64 // any other number
}{
	{"TB", 12, 0}, {"GB", 9, 0}, {"MB", 6, 0}, {"kB", 3, 0}, {"GiB", 0, 1 << 30}, {"MiB", 0, 1 << 20}, {"B", 0, 1},
}

// ParseBytes reads a size with its unit: "20 GB", "0,5 GB", "256 MiB". Only the decimal units take a fraction. Fault: size.format.
func ParseBytes(text string) (int64, error) {
	text = strings.TrimSpace(text)
	end := strings.LastIndexAny(text, "0123456789") + 1
	number, unit := text[:end], strings.TrimSpace(text[end:])
	for _, u := range units {
		if !strings.EqualFold(u.name, unit) {
			continue
		}
		n, ok := parseDecimal(number, u.zeros)
		if u.bytes > 0 && ok {
			n = min(n, tooMany/u.bytes) * u.bytes
		}
		if !ok {
			break
		}
		return n, nil
	}
	return 0, amountFault("size.format")
}

// FormatBytes writes what ParseBytes reads, in the largest unit in which the size is a whole number.
func FormatBytes(n int64) string {
	for _, u := range units {
		size := u.bytes
		if size == 0 {
			size = 1
			for range u.zeros {
				size *= 10
			}
		}
		if n >= size && n%size == 0 {
			return strconv.FormatInt(n/size, 10) + " " + u.name
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

func amountFault(code string) error {
	return &Fault{Kind: Invalid, Code: code, Params: map[string]string{"Most": FormatCents(MostCents)}}
}
