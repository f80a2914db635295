package i18n

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func (l *Locale) decimalPoint() string {
	if l.code == "de" {
		return ","
	}
	return "."
}

func (l *Locale) thousands() string {
	if l.code == "de" {
		return "."
	}
	return ","
}

// Number writes a whole number with separated thousands.
func (l *Locale) Number(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	digits := strconv.FormatInt(n, 10)
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return sign + strings.Join(append([]string{digits}, groups...), l.thousands())
}

// Decimal writes a number with the given digits after the point.
func (l *Locale) Decimal(v float64, digits int) string {
	whole, fraction, found := strings.Cut(strconv.FormatFloat(v, 'f', digits, 64), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil { // beyond int64: no group marks then
		return whole
	}
	text := l.Number(n)
	if n == 0 && v < 0 {
		text = "-" + text
	}
	if !found {
		return text
	}
	return text + l.decimalPoint() + fraction
}

// nbsp keeps a number and its unit on one line.
const nbsp = "\u00a0"

// Money writes an amount in cents: "4,00 €" or "€4.00".
func (l *Locale) Money(cents int64, currency string) string {
	symbol := currency
	switch currency {
	case "EUR":
		symbol = "€"
	case "USD":
		symbol = "$"
	case "GBP":
		symbol = "£"
	}
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	amount := fmt.Sprintf("%s%s%02d", l.Number(cents/100), l.decimalPoint(), cents%100)
	switch {
	case l.code == "de":
		return sign + amount + nbsp + symbol
	case symbol == currency:
		return sign + symbol + nbsp + amount
	default:
		return sign + symbol + amount
	}
}

// Bytes writes a size in the units of hard disks: 1 GB is 10^9 bytes, as the
// plans are sold. Whole values lose their decimals: "20 GB", "1,5 GB", "320 kB".
func (l *Locale) Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	value, unit := float64(n), 0
	// 999.5 would be rounded up to "1,000" of the smaller unit.
	for unit < len(units)-1 && value >= 999.5 {
		value /= 1000
		unit++
	}
	digits := 0
	if unit > 1 && value < 100 && value != float64(int64(value)) {
		digits = 1
	}
	text := strings.TrimSuffix(l.Decimal(value, digits), l.decimalPoint()+"0")
	return text + nbsp + units[unit]
}

// Percent writes a share between 0 and 1 in whole per cent, rounded down so that
// "100 %" means full.
func (l *Locale) Percent(share float64) string {
	text := strconv.Itoa(int(share * 100))
	if l.code == "de" {
		return text + nbsp + "%"
	}
	return text + "%"
}

// Date writes a day: "22.11.2026" or "22 Nov 2026".
func (l *Locale) Date(t time.Time) string {
	if l.code == "de" {
		return t.In(l.zone).Format("02.01.2006")
	}
	return t.In(l.zone).Format("2 Jan 2006")
}

// Span writes a period from its first day to its last: the next one begins at the moment it ends.
func (l *Locale) Span(from, until time.Time) string {
	until = until.In(l.zone).AddDate(0, 0, -1)
	first, last := l.Date(from), l.Date(until)
	if first == last || until.Before(from) {
		return first
	}
	return first + " – " + last
}

// DateTime writes day and minute with the zone: "22.11.2026, 05:24 Uhr" or "22 Nov 2026, 05:24 CET".
func (l *Locale) DateTime(t time.Time) string {
	if l.code == "de" {
		return t.In(l.zone).Format("02.01.2006, 15:04") + nbsp + "Uhr"
	}
	return t.In(l.zone).Format("2 Jan 2006, 15:04") + nbsp + t.In(l.zone).Format("MST")
}

// inputTime is how a browser's input of type datetime-local says a moment (HTML, "valid local date and time strings").
const inputTime = "2006-01-02T15:04"

// InputTime writes a moment for an input of type datetime-local.
func (l *Locale) InputTime(t time.Time) string { return t.In(l.zone).Format(inputTime) }

// ParseInputTime reads what such an input sends.
func (l *Locale) ParseInputTime(text string) (time.Time, error) {
	return time.ParseInLocation(inputTime, text, l.zone)
}

// Time writes the time of day with seconds.
func (l *Locale) Time(t time.Time) string { return t.In(l.zone).Format("15:04:05") }

// Duration writes how long something took: "0,4 s", "12 s", "3 min 05 s", "2 h 10 min".
func (l *Locale) Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return l.Decimal(d.Seconds(), 1) + nbsp + "s"
	case d < time.Minute:
		return l.Decimal(d.Seconds(), 0) + nbsp + "s"
	case d < time.Hour:
		return fmt.Sprintf("%d%smin %02d%ss", int(d.Minutes()), nbsp, int(d.Seconds())%60, nbsp)
	default:
		return fmt.Sprintf("%d%sh %02d%smin", int(d.Hours()), nbsp, int(d.Minutes())%60, nbsp)
	}
}
