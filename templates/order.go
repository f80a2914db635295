package templates

import (
	"net/url"

	"github.com/a-h/templ"
)

// Kinds of name a server can get.
const (
	NameSubdomain = "subdomain" // NAME.<base domain>
	NameOwn       = "own"       // a domain of the customer
)

// Where the edge answers for an own domain.
const (
	HostMatrix = "matrix" // matrix.DOMAIN; the apex stays where it is
	HostApex   = "apex"   // the whole domain points to us
)

// OrderPlan is step 1, /order: choose a plan. Each card leads to
// /order/name?plan=ID.
type OrderPlan struct {
	Plans  []Plan
	Chosen string // id of the plan to mark, "" for none
}

// OrderName is step 2, /order/name: choose the name. Fields: plan, kind
// (NameSubdomain or NameOwn), name (the label of a subdomain), domain, host
// (HostMatrix or HostApex), localpart (of the first administrator), posted to /order/name; while typing, GET /order/check with the same fields
// answers NameCheck.
type OrderName struct {
	Plan       Plan
	Addons     []Addon // fields of their own, and coupon
	BaseDomain string
	Form       Form
	Check      NameCheck // result for what is in the form, zero for none
}

// NameCheck is the live answer beside the name. Code is "" for nothing to say,
// "available", or an error code such as "name.taken".
type NameCheck struct {
	Name   string // the full name in normal form, "werft.hafen.localhost"
	Code   string
	Params map[string]string
}

// OrderConfirm is step 3, /order/confirm: everything once more before the
// binding click. Fields: plan, kind, name, domain, host, localpart, terms; posted to /order.
type OrderConfirm struct {
	Plan   Plan
	Kind   string // NameSubdomain or NameOwn
	Label  string // what was typed for NameSubdomain
	Domain string // what was typed for NameOwn
	Host   string // HostMatrix or HostApex, for NameOwn
	Name   string // the server name for good
	// Localpart of the first administrator, and the Matrix id it comes to.
	Localpart, AdminID string
	Engine             string
	Form               Form
	Offer              Offer
	Lines              []BillLine // of a period
	Period, Today      Price
	TrialDays          int
	Extras             []HiddenField // add-ons and coupon
	// Immediate says that the order is accepted without waiting for a payment (trial mode).
	Immediate bool
}

// nameURL leads back to the name, with what was typed.
func nameURL(vm OrderConfirm) templ.SafeURL {
	values := url.Values{"plan": {vm.Plan.ID}}
	for field, value := range map[string]string{
		"kind": vm.Kind, "name": vm.Label, "domain": vm.Domain, "host": vm.Host, "localpart": vm.Localpart, "engine": vm.Engine,
	} {
		if value != "" {
			values.Set(field, value)
		}
	}
	for _, f := range vm.Extras {
		values.Set(f.Name, f.Value)
	}
	return templ.SafeURL("/order/name?" + values.Encode())
}

// States of an order.
const (
	OrderOpen      = "open"
	OrderPaid      = "paid"
	OrderCancelled = "cancelled"
)

// OrderPayment is /servers/{id}/payment: the invoice to pay. It polls itself while open
// (GET /servers/{id}/payment/state answers OrderPaymentState). POST /servers/{id}/payment/cancel ends it.
type OrderPayment struct {
	State         string // OrderOpen, OrderPaid, OrderCancelled
	ServerID      string
	ServerName    string
	PlanName      string
	InvoiceNumber string
	Price         Price
	// CheckoutURL is set when a provider takes the money: a POST to /servers/{id}/payment leads there. Without it there is a
	// transfer to make.
	CheckoutURL string
	// Where to transfer to; empty fields are not shown.
	Recipient, IBAN, BIC string
	// Reference is the exact text to give with the transfer.
	Reference string
}

func labelField(l Locale, base string) field {
	return field{
		Name: "name", Label: l.T("field.name"), Suffix: "." + base, Help: l.T("field.name.help"), Placeholder: "werft", MaxLength: "63",
	}
}

func domainField(l Locale) field {
	return field{
		Name: "domain", Label: l.T("field.domain"), Help: l.T("field.domain.help"), Placeholder: "example.org", InputMode: "url", MaxLength: "253",
	}
}

func adminField(l Locale) field {
	return field{Name: "localpart", Label: l.T("field.admin"), Help: l.T("field.admin.help"), Placeholder: "anna", MaxLength: "64"}
}

func couponField(l Locale) field {
	return field{Name: "coupon", Label: l.T("order.coupon"), Help: l.T("order.coupon.help"), MaxLength: "40", Optional: true}
}

func orderNameFields(l Locale, vm OrderName) []field {
	fields := []field{labelField(l, vm.BaseDomain), domainField(l), adminField(l)}
	for _, a := range vm.Addons {
		fields = append(fields, field{Name: a.Field, Label: a.Name})
	}
	return append(fields, couponField(l))
}

// engineChosen reports whether an engine is the one in the form, or the plan's default when there is none.
func engineChosen(vm OrderName, engine string) bool {
	if chosen := vm.Form.Value("engine"); chosen != "" {
		return chosen == engine
	}
	return vm.Plan.Engine == engine
}

// PlanLine is a plan in one line.
func PlanLine(l Locale, plan Plan) string {
	return offerLine(l, Offer{Plan: plan, Seats: plan.Seats, StorageBytes: plan.StorageBytes})
}

// offerLine is what an offer allows, in one line.
func offerLine(l Locale, o Offer) string {
	federation := l.T("plan.line.closed")
	switch o.Plan.Federation {
	case FederationOpen:
		federation = l.T("plan.line.federated")
	case FederationList:
		federation = l.T("plan.line.list")
	}
	return l.T("plan.line", "Seats", o.Seats, "Size", l.Bytes(o.StorageBytes), "Federation", federation)
}
