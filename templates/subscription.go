package templates

import (
	"strconv"
	"strings"
	"time"
)

// Offer is a plan with the add-ons on top of it.
type Offer struct {
	Plan         Plan
	Packs        []Pack
	Period       string // PeriodMonth or PeriodYear
	Price        Price  // of a period, add-ons included, without a coupon
	Seats        int    // add-ons included
	StorageBytes int64
}

// Pack is packs of an add-on.
type Pack struct {
	Name     string
	Quantity int
}

// Addon is what can be bought beside a plan, and how many packs of it there are.
type Addon struct {
	ID, Field string // the form field, "addon.<ID>"
	Name      string
	Kind      string // "seats" or "storage"
	Amount    int64  // in a pack
	Net       int64  // of a pack for a period
	Currency  string
	Period    string
	Quantity  int
	Most      int
}

// Coupon is what takes something off the bills.
type Coupon struct {
	Code     string
	Percent  int
	Off      int64 // cents, when Percent is 0
	Currency string
	Left     int // bills it is good for; -1 for all
}

// NextBill is what will be billed next.
type NextBill struct {
	At    time.Time
	Price Price
}

// PendingChange is a change that has been asked for and is not in effect.
type PendingChange struct {
	Offer   Offer
	Since   time.Time
	Payable bool // it waits for money, which POST /servers/{id}/plan/pay leads to; POST /servers/{id}/plan/give-up gives it up
}

// Refusal is one thing that must shrink before a downgrade, and the pages that shrink it.
type Refusal struct {
	Code        string // `refusal.<code>`: seats, storage
	Have, Limit int64  // seats, or bytes
	Tools       []Tool
}

// Tool is a page that shrinks something.
type Tool struct{ Page, URL string }

// PlanOption is one plan as seen from the present one.
type PlanOption struct {
	Offer    Offer
	Kind     string // "current", "now" or "later"
	URL      string // of the page that asks once more
	Today    Price  // what it costs at once
	Unknown  bool   // what it costs at once is said on the page that asks once more
	Bar      string // `error.<code>`: why it can not be had; "" when it can
	From     time.Time
	Refusals []Refusal
}

// States of a subscription.
const (
	SubscriptionTrialing = "trialing"
	SubscriptionEnded    = "ended"
)

// Subscription is /servers/{id}/plan: what a server costs and what could be changed. The add-ons' form leads to
// GET /servers/{id}/plan/change, as the options do; POST /servers/{id}/plan/undo, cancel, resume, pay, portal.
type Subscription struct {
	Server    Server
	Seats     Seats
	Storage   Storage
	Now       Offer
	State     string
	Until     time.Time // paid up to here, or tried out
	Cancelled bool
	Unpaid    bool // a bill is overdue: nothing grows
	NextBill  *NextBill
	Coupon    *Coupon
	Booked    *Offer
	Pending   *PendingChange
	Options   []PlanOption
	Addons    []Addon
	Outside   bool // the provider keeps cards
	Form      Form
}

// HiddenField comes back with a form.
type HiddenField struct{ Name, Value string }

// BillLine is one line of what a change costs.
type BillLine struct {
	Kind, Text string
	Quantity   int
	Net        int64
	Back       bool // is given back
}

// PlanConfirm is /servers/{id}/plan/change: what a change costs, to the cent, before it is agreed to. Fields: those of Fields, at,
// gross; posted to the same address.
type PlanConfirm struct {
	Server        Server
	Before, After Offer
	Later         bool
	From          time.Time
	Lines         []BillLine
	Today         Price
	NextBill      *NextBill // nil when the plan is cancelled and ends
	Trial         bool
	Invoiced      bool   // the bill comes by mail
	Unbooks       bool   // what was booked is given up
	Federation    string // "gains" or "loses" connections to other servers, or ""
	At, Gross     string
	Fields        []HiddenField
	Refusals      []Refusal
	Form          Form
}

func refusalWords(l Locale, r Refusal) string {
	params := map[string]string{"Have": strconv.FormatInt(r.Have, 10), "Limit": strconv.FormatInt(r.Limit, 10)}
	if r.Code == "storage" {
		params["Have"], params["Limit"], params["Excess"] = l.Bytes(r.Have), l.Bytes(r.Limit), l.Bytes(r.Have-r.Limit)
	}
	return l.Coded("refusal", r.Code, params)
}

func toolWords(l Locale, t Tool) string { return l.Coded("subscription.tool", t.Page, nil) }

// periodWords stand behind a price.
func periodWords(l Locale, period string) string {
	return perPeriod(l, Price{Period: period})
}

// offerWords is an offer in one line: "Advanced, 2 × 5 seats".
func offerWords(o Offer) string {
	if len(o.Packs) == 0 {
		return o.Plan.Name
	}
	return o.Plan.Name + ", " + packWords(o.Packs)
}

func packWords(packs []Pack) string {
	words := make([]string, len(packs))
	for i, p := range packs {
		words[i] = strconv.Itoa(p.Quantity) + " × " + p.Name
	}
	return strings.Join(words, ", ")
}

func couponWords(l Locale, c Coupon) string {
	off := l.Money(c.Off, c.Currency)
	if c.Percent > 0 {
		off = l.Percent(float64(c.Percent) / 100)
	}
	if c.Left < 0 {
		return l.T("subscription.coupon.always", "Code", c.Code, "Off", off)
	}
	return l.T("subscription.coupon.left", "Code", c.Code, "Off", off, "Count", c.Left)
}

// stateWords say until when something is paid for, and what comes then.
func stateWords(l Locale, vm Subscription) string {
	until := l.Date(vm.Until)
	switch {
	case vm.State == SubscriptionEnded:
		return l.T("subscription.ended")
	case vm.Cancelled:
		return l.T("subscription.cancelled", "Date", until)
	case vm.State == SubscriptionTrialing:
		return l.T("subscription.trial", "Date", until)
	default:
		return l.T("subscription.paid", "Date", until)
	}
}

func todayWords(l Locale, o PlanOption) string {
	switch {
	case o.Kind == "later":
		return l.T("subscription.option.later", "Date", l.Date(o.From))
	case o.Unknown:
		return l.T("subscription.option.unknown")
	case o.Today.Gross == 0:
		return l.T("subscription.option.free")
	default:
		return l.T("subscription.option.today", "Amount", l.Money(o.Today.Gross, o.Today.Currency))
	}
}

func changeWords(l Locale, o PlanOption) string {
	if o.Kind == "later" {
		return l.T("subscription.option.book", "Name", o.Offer.Plan.Name)
	}
	return l.T("subscription.option.change", "Name", o.Offer.Plan.Name)
}

// vatLabel names the tax of a sum; of several rates it says so.
func vatLabel(l Locale, p Price) string {
	if p.VATPercent < 0 {
		return l.T("subscription.vat")
	}
	return l.T("price.vat", "Percent", p.VATPercent)
}

func addonHelp(l Locale, a Addon) string {
	price := l.Money(a.Net, a.Currency) + " " + periodWords(l, a.Period)
	return l.T("subscription.addon.price", "Price", price, "Most", a.Most)
}

// federationWords say what a change does to connections to other servers.
func federationWords(l Locale, vm PlanConfirm) string {
	if vm.Federation == "loses" {
		return l.T("subscription.confirm.loses")
	}
	return l.T("subscription.confirm.gains")
}

func confirmWords(l Locale, vm PlanConfirm) string {
	switch {
	case vm.Later:
		return l.T("subscription.confirm.book", "Date", l.Date(vm.From))
	case vm.Today.Gross > 0:
		return l.T("subscription.confirm.pay", "Amount", l.Money(vm.Today.Gross, vm.Today.Currency))
	default:
		return l.T("subscription.confirm.change")
	}
}

// lineWords say what a line of a change is for.
func lineWords(l Locale, line BillLine) string {
	switch {
	case line.Kind == "coupon":
		return l.T("subscription.line.coupon", "Code", line.Text)
	case line.Back:
		return l.T("subscription.line.back", "Name", line.Text)
	default:
		return l.T("subscription.line.rest", "Name", line.Text)
	}
}

// usable reports whether anything can be changed now.
func (vm Subscription) usable() bool {
	return vm.State != SubscriptionEnded && vm.Pending == nil
}

// addonValue is how many packs there are, or what was typed last.
func addonValue(form Form, a Addon) string {
	if typed := form.Value(a.Field); typed != "" {
		return typed
	}
	return strconv.Itoa(a.Quantity)
}

// orderLineWords say what a line of an order is for.
func orderLineWords(l Locale, line BillLine) string {
	switch line.Kind {
	case "coupon":
		return l.T("order.price.coupon", "Code", line.Text)
	case "plan":
		return line.Text
	default:
		return l.T("order.price.addon", "Count", line.Quantity, "Name", line.Text)
	}
}
