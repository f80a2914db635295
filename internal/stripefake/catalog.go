package stripefake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// taken is Stripe's answer to an id that is in use.
func taken(kind string) *Error {
	return &Error{status: 400, Type: "invalid_request_error", Code: "resource_already_exists", Param: "id", Message: kind + " already exists."}
}

// named is the id a client chose for a new object, or one of ours.
func (s *Server) named(c *call, prefix, kind string) (string, *Error) {
	id := c.form.text("id")
	if id == "" {
		return s.newID(prefix), nil
	}
	if _, used := s.objects[id]; used {
		return "", taken(kind)
	}
	return id, nil
}

func (s *Server) createProduct(c *call) (object, *Error) {
	if failed := c.form.only("id", "name", "description", "metadata", "active"); failed != nil {
		return nil, failed
	}
	if c.form.text("name") == "" {
		return nil, missing("name")
	}
	id, failed := s.named(c, "prod", "Product")
	if failed != nil {
		return nil, failed
	}
	return s.add("product", id, object{
		"name": c.form.text("name"), "description": c.form.text("description"), "active": true, "metadata": c.form.merge(nil),
	}), nil
}

func (s *Server) updateProduct(c *call) (object, *Error) {
	product, failed := s.find("product", c.id, "id")
	if failed != nil {
		return nil, failed
	}
	if c.form.has("name") {
		product["name"] = c.form.text("name")
	}
	product["metadata"] = c.form.merge(product.obj("metadata"))
	return product, nil
}

func (s *Server) createPrice(c *call) (object, *Error) {
	if failed := c.form.only("product", "currency", "unit_amount", "recurring", "lookup_key", "metadata", "nickname", "tax_behavior"); failed != nil {
		return nil, failed
	}
	if _, failed := s.find("product", c.form.text("product"), "product"); failed != nil {
		return nil, failed
	}
	amount, failed := c.form.number("unit_amount", -1)
	if failed != nil {
		return nil, failed
	}
	if amount < 0 || amount > 99999999 {
		return nil, invalid("unit_amount", "Invalid amount: must be between 0 and 99999999")
	}
	currency := c.form.text("currency")
	if len(currency) != 3 || currency != strings.ToLower(currency) {
		return nil, invalid("currency", "Invalid currency: "+currency)
	}
	interval := c.form.form("recurring").text("interval")
	if !slices.Contains([]string{"day", "week", "month", "year"}, interval) {
		return nil, invalid("recurring[interval]", "Invalid recurring[interval]: must be one of day, month, week, or year")
	}
	key := c.form.text("lookup_key")
	if len(key) > 200 {
		return nil, invalid("lookup_key", "Invalid string: must be at most 200 characters")
	}
	for _, other := range s.all("price", func(o object) bool { return key != "" && o.str("lookup_key") == key }) {
		return nil, &Error{status: 400, Type: "invalid_request_error", Code: "resource_already_exists", Param: "lookup_key", Message: "A price (`" + other.str("id") + "`) already uses that lookup key."}
	}
	return s.add("price", s.newID("price"), object{
		"product": c.form.text("product"), "currency": currency, "unit_amount": amount, "lookup_key": key, "active": true, "type": "recurring",
		"billing_scheme": "per_unit", "recurring": object{"interval": interval, "interval_count": int64(1), "usage_type": "licensed"},
		"tax_behavior": c.form.text("tax_behavior"), "metadata": c.form.merge(nil), "nickname": c.form.text("nickname"),
	}), nil
}

func (s *Server) listPrices(c *call) (object, *Error) {
	if failed := c.form.only(listed("lookup_keys", "active", "product")...); failed != nil {
		return nil, failed
	}
	keys := c.form.texts("lookup_keys")
	if len(keys) > 10 {
		return nil, invalid("lookup_keys", "Array lookup_keys exceeded maximum 10 allowed elements.")
	}
	return s.page(c, s.all("price", func(o object) bool {
		return (len(keys) == 0 || slices.Contains(keys, o.str("lookup_key"))) && (!c.form.has("product") || o.str("product") == c.form.text("product"))
	}))
}

func (s *Server) createTaxRate(c *call) (object, *Error) {
	if failed := c.form.only("display_name", "percentage", "inclusive", "metadata", "country", "description", "active", "tax_type", "jurisdiction"); failed != nil {
		return nil, failed
	}
	percentage, err := strconv.ParseFloat(c.form.text("percentage"), 64)
	if err != nil || percentage < 0 || percentage > 100 {
		return nil, invalid("percentage", "Invalid decimal: percentage")
	}
	for _, needed := range []string{"display_name", "inclusive"} {
		if !c.form.has(needed) {
			return nil, missing(needed)
		}
	}
	return s.add("tax_rate", s.newID("txr"), object{
		"display_name": c.form.text("display_name"), "percentage": percentage, "inclusive": c.form.flag("inclusive"), "active": true,
		"metadata": c.form.merge(nil),
	}), nil
}

func (s *Server) listTaxRates(c *call) (object, *Error) {
	if failed := c.form.only(listed("active", "inclusive")...); failed != nil {
		return nil, failed
	}
	return s.page(c, s.all("tax_rate", nil))
}

func (s *Server) createCoupon(c *call) (object, *Error) {
	if failed := c.form.only("id", "name", "percent_off", "amount_off", "currency", "duration", "duration_in_months", "metadata"); failed != nil {
		return nil, failed
	}
	if c.form.has("percent_off") == c.form.has("amount_off") {
		return nil, invalid("percent_off", "You must pass exactly one of percent_off and amount_off.")
	}
	id, failed := s.named(c, "coupon", "Coupon")
	if failed != nil {
		return nil, failed
	}
	coupon := object{"name": c.form.text("name"), "duration": c.form.text("duration"), "valid": true, "metadata": c.form.merge(nil), "percent_off": nil, "amount_off": nil}
	if len(c.form.text("name")) > 40 {
		return nil, invalid("name", "Invalid string: must be at most 40 characters")
	}
	switch coupon.str("duration") {
	case "once", "forever":
	case "repeating":
		months, failed := c.form.number("duration_in_months", 0)
		if failed != nil || months < 1 {
			return nil, missing("duration_in_months")
		}
		coupon["duration_in_months"] = months
	default:
		return nil, invalid("duration", "Invalid duration: must be one of forever, once, or repeating")
	}
	if c.form.has("percent_off") {
		percent, err := strconv.ParseFloat(c.form.text("percent_off"), 64)
		if err != nil || percent <= 0 || percent > 100 {
			return nil, invalid("percent_off", "Invalid percent_off")
		}
		coupon["percent_off"] = percent
		return s.add("coupon", id, coupon), nil
	}
	amount, failed := c.form.number("amount_off", 0)
	if failed != nil || amount < 1 || c.form.text("currency") == "" {
		return nil, invalid("amount_off", "Invalid amount_off")
	}
	coupon["amount_off"], coupon["currency"] = amount, c.form.text("currency")
	return s.add("coupon", id, coupon), nil
}

var customerParams = []string{"email", "name", "description", "address", "preferred_locales", "metadata", "phone", "tax_exempt"}

func (s *Server) createCustomer(c *call) (object, *Error) {
	if failed := c.form.only(append(customerParams, "tax_id_data")...); failed != nil {
		return nil, failed
	}
	if failed := checkExempt(c.form); failed != nil {
		return nil, failed
	}
	customer := s.add("customer", s.newID("cus"), object{
		"balance": int64(0), "currency": nil, "delinquent": false, "invoice_settings": object{"default_payment_method": nil},
		"metadata": object{}, "_card": string(NoCard), "email": nil, "name": nil, "address": nil, "tax_exempt": "none",
	})
	s.setCustomer(customer, c.form)
	for _, id := range c.form.list("tax_id_data") {
		if _, failed := s.addTaxID(customer, id); failed != nil {
			delete(s.objects, customer.str("id"))
			return nil, failed
		}
	}
	s.tell("customer.created", customer)
	return customer, nil
}

func (s *Server) updateCustomer(c *call) (object, *Error) {
	customer, failed := s.find("customer", c.id, "id")
	if failed != nil {
		return nil, failed
	}
	if failed := c.form.only(customerParams...); failed != nil {
		return nil, failed
	}
	if failed := checkExempt(c.form); failed != nil {
		return nil, failed
	}
	s.setCustomer(customer, c.form)
	s.tell("customer.updated", customer)
	return customer, nil
}

func checkExempt(f form) *Error {
	if f.has("tax_exempt") && !slices.Contains([]string{"none", "exempt", "reverse"}, f.text("tax_exempt")) {
		return invalid("tax_exempt", "Invalid tax_exempt: must be one of none, exempt, or reverse")
	}
	return nil
}

func (s *Server) setCustomer(customer object, f form) {
	for _, key := range []string{"email", "name", "description", "phone", "tax_exempt"} {
		if f.has(key) {
			customer[key] = f.text(key)
		}
	}
	if f.has("address") {
		customer["address"] = f.form("address").object()
	}
	if f.has("preferred_locales") {
		locales := []any{}
		for _, l := range f.texts("preferred_locales") {
			locales = append(locales, l)
		}
		customer["preferred_locales"] = locales
	}
	customer["metadata"] = f.merge(customer.obj("metadata"))
}

func (s *Server) listCustomers(c *call) (object, *Error) { return s.list(c, "customer", "email") }

func (s *Server) addTaxID(customer object, f form) (object, *Error) {
	kind, value := f.text("type"), f.text("value")
	if kind != "eu_vat" || len(value) < 8 {
		return nil, &Error{status: 400, Type: "invalid_request_error", Code: "tax_id_invalid", Param: "value", Message: fmt.Sprintf("Invalid value for %s.", kind)}
	}
	return s.add("tax_id", s.newID("txi"), object{"customer": customer.str("id"), "type": kind, "value": value}), nil
}

func (s *Server) createTaxID(c *call) (object, *Error) {
	customer, failed := s.find("customer", c.id, "customer")
	if failed != nil {
		return nil, failed
	}
	if failed := c.form.only("type", "value"); failed != nil {
		return nil, failed
	}
	return s.addTaxID(customer, c.form)
}

func (s *Server) listTaxIDs(c *call) (object, *Error) {
	if failed := c.form.only(listed()...); failed != nil {
		return nil, failed
	}
	return s.page(c, s.all("tax_id", func(o object) bool { return o.str("customer") == c.id }))
}

func (s *Server) deleteTaxID(c *call) (object, *Error) {
	one, failed := s.find("tax_id", c.below, "id")
	if failed != nil {
		return nil, failed
	}
	if one.str("customer") != c.id {
		return nil, &Error{status: 404, Type: "invalid_request_error", Code: "resource_missing", Param: "id", Message: "No such TaxId: '" + c.below + "'"}
	}
	delete(s.objects, c.below)
	return object{"id": c.below, "object": "tax_id", "deleted": true}, nil
}
