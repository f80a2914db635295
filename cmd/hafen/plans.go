package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"hafen/controlplane"
	"hafen/controlplane/postgres"
	"hafen/templates/i18n"
	"hafen/tenant"
)

// plansCommand is `hafen plans`: the price list as a file that an operator keeps in git.
type plansCommand struct {
	Export plansExportCommand `cmd:"" help:"Write all plans, add-ons and coupons to standard output, as YAML. Customers' own prices are left out."`
	Apply  plansApplyCommand  `cmd:"" help:"Make plans, add-ons and coupons as a file says. What it does not name stays as it is."`
}

// plansExportCommand is `hafen plans export`.
type plansExportCommand struct{ settings }

// Run writes nothing but the document to standard output.
func (c plansExportCommand) Run(ctx context.Context) error {
	return c.withPlans(ctx, func(plans *controlplane.Plans) error { return exportPlans(ctx, plans, os.Stdout) })
}

// plansApplyCommand is `hafen plans apply FILE`.
type plansApplyCommand struct {
	settings
	File   string `arg:"" help:"The file; - is standard input." type:"existingfile"`
	Yes    bool   `help:"Do not ask." short:"y"`
	DryRun bool   `help:"Show what would change, and change nothing."`
}

// Run shows what is different before it changes anything.
func (c plansApplyCommand) Run(ctx context.Context) error {
	file := os.Stdin
	if c.File != "-" {
		opened, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("open the price list: %w", err)
		}
		defer opened.Close()
		file = opened
	}
	return c.withPlans(ctx, func(plans *controlplane.Plans) error {
		return applyPlans(ctx, plans, priceList{File: file, Yes: c.Yes, DryRun: c.DryRun, Answers: os.Stdin, Out: os.Stdout})
	})
}

func (s settings) withPlans(ctx context.Context, do func(*controlplane.Plans) error) error {
	db, err := s.openDatabases(ctx, slog.Default())
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, db.dsn, postgres.Config{})
	if err != nil {
		return err
	}
	defer store.Close()
	return do(controlplane.NewPlans(controlplane.PlansConfig{Store: store}))
}

// console is whoever may start this program with the database's address.
func console() controlplane.Actor {
	by := controlplane.Hafen
	by.Operator = true
	return by
}

func exportPlans(ctx context.Context, plans *controlplane.Plans, out io.Writer) error {
	c, err := plans.Export(ctx, console())
	if err != nil {
		return err
	}
	_, err = c.WriteTo(out)
	return err
}

// priceList is a file to apply.
type priceList struct {
	File    io.Reader
	Yes     bool
	DryRun  bool
	Answers io.Reader
	Out     io.Writer
}

func applyPlans(ctx context.Context, plans *controlplane.Plans, p priceList) error {
	wanted, err := controlplane.ReadCatalogue(p.File)
	if err != nil {
		return err
	}
	diff, err := plans.Compare(ctx, console(), wanted)
	if err != nil {
		return inWords(err)
	}
	printDiff(p.Out, diff)
	switch {
	case len(diff.Items) == 0:
		fmt.Fprintln(p.Out, "Nothing to change.")
		return nil
	case p.DryRun:
		return nil
	case !p.Yes && !agreed(p):
		return errors.New("nothing was changed")
	}
	if err := plans.Apply(ctx, console(), diff); err != nil {
		return inWords(err)
	}
	fmt.Fprintln(p.Out, "Done.")
	return nil
}

func agreed(p priceList) bool {
	fmt.Fprint(p.Out, "Make these changes? [y/N] ")
	line, _ := bufio.NewReader(p.Answers).ReadString('\n') // an end without a line is no
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

func printDiff(out io.Writer, diff controlplane.CatalogueDiff) {
	for _, name := range diff.Unnamed {
		fmt.Fprintf(out, "  %s is not in the file and stays as it is\n", name)
	}
	for _, item := range diff.Items {
		sign, note := "~", ", a new version"
		if item.New {
			sign, note = "+", ", new"
		}
		if item.Kind == "coupon" && !item.New {
			note = ""
		}
		fmt.Fprintf(out, "%s %s %s%s\n", sign, item.Kind, item.Name, note)
		for _, c := range item.Changes {
			if item.New {
				fmt.Fprintf(out, "    %s: %s\n", c.Field, c.After)
				continue
			}
			fmt.Fprintf(out, "    %s: %s → %s\n", c.Field, orNothing(c.Before), orNothing(c.After))
		}
	}
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// inWords says every mistake with its line and in the words of the console.
func inWords(err error) error {
	var lines []string
	for _, one := range flatten(err) {
		entry, ok := errors.AsType[*controlplane.EntryError](one)
		if !ok {
			fault, ok := errors.AsType[*tenant.Fault](one)
			if !ok {
				return err
			}
			lines = append(lines, i18n.For("en").Error(fault.Code, fault.Params))
			continue
		}
		where := entry.Fault.Field
		if where != "" {
			where += ": "
		}
		lines = append(lines, fmt.Sprintf("line %d: %s %s: %s%s", entry.Line, entry.Kind, entry.Entry, where, i18n.For("en").Error(entry.Fault.Code, entry.Fault.Params)))
	}
	return errors.New("the price list was not applied\n" + strings.Join(lines, "\n"))
}

// flatten lists errors that were joined.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, one := range joined.Unwrap() {
		list = append(list, flatten(one)...)
	}
	return list
}
