package i18n

import (
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	de, en := For("de"), For("en")
	summer := time.Date(2026, 7, 4, 22, 30, 5, 0, time.UTC)
	winter := time.Date(2026, 11, 2, 4, 5, 6, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{de.Number(1234567), "1.234.567"},
		{en.Number(-1234), "-1,234"},
		{de.Number(999), "999"},
		{de.Decimal(-0.5, 1), "-0,5"},
		{de.Decimal(1234.56, 1), "1.234,6"},
		{de.Money(400, "EUR"), "4,00\u00a0€"},
		{en.Money(400, "EUR"), "€4.00"},
		{en.Money(-123456, "EUR"), "-€1,234.56"},
		{en.Money(400, "CHF"), "CHF\u00a04.00"},
		{de.Money(5, "EUR"), "0,05\u00a0€"},
		{de.Bytes(0), "0\u00a0B"},
		{de.Bytes(999), "999\u00a0B"},
		{de.Bytes(320_400), "320\u00a0kB"},
		{de.Bytes(1_500_000_000), "1,5\u00a0GB"},
		{en.Bytes(1_500_000_000), "1.5\u00a0GB"},
		{de.Bytes(20_000_000_000), "20\u00a0GB"},
		{de.Bytes(20_010_000_000), "20\u00a0GB"},
		{de.Bytes(999_999_999), "1\u00a0GB"},
		{de.Bytes(250_300_000_000), "250\u00a0GB"},
		{de.Bytes(2_000_000_000_000), "2\u00a0TB"},
		{de.Percent(0.999), "99\u00a0%"},
		{en.Percent(1), "100%"},
		{de.Date(summer), "05.07.2026"}, // past midnight in Berlin
		{en.Date(summer), "5 Jul 2026"},
		{de.DateTime(winter), "02.11.2026, 05:05\u00a0Uhr"},
		{en.DateTime(winter), "2 Nov 2026, 05:05\u00a0CET"},
		{en.In(time.UTC).DateTime(winter), "2 Nov 2026, 04:05\u00a0UTC"},
		{de.Duration(420 * time.Millisecond), "0,4\u00a0s"},
		{de.Duration(12 * time.Second), "12\u00a0s"},
		{en.Duration(185 * time.Second), "3\u00a0min 05\u00a0s"},
		{en.Duration(130 * time.Minute), "2\u00a0h 10\u00a0min"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, test := range []struct{ from, until, want string }{
		{"2026-10-01T00:30:00+02:00", "2026-11-01T00:30:00+01:00", "01.10.2026 – 31.10.2026"},
		{"2027-02-28T00:30:00+01:00", "2027-03-30T00:30:00+02:00", "28.02.2027 – 29.03.2027"}, // a day less is 23 hours less
		{"2026-11-15T10:00:00+01:00", "2026-11-16T10:00:00+01:00", "15.11.2026"},
		{"2026-11-15T10:00:00+01:00", "2026-11-15T11:00:00+01:00", "15.11.2026"},
	} {
		if got := For("de").Span(at(test.from), at(test.until)); got != test.want {
			t.Errorf("%s to %s: %q, want %q", test.from, test.until, got, test.want)
		}
	}
}
