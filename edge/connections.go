package edge

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// connections counts the open connections of clients. Each costs a file descriptor and, with TLS, some 30 KiB, so whoever
// opens them without end would take every tenant with them, and all else that runs in this process.
type connections struct {
	most, each int // in all, and of one client
	refused    func()

	mu   sync.Mutex
	open int
	of   map[netip.Prefix]int
}

// One client may be a school behind one address, or a large server with a connection to each of thousands of tenants.
const mostOfClient = 8192

// newConnections takes half of the descriptors this process may have, for each client may want one towards its homeserver
// too. No client gets more than a quarter of that.
func newConnections(each int, refused func()) *connections {
	descriptors := uint64(1 << 20)
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		descriptors = min(descriptors, limit.Cur)
	}
	most := int(descriptors / 2)
	if each == 0 {
		each = min(most/4, mostOfClient)
	}
	return &connections{most: most, each: each, refused: refused, of: map[netip.Prefix]int{}}
}

func (c *connections) enter(client netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most || c.of[client] >= c.each {
		return false
	}
	c.open++
	c.of[client]++
	return true
}

func (c *connections) leave(client netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.of[client]--; c.of[client] == 0 {
		delete(c.of, client)
	}
}

// guard closes at once what is too much. To accept and close is cheaper than to let them queue up before everybody else.
func (c *connections) guard(l net.Listener) net.Listener { return &guardedListener{l, c} }

type guardedListener struct {
	net.Listener
	connections *connections
}

func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(conn.RemoteAddr())
		if !l.connections.enter(client) {
			l.connections.refused()
			conn.Close()
			continue
		}
		return &countedConn{Conn: conn, leave: sync.OnceFunc(func() { l.connections.leave(client) })}, nil
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

// clientOf is an address, or what one customer gets of IPv6: a /56 (RIPE-690 section 4.2).
func clientOf(remote net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return netip.Prefix{}
	}
	address, bits := at.Addr().Unmap().WithZone(""), 56
	if address.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(address, bits).Masked()
}
