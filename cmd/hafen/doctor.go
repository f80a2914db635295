package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"hafen/images"
)

// doctorCommand is `hafen doctor`: one line for each thing Hafen needs from the machine, and the command that mends it.
type doctorCommand struct {
	settings
	imageSettings
	billingSettings
}

// Help is shown by `hafen doctor --help`.
func (doctorCommand) Help() string {
	return "Ends with status 1 when something is wrong; hints do not count."
}

// Run looks at everything and fails when something is wrong. It changes nothing on the machine.
func (c doctorCommand) Run(ctx context.Context) error {
	return examine(ctx, os.Stdout, c.checks())
}

func (c doctorCommand) checks() []check {
	checks := []check{
		rootCheck(os.Geteuid()),
		dockerCheck(os.Getenv("DOCKER_HOST")),
		imageCheck(os.Getenv("DOCKER_HOST"), images.Synapse, c.imageSettings),
		imageCheck(os.Getenv("DOCKER_HOST"), images.Dendrite, c.imageSettings),
	}
	if c.DatabaseURL != "" {
		checks = append(checks, databaseCheck(c.DatabaseURL))
	} else {
		checks = append(checks, postgresCheck(c.cluster(nil).Dir), socketCheck(c.databaseSocket()))
	}
	if c.Billing == "stripe" || c.StripeKeyFile != "" {
		checks = append(checks, stripeKeyCheck(c.StripeKeyFile, c.StripeURL), webhookSecretsCheck(c.StripeWebhookSecretFiles))
	}
	checks = append(checks, dataCheck(c.Data), diskCheck(c.Data), floorCheck(c.Data), processorCheck(c.DatabaseURL), firewallCheck("nft"), bridgeCheck("/proc/sys/net/bridge"))
	for _, port := range []int{c.HTTPPort, c.HTTPSPort, c.FederationPort} {
		checks = append(checks, portCheck(port))
	}
	if c.Production {
		return checks
	}
	return append(checks, loopbackCheck("doctor."+c.BaseDomain))
}

// check is one question about the machine: what is looked at, and a look that says what is there or what is missing.
type check struct {
	name string
	look func(context.Context) (found string, err error)
}

// ailment is a finding with its cure.
type ailment struct {
	wrong string
	mend  string // a command to type, or what to do
	hint  bool   // Hafen works without it
}

func (a ailment) Error() string { return a.wrong + "; mend it with: " + a.mend }

// patience is for one check: a Docker daemon under load answers in seconds, one that hangs never does.
const patience = 5 * time.Second

// examine runs the checks and prints a line for each.
func examine(ctx context.Context, w io.Writer, checks []check) error {
	var wrong int
	for _, check := range checks {
		ctx, cancel := context.WithTimeout(ctx, patience)
		found, err := check.look(ctx)
		cancel()
		var ill ailment
		switch {
		case err == nil:
			fmt.Fprintf(w, "ok     %s: %s\n", check.name, found)
		case errors.As(err, &ill) && ill.hint:
			fmt.Fprintf(w, "hint   %s: %v\n", check.name, err)
		default:
			wrong++
			fmt.Fprintf(w, "WRONG  %s: %v\n", check.name, err)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d prerequisites are missing", wrong, len(checks))
	}
	return nil
}
