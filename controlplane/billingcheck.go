package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// BillingCheck compares, once a night, every subscription and bill that a provider outside has of ours with our rows. It finds
// what no webhook told: one that was lost, a subscription that somebody made or ended in the provider's own pages, money that is
// taken twice or for nobody. What looking again mends is mended, and a subscription of a server that is gone is ended; the rest is
// for an operator, and on their page until it is gone.
type BillingCheck struct {
	Store    BillingCheckStore
	Outside  OutsideLister
	Provider string
	Refresh  func(context.Context, tenant.ID) error // makes our rows what the provider says
	Tell     func(context.Context, tenant.ID) error // makes the provider's next period what our rows say
	End      func(context.Context, tenant.ID) error // makes the provider stop
	Now      func() time.Time                       // time.Now when nil
	Work     WorkLog                                // nil keeps no record of failures
	Log      *slog.Logger
}

// OutsideLister lists all that a provider has of ours.
type OutsideLister interface {
	Subscriptions(ctx context.Context) ([]billing.Found, error)
	Bills(ctx context.Context, since time.Time) ([]billing.FoundBill, error)
}

// BillingCheckStore keeps what the checks compare and find.
type BillingCheckStore interface {
	// ClaimBillingCheck takes a night's check for this process: false when another has it, or it is done. One that was begun an
	// hour ago and never finished is taken again.
	ClaimBillingCheck(ctx context.Context, provider string, night, now time.Time) (bool, error)
	// ListBilled lists the subscriptions of a provider outside that have not ended, and those that have with their server.
	ListBilled(ctx context.Context, provider string) ([]Billed, error)
	// ListBilledBills lists the bills of a provider outside since a moment, by its name for them.
	ListBilledBills(ctx context.Context, provider string, since time.Time) (map[string]billing.FoundBill, error)
	// FinishBillingCheck records a check with an audit entry for each finding, in one transaction.
	FinishBillingCheck(ctx context.Context, r BillingReport) error
	// LastBillingCheck is the newest check that was begun; false when there was none.
	LastBillingCheck(ctx context.Context) (BillingReport, bool, error)
}

// Billed is a subscription as our rows have it.
type Billed struct {
	Tenant     tenant.ID
	ExternalID string
	State      billing.State
	End        time.Time
	Cancelled  bool
	Choice     Choice
	Next       Choice // what the provider is to bill the next period for
	Gone       bool   // the server is deleted, or nothing is paid for it any more
	Runs       bool   // the server, or it would
	Leaving    bool   // the server is being deleted
	Untold     bool   // the provider is still to be told of something
}

// BillingReport is what a check has found.
type BillingReport struct {
	Provider             string
	Night                time.Time
	Started, Finished    time.Time
	Subscriptions, Bills int
	Findings             []BillingFinding
	Error                string // why it did not finish
}

// BillingFinding is one thing that is not the same here and there.
type BillingFinding struct {
	Kind       FindingKind
	Tenant     tenant.ID
	ExternalID string
	Here       string // what our rows say
	There      string // what the provider says
	Repaired   bool
}

// FindingKind says what is wrong.
type FindingKind string

// The kinds of finding.
const (
	FindUnknown FindingKind = "unknown" // money is taken for no server of ours
	FindDouble  FindingKind = "double"  // money is taken twice for one server
	FindGone    FindingKind = "gone"    // money is taken for a server that is gone
	FindMissing FindingKind = "missing" // a server runs, and no money is taken
	FindDiffers FindingKind = "differs" // state, period or what is paid for
	FindBill    FindingKind = "bill"    // a bill that is not here, or stands elsewhere
	FindUntold  FindingKind = "untold"  // the provider does not know what we have agreed on
)

// A check's clock: it runs after nightHour, UTC, when hosters and their customers sleep; and compares bills back to billsBack, which
// is longer than Stripe tries to deliver a webhook (three days) or to take a card's money (some weeks).
const (
	nightHour = 2
	billsBack = 40 * 24 * time.Hour
	// justMade is too young to be compared: its webhook is still on its way.
	justMade = time.Hour
)

// Run checks every night until ctx ends.
func (c *BillingCheck) Run(ctx context.Context) error {
	return repeat(ctx, 10*time.Minute, c.Log, "billing check", c.Once)
}

// Once checks if the night's check is still to be done.
func (c *BillingCheck) Once(ctx context.Context) error {
	now := time.Now()
	if c.Now != nil {
		now = c.Now()
	}
	night := now.UTC().Add(-nightHour * time.Hour).Truncate(24 * time.Hour)
	claimed, err := c.Store.ClaimBillingCheck(ctx, c.Provider, night, now)
	if err != nil || !claimed {
		return err
	}
	// What has nothing to do for the rest of a night does not work again for that.
	return noted(c.Work, WorkBillingCheck, func(ctx context.Context) error { return c.check(ctx, night, now) })(ctx)
}

func (c *BillingCheck) check(ctx context.Context, night, now time.Time) error {
	report := BillingReport{Provider: c.Provider, Night: night, Started: now}
	failed := c.compare(ctx, &report, now)
	if failed != nil {
		report.Error = tenant.FaultOf(failed).Code
	}
	report.Finished = now
	for _, f := range report.Findings {
		c.Log.WarnContext(ctx, "the payment provider's record and ours differ", "provider", c.Provider, "kind", f.Kind, "tenant", f.Tenant,
			"external", f.ExternalID, "here", f.Here, "there", f.There, "repaired", f.Repaired)
	}
	return errors.Join(failed, c.Store.FinishBillingCheck(ctx, report))
}

func (c *BillingCheck) compare(ctx context.Context, r *BillingReport, now time.Time) error {
	there, err := c.Outside.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("list what %s has: %w", c.Provider, err)
	}
	bills, err := c.Outside.Bills(ctx, now.Add(-billsBack))
	if err != nil {
		return fmt.Errorf("list what %s has billed: %w", c.Provider, err)
	}
	r.Subscriptions, r.Bills = len(there), len(bills)
	left, err := c.differences(ctx, there, bills, now)
	for range 2 { // mending may bring to light what a difference hid: whoever has looked again finds what was not told
		if err != nil || len(left) == 0 {
			break
		}
		for _, f := range left {
			if slices.ContainsFunc(r.Findings, f.is) {
				continue
			}
			r.Findings = append(r.Findings, f)
			if err := c.mend(ctx, f); err != nil {
				// The next night looks again; others must not wait for this one.
				c.Log.ErrorContext(ctx, "a difference to the payment provider was not mended", "tenant", f.Tenant, "kind", f.Kind, "error", err)
			}
		}
		if there, err = c.Outside.Subscriptions(ctx); err != nil {
			return fmt.Errorf("list what %s has again: %w", c.Provider, err)
		}
		left, err = c.differences(ctx, there, bills, now)
	}
	for i, f := range r.Findings {
		r.Findings[i].Repaired = err == nil && !slices.ContainsFunc(left, f.is)
	}
	return err
}

// is says whether two findings are of the same.
func (f BillingFinding) is(other BillingFinding) bool {
	return f.Kind == other.Kind && f.Tenant == other.Tenant && f.ExternalID == other.ExternalID
}

func (c *BillingCheck) mend(ctx context.Context, f BillingFinding) error {
	switch f.Kind {
	case FindGone:
		return c.End(ctx, f.Tenant)
	case FindDiffers, FindMissing, FindBill:
		return c.Refresh(ctx, f.Tenant)
	case FindUntold:
		return c.Tell(ctx, f.Tenant)
	default:
		return nil // money was taken: a person decides what is given back
	}
}

func (c *BillingCheck) differences(ctx context.Context, there []billing.Found, bills []billing.FoundBill, now time.Time) ([]BillingFinding, error) {
	here, err := c.Store.ListBilled(ctx, c.Provider)
	if err != nil {
		return nil, err
	}
	known, err := c.Store.ListBilledBills(ctx, c.Provider, now.Add(-billsBack))
	if err != nil {
		return nil, err
	}
	return append(compareSubscriptions(here, there, now), compareBills(here, known, bills)...), nil
}

// compareSubscriptions finds what is not the same here and there.
func compareSubscriptions(here []Billed, there []billing.Found, now time.Time) []BillingFinding {
	rows := map[tenant.ID]Billed{}
	for _, row := range here {
		rows[row.Tenant] = row
	}
	// The one that our row names comes first, then the oldest: whatever else there is for a server is too much.
	there = slices.Clone(there)
	slices.SortStableFunc(there, func(a, b billing.Found) int {
		named := func(one billing.Found) int {
			if one.ExternalID == rows[one.Tenant].ExternalID {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(named(a), named(b)), a.Created.Compare(b.Created))
	})
	var found []BillingFinding
	seen := map[tenant.ID]string{}
	for _, one := range there {
		f := BillingFinding{Tenant: one.Tenant, ExternalID: one.ExternalID, There: said(one.State, one.End, one.Cancelled, ChoiceOf(one.Items))}
		row, ours := rows[one.Tenant]
		first := seen[one.Tenant]
		if ours {
			f.Here = said(row.State, row.End, row.Cancelled, row.Choice)
			seen[one.Tenant] = one.ExternalID
		}
		switch {
		case !ours:
			f.Kind = FindUnknown
		case first != "":
			f.Kind, f.Here = FindDouble, first
		case row.Gone:
			f.Kind = FindGone
		case now.Sub(one.Created) < justMade:
			continue
		default:
			f = differs(f, row, one)
		}
		if f.Kind != "" {
			found = append(found, f)
		}
	}
	for _, row := range here {
		paid := !row.Gone && (row.State == billing.Active || row.State == billing.Trialing)
		if _, is := seen[row.Tenant]; !is && (paid || row.State == billing.Ended && row.Runs) {
			found = append(found, BillingFinding{
				Kind: FindMissing, Tenant: row.Tenant, ExternalID: row.ExternalID, Here: said(row.State, row.End, row.Cancelled, row.Choice),
			})
		}
	}
	return found
}

// differs is a finding about a subscription that is not the same here and there, with no kind when it is. What the customer or an
// operator has agreed on here is to be told; of what has come about there our rows learn.
func differs(f BillingFinding, row Billed, one billing.Found) BillingFinding {
	same := f.Here == f.There && row.ExternalID == one.ExternalID
	next := ChoiceOf(one.Next)
	// The one that is leaving was to be cancelled there.
	kept := row.Leaving && !one.Cancelled && f.Here == said(one.State, one.End, true, ChoiceOf(one.Items))
	switch {
	case same && next.Same(row.Next):
	case same:
		f.Kind, f.Here, f.There = FindUntold, row.Next.String(), next.String()
	case row.Untold, kept:
		f.Kind = FindUntold
	default:
		f.Kind = FindDiffers
	}
	return f
}

func compareBills(here []Billed, known map[string]billing.FoundBill, there []billing.FoundBill) []BillingFinding {
	of := map[tenant.ID]string{}
	for _, row := range here {
		of[row.Tenant] = row.ExternalID
	}
	var found []BillingFinding
	for _, bill := range there {
		row, has := known[bill.External]
		subscription, ours := of[bill.Tenant]
		if !ours || subscription != "" && subscription != bill.Subscription {
			continue // of a subscription that is nobody's or one too many, which is found itself
		}
		if has && billSaid(row) == billSaid(bill) {
			continue
		}
		f := BillingFinding{Kind: FindBill, Tenant: bill.Tenant, ExternalID: bill.External, There: billSaid(bill)}
		if has {
			f.Here = billSaid(row)
		}
		found = append(found, f)
	}
	return found
}

// ChoiceOf reads a choice from what a provider bills for.
func ChoiceOf(items []billing.Item) Choice {
	var c Choice
	for _, item := range items {
		if item.Kind == billing.LinePlan {
			c.Plan = tenant.PlanID(item.Ref)
			continue
		}
		if c.Packs == nil {
			c.Packs = map[tenant.AddonID]int{}
		}
		c.Packs[tenant.AddonID(item.Ref)] += item.Quantity
	}
	return c
}

// String names a choice in one line, the same for the same.
func (c Choice) String() string {
	parts := []string{string(c.Plan)}
	for _, id := range slices.Sorted(maps.Keys(c.Packs)) {
		parts = append(parts, fmt.Sprintf("%d × %s", c.Packs[id], id))
	}
	return strings.Join(parts, " + ")
}

// said is a subscription in one line, for comparing and for the operator.
func said(state billing.State, end time.Time, cancelled bool, c Choice) string {
	line := fmt.Sprintf("%s: %s", state, c)
	if end.Unix() > 0 {
		line = fmt.Sprintf("%s until %s: %s", state, end.UTC().Format(time.RFC3339), c)
	}
	if cancelled {
		line += ", ends then"
	}
	return line
}

// billSaid is a bill in one line, the same for the same.
func billSaid(b billing.FoundBill) string {
	line := fmt.Sprintf("%s %s: %d of %d %s", b.Number, b.Status, b.Paid.Cents, b.Gross.Cents, b.Gross.Currency)
	if b.Dispute != "" {
		line += ", dispute " + b.Dispute
	}
	return line
}
