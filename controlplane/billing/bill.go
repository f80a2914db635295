package billing

import (
	"maps"
	"slices"
	"time"

	"hafen/tenant"
)

// Sum is the bill of lines, all of one currency. Tax is taken once from the sum of each rate (§14 (4) no. 8 UStG asks for
// the tax of the sum, and DIN 1333 for its rounding), so that no cent is lost between lines.
func Sum(currency string, lines []Line) Bill {
	zero := tenant.Money{Currency: currency}
	bill := Bill{Lines: lines, Net: zero, VAT: zero}
	byRate := map[int]tenant.Money{}
	for _, line := range lines {
		bill.Net = bill.Net.Plus(line.Net)
		if _, seen := byRate[line.VATRate]; !seen {
			byRate[line.VATRate] = zero
		}
		byRate[line.VATRate] = byRate[line.VATRate].Plus(line.Net)
	}
	for _, rate := range slices.Sorted(maps.Keys(byRate)) {
		bill.VAT = bill.VAT.Plus(byRate[rate].VAT(rate))
	}
	bill.Gross = bill.Net.Plus(bill.VAT)
	return bill
}

// Lines are a whole period's lines of items, with what a coupon takes off: of each tax rate its part, so that the tax is right.
func Lines(language string, items []Item, coupon *Coupon, from, until time.Time) []Line {
	lines := make([]Line, 0, len(items)+1)
	for _, item := range items {
		lines = append(lines, Line{
			Kind: item.Kind, Text: item.Text.In(language), Quantity: item.Quantity, Unit: item.Unit, Net: item.Unit.Times(item.Quantity),
			VATRate: item.VATRate, From: from, Until: until,
		})
	}
	return append(lines, coupon.lines(lines)...)
}

// lines is what a coupon takes off: one line for each tax rate.
func (c *Coupon) lines(of []Line) []Line {
	if !c.good() {
		return nil
	}
	net := map[int]int64{}
	var total int64
	for _, line := range of {
		net[line.VATRate] += line.Net.Cents
		total += line.Net.Cents
	}
	if total <= 0 {
		return nil
	}
	off := min(c.Amount.Cents, total)
	var taken int64
	var lines []Line
	rates := slices.Sorted(maps.Keys(net))
	for i, rate := range rates {
		part := tenant.Money{Cents: net[rate], Currency: of[0].Net.Currency}
		less := part.Share(int64(c.Percent), 100)
		if c.Percent == 0 {
			less = tenant.Money{Cents: off, Currency: part.Currency}.Share(part.Cents, total)
			if i == len(rates)-1 {
				less.Cents = off - taken // what rounding left
			}
			taken += less.Cents
		}
		less = less.Negative()
		lines = append(lines, Line{Kind: LineCoupon, Text: c.Code, Quantity: 1, Unit: less, Net: less, VATRate: rate})
	}
	return lines
}

// Prorate is the bill of a change in the middle of a period: what is unused of the old items is given back, what remains of
// the new ones is charged, both by the second. It is empty before the first period, within a trial, and after the end.
func Prorate(s Subscription, c Change) Bill {
	currency := ""
	if len(c.Items) > 0 {
		currency = c.Items[0].Unit.Currency
	}
	if s.State != Active || !c.At.Before(s.End) {
		return Sum(currency, nil)
	}
	at := c.At
	if at.Before(s.Start) {
		at = s.Start
	}
	rest := remainder{left: int64(s.End.Sub(at) / time.Second), whole: int64(s.End.Sub(s.Start) / time.Second)}
	var lines []Line
	prorated := func(items []Item, sign int) {
		for _, item := range items {
			net := rest.of(item.Unit.Times(sign * item.Quantity))
			if net.Cents == 0 {
				continue
			}
			lines = append(lines, Line{
				Kind: LineProration, Text: item.Text.In(s.Language), Quantity: 1, Unit: net, Net: net, VATRate: item.VATRate, From: at, Until: s.End,
			})
		}
	}
	before, after := changed(s.Items, c.Items)
	prorated(before, -1)
	prorated(after, 1)
	return Sum(currency, append(lines, s.Coupon.proration(s.Items, c.Items, rest, lines)...))
}

// remainder is the part of a period that is still to come.
type remainder struct{ left, whole int64 }

func (r remainder) of(m tenant.Money) tenant.Money { return m.Share(r.left, r.whole) }

// proration is what a coupon makes of a change: of each tax rate, the lines come to what the rest of the new items costs with the
// coupon less what the rest of the old ones did. So nobody gets back more than they paid, and a change and its reverse are even.
func (c *Coupon) proration(before, after []Item, rest remainder, of []Line) []Line {
	if !c.good() {
		return nil
	}
	old, come := c.net(before), c.net(after)
	for _, line := range of {
		if _, there := come[line.VATRate]; !there {
			come[line.VATRate] = tenant.Money{Currency: line.Net.Currency}
		}
	}
	var lines []Line
	for _, rate := range slices.Sorted(maps.Keys(come)) {
		net := rest.of(come[rate])
		if was, there := old[rate]; there {
			net = net.Plus(rest.of(was).Negative())
		}
		for _, line := range of {
			if line.VATRate == rate {
				net = net.Plus(line.Net.Negative())
			}
		}
		if net.Cents != 0 {
			lines = append(lines, Line{Kind: LineCoupon, Text: c.Code, Quantity: 1, Unit: net, Net: net, VATRate: rate})
		}
	}
	return lines
}

// net is what a whole period of items costs with the coupon, of each tax rate.
func (c *Coupon) net(items []Item) map[int]tenant.Money {
	net := map[int]tenant.Money{}
	for _, line := range Lines("", items, c, time.Time{}, time.Time{}) {
		sum, seen := net[line.VATRate]
		if !seen {
			sum.Currency = line.Net.Currency
		}
		net[line.VATRate] = sum.Plus(line.Net)
	}
	return net
}

// good reports whether the coupon counts for the bill of the present period.
func (c *Coupon) good() bool { return c != nil && (c.Left == nil || *c.Left > 0) }

// changed leaves out what is the same before and after.
func changed(before, after []Item) (gone, come []Item) {
	same := func(items []Item, item Item) bool {
		return slices.ContainsFunc(items, func(o Item) bool {
			return o.Ref == item.Ref && o.Quantity == item.Quantity && o.Unit == item.Unit && o.VATRate == item.VATRate
		})
	}
	for _, item := range before {
		if !same(after, item) {
			gone = append(gone, item)
		}
	}
	for _, item := range after {
		if !same(before, item) {
			come = append(come, item)
		}
	}
	return gone, come
}

// After is the coupon as it is for the bill after the present period. A trial has no bill, so it uses nothing up.
func (c *Coupon) After(present State) *Coupon {
	if c == nil || c.Left == nil || present != Active {
		return c
	}
	left, next := max(*c.Left-1, 0), *c
	next.Left = &left
	return &next
}
