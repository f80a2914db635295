package controlplane

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"hafen/controlplane/billing"
	"hafen/tenant"
)

// Orders is choosing a plan and a name, and paying.
type Orders struct{ OrdersConfig }

// OrdersConfig is what Orders needs.
type OrdersConfig struct {
	Store       OrderStore
	Billing     billing.Provider
	Base        tenant.Domain             // names below it are ready at once
	Registrable func(tenant.Domain) error // refuses public suffixes
	// Records lists what the customer of an own domain must set, all pending, for the page until the first look.
	Records func(claim DomainClaim) []tenant.Record
	Now     func() time.Time // time.Now when nil
	// Where a provider sends the customer's browser; "" where none does.
	PublicURL string
}

// MostOpenOrders is how many servers an account may have that have never served: each holds a name, or asks name servers and
// the machine for work, before anybody has paid for anything. Far more than anybody sets up in one evening.
const MostOpenOrders = 20

// OrderStore keeps orders.
type OrderStore interface {
	// ListPlans lists what an account can buy, its own prices first; "" is a visitor.
	ListPlans(ctx context.Context, account string) ([]tenant.Plan, error)
	// FindPlan finds one of those by its id, or by its slug; otherwise the Fault plan.unknown.
	FindPlan(ctx context.Context, account string, id tenant.PlanID) (tenant.Plan, error)
	// ListOffers lists the plans and add-ons that an account can buy now.
	ListOffers(ctx context.Context, account string) ([]tenant.Plan, []tenant.Addon, error)
	// FindCoupon finds a coupon that can be redeemed for a plan now. Faults: coupon.unknown, coupon.expired, coupon.used_up,
	// coupon.not_for_plan, coupon.currency.
	FindCoupon(ctx context.Context, code string, plan tenant.Plan, now time.Time) (billing.Coupon, error)
	// HadTrial reports whether an account has tried out a server before.
	HadTrial(ctx context.Context, account string) (bool, error)
	// VATNote says how bills to an account are taxed.
	VATNote(ctx context.Context, account string) (billing.VATNote, error)
	// NameHolder says who holds a server name: "" nobody, "taken", or "tombstoned".
	NameHolder(ctx context.Context, name tenant.Domain) (string, error)
	// FindOrdered finds a server that an account has ordered and that has never served yet, of the same name, with the same choices
	// as another order of it would have; "" when there is none.
	FindOrdered(ctx context.Context, o NewOrder) (tenant.ID, tenant.Status, error)
	// CreateOrder records tenant, add-ons, name, first member, order, subscription, job and audit in one transaction, and begins the
	// subscription when nothing is to be paid first. A name that was taken meanwhile is the Fault name.taken or domain.taken; an
	// account with MostOpenOrders is refused with order.too_many; the coupon faults are those of FindCoupon, and trial.used says that
	// the trial went to another server.
	CreateOrder(ctx context.Context, o NewOrder) error
}

// NewOrder is all that CreateOrder records.
type NewOrder struct {
	Actor    Actor
	Tenant   tenant.ID
	Order    billing.Order
	Provider string
	Terms    billing.Terms
	Request  OrderRequest
	Names    OrderNames
	Proof    string // token for an own domain's TXT record
	Records  []tenant.Record
	Offer    Offer
	Bill     billing.Bill // owed at once
	Now      time.Time
}

// OrderRequest is what the customer chose. Exactly one of Name and Domain is set.
type OrderRequest struct {
	Plan        tenant.PlanID
	Packs       map[tenant.AddonID]int
	Coupon      string
	Engine      tenant.EngineName // "" for the plan's default
	Name        string            // NAME.<base>
	Domain      string            // own domain
	WholeDomain bool              // the own domain itself points to Hafen; otherwise matrix.<domain> does
	FirstAdmin  string
	Language    string
	Agreed      *int64 // cents that were shown to be owed at once; nil when nobody was shown anything
}

// OrderNames is what a request's name comes to.
type OrderNames struct {
	ServerName, Host tenant.Domain
	Own              bool
}

// Quote is what an order costs.
type Quote struct {
	Offer
	Coupon          *billing.Coupon
	TrialDays       int
	Period          billing.Bill // a whole period, with the coupon; the first one that is billed
	Owed            billing.Bill // at once: nothing in a trial
	Net, VAT, Gross tenant.Money // of the plan alone
}

// NewOrders makes Orders.
func NewOrders(c OrdersConfig) *Orders {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Orders{c}
}

// Plans lists what an account can buy in the order of the price list, its own prices first; "" is a visitor.
func (o *Orders) Plans(ctx context.Context, account string) ([]tenant.Plan, error) {
	return o.Store.ListPlans(ctx, account)
}

// Quote prices a plan. One that is unknown, hidden, or somebody else's is the Fault plan.unknown. A slug is quoted as the
// version that is sold now; the quote's plan names that version.
func (o *Orders) Quote(ctx context.Context, account string, id tenant.PlanID) (Quote, error) {
	plan, err := o.Store.FindPlan(ctx, account, id)
	if err != nil {
		return Quote{}, err
	}
	vat := plan.Price.VAT(plan.VATRate)
	return Quote{Offer: Offer{Plan: plan}, Net: plan.Price, VAT: vat, Gross: plan.Price.Plus(vat)}, nil
}

// Addons lists what can be bought beside a plan.
func (o *Orders) Addons(ctx context.Context, account string, plan tenant.Plan) ([]tenant.Addon, error) {
	_, addons, err := o.Store.ListOffers(ctx, account)
	return slices.DeleteFunc(addons, func(a tenant.Addon) bool { return !a.Goes(plan) }), err
}

// Price prices an order with all that is on it. Faults beside those of Quote: addon.*, coupon.*.
func (o *Orders) Price(ctx context.Context, account string, r OrderRequest) (Quote, error) {
	quote, err := o.Quote(ctx, account, r.Plan)
	if err != nil {
		return Quote{}, err
	}
	addons, err := o.Addons(ctx, account, quote.Plan)
	if err != nil {
		return Quote{}, err
	}
	quote.Offer, err = pick(Choice{Plan: quote.Plan.ID, Packs: r.Packs}, []tenant.Plan{quote.Plan}, addons)
	if err != nil {
		return Quote{}, err
	}
	if code := couponCode(r.Coupon); code != "" {
		coupon, err := o.Store.FindCoupon(ctx, code, quote.Plan, o.Now())
		if err != nil {
			return Quote{}, err
		}
		quote.Coupon = &coupon
	}
	if quote.Plan.TrialDays > 0 {
		had, err := o.Store.HadTrial(ctx, account)
		if err != nil {
			return Quote{}, err
		}
		if !had {
			quote.TrialDays = quote.Plan.TrialDays
		}
	}
	from := o.Now().AddDate(0, 0, quote.TrialDays)
	currency := quote.Plan.Price.Currency
	note, err := o.Store.VATNote(ctx, account)
	if err != nil {
		return Quote{}, err
	}
	quote.Period = billing.Sum(currency, billing.Lines(r.Language, quote.Items(), quote.Coupon, from, quote.Plan.Period.After(from, 1))).Under(note)
	if quote.Owed = quote.Period; quote.TrialDays > 0 {
		quote.Owed = billing.Sum(currency, nil)
	}
	return quote, nil
}

// couponCode is a code as it is kept, whatever way somebody typed it.
func couponCode(typed string) string { return strings.ToUpper(strings.TrimSpace(typed)) }

// CheckName says what a name would become, or why it cannot be had: faults name.* and domain.*.
func (o *Orders) CheckName(ctx context.Context, r OrderRequest) (OrderNames, error) {
	names, err := o.names(r)
	if err != nil {
		return OrderNames{}, err
	}
	holder, err := o.Store.NameHolder(ctx, names.ServerName)
	if err != nil {
		return OrderNames{}, fmt.Errorf("find holder of %s: %w", names.ServerName, err)
	}
	if holder == "" && names.Host != names.ServerName {
		// Two names lead to one machine, but one name to one server only. A host may have been a server name once: only
		// names in Matrix ids are for ever.
		if holder, err = o.Store.NameHolder(ctx, names.Host); err != nil {
			return OrderNames{}, fmt.Errorf("find holder of %s: %w", names.Host, err)
		}
		if holder == "tombstoned" {
			holder = ""
		}
	}
	if holder != "" {
		return OrderNames{}, nameFault(names.Own, tenant.Conflict, holder)
	}
	return names, nil
}

func (o *Orders) names(r OrderRequest) (OrderNames, error) {
	if r.Domain == "" {
		label, err := tenant.ParseLabel(r.Name)
		if err != nil {
			return OrderNames{}, err
		}
		name := o.Base.Under(label)
		return OrderNames{ServerName: name, Host: name}, nil
	}
	domain, err := tenant.ParseDomain(r.Domain)
	if err != nil {
		return OrderNames{}, err
	}
	names := OrderNames{ServerName: domain, Host: domain, Own: true}
	if !r.WholeDomain {
		names.Host = domain.Under("matrix")
	}
	if domain.Within(o.Base) || names.Host.Within(o.Base) { // the website may itself be at matrix.DOMAIN
		return OrderNames{}, nameFault(true, tenant.Invalid, "ours")
	}
	if err := o.Registrable(domain); err != nil {
		return OrderNames{}, err
	}
	return names, nil
}

// Order orders a server: after it returns, the server waits for payment, for its domain, or is being provisioned. The same order again
// is the one before, as long as that has not served yet: whoever got no answer sends the form once more. Faults: those of Price and
// CheckName, quote.changed when it costs other than was agreed to, and those of CreateOrder.
func (o *Orders) Order(ctx context.Context, actor Actor, r OrderRequest) (tenant.ID, billing.Terms, error) {
	quote, err := o.Price(ctx, actor.Account, r)
	if err != nil {
		return "", billing.Terms{}, err
	}
	if quote.Plan.ID != r.Plan {
		// A slug is also its first version's id. Whoever saw that one and orders it must not get another at another price.
		return "", billing.Terms{}, &tenant.Fault{Kind: tenant.Conflict, Code: "plan.changed", Field: "plan"}
	}
	names, err := o.names(r)
	if err != nil {
		return "", billing.Terms{}, err
	}
	admin, err := tenant.ParseLocalpart(r.FirstAdmin)
	if err != nil {
		return "", billing.Terms{}, err
	}
	r.FirstAdmin = string(admin)
	engine, offered := quote.Plan.Offers(r.Engine)
	if !offered {
		return "", billing.Terms{}, &tenant.Fault{Kind: tenant.Invalid, Code: "engine.not_offered", Field: "engine"}
	}
	r.Engine, r.Coupon = engine, couponCode(r.Coupon)
	order := NewOrder{
		Actor: actor, Tenant: tenant.NewID(), Provider: o.Billing.Name(), Request: r, Names: names, Proof: newProof(),
		Offer: quote.Offer, Bill: quote.Owed, Now: o.Now().UTC().Truncate(time.Second),
	}
	if id, terms, err := o.ordered(ctx, order); id != "" || err != nil {
		return id, terms, err
	}
	if r.Agreed != nil && *r.Agreed != quote.Owed.Gross.Cents {
		return "", billing.Terms{}, &tenant.Fault{Kind: tenant.Conflict, Code: "quote.changed"}
	}
	if _, err := o.CheckName(ctx, r); err != nil {
		// The name may be taken by the same order, which was made since the question above.
		if id, terms, look := o.ordered(ctx, order); look == nil && id != "" {
			return id, terms, nil
		}
		return "", billing.Terms{}, err
	}
	if names.Own {
		order.Records = o.Records(DomainClaim{Tenant: order.Tenant, ServerName: names.ServerName, Host: names.Host, Token: order.Proof})
	}
	order.Order = billing.Order{
		ID: newUUID(), Tenant: order.Tenant, Account: actor.Account, Email: actor.Email, Language: r.Language,
		Plan: quote.Plan, Items: quote.Items(), Coupon: quote.Coupon, Net: quote.Owed.Net, VAT: quote.Owed.VAT, CreatedAt: order.Now,
		ReturnURL: o.page(order.Tenant, "/payment"), CancelURL: o.page(order.Tenant, "/payment"),
	}
	order.Order.Plan.TrialDays = quote.TrialDays
	order.Terms, err = o.Billing.Begin(ctx, order.Order)
	if err != nil {
		return "", billing.Terms{}, fmt.Errorf("begin payment of order %s: %w", order.Order.ID, err)
	}
	if order.Terms.CheckoutURL == "" && order.Order.Gross().Cents == 0 {
		order.Terms.Settled = true // a trial, or a coupon for all of it
	}
	if err := o.Store.CreateOrder(ctx, order); err != nil {
		// The same order may have been made in between: a form that was sent twice at once.
		if id, terms, look := o.ordered(ctx, order); look == nil && id != "" {
			return id, terms, nil
		}
		return "", billing.Terms{}, err
	}
	return order.Tenant, order.Terms, nil
}

// ordered finds the order that another one would only repeat. Its Terms lead to our own page, where it is paid.
func (o *Orders) ordered(ctx context.Context, order NewOrder) (tenant.ID, billing.Terms, error) {
	id, status, err := o.Store.FindOrdered(ctx, order)
	if err != nil {
		return "", billing.Terms{}, fmt.Errorf("find an earlier order of %s: %w", order.Names.ServerName, err)
	}
	return id, billing.Terms{Settled: status != tenant.AwaitingPayment}, nil
}

func (o *Orders) page(id tenant.ID, path string) string {
	return o.PublicURL + "/servers/" + string(id) + path
}

func nameFault(own bool, kind tenant.Kind, code string) error {
	if own {
		return &tenant.Fault{Kind: kind, Code: "domain." + code, Field: "domain"}
	}
	return &tenant.Fault{Kind: kind, Code: "name." + code, Field: "name"}
}

// newProof is 130 random bits in letters a person can read out and any DNS panel keeps as they are.
func newProof() string {
	var b [20]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:26]
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562 section 5.4
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
