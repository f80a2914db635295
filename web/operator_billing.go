package web

import (
	"net/http"
	"strconv"
	"strings"

	"hafen/controlplane"
	"hafen/templates"
	"hafen/tenant"
)

// The fields of who sells, and of the days of each step.
var billingFields = []string{
	"company", "name", "street", "postcode", "city", "country", "vat_id", "tax_number", "email", "phone", "iban", "bic", "bank", "register", "director",
	"small_business", "due_days", "remind_days", "restrict_days", "suspend_days", "announce_days", "delete_days",
}

func (s *Server) showBillingSettings(r *request) error {
	b, err := s.Books.Settings(r.ctx(), r.actor())
	if err != nil {
		return err
	}
	p := b.Seller
	values := map[string]string{
		"company": p.Company, "name": p.Name, "street": p.Street, "postcode": p.Postcode, "city": p.City, "country": p.Country, "vat_id": p.VATID,
		"tax_number": p.TaxNumber, "email": p.Email, "phone": p.Phone, "iban": p.IBAN, "bic": p.BIC, "bank": p.Bank, "register": p.Register,
		"director": p.Director, "due_days": strconv.Itoa(b.DueDays), "remind_days": strconv.Itoa(b.Remind), "restrict_days": strconv.Itoa(b.Restrict),
		"suspend_days": strconv.Itoa(b.Suspend), "announce_days": strconv.Itoa(b.Announce), "delete_days": strconv.Itoa(b.Delete),
	}
	if p.SmallBusiness {
		values["small_business"] = "yes"
	}
	return r.ok(templates.OperatorBillingPage(s.page(r), templates.OperatorBilling{Form: templates.Form{Values: values}}))
}

func (s *Server) saveBillingSettings(r *request) error {
	in, err := r.form(billingFields...)
	if err != nil {
		return err
	}
	settings, err := in.billingSettings()
	if err == nil {
		err = s.Books.StoreSettings(r.ctx(), r.actor(), settings)
	}
	if form, wrong := in.wrong(err); wrong {
		return r.render(http.StatusUnprocessableEntity, templates.OperatorBillingPage(at(s.page(r), "/operator/billing"), templates.OperatorBilling{Form: form}))
	}
	if err != nil {
		return err
	}
	return r.done("/operator/billing", flashBillingSaved)
}

func (in input) billingSettings() (controlplane.BillingSettings, error) {
	b := controlplane.BillingSettings{Seller: in.party()}
	p := &b.Seller
	p.TaxNumber, p.Email, p.Phone = in.get("tax_number"), in.get("email"), in.get("phone")
	p.IBAN, p.BIC, p.Bank = in.get("iban"), in.get("bic"), in.get("bank")
	p.Register, p.Director, p.SmallBusiness = in.get("register"), in.get("director"), in.get("small_business") == "yes"
	for _, days := range []struct {
		field string
		into  *int
	}{
		{"due_days", &b.DueDays},
		{"remind_days", &b.Remind},
		{"restrict_days", &b.Restrict},
		{"suspend_days", &b.Suspend},
		{"announce_days", &b.Announce},
		{"delete_days", &b.Delete},
	} {
		n, err := strconv.Atoi(strings.TrimSpace(in.get(days.field)))
		if err != nil {
			return b, &tenant.Fault{Kind: tenant.Invalid, Code: "billing.days", Field: days.field}
		}
		*days.into = n
	}
	return b, nil
}
