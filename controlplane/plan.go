package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hafen/tenant"
)

// Plans is what is sold: plans, add-ons and coupons. Every method refuses anybody but operators with a Forbidden fault.
//
// What was sold once is never changed and never deleted: a change is a new version, withdrawing one a version that is not
// visible, and whoever bought an older one keeps it until they are moved. So there is no way to lose a plan that is in use.
type Plans struct{ PlansConfig }

// PlansConfig is what Plans needs.
type PlansConfig struct {
	Store CatalogueStore
	Now   func() time.Time // time.Now when nil
}

// CatalogueStore keeps what is sold.
type CatalogueStore interface {
	// ListPlanVersions lists all versions of all plans of all slugs, the newest first.
	ListPlanVersions(ctx context.Context) ([]PlanVersion, error)
	ListAddonVersions(ctx context.Context) ([]AddonVersion, error)
	ListCoupons(ctx context.Context) ([]CouponView, error)
	// SaveCatalogue makes all of a change or nothing. When another has made a version since, it is the Fault catalogue.changed.
	SaveCatalogue(ctx context.Context, actor Actor, c CatalogueChange) error
	PlanMover
}

// PlanMover moves servers between the versions of a plan.
type PlanMover interface {
	// ListServersOn lists the servers of a version, without those that are deleted.
	ListServersOn(ctx context.Context, id tenant.PlanID) ([]Server, error)
	// MoveServer gives a server another version and wakes it. One that is not on from any more is left alone. Faults:
	// status.conflict while it waits for payment or is being deleted, plan.too_small.
	MoveServer(ctx context.Context, actor Actor, id tenant.ID, from, to tenant.PlanID) error
	// FindCustomerByAddress gives the id of a customer's account, "" when there is none.
	FindCustomerByAddress(ctx context.Context, email string) (string, error)
}

// PlanVersion is a version of a plan with what operators know of it.
type PlanVersion struct {
	tenant.Plan
	State     SaleState
	Servers   int    // that are on it
	Owner     string // address of the customer whose price it is, "" when it is everybody's
	CreatedAt time.Time
	CreatedBy string
}

// SaleState says whether a version is sold.
type SaleState string

// The states of a version.
const (
	OnSale   SaleState = "sold"
	Hidden   SaleState = "hidden"   // withdrawn, or not yet shown
	Upcoming SaleState = "upcoming" // from a later day on
	Over     SaleState = "over"     // its last day has passed
	Replaced SaleState = "replaced" // by a newer version
)

// PlanLine is all versions of one slug, the newest first: those for everybody, and customers' own.
type PlanLine struct {
	Slug     string
	Versions []PlanVersion
	Own      []PlanVersion
}

// Newest is the version that the next one is made from.
func (l PlanLine) Newest() PlanVersion { return l.Versions[0] }

// Version finds one of the versions, own ones among them.
func (l PlanLine) Version(id tenant.PlanID) (PlanVersion, bool) {
	for _, v := range slices.Concat(l.Versions, l.Own) {
		if v.ID == id {
			return v, true
		}
	}
	return PlanVersion{}, false
}

// Servers is how many servers are on any version.
func (l PlanLine) Servers() (n int) {
	for _, v := range slices.Concat(l.Versions, l.Own) {
		n += v.Servers
	}
	return n
}

// CatalogueChange is new versions and coupons, made together.
type CatalogueChange struct {
	Plans     []PlanDraft
	Addons    []AddonDraft
	Coupons   []tenant.Coupon // new ones
	Withdrawn []string        // coupons that nobody new gets
}

// PlanDraft is a version to be made. After is the newest version there was when it was drafted (of the same customer, when
// it is one's own price), 0 for none.
type PlanDraft struct {
	Plan    tenant.Plan
	After   int
	Changes []tenant.FieldChange
}

// NewPlans makes Plans.
func NewPlans(c PlansConfig) *Plans {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Plans{c}
}

// List gives every slug with its versions, in the order of the price list.
func (p *Plans) List(ctx context.Context, actor Actor) ([]PlanLine, error) {
	if !actor.Operator {
		return nil, errOperator()
	}
	versions, err := p.Store.ListPlanVersions(ctx)
	if err != nil {
		return nil, err
	}
	var lines []PlanLine
	now := p.Now()
	for _, v := range versions {
		i := slices.IndexFunc(lines, func(l PlanLine) bool { return l.Slug == v.Slug })
		if i < 0 {
			lines, i = append(lines, PlanLine{Slug: v.Slug}), len(lines)
		}
		into := &lines[i].Versions
		if v.Account != "" {
			into = &lines[i].Own
		}
		v.State = saleState(v.Plan, *into, now)
		*into = append(*into, v)
	}
	lines = slices.DeleteFunc(lines, func(l PlanLine) bool { return len(l.Versions) == 0 })
	slices.SortFunc(lines, func(a, b PlanLine) int {
		return cmp.Or(cmp.Compare(a.Newest().Position, b.Newest().Position), cmp.Compare(a.Slug, b.Slug))
	})
	return lines, nil
}

// saleState is where a version stands, given the newer ones.
func saleState(plan tenant.Plan, newer []PlanVersion, now time.Time) SaleState {
	replaced := slices.ContainsFunc(newer, func(v PlanVersion) bool { return v.Account == plan.Account && v.State != Upcoming })
	switch {
	case replaced:
		return Replaced
	case plan.ValidFrom.After(now):
		return Upcoming
	case !plan.Visible:
		return Hidden
	case plan.ValidUntil != nil && !plan.ValidUntil.After(now):
		return Over
	default:
		return OnSale
	}
}

// Find gives the versions of one slug. Fault: plan.unknown.
func (p *Plans) Find(ctx context.Context, actor Actor, slug string) (PlanLine, error) {
	lines, err := p.List(ctx, actor)
	if err != nil {
		return PlanLine{}, err
	}
	for _, line := range lines {
		if line.Slug == slug {
			return line, nil
		}
	}
	return PlanLine{}, &tenant.Fault{Kind: tenant.NotFound, Code: "plan.unknown"}
}

// Create makes a plan under a slug of its own. Faults: slug.taken, and those of its Check.
func (p *Plans) Create(ctx context.Context, actor Actor, plan tenant.Plan) error {
	lines, err := p.List(ctx, actor)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(lines, func(l PlanLine) bool { return l.Slug == plan.Slug }) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "slug.taken", Field: "slug"}
	}
	plan.Account = ""
	if err := plan.Check(p.Now()); err != nil {
		return err
	}
	draft := PlanDraft{Plan: plan, Changes: tenant.Changed(tenant.PlanFields, tenant.Plan{}, plan)}
	return p.Store.SaveCatalogue(ctx, actor, CatalogueChange{Plans: []PlanDraft{draft}})
}

// Change makes a new version of the plan with plan's slug, if anything is different: changed says so. after is the version
// whoever changes it has seen. Faults: plan.unknown, catalogue.changed, field.fixed, and those of the plan's Check.
func (p *Plans) Change(ctx context.Context, actor Actor, after int, plan tenant.Plan) (changed bool, err error) {
	line, err := p.Find(ctx, actor, plan.Slug)
	if err != nil {
		return false, err
	}
	newest := line.Newest()
	if newest.Version != after {
		return false, catalogueChanged()
	}
	plan.Account = ""
	draft, changed, err := draftPlan(newest.Plan, plan, p.Now())
	if err != nil || !changed {
		return false, err
	}
	return true, p.Store.SaveCatalogue(ctx, actor, CatalogueChange{Plans: []PlanDraft{draft}})
}

// draftPlan is the version that follows another; false when nothing is different.
func draftPlan(before, after tenant.Plan, now time.Time) (PlanDraft, bool, error) {
	changes := tenant.Changed(tenant.PlanFields, begun(before, now), begun(after, now))
	if len(changes) == 0 {
		return PlanDraft{}, false, nil
	}
	err := errors.Join(fixedFaults(tenant.PlanFields, changes), after.Check(now))
	return PlanDraft{Plan: after, After: before.Version, Changes: changes}, true, err
}

// begun takes the day a version began for nothing said: it is sold, since when makes no difference any more.
func begun(plan tenant.Plan, now time.Time) tenant.Plan {
	if !plan.ValidFrom.After(now) {
		plan.ValidFrom = time.Time{}
	}
	return plan
}

// fixedFaults refuses to change what is the same through all versions: a server that is moved between versions of another
// currency or period would have no next bill that anybody could reckon.
func fixedFaults[T any](fields []tenant.Field[T], changes []tenant.FieldChange) error {
	var faults []error
	for _, c := range changes {
		if slices.ContainsFunc(fields, func(f tenant.Field[T]) bool { return f.Name == c.Field && f.Fixed }) {
			faults = append(faults, &tenant.Fault{Kind: tenant.Invalid, Code: "field.fixed", Field: c.Field, Params: map[string]string{"Was": c.Before}})
		}
	}
	return errors.Join(faults...)
}

func catalogueChanged() error { return &tenant.Fault{Kind: tenant.Conflict, Code: "catalogue.changed"} }

// Show offers a plan again, or withdraws it; whoever has it keeps it. It makes a version that differs in nothing else, unless
// it stands so already.
func (p *Plans) Show(ctx context.Context, actor Actor, slug string, visible bool) error {
	line, err := p.Find(ctx, actor, slug)
	if err != nil {
		return err
	}
	plan := line.Newest().Plan
	plan.Visible, plan.ValidFrom = visible, time.Time{}
	if until := plan.ValidUntil; until != nil && !until.After(p.Now()) {
		plan.ValidUntil = nil // it would end before it begins
	}
	_, err = p.Change(ctx, actor, plan.Version, plan)
	return err
}

// OwnPrice is a price for one customer.
type OwnPrice struct {
	Slug  string
	Email string // the customer's address
	// Set says what is different from the newest version for everybody, by the names of tenant.PlanFields.
	Set func(name string) (string, bool)
}

// GiveOwn makes a version of a plan that only one customer sees, beside the public one. Faults: plan.unknown, email.invalid,
// account.unknown, field.fixed, and those of the plan's Check.
func (p *Plans) GiveOwn(ctx context.Context, actor Actor, own OwnPrice) error {
	line, err := p.Find(ctx, actor, own.Slug)
	if err != nil {
		return err
	}
	email, err := ParseEmail(own.Email)
	if err != nil {
		return err
	}
	account, err := p.Store.FindCustomerByAddress(ctx, email)
	if err != nil {
		return err
	}
	if account == "" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "account.unknown", Field: "email"}
	}
	public := line.Newest().Plan
	plan, after := public, 0
	plan.Visible, plan.ValidFrom, plan.ValidUntil = true, time.Time{}, nil
	for _, v := range line.Own {
		if v.Account == account {
			after = max(after, v.Version)
		}
	}
	changes := func() []tenant.FieldChange { return tenant.Changed(tenant.PlanFields, public, plan) }
	err = tenant.Fill(tenant.PlanFields, &plan, own.Set)
	if err = errors.Join(err, fixedFaults(tenant.PlanFields, changes()), plan.Check(p.Now())); err != nil {
		return err
	}
	plan.Account = account
	return p.Store.SaveCatalogue(ctx, actor, CatalogueChange{Plans: []PlanDraft{{Plan: plan, After: after, Changes: changes()}}})
}

// WithdrawOwn ends the sale of a customer's own price. Their servers that have it keep it. Fault: plan.unknown.
func (p *Plans) WithdrawOwn(ctx context.Context, actor Actor, slug string, id tenant.PlanID) error {
	line, err := p.Find(ctx, actor, slug)
	if err != nil {
		return err
	}
	found, ok := line.Version(id)
	if !ok || found.Account == "" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "plan.unknown", Field: "plan"}
	}
	for _, v := range line.Own { // the newest of this customer's
		if v.Account == found.Account {
			found = v
			break
		}
	}
	if !found.Visible {
		return nil
	}
	plan := found.Plan
	plan.Visible, plan.ValidFrom, plan.ValidUntil = false, time.Time{}, nil
	draft := PlanDraft{Plan: plan, After: found.Version, Changes: tenant.Changed(tenant.PlanFields, begun(found.Plan, p.Now()), plan)}
	if err := p.Store.SaveCatalogue(ctx, actor, CatalogueChange{Plans: []PlanDraft{draft}}); err != nil {
		return fmt.Errorf("withdraw %s: %w", id, err)
	}
	return nil
}
