// Command bench measures what Hafen promises, on a real installation of its own beside whatever else runs on this machine:
// the time from an order to the first login, the memory and processor time of an idle Hafen, and the time of a second start; and
// apart from it what the quota gate costs an upload, and metering a fleet, and how soon an upgrade that was paid is in effect.
//
// The installation is the one the tests use (internal/hafentest), and is removed afterwards. Times of an order are
// measured where a person would: in the answers their browser and their Matrix client get. Beside each order stands its
// floor, measured in the same run and in turn: the bare restart of the same image with the same profile, by nothing but the
// Docker Engine, asked until it is ready. What is between the two is Hafen's own, and making the container.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"hafen/internal/hafentest"
	"hafen/tenant/homeserver"
	"hafen/tenant/homeserver/dendrite"
	"hafen/tenant/homeserver/synapse"
)

// extent is how much is measured.
type extent struct {
	orders, domains, tenants, restarts, changes, upgrades, members, uploads, metered int
	idle                                                                             time.Duration
	neighbour                                                                        bool
	engine                                                                           string
}

func main() {
	var e extent
	flag.IntVar(&e.orders, "orders", 20, "orders of a name under the base domain, of each engine")
	flag.StringVar(&e.engine, "engine", "", "orders of this engine alone")
	flag.IntVar(&e.domains, "domains", 10, "orders of an own domain")
	flag.IntVar(&e.tenants, "tenants", 50, "tenants that are active while Hafen is idle")
	flag.IntVar(&e.changes, "changes", 5, "changes of settings of each engine that need a restart")
	flag.IntVar(&e.upgrades, "upgrades", 10, "upgrades of a plan, paid through Stripe")
	flag.IntVar(&e.members, "members", 10_000, "members of the server whose list is read")
	flag.IntVar(&e.uploads, "uploads", 200, "uploads of 1 MB through the edge; ten times as many of 1 KB, a tenth of 50 MB")
	flag.IntVar(&e.metered, "metered", 10_000, "tenants of the metering pass")
	flag.IntVar(&e.restarts, "restarts", 5, "second starts")
	flag.DurationVar(&e.idle, "idle", time.Minute, "how long an idle Hafen is watched")
	flag.BoolVar(&e.neighbour, "neighbour", true, "a server asked while another takes all it can get")
	out := flag.String("out", filepath.Join(hafentest.Root(), "bench", "results.json"), "file for the results; none when empty")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, e, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, e extent, out string) error {
	r := newReport(ctx)
	var program string
	defer func() { os.Remove(program) }() // built for this run alone
	if err := try(ctx, func(b *bed) { program = hafentest.Program(b) }); err != nil {
		return err
	}
	for _, part := range []func(*bed, extent, *report){measureGate, measureMetering, measureUpgrade, measureUnderBase, measureOwnDomain} {
		err := try(ctx, func(b *bed) { part(b, e, r) })
		if out != "" { // what is measured is kept, whatever comes after
			err = errors.Join(err, r.write(out))
		}
		if err != nil {
			return err
		}
	}
	r.print(os.Stdout)
	return nil
}

// measureUnderBase is everything that one trial installation tells: orders, and with their servers still there the idle
// Hafen and its second start.
func measureUnderBase(b *bed, e extent, r *report) {
	if e.orders+e.members+e.tenants+e.restarts == 0 && !e.neighbour {
		return
	}
	h := hafentest.New(b, hafentest.Env("HAFEN_TEMPLATES=true"))
	start := time.Now()
	up := h.Start("up")
	h.AwaitFrontPage()
	r.once("first start to front page", "s", time.Since(start).Seconds())
	for _, engine := range []homeserver.Engine{synapse.Engine{}, dendrite.Engine{}} {
		if e.orders > 0 && (e.engine == "" || e.engine == string(engine.Describe().Name)) {
			measureOrders(b, h, engine, e.orders, r)
			measureSettings(b, h, engine, e.changes, r)
			measureOne(b, h, engine, e.idle, r)
		}
	}
	if e.neighbour {
		measureNeighbour(b, h, r)
	}
	if e.members > 0 {
		measureMembers(b, h, up, e.members, r)
	}
	if e.tenants > 0 {
		fill(b, h, e.tenants)
		measureIdle(b, h, up, e.idle, r)
	}
	if e.restarts > 0 {
		measureRestarts(b, h, up, e.restarts, r)
	}
}
