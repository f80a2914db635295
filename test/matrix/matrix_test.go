package matrix

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant"
)

// port is one installation, which all tests share because starting one takes seconds.
type port struct {
	*hafentest.Hafen
	owner    *hafentest.Customer
	operator *hafentest.Customer
	metrics  string
	engine   tenant.EngineName // what is ordered
}

// TestHafen runs everything on one installation, at the same time, as a hoster's day would.
func TestHafen(t *testing.T) {
	t.Parallel()
	metrics := freeAddress(t)
	h := hafentest.New(t, hafentest.Env("HAFEN_METER=1s", "HAFEN_METRICS="+metrics))
	up := h.Start("up")
	h.AwaitFrontPage()
	all := port{Hafen: h, owner: h.NewCustomer("harbourmaster@example.org"), operator: h.Operator(up), metrics: metrics}
	both, light, full := []tenant.EngineName{tenant.Synapse, tenant.Dendrite}, []tenant.EngineName{tenant.Dendrite}, []tenant.EngineName{tenant.Synapse}
	for name, test := range map[string]struct {
		run func(*testing.T, port)
		on  []tenant.EngineName
	}{
		"people talk":               {testTalk, both},
		"servers federate":          {testFederation, light}, // with one of the other kind
		"quotas hold":               {testQuota, both},
		"uploads stop at it":        {testParallelUploads, both},
		"a server is restricted":    {testRestricted, both},
		"members come and go":       {testMembers, both},
		"a server is suspended":     {testSuspension, light},
		"a server is deleted":       {testDeletion, both},
		"nobody registers":          {testRegistration, both},
		"a password by its link":    {testPasswordLink, light},
		"sessions outlive a poll":   {testLongPoll, light},
		"sync slides":               {testSlidingSync, full},
		"its share of the database": {testShare, light},
		"the paths are right":       {testPaths, both},
	} {
		for _, engine := range test.on {
			t.Run(name+" on "+string(engine), func(t *testing.T) {
				t.Parallel()
				test.run(t, all.in(t, engine))
			})
		}
	}
}

// in is the same installation for a part of a test, whose servers run on an engine.
func (p port) in(t *testing.T, engine tenant.EngineName) port {
	owner := p.owner.For(t)
	owner.Engine = engine
	return port{p.For(t), owner, p.operator.For(t), p.metrics, engine}
}

// name makes a server's name one of its own for the engine.
func (p port) name(s string) string { return s + "-" + string(p.engine) }

// order orders servers of one plan and waits for all.
func (p port) order(t *testing.T, plan string, names ...string) []hafentest.Server {
	t.Helper()
	var servers []hafentest.Server
	for _, name := range names {
		servers = append(servers, p.owner.Order(plan, p.name(name)))
	}
	for _, s := range servers {
		p.AwaitStatus(s.ID, tenant.Active, 3*time.Minute)
		// The edge hears of a new route a moment later.
		p.Await(patience, "the edge's knowing "+s.Name, func() error {
			conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.HTTPS)), &tls.Config{ServerName: s.Name, RootCAs: p.Authority()})
			if err == nil {
				conn.Close()
			}
			return err
		})
	}
	return servers
}

// act submits a form of a server's dashboard, or of the console for its operators.
func act(c *hafentest.Customer, s hafentest.Server, area, what string, form url.Values) string {
	return c.Post(area+"/servers/"+string(s.ID)+"/"+what, form)
}

const (
	dashboard = ""
	console   = "/operator"
)

func form(name, value string) url.Values { return url.Values{name: {value}} }

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// ask sends a bare request to a server's name on a port of the edge.
func (p port) ask(t *testing.T, method string, s hafentest.Server, on int, path string) (*http.Response, map[string]any) {
	t.Helper()
	return send(t, browserOf(p.Hafen), method, "https://"+net.JoinHostPort(s.Name, strconv.Itoa(on))+path)
}
