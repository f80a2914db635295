package controlplane

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hafen/tenant"
)

// Catalogue is all that is sold as one document, which an operator keeps in git: of each slug the newest version, without any
// customer's own prices. Versions have no numbers here: applying what was exported changes nothing.
type Catalogue struct {
	Plans   []Entry[tenant.Plan]
	Addons  []Entry[tenant.Addon]
	Coupons []Entry[tenant.Coupon]
}

// Entry is one thing in a document, and where it stands there.
type Entry[T any] struct {
	Value T
	Name  string // its slug or code
	Line  int
	Said  map[string]Said // its fields; what is not said stays as it is
}

// Said is a field's text and its line.
type Said struct {
	Text string
	Line int
}

func (e Entry[T]) get(name string) (string, bool) {
	said, ok := e.Said[name]
	return said.Text, ok
}

// EntryError is what is wrong with one entry of a document.
type EntryError struct {
	Line        int
	Kind, Entry string // "plan" "basic"
	Fault       *tenant.Fault
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("line %d: %s %s: %s: %s", e.Line, e.Kind, e.Entry, e.Fault.Field, e.Fault.Code)
}

func (e *EntryError) Unwrap() error { return e.Fault }

// CatalogueDiff is what applying a document would do.
type CatalogueDiff struct {
	Items  []CatalogueItem
	Change CatalogueChange
	// Unnamed is what is sold and does not stand in the document. It stays as it is: to end its sale a document says so.
	Unnamed []string
}

// CatalogueItem is one new or changed thing.
type CatalogueItem struct {
	Kind, Name string // "plan" "basic"
	New        bool
	Changes    []tenant.FieldChange
}

// Export gives what is sold as a document.
func (p *Plans) Export(ctx context.Context, actor Actor) (Catalogue, error) {
	var c Catalogue
	plans, err := p.List(ctx, actor)
	if err != nil {
		return c, err
	}
	for _, line := range plans {
		c.Plans = append(c.Plans, Entry[tenant.Plan]{Name: line.Slug, Value: begun(line.Newest().Plan, p.Now())})
	}
	addons, err := p.Addons(ctx, actor)
	if err != nil {
		return c, err
	}
	for _, line := range addons {
		c.Addons = append(c.Addons, Entry[tenant.Addon]{Name: line.Slug, Value: line.Newest().Addon})
	}
	coupons, err := p.Coupons(ctx, actor)
	for _, coupon := range coupons {
		c.Coupons = append(c.Coupons, Entry[tenant.Coupon]{Name: coupon.Code, Value: coupon.Coupon})
	}
	slices.SortFunc(c.Coupons, func(a, b Entry[tenant.Coupon]) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return c, err
}

// Compare says what applying a document would do. What is wrong with it are EntryErrors, joined.
func (p *Plans) Compare(ctx context.Context, actor Actor, wanted Catalogue) (CatalogueDiff, error) {
	have, err := p.Export(ctx, actor)
	if err != nil {
		return CatalogueDiff{}, err
	}
	var d CatalogueDiff
	err = errors.Join(
		once("plan", wanted.Plans), once("add-on", wanted.Addons), once("coupon", wanted.Coupons),
		p.comparePlans(&d, have, wanted),
	)
	sold := currencies{}
	for _, list := range [][]Entry[tenant.Plan]{have.Plans, entriesOf(d.Change.Plans)} {
		for _, e := range list {
			sold[e.Name] = e.Value.Price.Currency
		}
	}
	return d, errors.Join(err, p.compareAddons(&d, have, wanted, sold), p.compareCoupons(&d, have, wanted, sold))
}

func entriesOf(drafts []PlanDraft) []Entry[tenant.Plan] {
	var list []Entry[tenant.Plan]
	for _, d := range drafts {
		list = append(list, Entry[tenant.Plan]{Name: d.Plan.Slug, Value: d.Plan})
	}
	return list
}

// Apply does what Compare said, all of it or nothing. Fault: catalogue.changed, when somebody else was faster.
func (p *Plans) Apply(ctx context.Context, actor Actor, d CatalogueDiff) error {
	if !actor.Operator {
		return errOperator()
	}
	if len(d.Items) == 0 {
		return nil
	}
	return p.Store.SaveCatalogue(ctx, actor, d.Change)
}

func (p *Plans) comparePlans(d *CatalogueDiff, have, wanted Catalogue) error {
	now := p.Now()
	return compare(d, "plan", tenant.PlanFields, have.Plans, wanted.Plans, func(before tenant.Plan, e Entry[tenant.Plan]) ([]tenant.FieldChange, error) {
		draft, changed, err := draftPlan(before, e.Value, now)
		if before.Version == 0 {
			draft = PlanDraft{Plan: e.Value, Changes: tenant.Changed(tenant.PlanFields, before, e.Value)}
			changed, err = true, e.Value.Check(now)
		}
		if changed {
			d.Change.Plans = append(d.Change.Plans, draft)
		}
		return draft.Changes, err
	})
}

func (p *Plans) compareAddons(d *CatalogueDiff, have, wanted Catalogue, sold currencies) error {
	return compare(d, "add-on", tenant.AddonFields, have.Addons, wanted.Addons, func(before tenant.Addon, e Entry[tenant.Addon]) ([]tenant.FieldChange, error) {
		draft := AddonDraft{Addon: e.Value, After: before.Version, Changes: tenant.Changed(tenant.AddonFields, before, e.Value)}
		if len(draft.Changes) == 0 {
			return nil, nil
		}
		d.Change.Addons = append(d.Change.Addons, draft)
		return draft.Changes, checkAddon(draft, sold)
	})
}

func (p *Plans) compareCoupons(d *CatalogueDiff, have, wanted Catalogue, sold currencies) error {
	return compare(d, "coupon", tenant.CouponFields, have.Coupons, wanted.Coupons, func(before tenant.Coupon, e Entry[tenant.Coupon]) ([]tenant.FieldChange, error) {
		coupon := plainCoupon(e.Value)
		changes := tenant.Changed(tenant.CouponFields, before, coupon)
		switch {
		case len(changes) == 0:
			return nil, nil
		case before.Code == "":
			d.Change.Coupons = append(d.Change.Coupons, coupon)
			return changes, p.checkCoupon(coupon, sold)
		case len(changes) == 1 && changes[0].Field == "withdrawn" && coupon.Withdrawn:
			d.Change.Withdrawn = append(d.Change.Withdrawn, coupon.Code)
			return changes, nil
		}
		return changes, &tenant.Fault{Kind: tenant.Conflict, Code: "coupon.fixed", Field: changes[0].Field}
	})
}

// once refuses what stands twice in a document.
func once[T any](kind string, entries []Entry[T]) error {
	var wrong []error
	for i, e := range entries {
		if slices.ContainsFunc(entries[:i], func(o Entry[T]) bool { return o.Name == e.Name }) {
			wrong = append(wrong, &EntryError{Line: e.Line, Kind: kind, Entry: e.Name, Fault: &tenant.Fault{Kind: tenant.Invalid, Code: "entry.twice", Field: "slug"}})
		}
	}
	return errors.Join(wrong...)
}

// compare holds the entries of one kind against what there is. decide is given what was (nothing, when there was none) and
// what shall be; the changes it returns make an item.
func compare[T any](d *CatalogueDiff, kind string, fields []tenant.Field[T], have, wanted []Entry[T], decide func(T, Entry[T]) ([]tenant.FieldChange, error)) error {
	var wrong []error
	for _, e := range wanted {
		at := slices.IndexFunc(have, func(o Entry[T]) bool { return o.Name == e.Name })
		var before T
		if at >= 0 {
			before = have[at].Value
		}
		e.Value = before
		err := tenant.Fill(fields, &e.Value, e.get)
		if err == nil {
			var changes []tenant.FieldChange
			changes, err = decide(before, e)
			if len(changes) > 0 {
				d.Items = append(d.Items, CatalogueItem{Kind: kind, Name: e.Name, New: at < 0, Changes: changes})
			}
		}
		if err == nil {
			continue
		}
		for _, fault := range tenant.FaultsOf(err) {
			line := e.Line
			if said, ok := e.Said[fault.Field]; ok {
				line = said.Line
			}
			wrong = append(wrong, &EntryError{Line: line, Kind: kind, Entry: e.Name, Fault: fault})
		}
	}
	for _, e := range have {
		if !slices.ContainsFunc(wanted, func(o Entry[T]) bool { return o.Name == e.Name }) {
			d.Unnamed = append(d.Unnamed, kind+" "+e.Name)
		}
	}
	return errors.Join(wrong...)
}
