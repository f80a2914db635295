package admin_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/admin"
)

func TestBound(t *testing.T) {
	t.Parallel()
	for given, want := range map[homeserver.Page]homeserver.Page{
		{}: {Limit: 50}, {Offset: -1, Limit: -1}: {Limit: 50}, {Offset: 7, Limit: 3}: {Offset: 7, Limit: 3}, {Limit: math.MaxInt}: {Limit: 1000},
	} {
		if got := admin.Bound(given); got != want {
			t.Errorf("%+v becomes %+v, want %+v", given, got, want)
		}
	}
}

func TestContaining(t *testing.T) {
	t.Parallel()
	if got := admin.Containing(""); got != nil {
		t.Errorf("nothing is searched for as %q", got)
	}
	if got := admin.Containing("änne"); !slices.Contains(got, "%Änne%") || !slices.Contains(got, "%ÄNNE%") || !slices.Contains(got, "%änne%") {
		t.Errorf("%q", got)
	}
	for _, pattern := range admin.Containing(`50%_\`) {
		if pattern != `%50\%\_\\%` {
			t.Errorf("%q", pattern)
		}
	}
	_ = admin.Containing("\xff" + strings.Repeat("ß", 3)) // what is no text is none the less no panic
}

func TestMoment(t *testing.T) {
	t.Parallel()
	for given, want := range map[int64]time.Time{0: {}, -1: {}, math.MaxInt64: {}, 1_700_000_000_123: time.UnixMilli(1_700_000_000_123)} {
		got := admin.Moment(given)
		if _, err := got.MarshalJSON(); err != nil || !got.Equal(want) {
			t.Errorf("%d is %v, want %v; %v", given, got, want, err)
		}
	}
}
