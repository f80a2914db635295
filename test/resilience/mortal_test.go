package resilience

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/internal/hafentest"
)

// mortal is an installation whose process dies at every point that it comes to for the first time: before and after each step,
// each commit and each request to Stripe, wherever it comes by. It is started again each time, and nothing else is done for it.
//
// What the points are nobody has written down: the process names what it is about to do (see cmd/hafen/step_crash.go), and what it
// has died at once it survives from then on. So a walk that is walked until nobody dies on it any more has been broken off
// everywhere.
type mortal struct {
	*hafentest.Hafen
	t       *testing.T
	process *hafentest.Process
	env     []string
	// Between a death and the next life: for time to pass.
	between func()

	mu    sync.Mutex
	died  []string
	dying bool
}

// aside is who is not on the way of an order and its money: whoever logs in, measures, tidies up, and what a process does as it starts.
var aside = []string{"Accounts.", "Meter.", "MemberSync.", "Cleaner.", "CleanWorker.", "CertificateKeeper.", "Store."}

func newMortal(t *testing.T, h *hafentest.Hafen) *mortal {
	t.Helper()
	socket := filepath.Join(h.Data, "ask")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{Hafen: h, t: t, env: []string{"HAFEN_CRASH_ASK=" + socket}, between: func() {}}
	var answering sync.WaitGroup
	answering.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answering.Go(func() { m.answer(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); answering.Wait() })
	return m
}

func (m *mortal) answer(conn net.Conn) {
	defer conn.Close()
	name, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return // killed while it asked
	}
	answer := "live"
	if m.dies(strings.TrimSpace(name)) {
		answer = "die"
	}
	_, _ = fmt.Fprintln(conn, answer) // nobody may be there any more
}

func (m *mortal) dies(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	beside := slices.ContainsFunc(aside, func(who string) bool { return strings.HasPrefix(name, who) })
	if m.dying || beside || slices.Contains(m.died, name) {
		return false
	}
	m.died, m.dying = append(m.died, name), true
	return true
}

// deaths are the points it has died at, in order.
func (m *mortal) deaths() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.died)
}

// revive starts the process again if it has died where it was told to.
func (m *mortal) revive() {
	m.t.Helper()
	if m.process != nil {
		if !m.process.Ended() {
			return
		}
		if !m.process.Killed() {
			m.t.Fatal("the process has ended by itself")
		}
	}
	m.between()
	m.mu.Lock()
	m.dying = false
	m.mu.Unlock()
	m.process = m.Start("up", m.env...)
}

// until lets somebody act until they have what they want, whatever happens to the process meanwhile.
func (m *mortal) until(what string, act func() error) {
	m.t.Helper()
	m.Await(3*time.Minute, what, func() error {
		m.revive()
		return act()
	})
}

// unharmed walks a walk until it is walked without a death. It is given the number of the walk, from 1.
func (m *mortal) unharmed(walk func(n int)) {
	m.t.Helper()
	for n := 1; ; n++ {
		before := len(m.deaths())
		walk(n)
		if len(m.deaths()) == before {
			return
		}
	}
}
