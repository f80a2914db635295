package controlplane

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"hafen/tenant"
)

// AddonVersion is a version of an add-on with what operators know of it.
type AddonVersion struct {
	tenant.Addon
	State     SaleState
	Servers   int // that have packs of it
	CreatedAt time.Time
	CreatedBy string
}

// AddonLine is all versions of one add-on, the newest first.
type AddonLine struct {
	Slug     string
	Versions []AddonVersion
}

// Newest is the version that is sold, if it is visible.
func (l AddonLine) Newest() AddonVersion { return l.Versions[0] }

// Servers is how many servers have packs of any version.
func (l AddonLine) Servers() (n int) {
	for _, v := range l.Versions {
		n += v.Servers
	}
	return n
}

// AddonDraft is a version to be made, after the newest there was; 0 for none.
type AddonDraft struct {
	Addon   tenant.Addon
	After   int
	Changes []tenant.FieldChange
}

// Addons gives every add-on with its versions, in the order of the price list.
func (p *Plans) Addons(ctx context.Context, actor Actor) ([]AddonLine, error) {
	if !actor.Operator {
		return nil, errOperator()
	}
	versions, err := p.Store.ListAddonVersions(ctx)
	if err != nil {
		return nil, err
	}
	var lines []AddonLine
	for _, v := range versions {
		i := slices.IndexFunc(lines, func(l AddonLine) bool { return l.Slug == v.Slug })
		if i < 0 {
			lines, i = append(lines, AddonLine{Slug: v.Slug}), len(lines)
		}
		switch {
		case len(lines[i].Versions) > 0:
			v.State = Replaced
		case v.Visible:
			v.State = OnSale
		default:
			v.State = Hidden
		}
		lines[i].Versions = append(lines[i].Versions, v)
	}
	slices.SortFunc(lines, func(a, b AddonLine) int {
		return cmp.Or(cmp.Compare(a.Newest().Position, b.Newest().Position), cmp.Compare(a.Slug, b.Slug))
	})
	return lines, nil
}

// FindAddon gives the versions of one add-on. Fault: addon.unknown.
func (p *Plans) FindAddon(ctx context.Context, actor Actor, slug string) (AddonLine, error) {
	lines, err := p.Addons(ctx, actor)
	if err != nil {
		return AddonLine{}, err
	}
	for _, line := range lines {
		if line.Slug == slug {
			return line, nil
		}
	}
	return AddonLine{}, &tenant.Fault{Kind: tenant.NotFound, Code: "addon.unknown"}
}

// CreateAddon makes an add-on under a slug of its own. Faults: slug.taken, plans.unknown, currency.differs, and those of its Check.
func (p *Plans) CreateAddon(ctx context.Context, actor Actor, addon tenant.Addon) error {
	lines, err := p.Addons(ctx, actor)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(lines, func(l AddonLine) bool { return l.Slug == addon.Slug }) {
		return &tenant.Fault{Kind: tenant.Conflict, Code: "slug.taken", Field: "slug"}
	}
	return p.saveAddon(ctx, actor, AddonDraft{Addon: addon, Changes: tenant.Changed(tenant.AddonFields, tenant.Addon{}, addon)})
}

// ChangeAddon makes a new version of the add-on with addon's slug, if anything is different. Faults as Change, and plans.unknown,
// currency.differs.
func (p *Plans) ChangeAddon(ctx context.Context, actor Actor, after int, addon tenant.Addon) (changed bool, err error) {
	line, err := p.FindAddon(ctx, actor, addon.Slug)
	if err != nil {
		return false, err
	}
	newest := line.Newest()
	if newest.Version != after {
		return false, catalogueChanged()
	}
	draft := AddonDraft{Addon: addon, After: after, Changes: tenant.Changed(tenant.AddonFields, newest.Addon, addon)}
	if len(draft.Changes) == 0 {
		return false, nil
	}
	return true, p.saveAddon(ctx, actor, draft)
}

// ShowAddon offers an add-on again, or withdraws it; whoever has packs keeps them.
func (p *Plans) ShowAddon(ctx context.Context, actor Actor, slug string, visible bool) error {
	line, err := p.FindAddon(ctx, actor, slug)
	if err != nil {
		return err
	}
	addon := line.Newest().Addon
	addon.Visible = visible
	_, err = p.ChangeAddon(ctx, actor, addon.Version, addon)
	return err
}

func (p *Plans) saveAddon(ctx context.Context, actor Actor, draft AddonDraft) error {
	sold, err := p.sold(ctx, actor)
	if err != nil {
		return err
	}
	if err := checkAddon(draft, sold); err != nil {
		return err
	}
	return p.Store.SaveCatalogue(ctx, actor, CatalogueChange{Addons: []AddonDraft{draft}})
}

func checkAddon(draft AddonDraft, sold currencies) error {
	var fixed error
	if draft.After > 0 {
		fixed = fixedFaults(tenant.AddonFields, draft.Changes)
	}
	return errors.Join(fixed, draft.Addon.Check(), sold.check(draft.Addon.Plans, draft.Addon.Price.Currency))
}

// currencies is the currency of every plan, by its slug: it is the same through all versions.
type currencies map[string]string

func (p *Plans) sold(ctx context.Context, actor Actor) (currencies, error) {
	lines, err := p.List(ctx, actor)
	sold := currencies{}
	for _, line := range lines {
		sold[line.Slug] = line.Newest().Price.Currency
	}
	return sold, err
}

// check refuses what goes with no plan, or with one in another currency. None named is all there are.
func (c currencies) check(plans []string, currency string) error {
	fits := false
	for slug, theirs := range c {
		fits = fits || len(plans) == 0 && theirs == currency || slices.Contains(plans, slug)
	}
	for _, slug := range plans {
		theirs, known := c[slug]
		switch {
		case !known:
			return &tenant.Fault{Kind: tenant.Invalid, Code: "plans.unknown", Field: "plans", Params: map[string]string{"Plan": slug}}
		case currency != "" && theirs != currency:
			return &tenant.Fault{Kind: tenant.Invalid, Code: "currency.differs", Field: "currency", Params: map[string]string{"Plan": slug, "Currency": theirs}}
		}
	}
	if !fits && currency != "" {
		return &tenant.Fault{Kind: tenant.Invalid, Code: "currency.unused", Field: "currency", Params: map[string]string{"Currency": currency}}
	}
	return nil
}
