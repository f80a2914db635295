package stripefake

import (
	"slices"
	"strings"
)

type handler func(*call) (object, *Error)

// endpoint is the table of all there is. Ids are cut out of the path: "POST subscriptions/:id".
func (s *Server) endpoint(method string, parts []string, c *call) handler {
	collections := []string{
		"products", "prices", "customers", "coupons", "tax_rates", "checkout/sessions", "subscriptions", "invoices", "charges",
		"refunds", "disputes", "events", "billing_portal/sessions", "billing_portal/configurations", "payment_intents",
	}
	path := strings.Join(parts, "/")
	for _, collection := range collections {
		rest, below := strings.CutPrefix(path, collection+"/")
		if !below || slices.Contains([]string{"create_preview", "upcoming"}, rest) {
			continue
		}
		id, verb, _ := strings.Cut(rest, "/")
		c.id = id
		if of, one, nested := strings.Cut(verb, "/"); nested {
			verb, c.below = of+"/:id", one
		}
		path = strings.TrimSuffix(collection+"/:id/"+verb, "/")
		break
	}
	return map[string]handler{
		"POST products": s.createProduct, "GET products/:id": s.get("product"), "POST products/:id": s.updateProduct,
		"POST prices": s.createPrice, "GET prices": s.listPrices, "GET prices/:id": s.get("price"),
		"POST coupons": s.createCoupon, "GET coupons/:id": s.get("coupon"),
		"POST tax_rates": s.createTaxRate, "GET tax_rates": s.listTaxRates, "GET tax_rates/:id": s.get("tax_rate"),
		"POST customers": s.createCustomer, "GET customers": s.listCustomers, "GET customers/:id": s.get("customer"),
		"POST customers/:id": s.updateCustomer, "POST customers/:id/tax_ids": s.createTaxID, "GET customers/:id/tax_ids": s.listTaxIDs,
		"DELETE customers/:id/tax_ids/:id": s.deleteTaxID,
		"POST checkout/sessions":           s.createSession, "GET checkout/sessions": s.listSessions,
		"GET checkout/sessions/:id": s.get("checkout.session"), "POST checkout/sessions/:id/expire": s.expireSession,
		"GET subscriptions": s.listSubscriptions, "GET subscriptions/:id": s.get("subscription"),
		"POST subscriptions/:id": s.updateSubscription, "DELETE subscriptions/:id": s.cancelSubscription,
		"GET invoices": s.listInvoices, "GET invoices/:id": s.get("invoice"), "POST invoices/create_preview": s.preview,
		"POST invoices/:id/pay": s.payInvoice, "POST invoices/:id/void": s.voidInvoice,
		"GET charges": s.listCharges, "GET charges/:id": s.get("charge"), "GET payment_intents/:id": s.get("payment_intent"),
		"POST refunds": s.createRefund, "GET disputes": s.listDisputes, "GET disputes/:id": s.get("dispute"),
		"GET events": s.listEvents, "GET events/:id": s.get("event"),
		"POST billing_portal/sessions": s.createPortalSession, "POST billing_portal/configurations": s.createPortalConfiguration,
		"GET billing_portal/configurations": s.listPortalConfigurations,
	}[method+" "+path]
}

// get answers with the object of the path.
func (s *Server) get(kind string) handler {
	return func(c *call) (object, *Error) {
		if failed := c.form.only(); failed != nil {
			return nil, failed
		}
		return s.find(kind, c.id, "id")
	}
}

// listed are the parameters of every list.
func listed(more ...string) []string {
	return append([]string{"limit", "starting_after", "ending_before", "created"}, more...)
}

// list answers with all of a kind that have what the form says.
func (s *Server) list(c *call, kind string, filters ...string) (object, *Error) {
	if failed := c.form.only(listed(filters...)...); failed != nil {
		return nil, failed
	}
	since, failed := c.form.form("created").number("gte", 0)
	if failed != nil {
		return nil, failed
	}
	return s.page(c, s.all(kind, func(o object) bool {
		for _, filter := range filters {
			if c.form.has(filter) && o.str(filter) != c.form.text(filter) {
				return false
			}
		}
		return o.num("created") >= since
	}))
}
