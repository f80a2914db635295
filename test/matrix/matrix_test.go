package matrix

import (
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
}

// TestHafen runs everything on one installation, at the same time, as a hoster's day would.
func TestHafen(t *testing.T) {
	t.Parallel()
	metrics := freeAddress(t)
	h := hafentest.New(t, hafentest.Env("HAFEN_METER=1s", "HAFEN_METRICS="+metrics))
	up := h.Start("up")
	h.AwaitFrontPage()
	all := port{Hafen: h, owner: h.NewCustomer("harbourmaster@example.org"), operator: h.Operator(up), metrics: metrics}
	for name, test := range map[string]func(*testing.T, port){
		"people talk":             testTalk,
		"servers federate":        testFederation,
		"quotas hold":             testQuota,
		"members come and go":     testMembers,
		"a server is suspended":   testSuspension,
		"a server is deleted":     testDeletion,
		"nobody registers":        testRegistration,
		"a password by its link":  testPasswordLink,
		"sessions outlive a poll": testLongPoll,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, port{h.For(t), all.owner.For(t), all.operator.For(t), metrics})
		})
	}
}

// order orders servers of one plan and waits for all.
func (p port) order(t *testing.T, plan string, names ...string) []hafentest.Server {
	t.Helper()
	var servers []hafentest.Server
	for _, name := range names {
		servers = append(servers, p.owner.Order(plan, name))
	}
	for _, s := range servers {
		p.AwaitStatus(s.ID, tenant.Active, 3*time.Minute)
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
