package edge

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// shares counts what clients hold, so that none holds what all need.
type shares struct {
	most, each int // of all, and of one client

	mu    sync.Mutex
	total int
	of    map[netip.Prefix]int
}

func newShares(most, each int) *shares {
	return &shares{most: most, each: each, of: map[netip.Prefix]int{}}
}

func (s *shares) enter(client netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.most || s.of[client] >= s.each {
		return false
	}
	s.total++
	s.of[client]++
	return true
}

func (s *shares) leave(client netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.of[client]--; s.of[client] == 0 {
		delete(s.of, client)
	}
}

// One client may be a school behind one address, two thousand devices that each wait for events and do something else
// meanwhile, or a large server with a connection to each of thousands of tenants.
const (
	mostConnections = 8192
	mostRequests    = 4096
)

// newConnections counts connections. Each costs a file descriptor and, with TLS, some 30 KiB, so whoever opens them without
// end would take every tenant with them, and all else that runs in this process. Together they get half of the descriptors
// this process may have, for each may want one towards its homeserver too; one client gets a quarter of that at most.
func newConnections(each int) *shares {
	descriptors := uint64(1 << 20)
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		descriptors = min(descriptors, limit.Cur)
	}
	most := int(descriptors / 2)
	if each == 0 {
		each = min(most/4, mostConnections)
	}
	return newShares(most, each)
}

// newRequests counts requests under way. Over HTTP/2 one connection has hundreds. How many all may have is bounded by their
// connections, and for each tenant.
func newRequests(each int) *shares {
	if each == 0 {
		each = mostRequests
	}
	return newShares(math.MaxInt, each)
}

// guard closes connections at once that are too many. To accept and close is cheaper than to let them queue up before
// everybody else's.
func (e *Edge) guard(l net.Listener) net.Listener { return &guardedListener{l, e} }

type guardedListener struct {
	net.Listener
	edge *Edge
}

func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(conn.RemoteAddr().String())
		if !l.edge.connections.enter(client) {
			l.edge.metrics.refused("connections")
			conn.Close()
			continue
		}
		return &countedConn{Conn: conn, leave: sync.OnceFunc(func() { l.edge.connections.leave(client) })}, nil
	}
}

// countedConn is counted until it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// share lets a client have its share of requests.
func (e *Edge) share(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		client := clientOf(r.RemoteAddr)
		if !e.requests.enter(client) {
			e.refuse(w, r, tooManyRequests)
			return
		}
		defer e.requests.leave(client)
		next(w, r)
	}
}

// clientOf is an address, or what one customer gets of IPv6: a /56 (RIPE-690 section 4.2).
func clientOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	address, bits := at.Addr().Unmap().WithZone(""), 56
	if address.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(address, bits).Masked()
}
