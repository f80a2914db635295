package tenant

import (
	"math"
	"math/bits"
	"time"
)

// Level is how near to a limit somebody is, as far as they are warned of it: 0, 80, 90 or 100 per cent.
type Level int

var levels = []Level{100, 90, 80}

// slack is how many per cent under a mark what is used must fall until reaching the mark warns again.
const slack = 5

// NextLevel is the level after now, with used of limit. It rises as soon as a mark is reached and falls only well below it.
func NextLevel(now Level, used, limit int64) Level {
	for _, level := range levels {
		mark := int(level)
		if level <= now {
			mark -= slack
		}
		if reaches(used, limit, mark) {
			return level
		}
	}
	return 0
}

// reaches reports whether used is at least percent of limit. A limit of nothing is reached by anything, and by nothing too.
func reaches(used, limit int64, percent int) bool {
	if limit <= 0 {
		return true
	}
	high, low := bits.Mul64(magnitude(max(used, 0)), 100) // 128 bits: nothing overflows
	wantHigh, wantLow := bits.Mul64(magnitude(limit), uint64(percent))
	return high > wantHigh || high == wantHigh && low >= wantLow
}

// DayUse is what was stored at the end of a day.
type DayUse struct {
	Day   time.Time
	Bytes int64
}

// Of the forecast.
const (
	forecastDays   = 14  // it looks back
	forecastPoints = 4   // fewer days are no trend
	forecastMost   = 365 // further is guessing
)

// DaysUntilFull is in about how many days a limit is reached if what is stored goes on growing as in the last fourteen days
// of the list: the line through them by least squares. False when there are too few days, or it does not grow, or would not
// be full within a year.
func DaysUntilFull(days []DayUse, limit int64) (int, bool) {
	if len(days) == 0 {
		return 0, false
	}
	last := days[len(days)-1]
	var n, sumX, sumY, sumXX, sumXY float64
	for _, d := range days {
		x := d.Day.Sub(last.Day).Hours() / 24
		if x <= -forecastDays || x > 0 {
			continue
		}
		y := float64(d.Bytes - last.Bytes) // small numbers keep their digits
		n, sumX, sumY, sumXX, sumXY = n+1, sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
	}
	spread := n*sumXX - sumX*sumX
	if n < forecastPoints || spread <= 0 || last.Bytes >= limit {
		return 0, false
	}
	slope := (n*sumXY - sumX*sumY) / spread
	if slope <= 0 {
		return 0, false
	}
	left := math.Ceil(float64(limit-last.Bytes) / slope)
	if left > forecastMost {
		return 0, false
	}
	return int(max(left, 1)), true
}
