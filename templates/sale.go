package templates

import (
	"strings"
	"time"

	"hafen/templates/i18n"
)

// States of a version of what is sold: `sale.state.<code>`.
const (
	SaleSold     = "sold"
	SaleHidden   = "hidden"
	SaleUpcoming = "upcoming"
	SaleOver     = "over"
	SaleReplaced = "replaced"
)

// SaleVersion is one version of a plan or an add-on.
type SaleVersion struct {
	ID          string
	Version     int
	State       string
	Holds       string // what it is, in short: "5 seats, 20 GB"
	Price       Price
	From, Until time.Time // of its sale; zero for no end
	CreatedAt   time.Time
	CreatedBy   string
	Owner       string // address of the customer whose price it is
	Servers     int    // that are on it
}

// SaleRow is one plan or add-on in the list.
type SaleRow struct {
	Slug, Name string
	Newest     SaleVersion
	Servers    int // on any version
	Older      int // of those, on others than the newest
	Own        int // customers with a price of their own
}

// OperatorSale is /operator/plans and /operator/addons.
type OperatorSale struct {
	Kind string // SalePlans or SaleAddons
	Rows []SaleRow
}

// The lists of what is sold.
const (
	SalePlans   = "plans"
	SaleAddons  = "addons"
	SaleCoupons = "coupons"
)

// OperatorPlan is /operator/plans/{slug}: its versions. Actions post to /operator/plans/{slug}/show | hide | own (email and
// fields) | withdraw-own (plan); GET /operator/plans/{slug}/move (from, to) leads to OperatorMove.
type OperatorPlan struct {
	Slug, Name string
	Card       Plan
	Sold       bool // the newest version is not withdrawn
	Versions   []SaleVersion
	Own        []SaleVersion
	OwnForm    Form // email, price, seats, storage, trial_days
}

// all is every version that servers can be moved from and to.
func (vm OperatorPlan) all() []SaleVersion {
	return append(append([]SaleVersion{}, vm.Versions...), vm.Own...)
}

// SaleForm is /operator/new/plan, /operator/plans/{slug}/edit, and the same of add-ons. Fields are those of the price list's
// file, by name, and version: which one the form was made from.
type SaleForm struct {
	Kind    string // SalePlans or SaleAddons
	Slug    string // "" for a new one
	Name    string
	Servers int // on older versions
	Form    Form
	Preview SalePreview
}

// SalePreview is how a plan's card looks, in both languages.
type SalePreview struct{ German, English Plan }

func (vm SaleForm) action() string {
	switch {
	case vm.Slug != "":
		return "/operator/" + vm.Kind + "/" + vm.Slug + "/edit"
	case vm.Kind == SaleAddons:
		return "/operator/new/addon"
	default:
		return "/operator/new/plan"
	}
}

// SaleChange is a field that differs between two versions.
type SaleChange struct{ Field, Before, After string }

// Misfit is a server that cannot be moved: `sale.misfit.<Code>`, or what must shrink.
type Misfit struct {
	ServerID, ServerName, Owner string
	Code                        string
	Refusals                    []Refusal
}

// OperatorMove is /operator/plans/{slug}/move?from=&to=; posting from, to and fitting moves.
type OperatorMove struct {
	Slug, Name string
	From, To   SaleVersion
	Changes    []SaleChange
	Fits       int
	Misfits    []Misfit
}

// OperatorCoupon is one coupon.
type OperatorCoupon struct {
	Code, Note string
	Percent    int
	Amount     int64
	Currency   string
	Periods    int
	Plans      []string
	Redeemed   int
	Most       int // 0 for ever
	RedeemBy   time.Time
	Withdrawn  bool
}

// over reports whether nobody new gets a coupon, and with which words: `sale.state.<code>`.
func (c OperatorCoupon) state(now time.Time) string {
	switch {
	case c.Withdrawn:
		return SaleHidden
	case !c.RedeemBy.IsZero() && !c.RedeemBy.After(now), c.Most > 0 && c.Redeemed >= c.Most:
		return SaleOver
	default:
		return SaleSold
	}
}

// OperatorCoupons is /operator/coupons. Withdrawing posts to /operator/coupons/{code}/withdraw.
type OperatorCoupons struct {
	Rows []OperatorCoupon
	Now  time.Time
}

// OperatorCouponForm is /operator/new/coupon.
type OperatorCouponForm struct{ Form Form }

func saleTone(state string) Tone {
	switch state {
	case SaleSold:
		return ToneGood
	case SaleUpcoming:
		return ToneInfo
	case SaleOver:
		return ToneWarn
	default:
		return ToneNeutral
	}
}

// saleField is an input for a field of the price list.
func saleField(l Locale, name string) field {
	f := field{Name: name, Label: l.Coded("sale.field", name, nil)}
	switch name {
	case "slug":
		f.Placeholder, f.MaxLength = "basic", "31"
	case "name", "name_de":
		f.MaxLength = "60"
	case "description", "description_de", "note":
		f.MaxLength = "300"
	case "code":
		f.Placeholder, f.MaxLength = "HAFEN-10", "40"
	case "price":
		f.InputMode, f.MaxLength = "decimal", "12"
	case "email":
		f.Type, f.MaxLength = "email", "254"
	case "valid_from", "valid_until", "redeem_by":
		f.Type = "datetime-local"
	case "storage", "upload", "memory", "amount":
		f.MaxLength = "20"
	default:
		f.InputMode, f.MaxLength = "numeric", "12"
	}
	switch name {
	case "plans":
		f.InputMode, f.MaxLength, f.Placeholder = "", "400", "basic, advanced"
	case "vat_rate", "percent":
		f.Suffix = "%"
	case "cpu_millis":
		f.Suffix = "m"
	}
	if l.Has("sale.help." + name) {
		f.Help = l.Coded("sale.help", name, nil)
	}
	switch name {
	case "name_de", "description", "description_de", "valid_from", "valid_until", "plans", "redeem_by", "note", "percent", "amount", "periods", "most":
		f.Optional = true
	}
	return f
}

// required makes a field of a form that must be filled in, whatever it is elsewhere.
func required(f field) field {
	f.Optional = false
	return f
}

// The groups of a plan's form.
var (
	planWords   = []string{"name", "name_de", "description", "description_de", "position"}
	planMoney   = []string{"price", "vat_rate", "trial_days"}
	planHolds   = []string{"seats", "storage", "upload"}
	planMachine = []string{"memory", "cpu_millis", "pids", "database_connections", "backups"}
	planSale    = []string{"valid_from", "valid_until"}
	addonWords  = []string{"name", "name_de", "position"}
	addonHolds  = []string{"price", "vat_rate"}
)

func saleFields(l Locale, groups ...[]string) []field {
	var list []field
	for _, group := range groups {
		for _, name := range group {
			list = append(list, saleField(l, name))
		}
	}
	return list
}

// allSaleFields are those of a form, for the summary above it.
func allSaleFields(l Locale, vm SaleForm) []field {
	if vm.Kind == SaleAddons {
		return saleFields(l, []string{"slug", "kind", "amount", "most", "plans", "currency", "visible"}, addonWords, addonHolds)
	}
	return saleFields(l, []string{"slug", "currency", "period", "federation", "engines", "visible", "show_gross"}, planWords, planMoney, planHolds, planMachine, planSale)
}

func couponFields(l Locale) []field {
	list := saleFields(l, []string{"code", "percent", "amount", "currency", "periods", "most", "redeem_by", "plans", "note"})
	for i := range list {
		list[i].Optional = list[i].Name != "code"
		if list[i].Name == "amount" || list[i].Name == "most" {
			list[i].Label, list[i].Help, list[i].InputMode = l.Coded("sale.field", list[i].Name+"_off", nil), "", "decimal"
		}
	}
	return list
}

func ownFields(l Locale) []field {
	return saleFields(l, []string{"email", "price", "seats", "storage", "trial_days"})
}

// What there is to choose from; the first is chosen where nothing else is.
var (
	currencyChoices   = []string{"EUR", "CHF", "GBP", "USD", "DKK", "SEK", "NOK", "PLN", "CZK"}
	periodChoices     = []string{PeriodMonth, PeriodYear}
	federationChoices = []string{FederationOff, FederationList, FederationOpen}
	engineChoices     = []string{"synapse, dendrite", "dendrite, synapse", "synapse", "dendrite"}
	kindChoices       = []string{"seats", "storage"}
)

// choiceWords is what a choice says: a currency says itself.
func choiceWords(l Locale, name, value string) string {
	if name == "currency" {
		return value
	}
	return l.Coded("sale.choice", name+"_"+strings.ReplaceAll(value, ", ", "_"), nil)
}

// saleValue is a field's text for people: a price in their way of writing, a choice in words.
func saleValue(l Locale, name, text string) string {
	switch name {
	case "price":
		if l.Code() == "de" {
			return strings.Replace(text, ".", ",", 1)
		}
		return text
	case "federation", "engines":
		return choiceWords(l, name, text)
	case "visible", "show_gross":
		return choiceWords(l, "flag", text)
	case "valid_from", "valid_until":
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return l.DateTime(at)
		}
	}
	return orElse(text, "–")
}

// OperatorAddon is /operator/addons/{slug}. Actions post to /operator/addons/{slug}/show | hide.
type OperatorAddon struct {
	Slug, Name string
	Sold       bool
	Versions   []SaleVersion
}

// AddonLine is a pack of an add-on in one line.
func AddonLine(l Locale, kind string, amount int64) string {
	if kind == "storage" {
		return l.T("plan.storage", "Size", l.Bytes(amount))
	}
	return l.T("plan.seats", "Count", int(amount))
}

func german() Locale  { return i18n.For("de") }
func english() Locale { return i18n.For("en") }
