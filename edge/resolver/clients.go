package resolver

import (
	"net"
	"net/netip"
	"sync"
)

// Questions under way, for one tenant and in all: a homeserver joining a large room asks for hundreds of names, but not
// at the expense of its neighbours.
const (
	maxQuestionsClient = 64
	maxQuestions       = 1024
)

// Connections, likewise: a client needs one where an answer is too large for UDP.
const (
	maxConnectionsClient = 32
	maxConnections       = 1024
)

// clients counts something for each client and for all.
type clients struct {
	each, most int

	mu    sync.Mutex
	busy  map[netip.Addr]int
	total int
}

func newClients(each, most int) *clients {
	return &clients{each: each, most: most, busy: map[netip.Addr]int{}}
}

func (c *clients) enter(client netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.most || c.busy[client] >= c.each {
		return false
	}
	c.busy[client]++
	c.total++
	return true
}

func (c *clients) leave(client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.busy[client]--; c.busy[client] == 0 {
		delete(c.busy, client)
	}
}

// guarded closes connections that are too many at once.
type guarded struct {
	net.Listener
	clients *clients
}

// Accept gives the next connection that may stay.
func (g guarded) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := addressOf(conn.RemoteAddr())
		if !g.clients.enter(client) {
			conn.Close()
			continue
		}
		return &counted{conn, sync.OnceFunc(func() { g.clients.leave(client) })}, nil
	}
}

type counted struct {
	net.Conn
	leave func()
}

// Close ends the connection and its counting.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
