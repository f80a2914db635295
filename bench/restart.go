package main

import (
	"hafen/internal/hafentest"
)

// measureRestarts stops Hafen as Ctrl-C does and starts it again, tenants and database running on; and once after `hafen down`,
// which stops those too.
func measureRestarts(b *bed, h *hafentest.Hafen, up *hafentest.Process, n int, r *report) {
	again := func() float64 {
		watch := newStopwatch()
		up = h.Start("up")
		h.AwaitFrontPage()
		return watch.seconds()
	}
	var times []float64
	for i := range n {
		b.must("stop Hafen", up.Interrupt())
		times = append(times, again())
		tell("restart %d of %d: front page after %.2f s", i+1, n, times[i])
	}
	r.sample("second start to front page", "s", times, nil)
	b.must("stop Hafen", up.Interrupt())
	out, err := h.Run("down")
	if err != nil {
		b.Fatalf("hafen down: %v: %s", err, out)
	}
	r.once("start after hafen down to front page", "s", again())
	b.must("stop Hafen", up.Interrupt())
}
