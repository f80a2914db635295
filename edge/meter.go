package edge

import (
	"slices"
	"sync"
	"time"

	"hafen/tenant"
)

// meter counts one tenant's storage between two measurements: what was measured, what was accepted since, and what is
// under way. Safe for concurrent use.
type meter struct {
	mu       sync.Mutex
	quota    int64
	measured int64
	at       time.Time // of the measurement
	accepted []acceptance
	reserved int64
}

// acceptance is an upload that a homeserver has taken and that the measurement may not contain yet.
type acceptance struct {
	bytes int64
	at    time.Time
}

// Acceptances kept apart; beyond that the oldest two become one, dated late: counted twice for a while rather than never.
const maxAcceptances = 512

// setQuota takes over a route's quota.
func (m *meter) setQuota(quota int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quota = quota
}

// setUse takes over the newest measurement. An upload that ended after the moment of measuring still counts on top of it.
func (m *meter) setUse(use tenant.StorageUse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.measured, m.at = use.Bytes, use.MeasuredAt
	m.accepted = slices.DeleteFunc(m.accepted, func(a acceptance) bool { return !a.at.After(m.at) })
}

// reserve takes n bytes of what is left, all or nothing. Nothing can be reserved, not even 0, when nothing is left.
func (m *meter) reserve(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.holds(n) {
		return false
	}
	m.reserved += n
	return true
}

// fits reports whether reserve would take n now.
func (m *meter) fits(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holds(n)
}

// extend is reserve for an upload under way.
func (m *meter) extend(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.left() {
		return false
	}
	m.reserved += n
	return true
}

// settle ends a reservation of n bytes, of which stored were kept by the homeserver.
func (m *meter) settle(n, stored int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reserved -= n
	if stored <= 0 {
		return
	}
	m.accept(acceptance{stored, now})
}

func (m *meter) accept(a acceptance) {
	m.accepted = append(m.accepted, a)
	if len(m.accepted) > maxAcceptances {
		m.accepted[1].bytes += m.accepted[0].bytes
		m.accepted = slices.Delete(m.accepted, 0, 1)
	}
}

// remember takes over what an edge before this one has accepted.
func (m *meter) remember(list []acceptance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range list {
		m.accept(a)
	}
}

// past reports whether more than n bytes were measured.
func (m *meter) past(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.measured > n
}

// pending is what was accepted and not measured yet.
func (m *meter) pending() []acceptance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.accepted)
}

// free is what is left, never less than nothing.
func (m *meter) free() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(m.left(), 0)
}

func (m *meter) holds(n int64) bool {
	left := m.left()
	return left > 0 && n <= left
}

func (m *meter) left() int64 {
	left := m.quota - m.measured - m.reserved
	for _, a := range m.accepted {
		left -= a.bytes
	}
	return left
}
