// Command hafen is Hafen: the control plane with which a hoster sells managed Matrix homeservers.
//
// One program with roles. `hafen up` runs all of them on one machine; web, controlplane and edge run one each, so that they
// can be given no more than each needs. They meet only in PostgreSQL. Here the parts are put together, one file a role.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"hafen/tenant"
)

type commands struct {
	Up           upCommand           `cmd:"" help:"Run everything on this machine."`
	Web          webCommand          `cmd:"" help:"Run the website alone."`
	Controlplane controlplaneCommand `cmd:"" help:"Run the loops alone: provisioning, metering, mails."`
	Edge         edgeCommand         `cmd:"" help:"Run the edge alone: TLS, routing, quotas."`
	Migrate      migrateCommand      `cmd:"" help:"Bring the database's schema up to date."`
	Down         downCommand         `cmd:"" help:"Stop all tenants and Hafen's database. Data stays."`
	Operator     operatorCommand     `cmd:"" help:"Give an operator a new one-time password."`
	Plans        plansCommand        `cmd:"" help:"Write the price list to a file, or apply one."`
	Doctor       doctorCommand       `cmd:"" help:"Look at every prerequisite and say how to mend what is missing."`
	Image        imageCommand        `cmd:"" help:"Build the image tenants run."`
	Gallery      galleryCommand      `cmd:"" help:"Show every page with sample data, without database or Docker."`

	Verbose bool `help:"Log more." env:"HAFEN_VERBOSE"`
}

func main() {
	var c commands
	parsed := kong.Parse(&c, kong.Name("hafen"), kong.Description("Managed Matrix homeservers, for hosters."), kong.UsageOnError())
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends at once: whoever presses Ctrl-C twice means it, and nothing here is lost by a kill.
	context.AfterFunc(ctx, stop)
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "hafen:", explain(err))
		os.Exit(1)
	}
}

// explain adds what to do to an error an operator can do something about.
func explain(err error) string {
	said := err.Error()
	if fault, ok := errors.AsType[*tenant.Fault](err); ok {
		switch fault.Code {
		case "edge.port_taken":
			return said + "\nAnother program has the port. Stop it, or choose others with --http-port, --https-port and --federation-port."
		case "edge.port_denied":
			return said + "\nPorts below 1024 need root: run Hafen with sudo, or choose others with --http-port, --https-port and --federation-port."
		}
	}
	if failure, ok := errors.AsType[*tenant.Failure](err); ok && failure.Code != "unexpected" {
		return said + "\n`hafen doctor` tells what is missing."
	}
	return said
}
