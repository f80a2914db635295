package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPercentileIsByNearestRank(t *testing.T) {
	t.Parallel()
	var twenty []float64
	for i := range 20 {
		twenty = append(twenty, float64(20-i)) // in no order a figure could rely on
	}
	for _, c := range []struct {
		values []float64
		p      int
		want   float64
	}{{twenty, 50, 10}, {twenty, 95, 19}, {twenty, 100, 20}, {[]float64{7}, 95, 7}, {[]float64{1, 2, 3}, 50, 2}} {
		if got := percentile(c.values, c.p); got != c.want {
			t.Errorf("percentile %d of %v is %v, not %v", c.p, c.values, got, c.want)
		}
	}
}

// What is measured is what this process really did: it keeps a core busy for a while and takes a piece of memory.
func TestProcessesAreMeasured(t *testing.T) {
	pid := os.Getpid()
	busy, resident := processorSeconds(pid), residentMB(pid)
	for began := time.Now(); processorSeconds(pid)-busy < 0.2; {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("a busy process has used %v s of processor time", processorSeconds(pid)-busy)
		}
	}
	piece := slices.Repeat([]byte{1}, 64<<20)
	if grown := residentMB(pid) - resident; grown < 60 {
		t.Errorf("%d bytes more are %v MB more", len(piece), grown)
	}
	if sum := family(pid, proportionalMB); sum < 60 {
		t.Errorf("the process has %v MB for itself", sum)
	}
}

func TestPartRemovesWhatItMadeWhenItFails(t *testing.T) {
	t.Parallel()
	var removed []string
	err := try(t.Context(), func(b *bed) {
		b.Cleanup(func() { removed = append(removed, "first") })
		b.Cleanup(func() { removed = append(removed, "second") })
		b.must("measure", errors.New("no time"))
	})
	if err == nil || !strings.Contains(err.Error(), "no time") || !slices.Equal(removed, []string{"second", "first"}) {
		t.Errorf("%v, removed %v", err, removed)
	}
}
