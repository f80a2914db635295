//go:build crash

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// This process can be killed, as kill -9 does it, between any two things it does. Only a build with the tag crash has this.
//
// What it is about to do, and has just done and not yet recorded, has a name; done, it ends in "+". A step is named by itself
// ("create_database", "create_database+"). A request to Stripe is named by who makes it, as the call stack says, a commit by who
// makes it and by the tables that were written, so that no list of them has to be kept: "Orders.Order: POST /v1/customers+",
// "Bookkeeping.Book: Store.BookPayment audit invoice_payments invoices".
var (
	atCommit  pgx.QueryTracer   = &commits{written: map[*pgx.Conn][]string{}}
	atRequest http.RoundTripper = requests{}
)

// atStep is before a step acts, and after it has acted and before that is recorded.
func atStep(step tenant.Step, acted bool) { at(string(step), acted) }

// at dies at the point that HAFEN_CRASH_AT names, or when whoever listens at the Unix socket HAFEN_CRASH_ASK answers its name
// with "die".
func at(name string, acted bool) {
	if acted {
		name += "+"
	}
	if os.Getenv("HAFEN_CRASH_AT") == name || told(name) {
		fmt.Fprintln(os.Stderr, "crashing at", name)
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			panic(err)
		}
		select {} // SIGKILL is on its way
	}
}

func told(name string) bool {
	socket := os.Getenv("HAFEN_CRASH_ASK")
	if socket == "" {
		return false
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, name); err != nil {
		panic(err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		panic(err)
	}
	return answer == "die\n"
}

var (
	useCase = regexp.MustCompile(`^hafen/controlplane\.\(?\*?([A-Z]\w*)\)?\.([A-Z]\w*)`)
	storing = regexp.MustCompile(`^hafen/controlplane/postgres\.\(?\*?(\w+)\)?\.([A-Z]\w*)`)
	writing = regexp.MustCompile(`(?i)\b(?:(?:insert\s+into|delete\s+from)\s+(\w+)|update\s+(\w+)(?:\s+\w+)?\s+set)\b`)
)

// stack is the use case, or the loop, that has led here, and the store's method: the outermost of each; "" when there is none.
func stack() (who, what string) {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if m := useCase.FindStringSubmatch(frame.Function); m != nil {
			who = m[1] + "." + m[2]
		}
		if m := storing.FindStringSubmatch(frame.Function); m != nil {
			what = m[1] + "." + m[2]
		}
		if !more {
			return who, what
		}
	}
}

// commits is at each commit of something written, also at that of a statement that is a transaction by itself.
type commits struct {
	mu      sync.Mutex
	written map[*pgx.Conn][]string // tables, since its transaction began
}

// commitKey keeps the name of a commit that has begun, for its end.
type commitKey struct{}

func (c *commits) begin(ctx context.Context, conn *pgx.Conn, sql ...string) context.Context {
	tables := c.commits(conn, sql)
	if len(tables) == 0 {
		return ctx
	}
	who, what := stack()
	if what == "" {
		return ctx // the job queue's own: after a job, and before it is known to be done, the job's last commit has a point
	}
	slices.Sort(tables)
	name := what + " " + strings.Join(slices.Compact(tables), " ")
	if who != "" {
		name = who + ": " + name
	}
	at(name, false)
	return context.WithValue(ctx, commitKey{}, name)
}

// commits gives the tables that statements commit a change of; none when they commit nothing.
func (c *commits) commits(conn *pgx.Conn, sql []string) []string {
	var tables []string
	for _, one := range sql {
		for _, m := range writing.FindAllStringSubmatch(one, -1) {
			tables = append(tables, m[1]+m[2])
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.PgConn().TxStatus() == 'I' {
		delete(c.written, conn) // of a transaction whose connection's end nobody saw
		return tables
	}
	c.written[conn] = append(c.written[conn], tables...)
	if sql[0] != "commit" {
		return nil
	}
	defer delete(c.written, conn)
	return c.written[conn]
}

func (c *commits) end(ctx context.Context) {
	if name, is := ctx.Value(commitKey{}).(string); is {
		at(name, true)
	}
}

// TraceQueryStart is before a statement.
func (c *commits) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return c.begin(ctx, conn, data.SQL)
}

// TraceQueryEnd is after it.
func (c *commits) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	c.end(ctx)
}

// TraceBatchStart is before several statements.
func (c *commits) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	var sql []string
	for _, one := range data.Batch.QueuedQueries {
		sql = append(sql, one.SQL)
	}
	return c.begin(ctx, conn, sql...)
}

// TraceBatchQuery is after each of them.
func (c *commits) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd is after all.
func (c *commits) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	c.end(ctx)
}

// requests is at each request to Stripe. After a question nothing is otherwise than before it.
type requests struct{}

// ids have a digit in them; what there is at Stripe has none.
var ids = regexp.MustCompile(`/\w*[0-9]\w*`)

// RoundTrip sends a request on.
func (requests) RoundTrip(r *http.Request) (*http.Response, error) {
	who, _ := stack()
	name := who + ": " + r.Method + " /v1" + ids.ReplaceAllString(strings.TrimPrefix(r.URL.Path, "/v1"), "/:id")
	at(name, false)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method != http.MethodGet {
		at(name, true)
	}
	return answer, err
}
