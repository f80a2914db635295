package billing_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

var start = time.Date(2028, 1, 31, 9, 30, 0, 0, time.UTC)

func items(t *rapid.T, label string) []billing.Item {
	var list []billing.Item
	for i := range rapid.IntRange(1, 5).Draw(t, label+" items") {
		list = append(list, billing.Item{
			Kind: billing.LinePlan, Ref: label + string(rune('a'+i)), Quantity: rapid.IntRange(1, 40).Draw(t, "quantity"),
			Unit:    tenant.Money{Cents: rapid.Int64Range(0, 300_000).Draw(t, "cents"), Currency: "EUR"},
			VATRate: rapid.SampledFrom([]int{0, 7, 19}).Draw(t, "rate"),
		})
	}
	return list
}

func coupon(t *rapid.T) *billing.Coupon {
	c := &billing.Coupon{Code: "SOMMER"}
	switch rapid.IntRange(0, 2).Draw(t, "coupon") {
	case 0:
		return nil
	case 1:
		c.Percent = rapid.IntRange(1, 100).Draw(t, "percent")
	default:
		c.Amount = tenant.Money{Cents: rapid.Int64Range(1, 500_000).Draw(t, "off"), Currency: "EUR"}
	}
	if rapid.Bool().Draw(t, "bounded") {
		left := rapid.IntRange(0, 3).Draw(t, "left")
		c.Left = &left
	}
	return c
}

func subscription(t *rapid.T) billing.Subscription {
	period := rapid.SampledFrom([]tenant.Period{tenant.Monthly, tenant.Yearly}).Draw(t, "period")
	return billing.Subscription{
		State: billing.Active, Period: period, Anchor: start, Start: start, End: period.After(start, 1), Items: items(t, "old"), Coupon: coupon(t),
	}
}

// adds checks that a bill's sums are those of its lines, and its tax that of each rate's sum.
func adds(t *rapid.T, b billing.Bill) {
	var net int64
	byRate := map[int]int64{}
	for _, line := range b.Lines {
		net += line.Net.Cents
		byRate[line.VATRate] += line.Net.Cents
		if line.Unit.Times(line.Quantity) != line.Net {
			t.Fatalf("%d × %v is not %v", line.Quantity, line.Unit, line.Net)
		}
	}
	var vat int64
	for rate, sum := range byRate {
		vat += tenant.Money{Cents: sum, Currency: "EUR"}.VAT(rate).Cents
	}
	if b.Net.Cents != net || b.VAT.Cents != vat || b.Gross.Cents != net+vat {
		t.Fatalf("net %v of %d, tax %v of %d, gross %v", b.Net, net, b.VAT, vat, b.Gross)
	}
}

func TestABillIsTheSumOfItsLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, c := items(t, "item"), coupon(t)
		with := billing.Sum("EUR", billing.Lines("de", list, c, start, start.AddDate(0, 1, 0)))
		adds(t, with)
		without := billing.Sum("EUR", billing.Lines("de", list, nil, start, start.AddDate(0, 1, 0)))
		if with.Net.Cents < 0 || with.Gross.Cents < 0 || with.Net.Cents > without.Net.Cents {
			t.Fatalf("a coupon makes %v of %v", with.Gross, without.Gross)
		}
		if c != nil && c.Percent == 0 && (c.Left == nil || *c.Left > 0) {
			if off := without.Net.Cents - with.Net.Cents; off != min(c.Amount.Cents, without.Net.Cents) {
				t.Fatalf("%v off %v takes %d", c.Amount, without.Net, off)
			}
		}
	})
}

func TestAChangeAndItsReverseAreEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := subscription(t)
		next := items(t, "new")
		at := start.Add(time.Duration(rapid.Int64Range(-3600, int64(s.End.Sub(start)/time.Second)+3600).Draw(t, "at")) * time.Second)
		there := billing.Prorate(s, billing.Change{Items: next, At: at})
		back := s
		back.Items = next
		reverse := billing.Prorate(back, billing.Change{Items: s.Items, At: at})
		adds(t, there)
		adds(t, reverse)
		if there.Net != reverse.Net.Negative() || there.VAT != reverse.VAT.Negative() {
			t.Fatalf("there %v, back %v", there.Gross, reverse.Gross)
		}
		same := billing.Prorate(s, billing.Change{Items: s.Items, At: at})
		if same.Gross.Cents != 0 || len(same.Lines) != 0 {
			t.Fatalf("changing nothing costs %v", same.Gross)
		}
	})
}

func TestNobodyGetsBackMoreThanTheyPaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := subscription(t)
		paid := billing.Sum("EUR", billing.Lines("de", s.Items, s.Coupon, s.Start, s.End))
		at := start.Add(time.Duration(rapid.Int64Range(-3600, int64(s.End.Sub(start)/time.Second)+3600).Draw(t, "at")) * time.Second)
		credit := billing.Prorate(s, billing.Change{Items: items(t, "new"), At: at})
		if -credit.Net.Cents > paid.Net.Cents || -credit.Gross.Cents > paid.Gross.Cents {
			t.Fatalf("paid %v, back %v", paid.Gross, credit.Gross.Negative())
		}
	})
}

// A change at the first moment of a period costs exactly the difference.
func TestAChangeAtTheStartIsTheWholeDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := subscription(t)
		next := items(t, "new")
		change := billing.Prorate(s, billing.Change{Items: next, At: s.Start})
		before := billing.Sum("EUR", billing.Lines("de", s.Items, s.Coupon, s.Start, s.End))
		after := billing.Sum("EUR", billing.Lines("de", next, s.Coupon, s.Start, s.End))
		if change.Net.Cents != after.Net.Cents-before.Net.Cents {
			t.Fatalf("%v, not %v less %v", change.Net, after.Net, before.Net)
		}
	})
}
