package tenant_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"hafen/tenant"
)

// What is ordered at a time of day runs out at that time of day, and a month that began on its first day ends with its last, though
// the clocks were changed in it and though it was still the day before in Greenwich.
func TestMonthsAreThoseOfTheCalendar(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		moment, err := time.ParseInLocation("2006-01-02 15:04", text, tenant.Zone)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, test := range []struct {
		anchor string
		period tenant.Period
		n      int
		want   string
	}{
		{"2026-10-01 00:30", tenant.Monthly, 1, "2026-11-01 00:30"}, // winter begins on 25 October
		{"2026-03-01 00:30", tenant.Monthly, 1, "2026-04-01 00:30"}, // summer on 29 March
		{"2026-12-01 00:30", tenant.Monthly, 1, "2027-01-01 00:30"},
		{"2026-12-01 00:30", tenant.Monthly, 3, "2027-03-01 00:30"},
		{"2027-01-31 10:00", tenant.Monthly, 1, "2027-02-28 10:00"},
		{"2027-01-31 10:00", tenant.Monthly, 2, "2027-03-31 10:00"},
		{"2027-01-31 10:00", tenant.Monthly, 13, "2028-02-29 10:00"},
		{"2028-02-29 10:00", tenant.Yearly, 1, "2029-02-28 10:00"},
		{"2028-02-29 10:00", tenant.Yearly, 4, "2032-02-29 10:00"},
	} {
		if got := test.period.After(at(test.anchor), test.n); !got.Equal(at(test.want)) {
			t.Errorf("%d %s after %s is %s, want %s", test.n, test.period, test.anchor, got.In(tenant.Zone), test.want)
		}
	}
}

// One period ends where the next begins, and none is shorter than a February less the hour of summer time.
func TestPeriodsFollowOneAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		anchor := epoch.Add(time.Duration(rapid.Int64Range(0, 10*365*24*3600).Draw(t, "second")) * time.Second)
		period := rapid.SampledFrom([]tenant.Period{tenant.Monthly, tenant.Yearly}).Draw(t, "period")
		n := rapid.IntRange(0, 40).Draw(t, "n")
		length := period.After(anchor, n+1).Sub(period.After(anchor, n))
		least, most := 28*24*time.Hour-time.Hour, 31*24*time.Hour+time.Hour
		if period == tenant.Yearly {
			least, most = 365*24*time.Hour-time.Hour, 366*24*time.Hour+time.Hour
		}
		if length < least || length > most {
			t.Fatalf("period %d after %s is %s", n, anchor, length)
		}
	})
}
