package controlplane_test

import (
	"bytes"
	"strings"
	"testing"

	"hafen/controlplane"
	"hafen/tenant"
)

// FuzzReadCatalogue: whatever a file holds, it is read or refused; and what is read can be filled into what is sold or is
// refused field by field.
func FuzzReadCatalogue(f *testing.F) {
	for _, seed := range []string{
		"", "plans:", "plans: []\naddons: []\ncoupons: []\n", "plans:\n- slug: basic\n  price: 4.00\n  engines: [synapse]\n",
		"plans:\n- &a {slug: x}\n- *a\n", "plans: [{slug: {}}]", "? [a]\n: b\n", "plans:\n- <<: {slug: x}\n", "{\"plans\": [{\"slug\": null}]}",
		"addons:\n- {slug: s, kind: storage, amount: 9 GB}\n", "coupons:\n- {code: x, redeem_by: 2100-01-01T00:00:00Z}\n", "--- !!binary x\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := controlplane.ReadCatalogue(strings.NewReader(text))
		if err != nil {
			return
		}
		for i := range c.Plans {
			fill(t, tenant.PlanFields, &c.Plans[i])
		}
		for i := range c.Addons {
			fill(t, tenant.AddonFields, &c.Addons[i])
		}
		for i := range c.Coupons {
			fill(t, tenant.CouponFields, &c.Coupons[i])
		}
		var out bytes.Buffer
		if _, err := c.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := controlplane.ReadCatalogue(&out)
		if err == nil && len(again.Plans) != len(c.Plans) {
			t.Errorf("%d plans were written and %d read", len(c.Plans), len(again.Plans))
		}
	})
}

func fill[T any](t *testing.T, fields []tenant.Field[T], e *controlplane.Entry[T]) {
	t.Helper()
	err := tenant.Fill(fields, &e.Value, func(name string) (string, bool) { said, ok := e.Said[name]; return said.Text, ok })
	if err == nil {
		return
	}
	for _, fault := range tenant.FaultsOf(err) {
		if fault.Kind != tenant.Invalid || fault.Field == "" {
			t.Errorf("%+v", fault)
		}
	}
}
