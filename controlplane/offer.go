package controlplane

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Quota is what the offer allows.
func (o Offer) Quota() tenant.Quota {
	q := o.Plan.Quota
	for _, pack := range o.Packs {
		q = q.With(pack.Addon, pack.Quantity)
	}
	return q
}

// Items are what a period of the offer is billed for. Add-ons are priced by the month, whatever the plan's period is.
func (o Offer) Items() []billing.Item {
	items := []billing.Item{{
		Kind: billing.LinePlan, Ref: string(o.Plan.ID), Text: o.Plan.Name, Quantity: 1, Unit: o.Plan.Price, VATRate: o.Plan.VATRate,
	}}
	for _, pack := range o.Packs {
		items = append(items, billing.Item{
			Kind: billing.LineKind(pack.Addon.Kind), Ref: string(pack.Addon.ID), Text: pack.Addon.Name, Quantity: pack.Quantity,
			Unit: pack.Addon.Price.Times(o.Plan.Period.Months()), VATRate: pack.Addon.VATRate,
		})
	}
	return items
}

// Choice names the offer.
func (o Offer) Choice() Choice {
	c := Choice{Plan: o.Plan.ID}
	for _, pack := range o.Packs {
		if c.Packs == nil {
			c.Packs = map[tenant.AddonID]int{}
		}
		c.Packs[pack.Addon.ID] = pack.Quantity
	}
	return c
}

// Same reports whether two choices are of the same.
func (c Choice) Same(other Choice) bool {
	return c.Plan == other.Plan && maps.Equal(c.Packs, other.Packs)
}

// Net is what a whole period costs without any coupon.
func (o Offer) Net() tenant.Money {
	return billing.Sum(o.Plan.Price.Currency, billing.Lines("", o.Items(), nil, zeroTime, zeroTime)).Net
}

// pick finds what a choice names among what can be bought. What a server has is to be among it. Faults: plan.unknown,
// addon.unknown, addon.not_for_plan, addon.too_many.
func pick(c Choice, plans []tenant.Plan, addons []tenant.Addon) (Offer, error) {
	i := slices.IndexFunc(plans, func(p tenant.Plan) bool { return p.ID == c.Plan })
	if i < 0 {
		return Offer{}, &tenant.Fault{Kind: tenant.NotFound, Code: "plan.unknown", Field: "plan"}
	}
	offer := Offer{Plan: plans[i]}
	for _, id := range slices.Sorted(maps.Keys(c.Packs)) {
		quantity := c.Packs[id]
		if quantity == 0 {
			continue
		}
		invalid := func(code string, params map[string]string) (Offer, error) {
			return Offer{}, &tenant.Fault{Kind: tenant.Invalid, Code: code, Field: "addon." + string(id), Params: params}
		}
		j := slices.IndexFunc(addons, func(a tenant.Addon) bool { return a.ID == id })
		switch {
		case j < 0:
			return invalid("addon.unknown", nil)
		case !addons[j].Goes(offer.Plan):
			return invalid("addon.not_for_plan", map[string]string{"plan": offer.Plan.Name.EN})
		case quantity < 0 || quantity > addons[j].Most:
			return invalid("addon.too_many", map[string]string{"most": strconv.Itoa(addons[j].Most)})
		}
		offer.Packs = append(offer.Packs, Pack{Addon: addons[j], Quantity: quantity})
	}
	slices.SortStableFunc(offer.Packs, func(a, b Pack) int { return cmp.Compare(a.Addon.Position, b.Addon.Position) })
	return offer, nil
}

// Shrinks reports whether anything that is allowed now would not be any more.
func (o Offer) Shrinks(next Offer) bool {
	before, after := o.Quota(), next.Quota()
	return after.Seats < before.Seats || after.StorageBytes < before.StorageBytes || after.UploadBytes < before.UploadBytes ||
		!after.Federation.Allows(before.Federation) || next.Plan.Backups < o.Plan.Backups
}
