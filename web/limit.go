package web

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hafen/tenant"
)

// The coarse limits, per client address. They keep one visitor from taking the machine; guessing passwords and filling
// mailboxes is limited by the use cases, in the database. Generous, because a school sits behind one address.
var (
	readLimit  = pace{perSecond: 30, burst: 200}
	writeLimit = pace{perSecond: 5, burst: 60}
	checkLimit = pace{perSecond: 5, burst: 30} // a name as it is typed: one question a keystroke
)

type pace struct {
	perSecond rate.Limit
	burst     int
}

// maxAddresses bounds a limiter's memory: two generations of this many buckets of some 200 bytes.
const maxAddresses = 20_000

// limiter counts by address. When a generation is full the one before it is forgotten, so a flood of addresses costs no more
// memory, and an address seen since the last change is still known.
type limiter struct {
	pace     pace
	now      func() time.Time
	mu       sync.Mutex
	current  map[netip.Prefix]*rate.Limiter
	previous map[netip.Prefix]*rate.Limiter
}

func newLimiter(p pace, now func() time.Time) *limiter {
	return &limiter{pace: p, now: now, current: map[netip.Prefix]*rate.Limiter{}}
}

func (l *limiter) allow(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := network(address)
	bucket := l.current[key]
	if bucket == nil {
		if bucket = l.previous[key]; bucket == nil {
			bucket = rate.NewLimiter(l.pace.perSecond, l.pace.burst)
		}
		if len(l.current) >= maxAddresses {
			l.previous, l.current = l.current, map[netip.Prefix]*rate.Limiter{}
		}
		l.current[key] = bucket
	}
	return bucket.AllowN(l.now(), 1)
}

// network is what one client can choose addresses from: an IPv6 customer has at least a /64 (RFC 6177).
func network(address string) netip.Prefix {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{} // unknown: all share one bucket
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// checkRate applies the limits.
func (s *Server) checkRate(r *request) error {
	limit := s.reads
	switch {
	case r.route.nature.has(costly):
		limit = s.checks
	case !r.safe():
		limit = s.writes
	}
	if !limit.allow(r.address) {
		return &tenant.Fault{Kind: tenant.TooMany, Code: "request.too_many"}
	}
	return nil
}
