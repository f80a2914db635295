package templates

import (
	"strings"
	"testing"
	"time"
)

func points(bytes ...int64) []StoragePoint {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var list []StoragePoint
	for i, b := range bytes {
		list = append(list, StoragePoint{At: start.Add(time.Duration(i) * time.Hour), Database: b / 4, Media: b - b/4})
	}
	return list
}

func TestChartNeedsTwoMoments(t *testing.T) {
	t.Parallel()
	for _, history := range [][]StoragePoint{nil, points(1), {points(1)[0], points(1)[0]}} {
		if _, ok := chartOf(history); ok {
			t.Errorf("%d points at one moment make a picture", len(history))
		}
	}
}

func TestChartFillsItsWidthAndStaysInside(t *testing.T) {
	t.Parallel()
	c, ok := chartOf(points(0, 50, 100))
	if !ok || c.Top != 120 {
		t.Fatalf("chart %+v, %v", c, ok)
	}
	// 100 of 120 is a sixth below the upper edge.
	if c.Line != "M0.0 120.0L300.0 70.0L600.0 20.0" {
		t.Errorf("line %s", c.Line)
	}
	if !strings.HasPrefix(c.Media, "M0 120L") || !strings.HasSuffix(c.Media, "L600 120Z") {
		t.Errorf("area %s", c.Media)
	}
}

func TestChartOfNothingStored(t *testing.T) {
	t.Parallel()
	if c, ok := chartOf(points(0, 0)); !ok || strings.Contains(c.Line, "NaN") {
		t.Errorf("chart %+v, %v", c, ok)
	}
}

func TestChartTableIsShortAndEndsNow(t *testing.T) {
	t.Parallel()
	long := make([]int64, 721)
	for i := range long {
		long[i] = int64(i)
	}
	history := points(long...)
	rows := chartRows(history)
	if len(rows) != 12 || rows[0] != history[0] || rows[11] != history[720] {
		t.Errorf("%d rows, from %v to %v", len(rows), rows[0], rows[len(rows)-1])
	}
	if short := points(1, 2, 3); len(chartRows(short)) != 3 {
		t.Error("a short history loses rows")
	}
}
