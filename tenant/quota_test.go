package tenant

import (
	"math"
	"testing"
	"time"
)

// File systems keep limits in blocks: 64 KiB are the largest any of them has here.
func TestTheFloorIsWholeBlocksAboveTheQuota(t *testing.T) {
	t.Parallel()
	for _, storage := range []int64{1, 20_000_000_000, 20_000_000_001, 50_123_456_789, 250_000_000_000, 1 << 40} {
		floor, least := Quota{StorageBytes: storage}.Floor(), storage+storage/4+1_000_000_000
		if floor%(64<<10) != 0 || floor < least || floor > least+(1<<20) {
			t.Errorf("the floor of %d is %d", storage, floor)
		}
	}
}

func TestLevelsRiseAtTheMarkAndFallBelowIt(t *testing.T) {
	t.Parallel()
	level := Level(0)
	for i, step := range []struct {
		used int64
		want Level
	}{
		{0, 0},
		{799, 0},
		{800, 80},
		{799, 80},
		{800, 80},
		{750, 80},
		{749, 0},
		{800, 80},
		{899, 80},
		{900, 90},
		{860, 90},
		{849, 80},
		{900, 90},
		{1000, 100},
		{999, 100},
		{950, 100},
		{949, 90},
		{5000, 100},
		{100, 0},
		{1000, 100},
		{0, 0},
	} {
		if level = NextLevel(level, step.used, 1000); level != step.want {
			t.Fatalf("step %d: %d of 1000 is level %d, want %d", i, step.used, level, step.want)
		}
	}
}

func TestLevelsOfSmallAndHugeLimits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		used, limit int64
		want        Level
	}{
		{3, 5, 0},
		{4, 5, 80},
		{5, 5, 100},
		{6, 5, 100},
		{1, 1, 100},
		{0, 1, 0},
		{0, 0, 100},
		{-1, 5, 0},
		{math.MaxInt64, 1, 100},
		{math.MaxInt64, math.MaxInt64, 100},
		{math.MaxInt64 / 2, math.MaxInt64, 0},
	} {
		if got := NextLevel(0, row.used, row.limit); got != row.want {
			t.Errorf("%d of %d is level %d, want %d", row.used, row.limit, got, row.want)
		}
	}
}

func daily(bytes ...int64) []DayUse {
	var days []DayUse
	for i, b := range bytes {
		days = append(days, DayUse{time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i), b})
	}
	return days
}

func TestForecast(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		days  []DayUse
		limit int64
		want  int
		ok    bool
	}{
		"steady":             {daily(10, 20, 30, 40), 100, 6, true},
		"noisy":              {daily(10, 25, 28, 41, 49), 100, 6, true},
		"too few":            {daily(10, 20, 30), 100, 0, false},
		"none":               {nil, 100, 0, false},
		"level":              {daily(50, 50, 50, 50), 100, 0, false},
		"shrinking":          {daily(50, 40, 30, 20), 100, 0, false},
		"full":               {daily(70, 80, 90, 100), 100, 0, false},
		"in years":           {daily(1, 2, 3, 4), 1000, 0, false},
		"tomorrow":           {daily(0, 30, 60, 99), 100, 1, true},
		"a fortnight counts": {append(daily(900, 800, 700, 600, 500), daily(make([]int64, 19)...)[5:]...), 100, 0, false},
		"one day, four times": {[]DayUse{
			{time.Unix(0, 0), 1}, {time.Unix(0, 0), 2}, {time.Unix(0, 0), 3}, {time.Unix(0, 0), 4},
		}, 100, 0, false},
	} {
		if got, ok := DaysUntilFull(row.days, row.limit); got != row.want || ok != row.ok {
			t.Errorf("%s: %d, %v", name, got, ok)
		}
	}
	// Days without a measurement are a gap, not a zero.
	gap := append(daily(10), DayUse{daily(0)[0].Day.AddDate(0, 0, 3), 40}, DayUse{daily(0)[0].Day.AddDate(0, 0, 4), 50}, DayUse{daily(0)[0].Day.AddDate(0, 0, 6), 70})
	if got, ok := DaysUntilFull(gap, 100); got != 3 || !ok {
		t.Errorf("with gaps: %d, %v", got, ok)
	}
}
