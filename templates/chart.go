package templates

import (
	"fmt"
	"strings"
	"time"
)

// The chart's own units; the SVG stretches to the width of its card.
const (
	chartWidth  = 600
	chartHeight = 120
)

// chart is the history of the storage as SVG paths: the whole, and the database below it.
type chart struct {
	Media, Database string // areas
	Line            string // upper edge
	Top             int64  // bytes at the upper edge of the picture
	From, To        time.Time
}

// chartOf draws the points, oldest first. Fewer than two make no picture.
func chartOf(points []StoragePoint) (chart, bool) {
	if len(points) < 2 || !points[len(points)-1].At.After(points[0].At) {
		return chart{}, false
	}
	c := chart{From: points[0].At, To: points[len(points)-1].At, Top: 1}
	for _, p := range points {
		// A fifth of air above the highest point.
		c.Top = max(c.Top, (p.Database+p.Media)*6/5)
	}
	var whole, database []string
	for _, p := range points {
		x := float64(p.At.Sub(c.From)) / float64(c.To.Sub(c.From)) * chartWidth
		whole = append(whole, fmt.Sprintf("%.1f %.1f", x, c.y(p.Database+p.Media)))
		database = append(database, fmt.Sprintf("%.1f %.1f", x, c.y(p.Database)))
	}
	c.Line = "M" + strings.Join(whole, "L")
	c.Media, c.Database = area(whole), area(database)
	return c, true
}

func (c chart) y(bytes int64) float64 {
	return chartHeight - float64(bytes)/float64(c.Top)*chartHeight
}

func area(edge []string) string {
	return fmt.Sprintf("M0 %dL%sL%d %dZ", chartHeight, strings.Join(edge, "L"), chartWidth, chartHeight)
}

// chartRows thins the history to at most twelve rows for the table beside the picture, always with the newest.
func chartRows(points []StoragePoint) []StoragePoint {
	const most = 12
	if len(points) <= most {
		return points
	}
	rows := make([]StoragePoint, 0, most)
	for i := range most {
		rows = append(rows, points[i*(len(points)-1)/(most-1)])
	}
	return rows
}

func first(points []StoragePoint) int64 { return points[0].Database + points[0].Media }

func last(points []StoragePoint) int64 {
	p := points[len(points)-1]
	return p.Database + p.Media
}
